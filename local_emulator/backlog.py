"""What was accepted and is not yet delivered, what is dead, and the latest attempts: on disk, for one process."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from retrigger.local_emulator.push import Answer
    from retrigger.triggers.event import Json

KEPT_ATTEMPTS = 50_000

# WAL with synchronous=NORMAL: a commit survives kill -9 of the emulator; only a power cut may take the last ones.
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, subscription TEXT NOT NULL, lane TEXT, headers TEXT NOT NULL,
    body BLOB NOT NULL, accepted REAL NOT NULL, due REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    dead TEXT  -- why it is a dead letter; null while it waits
) STRICT;
CREATE INDEX IF NOT EXISTS by_due ON deliveries (due, id) WHERE dead IS NULL;
CREATE INDEX IF NOT EXISTS by_lane ON deliveries (subscription, lane, id) WHERE dead IS NULL AND lane IS NOT NULL;
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, delivery INTEGER NOT NULL, subscription TEXT NOT NULL,
    headers TEXT NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL, status INTEGER NOT NULL, answer TEXT, error TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS tallies (
    subscription TEXT NOT NULL, what TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (subscription, what)
) STRICT;
"""
# The earliest of a lane goes first, and the next only after it is gone.
_DUE = """
SELECT id FROM deliveries AS it WHERE dead IS NULL AND due <= ? AND (lane IS NULL OR id = (
    SELECT min(id) FROM deliveries WHERE dead IS NULL AND subscription = it.subscription AND lane = it.lane
)) ORDER BY due, id LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Item:
    """An accepted event on its way to one subscription. `tries` counts the attempts that were made."""

    id: int
    subscription: str
    headers: Mapping[str, str]
    body: bytes
    accepted: datetime
    tries: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One push of one item: `number` is 1 on the first; `status`, `answer` and `error` are the Answer's."""

    delivery: int
    subscription: str
    headers: Mapping[str, str]
    number: int
    at: datetime
    status: int
    answer: Json
    error: str | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An item that will not be tried again, with the reason."""

    item: Item
    reason: str


class Backlog:
    """Not thread-safe: the engine that owns it holds a lock around every call."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def add(
        self,
        subscription: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        lane: str | None,
        copies: int,
        now: datetime,
    ) -> None:
        row = (subscription, lane, json.dumps(dict(headers)), body, now.timestamp(), now.timestamp())
        with self._db:
            self._db.executemany(
                "INSERT INTO deliveries (subscription, lane, headers, body, accepted, due) VALUES (?, ?, ?, ?, ?, ?)",
                [row] * copies,
            )
            self._tally(subscription, "accepted", copies)

    def due(self, now: datetime, besides: Collection[int] = ()) -> Item | None:
        """The earliest item that is due and not among `besides`."""
        ids = (row[0] for row in self._db.execute(_DUE, (now.timestamp(), len(besides) + 1)))
        chosen = next((id_ for id_ in ids if id_ not in besides), None)
        return None if chosen is None else self._item(chosen)

    def next_due(self, now: datetime) -> datetime | None:
        """When the first item becomes due that is not due now."""
        row = self._db.execute("SELECT min(due) FROM deliveries WHERE dead IS NULL AND due > ?", (now.timestamp(),))
        (due,) = row.fetchone()
        return None if due is None else datetime.fromtimestamp(due, UTC)

    def waiting(self, subscription: str) -> frozenset[int]:
        rows = self._db.execute("SELECT id FROM deliveries WHERE dead IS NULL AND subscription = ?", (subscription,))
        return frozenset(row[0] for row in rows)

    def hold(self, subscription: str, now: datetime, until: datetime) -> None:
        """Everything of a subscription that is due waits: nobody is there to take it."""
        with self._db:
            self._db.execute(
                "UPDATE deliveries SET due = ? WHERE dead IS NULL AND subscription = ? AND due <= ?",
                (until.timestamp(), subscription, now.timestamp()),
            )

    def again(self, item: Item, answer: Answer, now: datetime, due: datetime) -> None:
        with self._db:
            self._record(item, answer, now)
            self._db.execute(
                "UPDATE deliveries SET due = ?, tries = tries + 1 WHERE id = ?", (due.timestamp(), item.id)
            )
            self._tally(item.subscription, "refused")

    def done(self, item: Item, answer: Answer, now: datetime) -> None:
        with self._db:
            self._record(item, answer, now)
            self._db.execute("DELETE FROM deliveries WHERE id = ?", (item.id,))
            self._tally(item.subscription, "delivered")

    def give_up(self, item: Item, reason: str, *, keep: bool, now: datetime, answer: Answer | None) -> None:
        """Make it a dead letter, or forget it where the subscription keeps none. `answer` is None if none was asked."""
        with self._db:
            if answer is not None:
                self._record(item, answer, now)
            if keep:
                self._db.execute(
                    "UPDATE deliveries SET dead = ?, tries = ? WHERE id = ?", (reason, item.tries, item.id)
                )
            else:
                self._db.execute("DELETE FROM deliveries WHERE id = ?", (item.id,))
            self._tally(item.subscription, "dead" if keep else "dropped")

    def forget(self, subscription: str) -> None:
        """A deleted subscription takes its undelivered messages with it."""
        with self._db:
            self._db.execute("DELETE FROM deliveries WHERE dead IS NULL AND subscription = ?", (subscription,))

    def attempts(self, limit: int) -> list[Attempt]:
        """The latest attempts, oldest first."""
        rows = self._db.execute(
            "SELECT delivery, subscription, headers, number, at, status, answer, error FROM attempts"
            " ORDER BY id DESC LIMIT ?",
            (limit,),
        )
        return [
            Attempt(id_, name, json.loads(headers), number, _time(at), status, json.loads(answer), error)
            for id_, name, headers, number, at, status, answer, error in reversed(rows.fetchall())
        ]

    def dead(self, limit: int) -> list[DeadLetter]:
        rows = self._db.execute("SELECT id, dead FROM deliveries WHERE dead IS NOT NULL ORDER BY id LIMIT ?", (limit,))
        return [DeadLetter(self._item(id_), reason) for id_, reason in rows.fetchall()]

    def tallies(self) -> dict[str, dict[str, int]]:
        """Subscription to {accepted, delivered, refused, dead, dropped} since the state folder was made."""
        counts: dict[str, dict[str, int]] = {}
        for subscription, what, count in self._db.execute(
            "SELECT subscription, what, count FROM tallies ORDER BY 1, 2"
        ):
            counts.setdefault(subscription, {})[what] = count
        return counts

    def _item(self, id_: int) -> Item:
        columns = "id, subscription, headers, body, accepted, tries"
        row = self._db.execute(f"SELECT {columns} FROM deliveries WHERE id = ?", (id_,)).fetchone()  # noqa: S608 (a literal)
        number, subscription, headers, body, accepted, tries = row
        return Item(number, subscription, json.loads(headers), body, _time(accepted), tries)

    def _record(self, item: Item, answer: Answer, now: datetime) -> None:
        cursor = self._db.execute(
            "INSERT INTO attempts (delivery, subscription, headers, number, at, status, answer, error)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                item.id,
                item.subscription,
                json.dumps(dict(item.headers)),
                item.tries + 1,
                now.timestamp(),
                answer.status,
                json.dumps(answer.body),
                answer.error,
            ),
        )
        self._db.execute("DELETE FROM attempts WHERE id <= ?", ((cursor.lastrowid or 0) - KEPT_ATTEMPTS,))

    def _tally(self, subscription: str, what: str, by: int = 1) -> None:
        self._db.execute(
            "INSERT INTO tallies VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
            (subscription, what, by),
        )


def _time(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
