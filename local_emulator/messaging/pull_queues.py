"""Queues whose readers fetch: a message that was read is hidden for a while, and gone when its reader deletes it.

As in Queue Storage, who read a message last has its receipt, and only that deletes or changes it.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from retrigger.local_emulator.stores.errors import Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS pull_queues (place TEXT PRIMARY KEY, metadata TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS pull_messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT, place TEXT NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL,
    inserted REAL NOT NULL, expires REAL NOT NULL, visible REAL NOT NULL, receipt TEXT NOT NULL,
    dequeued INTEGER NOT NULL, UNIQUE (place, id)
) STRICT;
CREATE INDEX IF NOT EXISTS pull_visible ON pull_messages (place, visible, number);
"""
_INSERT = """
INSERT INTO pull_messages (place, id, text, inserted, expires, visible, receipt, dequeued)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_SELECT = "SELECT id, text, inserted, expires, visible, receipt, dequeued FROM pull_messages WHERE place = ? "


class NoQueue(NotFound):
    pass


class NoMessage(NotFound):
    pass


class QueueExists(Conflict):
    """With other metadata."""


class WrongReceipt(Invalid):
    """Somebody else has read the message since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledMessage:
    """`visible`: when readers see it (again); `dequeued`: how often it was read."""

    id: str
    text: str
    inserted: datetime
    expires: datetime
    visible: datetime
    receipt: str
    dequeued: int = 0


