"""A tick over many open notes: what it takes of memory, and whether it goes on where the last one stopped."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrigger.handlers.adapters.memory import MemoryRecords
from retrigger.handlers.adapters.sqlite import SqliteRecords
from retrigger.handlers.ledger import to_ms
from retrigger.handlers.tick import Tick
from tests.benchmarks.measure import progress
from tests.benchmarks.report import Benchmark, Report, Target
from tests.benchmarks.scenes import ONE_AT_A_TIME, Clock, Scene, published

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrigger.handlers.ledger import Ledger

_MOST_MB: Final = 200
_TICKS: Final = 3
_SHARE: Final = 50  # one tick gets to so small a share of the backlog before it must stop


@dataclass(frozen=True, slots=True)
class Ticked:
    """`in_order`: each tick worked on what fell due first, of what the one before had left."""

    notes: int
    worked: int
    in_order: bool
    ms_per_note: float
    peak_mb: float


def run(sizes: Sequence[int]) -> Report:
    """`sizes`: messages that wait for one slot, each with its note, all of them due."""
    found = [_ticked(size) for size in sizes]
    return Report(
        columns=("notes due", "worked in three ticks", "in order", "ms a note", "peak MB"),
        rows=[(f"{it.notes:,}", it.worked, str(it.in_order), it.ms_per_note, it.peak_mb) for it in found],
        data={"notes": {str(it.notes): {"peak_mb": it.peak_mb, "ms_per_note": it.ms_per_note} for it in found}},
        targets=[
            Target("peak of the process, MB", max(it.peak_mb for it in found), _MOST_MB),
            Target("backlogs worked out of order", sum(not it.in_order for it in found), 0),
        ],
        notes=["ledger in SQLite at synchronous=FULL; a process of its own, whose whole peak is told"],
    )


def _ticked(size: int) -> Ticked:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ledger.sqlite3")
        progress(f"backlog: {size:,} notes")
        _fill(path, size)
        command = [sys.executable, "-m", "tests.benchmarks.backlog", str(path), str(max(size // _SHARE, 1))]
        told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        return Ticked(notes=size, **json.loads(told))


def _fill(path: Path, size: int) -> None:
    """Let the messages arrive over a ledger in memory, which is quick, and put its records into a file."""
    memory = MemoryRecords(Clock())
    scene = Scene(memory, ONE_AT_A_TIME)
    for number in range(size + 1):  # the first takes the slot
        scene.app.core.handle(published(str(number)))
    SqliteRecords(path)
    found = (memory.get(entry.key) for entry in memory.list(""))
    rows = [(it.key, int(it.version), to_ms(it.time) * 1000, json.dumps(it.body)) for it in found if it is not None]
    with closing(sqlite3.connect(path)) as file, file:
        file.executemany("INSERT INTO kv (key, ver, time, body) VALUES (?, ?, ?, ?)", rows)
        file.execute("UPDATE clock SET ver = ?", (max(version for _, version, _, _ in rows),))


def _tick(path: Path, limit: int) -> dict[str, object]:
    records = SqliteRecords(path)
    scene = Scene(records, ONE_AT_A_TIME)
    ledger, worked, in_order, took = scene.app.ledger, 0, True, 0.0
    for _ in range(_TICKS):
        due = _first_due(ledger, 2 * limit)
        done = count()
        began = time.perf_counter()
        report = Tick(scene.app.core, enough=lambda done=done: next(done) >= limit).run()  # type: ignore[misc]
        took += time.perf_counter() - began
        worked += report.worked
        left = _first_due(ledger, limit)
        in_order = in_order and left == due[limit:]
    return {
        "worked": worked,
        "in_order": in_order,
        "ms_per_note": took / worked * 1e3,
        "peak_mb": _peak_mb(),
    }


def _peak_mb() -> float:
    """Of this program alone: what getrusage says counts the process that it was forked from."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def _first_due(ledger: Ledger, number: int) -> list[str]:
    return [note.key for note in islice(ledger.due_notes(ledger.now_ms()), number)]


BACKLOG: Final = Benchmark(
    line="a tick over many open notes", unit="notes", sizes=(1_000, 100_000), smallest=(60,), run=run
)

if __name__ == "__main__":
    print(json.dumps(_tick(Path(sys.argv[1]), int(sys.argv[2]))))
