"""The emulator's side of pipeline jobs: one process a job, at most so many at once, none left behind."""

from __future__ import annotations

import fcntl
import logging
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from retrigger.local_emulator.runners.groups import last_line
from retrigger.local_emulator.runners.job import LOCK, ORPHANED
from retrigger.local_emulator.runners.record import JobState, read_state, timestamp, write_state
from retrigger.local_emulator.runners.request import is_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from datetime import datetime
    from pathlib import Path

    from retrigger.local_emulator.runners.request import Request

_LOGGER = logging.getLogger(__name__)
_LOG = "runner.log"
KFP = "retrigger.local_emulator.runners.kfp"

_LINGERS_S = 10.0
"""How long a process may take to go after it has said how its job ended."""


class JobProcesses:
    """Runs the jobs below `folder`, one folder each, named by its key.

    `runner` is the module that runs them (see `job`). `env` is the whole environment of the jobs and of their tasks:
    what is not in it, no pipeline sees. At most `limit` jobs run at once, the rest are PENDING in the order of their
    arrival. `now` is the emulator's clock.
    """

    def __init__(
        self,
        folder: Path,
        *,
        env: Mapping[str, str],
        now: Callable[[], datetime],
        limit: int = 2,
        runner: str = KFP,
        python: str = sys.executable,
    ) -> None:
        self._folder = folder
        self._env = dict(env)
        self._now = now
        self._runner = runner
        self._python = python
        self._pool = ThreadPoolExecutor(limit, thread_name_prefix="pipeline-job")
        self._lock = threading.Lock()
        self._gone = threading.Condition(self._lock)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._closed = False
        self._ended: Callable[[str], None] = lambda _: None

    def on_end(self, ended: Callable[[str], None]) -> None:
        """Call with the key of each job that ends from now on, but of those that end because the emulator does."""
        self._ended = ended

    def recover(self) -> None:
        """After a start of the emulator: queue what had not begun, call failed what was running and is gone."""
        for folder in sorted(self._folder.iterdir()) if self._folder.exists() else ():
            if not is_in(folder):
                continue
            match self._state_of(folder):
                case JobState.PENDING:
                    self._queue(folder.name)
                case state if not state.terminal and not _lives(folder):
                    self._settle(folder, JobState.FAILED, ORPHANED)

    def folder(self, key: str) -> Path:
        """Where a job's request, state and logs are."""
        return self._folder / key

    def knows(self, key: str) -> bool:
        return is_in(self._folder / key)

    def submit(self, key: str, request: Request) -> None:
        """Queue a job; it is on disk when this returns. A key that is known already is left as it is."""
        if self.knows(key):
            return
        folder = self._folder / key
        folder.mkdir(parents=True, exist_ok=True)
        write_state(folder, {"state": JobState.PENDING, "tasks": []})
        request.write(folder)
        self._queue(key)

    def state(self, key: str) -> dict[str, Any]:
        """Return the job's `state.json` (see `record`). Errors: FileNotFoundError if the key is unknown."""
        folder = self._folder / key
        state = read_state(folder)
        with self._lock:
            ours = key in self._running
        if JobState(state["state"]) in (JobState.RUNNING, JobState.CANCELLING) and not ours and not _lives(folder):
            state = read_state(folder)  # it may have ended between the two looks
            if not JobState(state["state"]).terminal:
                self._settle(folder, JobState.FAILED, ORPHANED)
                state = read_state(folder)
        return state

    def cancel(self, key: str) -> None:
        """Ask a job to end; a pending one is cancelled at once, a finished one stays as it is."""
        folder = self._folder / key
        with self._lock:
            if (process := self._running.get(key)) is not None:
                process.terminate()
                return
            waits = self.knows(key) and self._state_of(folder) is JobState.PENDING
            if waits:
                self._settle(folder, JobState.CANCELLED, "cancelled before it started")
        if waits:
            self._ended(key)

    def delete(self, key: str) -> None:
        """Forget a finished job and everything it wrote, when its process is gone, too: another may have its key."""
        with self._gone:
            self._gone.wait_for(lambda: key not in self._running, timeout=_LINGERS_S)
            shutil.rmtree(self._folder / key, ignore_errors=True)

    def close(self) -> None:
        """End every job and wait until their processes are gone; what had not begun stays PENDING."""
        with self._lock:
            self._closed = True
            for process in self._running.values():
                if process.stdin is not None:
                    process.stdin.close()
        self._pool.shutdown(cancel_futures=True)

    def _queue(self, key: str) -> None:
        self._pool.submit(self._run, key).add_done_callback(_report)

    def _run(self, key: str) -> None:
        """Run one job to its end, in a thread of the pool."""
        folder = self._folder / key
        with self._lock:
            waits = self.knows(key) and key not in self._running and self._state_of(folder) is JobState.PENDING
            if self._closed or not waits:
                return
            process = self._started(key)
        if process is not None:
            self._wait(key, process)
        if not self._closed:
            self._ended(key)

    def _started(self, key: str) -> subprocess.Popen[bytes] | None:
        try:
            process = self._running[key] = self._start(self._folder / key)
        except OSError as error:
            self._settle(self._folder / key, JobState.FAILED, f"the runner could not be started: {error}")
            return None
        return process

    def _wait(self, key: str, process: subprocess.Popen[bytes]) -> None:
        folder, status = self._folder / key, process.wait()
        with self._gone:
            try:
                self._settle_left(folder, status)
            finally:
                del self._running[key]
                if process.stdin is not None:
                    process.stdin.close()
                self._gone.notify_all()

    def _settle_left(self, folder: Path, status: int) -> None:
        """Of a job whose process ended without saying how it ended."""
        if self._state_of(folder).terminal:
            return
        if status == -signal.SIGTERM:  # before it could listen for it: a cancellation all the same
            self._settle(folder, JobState.CANCELLED, "cancelled")
        else:
            reason = f"the runner ended with status {status}: {last_line(folder / _LOG)}"
            self._settle(folder, JobState.FAILED, reason)

    def _start(self, folder: Path) -> subprocess.Popen[bytes]:
        with (folder / _LOG).open("ab") as log:
            return subprocess.Popen(
                [self._python, "-m", self._runner, str(folder)],
                stdin=subprocess.PIPE,  # the job's life line: it ends when this process does
                stdout=log,
                stderr=log,
                env=self._env,
                cwd=folder,
                start_new_session=True,
            )

    def _state_of(self, folder: Path) -> JobState:
        return JobState(read_state(folder)["state"])

    def _settle(self, folder: Path, state: JobState, error: str) -> None:
        """Write the end of a job whose own process cannot."""
        moment = timestamp(self._now())
        before = read_state(folder)
        tasks = [
            task if task["endTime"] else {**task, "state": "CANCELLED", "endTime": moment} for task in before["tasks"]
        ]
        write_state(folder, {**before, "state": state, "error": error, "endTime": moment, "tasks": tasks})


def _report(run: Future[None]) -> None:
    """Log what went wrong in the emulator itself: nobody asks a job's future."""
    if not run.cancelled() and (error := run.exception()) is not None:
        _LOGGER.error("job_not_followed", exc_info=error)


def _lives(folder: Path) -> bool:
    """Tell whether a job's process exists: it holds its lock until it is gone, whatever its id was."""
    try:
        with (folder / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
