"""What the periodic wake-up costs: with nothing due, and with a note of each of many runs."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from retrigger.handlers.adapters.memory import MemoryRecords
from retrigger.handlers.jobs import JobStatus
from tests.benchmarks.measure import CountingRecords, progress
from tests.benchmarks.report import Benchmark, Report, Target
from tests.benchmarks.scenes import DIRECT, Clock, Scene, published

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrigger.triggers.event import Json

_LATER: Final = timedelta(hours=1)
_IDLE: Final = {"get": 1, "list": 8, "swap": 1}


def run(sizes: Sequence[int]) -> Report:
    """`sizes`: direct runs on the platform, each with its note."""
    rows: list[tuple[str | int | float, ...]] = []
    busy: dict[str, Json] = {}
    idle: dict[str, int] = {}
    for size in sizes:
        progress(f"tick: {size:,} notes")
        running, ending, after = _ticks(size)
        rows += [(f"{size:,} runs, still running", *running), (f"{size:,} runs, ending", *ending)]
        rows += [(f"nothing due, {size:,} runs ended", *after)]
        busy[str(size)] = {"running_us": running[1], "ending_us": ending[1], "operations_per_note": ending[0] / size}
        idle[str(size)] = after[0]
    return Report(
        columns=("a tick over", "operations", "us a note"),
        rows=rows,
        data={"notes": busy, "idle_operations": dict(idle)},
        targets=[Target("operations of an idle tick", max(idle.values()), sum(_IDLE.values()))],
        notes=["ledger in memory; with nothing due: us of the whole tick"],
    )


def _ticks(size: int) -> tuple[tuple[int, float], tuple[int, float], tuple[int, float]]:
    """(operations, us a note) of a tick that finds all runs running, all ended, and nothing to do."""
    clock = Clock()
    records = CountingRecords(MemoryRecords(clock))
    scene = Scene(records, DIRECT)
    for number in range(size):
        scene.app.core.handle(published(str(number)))

    def tick(notes: int) -> tuple[int, float]:
        clock.wind(_LATER)
        records.taken()
        began = time.perf_counter()
        report = scene.app.tick().run()
        took = time.perf_counter() - began
        assert (report.worked, report.failed) == (notes, 0)
        return sum(records.taken().values()), took / max(notes, 1) * 1e6

    running = tick(size)
    for job in list(scene.platform.jobs):
        scene.platform.finish(job, JobStatus(state="succeeded"))
    return running, tick(size), tick(0)


TICK: Final = Benchmark(line="the wake-up every minute", unit="runs", sizes=(10, 1_000), smallest=(5,), run=run)
