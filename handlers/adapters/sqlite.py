"""Records in one SQLite file: the ledger of a laptop, safe for many processes of one machine.

Write-ahead log with `synchronous=FULL`: what was answered survives the machine's power, not only the process.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import sqlite3
import threading
import time
import weakref
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from retrigger.handlers.ports import Entry, Record
from retrigger.triggers.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from retrigger.triggers.event import Json

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, ver INTEGER, time INTEGER, body TEXT) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY, ver INTEGER, last INTEGER, wound INTEGER)",
    "INSERT OR IGNORE INTO clock VALUES (0, 0, 0, 0)",
)
_INSERT = "INSERT OR IGNORE INTO kv (key, ver, time, body) VALUES (?, ?, ?, ?)"
_UPDATE = "UPDATE kv SET ver = ?, time = ?, body = ? WHERE key = ? AND ver = ?"
_BUSY_S = 30.0
_ASKED_AGAIN_S = 0.0005  # writers take turns of a sync each: milliseconds, with a small gap in between
_ASKED_SOON_S = 0.00002
_A_TURN_S = 0.002
_PAGE = 1_000


class _Turn:
    """Whose turn it is to write, by a lock on a file beside the ledger: to ask for it is one call of the kernel.

    It spares SQLite those who ask in vain, no more: its own lock is taken under it. Who dies gives it up. Who is
    stopped in it keeps it: the others give up after `patience` seconds.
    """

    def __init__(self, path: Path, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._threads = threading.Lock()
        self._files: dict[int, int] = {}  # a process that was forked opens its own: it would share its parent's turn

    @contextmanager
    def taken(self) -> Iterator[None]:
        deadline = time.monotonic() + self._patience
        if not self._threads.acquire(timeout=self._patience):
            raise self._kept()
        try:
            file = self._file()
            self._take(file, deadline)
            try:
                yield
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def _take(self, file: int, deadline: float) -> None:
        """Ask again and again, at first as soon as a turn can be over."""
        soon = time.monotonic() + _A_TURN_S
        while True:
            try:
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                now = time.monotonic()
            if now > deadline:
                raise self._kept()
            time.sleep(_ASKED_SOON_S if now < soon else _asked_again())

    def _kept(self) -> Unavailable:
        message = f"somebody keeps the turn to write, {self._path}: is a process stopped? Let it go on, or end it"
        return Unavailable(message, code="ledger_busy")

    def _file(self) -> int:
        process = os.getpid()
        if process not in self._files:
            self._files[process] = file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            weakref.finalize(self, os.close, file)
        return self._files[process]


class SqliteRecords:
    """Versions come from one counter that never repeats; times are microseconds since the epoch, never going back."""

    def __init__(self, path: Path, patience: float = _BUSY_S) -> None:
        """`patience`: for how many seconds a write waits for others. Raises Unavailable."""
        self._path = path
        self._patience = patience
        self._local = threading.local()
        self._turn = _Turn(path.with_name(f"{path.name}-turn"), patience)
        with self._failing_as_unavailable():
            self._execute("PRAGMA journal_mode=WAL")
            with self._writing() as cursor:
                for statement in _SCHEMA:
                    cursor.execute(statement)

    def get(self, key: str) -> Record | None:
        with self._failing_as_unavailable():
            row = self._execute("SELECT ver, time, body FROM kv WHERE key = ?", (key,)).fetchone()
        return row and Record(key, str(row[0]), json.loads(row[2]), _datetime(row[1]))

    def get_many(self, keys: Iterable[str]) -> Iterator[Record]:
        return (record for key in keys if (record := self.get(key)) is not None)

    def create(self, key: str, body: Mapping[str, Json]) -> Record | None:
        return self.create_all({key: body})

    def create_all(self, bodies: Mapping[str, Mapping[str, Json]]) -> Record | None:
        """In one transaction: what is synced to the disk is all of them, and once."""
        (first, text), *others = ((key, json.dumps(body)) for key, body in bodies.items())
        with self._failing_as_unavailable(), self._writing() as cursor:
            version, now = self._stamp(cursor)
            if cursor.execute(_INSERT, (first, version, now, text)).rowcount == 0:
                return None
            cursor.executemany(_INSERT, ((key, version, now, other) for key, other in others))
            self._stamped(cursor, version, now)
            return Record(first, str(version), json.loads(text))

    def swap(self, old: Record, body: Mapping[str, Json]) -> Record | None:
        text = json.dumps(body)
        with self._failing_as_unavailable(), self._writing() as cursor:
            version, now = self._stamp(cursor)
            if cursor.execute(_UPDATE, (version, now, text, old.key, int(old.version))).rowcount == 0:
                return None
            self._stamped(cursor, version, now)
            return Record(old.key, str(version), json.loads(text))

    def list(self, prefix: str, limit: int | None = None) -> Iterator[Entry]:
        """Pages of 1,000, so that a backlog of any length is walked in constant memory."""
        after, left = prefix, limit
        query = "SELECT key, ver, time FROM kv WHERE key {} ? AND key < ? ORDER BY key LIMIT ?"
        start = query.format(">=")
        while left is None or left > 0:
            page = _PAGE if left is None else min(_PAGE, left)
            with self._failing_as_unavailable():
                rows = self._execute(start, (after, prefix + "\U0010ffff", page)).fetchall()
            yield from (Entry(key, str(version), _datetime(time)) for key, version, time in rows)
            if len(rows) < page:
                return
            after, start = rows[-1][0], query.format(">")
            left = None if left is None else left - len(rows)

    def delete(self, keys: Iterable[str]) -> None:
        with self._failing_as_unavailable(), self._writing() as cursor:
            cursor.executemany("DELETE FROM kv WHERE key = ?", ((key,) for key in keys))

    def now(self) -> datetime:
        with self._failing_as_unavailable():
            last, wound = self._execute("SELECT last, wound FROM clock").fetchone()
        return _datetime(max(_host_us() + wound, last))

    def wind(self, offset: timedelta) -> None:
        """Set how far this store's clock is ahead of the host's: only the emulator's clock can be wound."""
        with self._failing_as_unavailable(), self._writing() as cursor:
            cursor.execute("UPDATE clock SET wound = max(wound, ?)", (offset // timedelta(microseconds=1),))

    def _stamp(self, cursor: sqlite3.Cursor) -> tuple[int, int]:
        """The version and the time of what this transaction writes."""
        version, last, wound = cursor.execute("SELECT ver + 1, last, wound FROM clock").fetchone()
        return version, max(_host_us() + wound, last)

    def _stamped(self, cursor: sqlite3.Cursor, version: int, now: int) -> None:
        """After what is new: a transaction that writes nothing is not synced."""
        cursor.execute("UPDATE clock SET ver = ?, last = ?", (version, now))

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=0, isolation_level=None)
            connection.execute("PRAGMA synchronous=FULL")
            self._local.connection = connection
        return connection

    def _execute(self, statement: str, parameters: tuple[str | int, ...] = ()) -> sqlite3.Cursor:
        """Outside a transaction, or the start of one: waits for the file while others have it, who take no turns.

        SQLite's own way of waiting sleeps ever longer, up to 100 ms, and so misses the gaps between the others.
        """
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._connection().execute(statement, parameters)
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # the rest says what kind of busy
                if not busy or time.monotonic() > deadline:
                    raise
            time.sleep(_asked_again())

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Cursor]:
        with self._turn.taken():
            cursor = self._execute("BEGIN IMMEDIATE")
            try:
                yield cursor
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    @contextmanager
    def _failing_as_unavailable(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            message = f"the ledger {self._path} cannot be used: {error}. Is its folder there, writable, and not full?"
            raise Unavailable(message, code="ledger_unavailable") from error


def _asked_again() -> float:
    """After how many seconds."""
    return _ASKED_AGAIN_S * random.uniform(0.5, 1.5)  # noqa: S311 - it spreads who asks, it hides nothing


def _host_us() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000_000)


def _datetime(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC) + timedelta(microseconds=microseconds % 1_000_000)
