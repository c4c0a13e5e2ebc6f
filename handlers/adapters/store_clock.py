"""A store's clock, told from the stamps that its answers carry."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from typing import Final

# Stamps are often whole seconds, and an answer takes its time.
_CURRENT: Final = timedelta(seconds=2)


class StoreClock:
    """Never ahead of the store: a stamp is older than the answer that brings it, and time passes here as it does there.

    Behind by as much as the best of the stamps was old when it came. After `good_for` without one that fits what was
    known, the store should be asked again.
    """

    def __init__(self, good_for: timedelta) -> None:
        self._good_for = good_for.total_seconds()
        self._lock = threading.Lock()
        self._good_until = float("-inf")
        self._start: datetime | None = None  # what the store's clock showed, at least, when monotonic time was 0

    @property
    def is_good(self) -> bool:
        return time.monotonic() < self._good_until

    def saw(self, stamp: datetime, *, new: bool = False) -> None:
        """Learn from a stamp. `new`: it was made just now, because we asked for it."""
        at = time.monotonic()
        start = stamp - timedelta(seconds=at)
        with self._lock:
            if new or (self._start is not None and start > self._start - _CURRENT):
                self._good_until = at + self._good_for
            self._start = start if self._start is None else max(start, self._start)

    def now(self) -> datetime:
        """Only after a stamp was seen."""
        assert self._start is not None
        return self._start + timedelta(seconds=time.monotonic())