class PullQueues:
    """Queues by place (of Queue Storage ACCOUNT/QUEUE), on disk; safe to call from any thread."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def create(self, place: str, metadata: Mapping[str, str]) -> bool:
        """False if it was there, with the same metadata. Errors: QueueExists."""
        with self._lock, self._db:
            row = (place, json.dumps(dict(metadata)))
            made = self._db.execute("INSERT OR IGNORE INTO pull_queues VALUES (?, ?)", row).rowcount == 1
        if not made and self.metadata(place) != metadata:
            raise QueueExists("The queue exists, with other metadata.")
        return made

    def ensure(self, place: str) -> None:
        with self._lock, self._db:
            self._db.execute("INSERT OR IGNORE INTO pull_queues VALUES (?, '{}')", (place,))

    def delete(self, place: str) -> None:
        """With its messages. Errors: NoQueue."""
        with self._lock, self._db:
            self.metadata(place)
            self._db.execute("DELETE FROM pull_queues WHERE place = ?", (place,))
            self._db.execute("DELETE FROM pull_messages WHERE place = ?", (place,))

    def places(self, prefix: str) -> list[str]:
        with self._lock:
            rows = self._db.execute("SELECT place FROM pull_queues ORDER BY place")
            return [place for (place,) in rows if place.startswith(prefix)]

    def metadata(self, place: str) -> dict[str, str]:
        """Errors: NoQueue."""
        with self._lock:
            row = self._db.execute("SELECT metadata FROM pull_queues WHERE place = ?", (place,)).fetchone()
        if row is None:
            raise NoQueue(f"There is no queue {place[:300]}.")
        found: dict[str, str] = json.loads(row[0])
        return found

    def set_metadata(self, place: str, metadata: Mapping[str, str]) -> None:
        """Errors: NoQueue."""
        with self._lock, self._db:
            self.metadata(place)
            self._db.execute("UPDATE pull_queues SET metadata = ? WHERE place = ?", (json.dumps(dict(metadata)), place))

    def count(self, place: str) -> int:
        """Of messages, the hidden ones too. Errors: NoQueue."""
        with self._lock, self._db:
            self._expire(place)
            (found,) = self._db.execute("SELECT count(*) FROM pull_messages WHERE place = ?", (place,)).fetchone()
            return int(found)

    def draft(
        self, text: str, *, delay: timedelta = timedelta(), lives: timedelta = timedelta(days=7)
    ) -> PulledMessage:
        """A message that is not in any queue yet: hidden for `delay`, and forgotten when it has lived so long."""
        now = self._now()
        expires = now + lives if lives < NEVER - now else NEVER
        return PulledMessage(
            id=str(uuid.uuid4()), text=text, inserted=now, expires=expires, visible=now + delay, receipt=_receipt()
        )

    def add(self, place: str, message: PulledMessage) -> None:
        """Errors: NoQueue."""
        it = message
        times = (it.inserted.timestamp(), it.expires.timestamp(), it.visible.timestamp())
        with self._lock, self._db:
            self.metadata(place)
            self._db.execute(_INSERT, (place, it.id, it.text, *times, it.receipt, it.dequeued))

    def peek(self, place: str, most: int) -> list[PulledMessage]:
        """What a reader would get next, left as it is. Errors: NoQueue."""
        with self._lock, self._db:
            self._expire(place)
            visible = _SELECT + "AND visible <= ? ORDER BY visible, number LIMIT ?"
            rows = self._db.execute(visible, (place, self._now().timestamp(), most))
            return [_message(row) for row in rows]

    def take(self, place: str, most: int, hidden: timedelta) -> list[PulledMessage]:
        """The next ones, each with a new receipt, hidden from others for so long. Errors: NoQueue."""
        with self._lock:
            until = self._now() + hidden
            return [
                self._write(place, replace(it, visible=until, receipt=_receipt(), dequeued=it.dequeued + 1))
                for it in self.peek(place, most)
            ]

    def update(self, place: str, id_: str, receipt: str, hidden: timedelta, text: str | None) -> PulledMessage:
        """Hide it anew, and give it another text if there is one. Errors: NoQueue, NoMessage, WrongReceipt."""
        with self._lock:
            found = self._read_with(place, id_, receipt)
            changed = replace(found, visible=self._now() + hidden, receipt=_receipt())
            return self._write(place, changed if text is None else replace(changed, text=text))

    def remove(self, place: str, id_: str, receipt: str) -> None:
        """Errors: NoQueue, NoMessage, WrongReceipt."""
        with self._lock, self._db:
            self._read_with(place, id_, receipt)
            self._db.execute("DELETE FROM pull_messages WHERE place = ? AND id = ?", (place, id_))

    def clear(self, place: str) -> None:
        """Errors: NoQueue."""
        with self._lock, self._db:
            self.metadata(place)
            self._db.execute("DELETE FROM pull_messages WHERE place = ?", (place,))

    def _read_with(self, place: str, id_: str, receipt: str) -> PulledMessage:
        self._expire(place)
        row = self._db.execute(_SELECT + "AND id = ?", (place, id_)).fetchone()
        if row is None:
            raise NoMessage("There is no such message: it was deleted, or it has expired.")
        found = _message(row)
        if found.receipt != receipt:
            raise WrongReceipt("The receipt is not that of the message's last reader.")
        return found

    def _write(self, place: str, it: PulledMessage) -> PulledMessage:
        with self._db:
            self._db.execute(
                "UPDATE pull_messages SET text = ?, visible = ?, receipt = ?, dequeued = ? WHERE place = ? AND id = ?",
                (it.text, it.visible.timestamp(), it.receipt, it.dequeued, place, it.id),
            )
        return it

    def _expire(self, place: str) -> None:
        self.metadata(place)
        now = self._now().timestamp()
        self._db.execute("DELETE FROM pull_messages WHERE place = ? AND expires <= ?", (place, now))


def _receipt() -> str:
    return secrets.token_urlsafe(18)


def _message(row: tuple[str, str, float, float, float, str, int]) -> PulledMessage:
    id_, text, inserted, expires, visible, receipt, dequeued = row
    return PulledMessage(
        id=id_,
        text=text,
        inserted=datetime.fromtimestamp(inserted, UTC),
        expires=datetime.fromtimestamp(expires, UTC),
        visible=datetime.fromtimestamp(visible, UTC),
        receipt=receipt,
        dequeued=dequeued,
    )
