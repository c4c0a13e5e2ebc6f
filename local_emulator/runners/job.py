"""The process of one pipeline job, whichever platform's: `python -m retrigger.local_emulator.runners.RUNNER JOBDIR`.

Reads `JOBDIR/request.json`, runs the pipeline, keeps `JOBDIR/state.json` true, and leaves beside it
`tasks/<task>/log.txt`. SIGTERM cancels. So does the end of standard input, where that is a pipe: the emulator holds the
other end, so a job never outlives it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import stat
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrigger.local_emulator.clock import WoundClock
from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.record import Finished, JobState, Record, TaskState
from retrigger.local_emulator.runners.values import Values

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

LOCK = "lock"
"""The file that a job's process holds locked for as long as it lives."""

ORPHANED = "the emulator stopped while the pipeline ran; launch it again"

_STDIN = 0


@dataclass(frozen=True, slots=True)
class Work:
    """What a runner made of a request. `clock` is the path of the emulator's clock, "" for the host's time."""

    clock: str
    run: Callable[[Record], Coroutine[Any, Any, Finished]]


def main(read: Callable[[Path], Work]) -> int:
    """Do the work that `read` finds in the job's folder, the only argument."""
    folder = Path(sys.argv[1]).resolve()
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        asyncio.run(_run(folder, read(folder)))
    return 0


def slots() -> asyncio.Semaphore:
    """How many tasks of a job run at once."""
    return asyncio.Semaphore(int(os.environ.get("RETRIGGER_PARALLEL_TASKS") or os.cpu_count() or 1))


async def _run(folder: Path, work: Work) -> None:
    loop = asyncio.get_running_loop()
    record = Record(folder, _clock(work.clock), loop)
    stops: list[JobState] = []
    running = asyncio.create_task(work.run(record))

    def stop(outcome: JobState) -> None:
        if not stops:  # a second signal must not interrupt the tidying up after the first
            record.cancelling()
            running.cancel()
        stops.append(outcome)

    loop.add_signal_handler(signal.SIGTERM, stop, JobState.CANCELLED)
    loop.add_signal_handler(signal.SIGINT, stop, JobState.CANCELLED)
    _watch_parent(loop, lambda: stop(JobState.FAILED))
    try:
        finished = await running
    except PipelineError as error:
        finished = Finished(TaskState.FAILED, error=str(error))
    except asyncio.CancelledError:
        error_text = ORPHANED if stops[0] is JobState.FAILED else "cancelled"
        record.finish(stops[0], Values(), error_text)
        return
    state = JobState.FAILED if finished.state is TaskState.FAILED else JobState.SUCCEEDED
    record.finish(state, finished.outputs, finished.error)


def _watch_parent(loop: asyncio.AbstractEventLoop, gone: Callable[[], None]) -> None:
    """Call `gone` when the other end of standard input closes. A terminal or /dev/null is nobody's life line."""
    if not stat.S_ISFIFO(os.fstat(_STDIN).st_mode):
        return

    def readable() -> None:
        if not os.read(_STDIN, 1024):
            loop.remove_reader(_STDIN)
            gone()

    loop.add_reader(_STDIN, readable)


def _clock(path: str) -> Callable[[], datetime]:
    """Return the emulator's time, read anew each time: it may be wound while the job runs."""
    if not path:
        return lambda: datetime.now(UTC)
    return lambda: WoundClock(Path(path)).now()
