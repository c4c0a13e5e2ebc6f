"""A burst of uploads becomes one run: what it asks of the ledger, how long it takes, and what it takes of memory."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from retrigger.handlers.adapters.memory import MemoryRecords
from retrigger.handlers.journal import Journal
from tests.benchmarks.measure import CountingRecords, progress
from tests.benchmarks.report import Benchmark, Report, Target
from tests.benchmarks.scenes import QUIET, WINDOWED, Clock, Scene, dropped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrigger.triggers.event import Json


@dataclass(frozen=True, slots=True)
class Burst:
    """One burst: what it asked of the ledger, by method, and how long it took to arrive and to close, in seconds."""

    events: int
    runs: int
    members: int
    asked: dict[str, int]
    arriving: float
    closing: float

    @property
    def operations(self) -> float:
        return sum(self.asked.values()) / self.events


def run(sizes: Sequence[int]) -> Report:
    """`sizes`: object events of one burst, into one window that closes when it has been quiet."""
    bursts, peaks = [], []
    for size in sizes:
        progress(f"burst: {size:,} events")
        bursts.append(_burst(size))
        tracemalloc.start()  # slows what it watches: a second burst, not timed
        _burst(size, forget_arrivals=True)
        peaks.append(tracemalloc.get_traced_memory()[1] / 2**20)
        tracemalloc.stop()
    columns = (
        "events",
        "runs",
        "members",
        "operations an event",
        "us an event",
        "close and launch, ms",
        "MiB to close",
    )
    table = zip(bursts, peaks, strict=True)
    return Report(
        columns=columns,
        rows=[
            (f"{it.events:,}", it.runs, it.members, it.operations, it.arriving / it.events * 1e6, it.closing * 1e3, mib)
            for it, mib in table
        ],
        data={
            "events": sum(it.events for it in bursts),
            "deliveries": sum(it.events for it in bursts),
            "kills": 0,
            "runs": sum(it.runs for it in bursts),
            "lost": sum(it.events - it.members for it in bursts),
            "doubled": sum(it.runs - 1 for it in bursts),
            "ledger_ops_per_event": max(it.operations for it in bursts),
            "elapsed_s": sum(it.arriving + it.closing for it in bursts),
            "bursts": [_told(it, mib) for it, mib in zip(bursts, peaks, strict=True)],
        },
        targets=[
            Target("ledger operations an event", max(it.operations for it in bursts), 4.1),
            Target("runs of a burst", max(it.runs for it in bursts), 1),
            Target("members lost", sum(it.events - it.members for it in bursts), 0),
        ],
        notes=["ledger in memory; operations include the freeze and the launch; MiB is the peak above what was there"],
    )


def _burst(size: int, *, forget_arrivals: bool = False) -> Burst:
    clock = Clock()
    records = CountingRecords(MemoryRecords(clock))
    scene = Scene(records, WINDOWED)
    began = time.perf_counter()
    for number in range(size):
        scene.app.core.handle(dropped(f"in/dt=1/part-{number:06}.csv"))
    arrived = time.perf_counter()
    clock.wind(QUIET)
    if forget_arrivals:
        tracemalloc.clear_traces()
    scene.app.tick().run()
    closed = time.perf_counter()
    asked = records.taken()
    runs = Journal(scene.app.ledger).runs()
    windows = [scene.app.ledger.manifests.get(run.window) for run in runs if run.window is not None]
    members = sum(len(stored.value.entries) for stored in windows if stored is not None)
    return Burst(size, len(scene.platform.jobs), members, asked, arrived - began, closed - arrived)


def _told(burst: Burst, mib: float) -> Json:
    return {
        "events": burst.events,
        "runs": burst.runs,
        "members": burst.members,
        "operations_per_event": burst.operations,
        "operations": dict(burst.asked),
        "us_per_event": burst.arriving / burst.events * 1e6,
        "closing_ms": burst.closing * 1e3,
        "closing_mib": mib,
    }


BURST: Final = Benchmark(line="many uploads, one run", unit="events", sizes=(1_000, 10_000), smallest=(20,), run=run)
