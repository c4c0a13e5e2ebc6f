"""A clock that can be wound: the host's time plus an offset that only grows, kept in the state folder."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from retrigger.local_emulator.state import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class WoundClock:
    """Aware UTC time; `advance` moves it for everybody who asks, and tells those who wait for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._listeners: list[Callable[[timedelta], None]] = []
        self.offset = timedelta(seconds=json.loads(path.read_text())["offset_s"]) if path.exists() else timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def on_advance(self, listener: Callable[[timedelta], None]) -> None:
        """Call `listener(offset)` after each winding; the ledger keeps its own copy of the offset."""
        self._listeners.append(listener)

    def advance(self, by: timedelta) -> datetime:
        """Wind forward. Errors: ValueError for a negative duration, since events have already seen the present."""
        if by < timedelta():
            raise ValueError("the clock only goes forward")
        with self._lock:
            self.offset += by
            write_atomically(self._path, json.dumps({"offset_s": self.offset.total_seconds()}))
        for listener in self._listeners:
            listener(self.offset)
        return self.now()
