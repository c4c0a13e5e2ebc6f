"""Measuring: rounds that take turns, medians, operations counted, progress told."""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from retrigger.handlers.ports import in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from retrigger.handlers.ports import Entry, Record, Records
    from retrigger.triggers.event import Json

_Name = TypeVar("_Name")
_Value = TypeVar("_Value")


def progress(text: str) -> None:
    """On stderr: a table or a JSON line stands alone on stdout."""
    print(f"… {text}", file=sys.stderr, flush=True)


def in_turns(cases: Mapping[_Name, Callable[[], float]], rounds: int) -> dict[_Name, float]:
    """The median of what each case returns."""
    return {name: statistics.median(values) for name, values in rounds_of(cases, rounds).items()}


def rounds_of(cases: Mapping[_Name, Callable[[], _Value]], rounds: int) -> dict[_Name, list[_Value]]:
    """All that each case returns. Every round asks all, each round in another order: drift hits all alike."""
    names = list(cases)
    found: dict[_Name, list[_Value]] = {name: [] for name in names}
    for number in range(rounds):
        at = number % len(names)
        for name in names[at:] + names[:at]:
            found[name].append(cases[name]())
    return found


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, by the wall."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class CountingRecords:
    """Records that count what is asked of them, by method. The clock is left out: no store is asked for its time."""

    def __init__(self, inner: Records) -> None:
        self._inner = inner
        self.counts: Counter[str] = Counter()

    def get(self, key: str) -> Record | None:
        self.counts["get"] += 1
        return self._inner.get(key)

    def get_many(self, keys: Iterable[str]) -> Iterator[Record]:
        return (record for key in keys if (record := self.get(key)) is not None)

    def create(self, key: str, body: Mapping[str, Json]) -> Record | None:
        self.counts["create"] += 1
        return self._inner.create(key, body)

    create_all = in_turn

    def swap(self, old: Record, body: Mapping[str, Json]) -> Record | None:
        self.counts["swap"] += 1
        return self._inner.swap(old, body)

    def list(self, prefix: str, limit: int | None = None) -> Iterable[Entry]:
        self.counts["list"] += 1
        return self._inner.list(prefix, limit)

    def delete(self, keys: Iterable[str]) -> None:
        self.counts["delete"] += 1
        self._inner.delete(keys)

    def now(self) -> datetime:
        return self._inner.now()

    def taken(self) -> dict[str, int]:
        """The counts since the last call, sorted by method."""
        taken = dict(sorted(self.counts.items()))
        self.counts.clear()
        return taken
