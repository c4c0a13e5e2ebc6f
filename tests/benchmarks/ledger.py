"""What the ledger costs: claims a second, and how often one event asks it for something."""

from __future__ import annotations

import os
import tempfile
import time
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
from tests.benchmarks.scenes import DIRECT, NOW, WINDOWED, Scene, dropped, published

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retrigger.handlers.ports import Records
    from retrigger.triggers.event import Event

_ROUNDS: Final = 5
_PAGE: Final = b"x" * 4096


def run(sizes: Sequence[int]) -> Report:
    """`sizes`: claims a round."""
    (claims,) = sizes
    with tempfile.TemporaryDirectory() as folder:
        names = (f"{number:064x}" for number in count())
        cases = {
            "fsync": partial(_time_fsync, Path(folder, "floor"), claims),
            "sqlite": partial(_time_claims, SqliteRecords(Path(folder, "ledger.sqlite3")), names, claims),
            "memory": partial(_time_claims, MemoryRecords(lambda: NOW), names, claims),
        }
        a_second = {name: claims / took for name, took in in_turns(cases, _ROUNDS).items()}
    asked = _asked()
    return Report(
        columns=("", "a second"),
        rows=[
            ("4 KiB written and synced: the disk's own pace", a_second["fsync"]),
            ("claims, SQLite at synchronous=FULL", a_second["sqlite"]),
            ("claims, memory", a_second["memory"]),
        ],
        data={"per_second": dict(a_second), "operations": {name: sum(it.values()) for name, it in asked.items()}},
        targets=[
            Target("operations of a windowed event", sum(asked["windowed"].values()), 3),
            Target("operations of its duplicate", sum(asked["windowed_duplicate"].values()), 4),
        ],
        notes=[
            f"medians of {_ROUNDS} rounds that take turns, {claims} claims each",
            *(f"{name.replace('_', ' ')}: {_listed(it)}" for name, it in asked.items()),
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
    """Operations of the second event of each kind: the first finds the process cold, and opens what others join."""
    records = CountingRecords(MemoryRecords(lambda: NOW))
    core = Scene(records, WINDOWED, DIRECT).app.core

    def asked(event: Event) -> dict[str, int]:
        records.taken()
        core.handle(event)
        return records.taken()

    cases = {
        "windowed_first": dropped("in/dt=1/a.csv"),
        "windowed": dropped("in/dt=1/b.csv"),
        "windowed_duplicate": dropped("in/dt=1/b.csv"),
        "direct_first": published("1"),
        "direct": published("2"),
        "direct_duplicate": published("2"),
    }
    return {name: asked(event) for name, event in cases.items()}


def _listed(counts: dict[str, int]) -> str:
    each = ", ".join(f"{times} {method}" for method, times in counts.items())
    return f"{sum(counts.values())} operations ({each})"


LEDGER: Final = Benchmark(
    line="claims a second, operations an event", unit="claims a round", sizes=(300,), smallest=(3,), run=run
)
