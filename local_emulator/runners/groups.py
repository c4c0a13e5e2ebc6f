"""One process group a task: nothing of it outlives the task, a cancellation, or the death of the job's process."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

GRACE_S = 3.0
"""How long a cancelled program may tidy up between SIGTERM and SIGKILL."""

# The guard leads the group and reads a pipe that only the job's process holds. When that process dies, even by
# kill -9, the read ends and the guard takes its whole group along.
GUARD = 'trap "" TERM; read -r _; kill -KILL 0'


async def run_in_group(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> int:
    """Run one program to its end, its output appended to `log`; return its exit status, negative for a signal.

    When cancelled: SIGTERM to the group, SIGKILL after `GRACE_S`. Either way the whole group is gone afterwards.
    Errors: OSError if the program cannot be started.
    """
    guard = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", GUARD, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, process_group=0
    )
    program = None
    try:
        with log.open("ab") as sink:
            program = await asyncio.create_subprocess_exec(
                *argv, stdin=DEVNULL, stdout=sink, stderr=STDOUT, env=env, cwd=cwd, process_group=guard.pid
            )
        try:
            return await program.wait()
        except asyncio.CancelledError:
            os.killpg(guard.pid, signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(program.wait(), GRACE_S)
            raise
    finally:
        os.killpg(guard.pid, signal.SIGKILL)  # the guard is not reaped yet, so its group id cannot be anybody else's
        await guard.wait()
        if program is not None:
            await program.wait()


def last_line(log: Path) -> str:
    """Return the last line of a log that says something, "" if there is none."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        tail = deque((line.strip() for line in lines if line.strip()), maxlen=1)
    return tail[0][:1000] if tail else ""
