"""The SQLite index of buckets, objects and unannounced changes. It knows rows, not rules: those are in `objects`."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from retrigger.local_emulator.stores.resource import Bucket, ObjectChange, StoredObject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from retrigger.local_emulator.stores.listing import Place

# Names are blobs: SQLite then orders them by their UTF-8 bytes, as the cloud does, and takes any character.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, metageneration INTEGER, created TEXT, updated TEXT, settings TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT, name BLOB, generation INTEGER, metageneration INTEGER, size INTEGER, crc32c TEXT, md5 TEXT,
    created TEXT, updated TEXT, deleted TEXT, components INTEGER, attributes TEXT, metadata TEXT,
    PRIMARY KEY (bucket, name, generation)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unannounced (id INTEGER PRIMARY KEY, kind TEXT, resource TEXT, attributes TEXT, time TEXT);
CREATE TABLE IF NOT EXISTS generations (last INTEGER);
INSERT INTO generations SELECT 0 WHERE NOT EXISTS (SELECT * FROM generations);
"""


class Index:
    """Every call stands inside `transaction()`: what happens there is one step for all threads and for a crash."""

    def __init__(self, path: Path) -> None:
        """Errors: RuntimeError if another process has the file open."""
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, timeout=0)
        try:
            # One owner: a second one would sweep away the first one's uploads. NORMAL: a crash of the process loses
            # nothing, a power cut perhaps the last moments.
            self._db.executescript(
                f"PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {_SCHEMA}"
            )
        except sqlite3.OperationalError as error:
            self._db.close()
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            raise RuntimeError(f"{path} belongs to another emulator that still runs; stop that one first.") from error

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock, self._db:
            yield

    # buckets

    def bucket(self, name: str) -> Bucket | None:
        row = self._db.execute("SELECT * FROM buckets WHERE name = ?", (name,)).fetchone()
        return _bucket(row) if row else None

    def buckets(self) -> list[Bucket]:
        return [_bucket(row) for row in self._db.execute("SELECT * FROM buckets ORDER BY name")]

    def put_bucket(self, bucket: Bucket) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO buckets VALUES (?, ?, ?, ?, ?)",
            (
                bucket.name,
                bucket.metageneration,
                bucket.created.isoformat(),
                bucket.updated.isoformat(),
                json.dumps(bucket.settings),
            ),
        )

    def remove_bucket(self, name: str) -> None:
        self._db.execute("DELETE FROM buckets WHERE name = ?", (name,))

    def is_empty(self, bucket: str) -> bool:
        return self._db.execute("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", (bucket,)).fetchone() is None

    # objects

    def live(self, bucket: str, name: str) -> StoredObject | None:
        row = self._db.execute(
            "SELECT * FROM objects WHERE bucket = ? AND name = ? AND deleted IS NULL", (bucket, name.encode())
        ).fetchone()
        return _stored(row) if row else None

    def version(self, bucket: str, name: str, generation: int) -> StoredObject | None:
        row = self._db.execute(
            "SELECT * FROM objects WHERE bucket = ? AND name = ? AND generation = ?",
            (bucket, name.encode(), generation),
        ).fetchone()
        return _stored(row) if row else None

    def scan(self, bucket: str, start: Place, end: bytes | None, *, versions: bool) -> Iterator[StoredObject]:
        """Objects of the bucket in order of name and generation, from `start` on, before `end`."""
        where, bounds = "bucket = ? AND (name, generation) >= (?, ?)", [bucket, *start]
        if end is not None:
            where, bounds = f"{where} AND name < ?", [*bounds, end]
        if not versions:
            where = f"{where} AND deleted IS NULL"
        query = f"SELECT * FROM objects WHERE {where} ORDER BY name, generation"  # noqa: S608 - of constants only
        for row in self._db.execute(query, bounds):
            yield _stored(row)

    def put(self, stored: StoredObject) -> None:
        self._db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _row(stored))

    def remove(self, stored: StoredObject) -> None:
        self._db.execute(
            "DELETE FROM objects WHERE bucket = ? AND name = ? AND generation = ?",
            (stored.bucket, stored.name.encode(), stored.generation),
        )

    def remove_objects(self, bucket: str) -> list[int]:
        """Remove all of a bucket, and give their generations."""
        gone = self._db.execute("DELETE FROM objects WHERE bucket = ? RETURNING generation", (bucket,)).fetchall()
        return [generation for (generation,) in gone]

    def generations(self) -> set[int]:
        return {generation for (generation,) in self._db.execute("SELECT generation FROM objects")}

    def next_generation(self, now: datetime) -> int:
        """Microseconds since 1970, but always more than the last one, whatever the clock says."""
        (last,) = self._db.execute("SELECT last FROM generations").fetchone()
        generation = max(int(last) + 1, int(now.timestamp() * 1_000_000))
        self._db.execute("UPDATE generations SET last = ?", (generation,))
        return generation

    # changes

    def add_change(self, change: ObjectChange) -> int:
        cursor = self._db.execute(
            "INSERT INTO unannounced (kind, resource, attributes, time) VALUES (?, ?, ?, ?)",
            (change.kind, json.dumps(change.resource), json.dumps(change.attributes), change.time.isoformat()),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def changes(self) -> list[tuple[int, ObjectChange]]:
        rows = self._db.execute("SELECT id, kind, resource, attributes, time FROM unannounced ORDER BY id")
        return [
            (key, ObjectChange(kind, json.loads(resource), json.loads(attributes), datetime.fromisoformat(time)))
            for key, kind, resource, attributes, time in rows
        ]

    def remove_change(self, key: int) -> None:
        self._db.execute("DELETE FROM unannounced WHERE id = ?", (key,))


def _bucket(row: tuple[str, int, str, str, str]) -> Bucket:
    name, metageneration, created, updated, settings = row
    return Bucket(
        name, metageneration, datetime.fromisoformat(created), datetime.fromisoformat(updated), json.loads(settings)
    )


def _row(stored: StoredObject) -> tuple[str | bytes | int | None, ...]:
    return (
        stored.bucket,
        stored.name.encode(),
        stored.generation,
        stored.metageneration,
        stored.size,
        stored.crc32c,
        stored.md5,
        stored.created.isoformat(),
        stored.updated.isoformat(),
        stored.deleted.isoformat() if stored.deleted else None,
        stored.components,
        json.dumps(stored.attributes),
        json.dumps(stored.metadata),
    )


def _stored(
    row: tuple[str, bytes, int, int, int, str, str | None, str, str, str | None, int | None, str, str],
) -> StoredObject:
    bucket, name, generation, metageneration, size, crc32c, md5, created, updated, deleted, components, *texts = row
    attributes, metadata = texts
    return StoredObject(
        bucket=bucket,
        name=name.decode(),
        generation=generation,
        metageneration=metageneration,
        size=size,
        crc32c=crc32c,
        md5=md5,
        created=datetime.fromisoformat(created),
        updated=datetime.fromisoformat(updated),
        deleted=datetime.fromisoformat(deleted) if deleted else None,
        components=components,
        attributes=json.loads(attributes),
        metadata=json.loads(metadata),
    )
