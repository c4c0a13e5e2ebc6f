"""What the ledger costs: claims a second, and how often one event asks it for something."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrigger.handlers.adapters.memory import MemoryRecords
from retrigger.handlers.adapters.sqlite import SqliteRecords
from retrigger.handlers.ledger import Ledger
from retrigger.handlers.records import Claim
from tests.benchmarks.measure import CountingRecords, in_turns
from tests.benchmarks.report import Benchmark, Report, Target
from tests.benchmarks.scenes import DIRECT, NOW, WINDOWED, Scene, asked_of, dropped
from tests.benchmarks.trips import trips
from tests.benchmarks.writers import Writers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from retrigger.handlers.ports import Records

_ROUNDS: Final = 5
_WRITERS: Final = 2
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - files in memory, which sync at once: what the disk takes is left out
_LINES: Final = {
    "fsync": "4 KiB written and synced: the disk's own pace",
    "sqlite": "claims, SQLite at synchronous=FULL",
    "memory": "claims, memory",
    "writers": f"events of {_WRITERS} processes, SQLite",
    "writers_in_memory": f"events of {_WRITERS} processes, SQLite in a folder that syncs at once",
}
_PAGE: Final = b"x" * 4096
_PACE: Final = f"files a second of {_WRITERS} processes, SQLite"
_ENOUGH: Final = 100
"""Claims a round that tell a pace: a test takes a few, to see that the benchmark runs."""


def run(sizes: Sequence[int]) -> Report:
    """`sizes`: claims a round."""
    (claims,) = sizes
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        names = (f"{number:064x}" for number in count())
        cases: dict[str, Callable[[], float]] = {
            "fsync": partial(_time_fsync, folder / "floor", claims),
            "sqlite": partial(_time_claims, SqliteRecords(folder / "ledger.sqlite3"), names, claims),
            "memory": partial(_time_claims, MemoryRecords(lambda: NOW), names, claims),
        }
        shared = {"writers": folder}
        if _MEMORY.is_dir():
            shared["writers_in_memory"] = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=_MEMORY)))
        for name, place in shared.items():
            writers = stack.enter_context(Writers(place / "shared.sqlite3", _WRITERS))
            cases[name] = partial(writers.seconds, claims)
        a_second = {name: claims / took for name, took in in_turns(cases, _ROUNDS).items()}
        gone_out = trips(folder / "bucket")
    asked = _asked()
    return Report(
        columns=("", "a second"),
        rows=[(line, a_second[name]) for name, line in _LINES.items() if name in a_second],
        data={
            "per_second": dict(a_second),
            f"sqlite_events_per_s_{_WRITERS}_processes": a_second["writers"],
            "operations": {name: sum(it.values()) for name, it in asked.items()},
            "trips": {name: dict(it) for name, it in gone_out.items()},
        },
        targets=[
            Target("operations of a windowed event", sum(asked["windowed"].values()), 3),
            Target("operations of its duplicate", sum(asked["windowed_duplicate"].values()), 4),
            *([Target(_PACE, a_second["writers"], 2_000, at_least=True)] if claims >= _ENOUGH else []),
        ],
        notes=[
            f"medians of {_ROUNDS} rounds that take turns, {claims} claims each",
            "an event of two processes is claimed, and recorded as a member: one transaction, synced",
            *(f"{name.replace('_', ' ')}: {_listed(it, 'operations')}" for name, it in asked.items()),
            *(f"{name.replace('_', ' ')}, in a bucket: {_listed(it, 'trips')}" for name, it in gone_out.items()),
        ],
    )


def _time_claims(records: Records, names: Iterator[str], claims: int) -> float:
    ledger = Ledger(records, "bench")
    claim = Claim(state="member", trigger="t", event=dropped("in/dt=1/a.csv").to_json(), window="w")
    began = time.perf_counter()
    for _ in range(claims):
        created = ledger.claims.create(next(names), claim)
        assert created is not None
    return time.perf_counter() - began


def _time_fsync(path: Path, times: int) -> float:
    with path.open("wb", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(times):
            file.write(_PAGE)
            os.fdatasync(file.fileno())
        return time.perf_counter() - began


def _asked() -> dict[str, dict[str, int]]:
    records = CountingRecords(MemoryRecords(lambda: NOW))
    return asked_of(Scene(records, WINDOWED, DIRECT).app.core, records.taken)


def _listed(counts: dict[str, int], what: str) -> str:
    each = ", ".join(f"{times} {method}" for method, times in counts.items())
    return f"{sum(counts.values())} {what} ({each})"


LEDGER: Final = Benchmark(
    line="claims a second, operations an event", unit="claims a round", sizes=(300,), smallest=(3,), run=run
)
