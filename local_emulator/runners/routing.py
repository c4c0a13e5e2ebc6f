"""Which deployment answers a request, and what has become of the requests that were answered."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

BOUNDS_MS: Final = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 2000, 5000, 10000, 60000)
"""Upper bounds, each included, of the buckets of latencies; one more bucket holds what took longer."""

# Those that the server is to blame for: 5xx, and what Azure ML says instead: 408 (too slow), 424 (the model failed).
_FAILED: Final = frozenset({408, 424, *range(500, 600)})
_KEPT_MINUTES = 2 * 24 * 60
_MINUTE = timedelta(minutes=1)
_STRIDE = 61  # shares no divisor with 100, and is near its golden section: neighbours in time land far apart


def pick(split: Mapping[str, int], draw: int) -> str | None:
    """The deployment that the request number `draw`, 0 to 99, goes to; None where the split, in percent, has no share.

    Of a hundred draws in a row each deployment gets exactly its percentage, in turns rather than in one run.
    """
    at = draw * _STRIDE % 100
    for name, share in sorted(split.items()):
        if at < share:
            return name
        at -= share
    return None


@dataclass(slots=True)
class Tally:
    """Requests of some time: how many had each status, and how many latencies fell into each bucket (BOUNDS_MS)."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))

    @property
    def requests(self) -> int:
        return self.statuses.total()

    @property
    def failures(self) -> int:
        """Those that were not the caller's fault."""
        return sum(count for status, count in self.statuses.items() if status in _FAILED)

    def add(self, status: int, latency_ms: float) -> None:
        self.statuses[status] += 1
        self.latencies[bisect_left(BOUNDS_MS, latency_ms)] += 1

    def quantile_ms(self, share: float) -> int | None:
        """A latency that `share` of the requests did not exceed: a bucket's bound. None where there were none."""
        left = share * self.requests
        for bound, count in zip((*BOUNDS_MS, BOUNDS_MS[-1]), self.latencies, strict=True):
            left -= count
            if left <= 0 and self.requests:
                return bound
        return None

    @classmethod
    def sum(cls, tallies: Iterable[Tally]) -> Tally:
        total = cls()
        for one in tallies:
            total.statuses += one.statuses
            total.latencies = [mine + more for mine, more in zip(total.latencies, one.latencies, strict=True)]
        return total


class Traffic:
    """Counts requests, minute by minute, for two days; safe for threads. It forgets when the emulator ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._draws: Counter[str] = Counter()
        self._minutes: dict[tuple[str, str], dict[datetime, Tally]] = {}

    def draw(self, endpoint: str) -> int:
        """The number of the endpoint's next request, for `pick`."""
        with self._lock:
            self._draws[endpoint] += 1
            return (self._draws[endpoint] - 1) % 100

    def count(self, endpoint: str, deployment: str, status: int, latency_ms: float, at: datetime) -> None:
        minute = at.replace(second=0, microsecond=0)
        with self._lock:
            minutes = self._minutes.setdefault((endpoint, deployment), {})
            minutes.setdefault(minute, Tally()).add(status, latency_ms)
            if len(minutes) > _KEPT_MINUTES:
                del minutes[min(minutes)]

    def minutes(self, endpoint: str, deployment: str, since: datetime, until: datetime) -> dict[datetime, Tally]:
        """What was counted in the minutes that began at `since` or later, and before `until`; no empty ones."""
        with self._lock:
            found = self._minutes.get((endpoint, deployment), {})
            return {at: Tally.sum([tally]) for at, tally in sorted(found.items()) if since <= at < until}

    def of(self, endpoint: str, deployment: str, since: datetime, until: datetime) -> Tally:
        return Tally.sum(self.minutes(endpoint, deployment, since, until).values())

    def forget(self, endpoint: str) -> None:
        """When an endpoint is deleted."""
        with self._lock:
            self._draws.pop(endpoint, None)
            self._minutes = {key: kept for key, kept in self._minutes.items() if key[0] != endpoint}
