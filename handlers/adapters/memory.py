"""Records in memory: the twin that tests and the Sandbox run on, held to the same contract as the real stores."""

from __future__ import annotations

import bisect
import json
import threading
from typing import TYPE_CHECKING

from retrigger.handlers.ports import Entry, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from retrigger.triggers.event import Json


class MemoryRecords:
    """Linearizable and thread-safe. Bodies go through JSON: nothing is shared that a real store would not share."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: dict[str, tuple[int, datetime, str]] = {}
        self._keys: list[str] = []
        self._version = 0
        self._last = clock()

    def get(self, key: str) -> Record | None:
        row = self._rows.get(key)
        return row and Record(key, str(row[0]), row[1], json.loads(row[2]))

    def create(self, key: str, body: Mapping[str, Json]) -> Record | None:
        with self._lock:
            if key in self._rows:
                return None
            bisect.insort(self._keys, key)
            return self._write(key, body)

    def swap(self, old: Record, body: Mapping[str, Json]) -> Record | None:
        with self._lock:
            row = self._rows.get(old.key)
            if row is None or str(row[0]) != old.version:
                return None
            return self._write(old.key, body)

    def list(self, prefix: str, limit: int | None = None) -> Iterator[Entry]:
        with self._lock:
            start = bisect.bisect_left(self._keys, prefix)
            keys = self._keys[start : bisect.bisect_left(self._keys, prefix + "\U0010ffff", start)][:limit]
            rows = [(key, self._rows[key]) for key in keys]
        return iter([Entry(key, str(version), time) for key, (version, time, _) in rows])

    def delete(self, keys: Iterable[str]) -> None:
        with self._lock:
            for key in keys:
                if self._rows.pop(key, None) is not None:
                    del self._keys[bisect.bisect_left(self._keys, key)]

    def now(self) -> datetime:
        return max(self._clock(), self._last)

    def _write(self, key: str, body: Mapping[str, Json]) -> Record:
        self._version += 1
        self._last = self.now()
        text = json.dumps(body)
        self._rows[key] = (self._version, self._last, text)
        return Record(key, str(self._version), self._last, json.loads(text))
