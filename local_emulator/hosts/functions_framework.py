"""Functions under their real host, as a process group that is restarted when it dies.

`Function` is the functions-framework under gunicorn, as on Cloud Run; azure_worker.py has what Azure runs.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from retrigger.local_emulator.http import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
# A host that lived this long was fine: its next death begins a new row of pauses.
_HEALTHY_S = 30.0
_TAIL = 4096


class HostFailed(Exception):
    """The functions did not come up; the message ends with what they last wrote to their log."""


class Hosted(Protocol):
    """What can be served. `environment` is the whole environment of its process."""

    @property
    def source(self) -> Path: ...
    @property
    def environment(self) -> Mapping[str, str]: ...

    def command(self, port: int) -> list[str]:
        """What serves it on that loopback port, listens once it is loaded, and ends when its standard input does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A source file and the HTTP function in it."""

    source: Path
    target: str
    environment: Mapping[str, str] = field(repr=False)

    def command(self, port: int) -> list[str]:
        function = ["--source", str(self.source), "--target", self.target, "--signature-type", "http"]
        address = ["--host", LOOPBACK, "--port", str(port)]
        return [sys.executable, "-m", "retrigger.local_emulator.hosts.guarded", *function, *address]


class FunctionsHost:
    """Serves functions on a free loopback port; `url` is known at once and stays the same over restarts."""

    def __init__(self, function: Hosted, log: Path) -> None:
        self._function = function
        self._log = log
        # Bound and never listening: nobody else is given the port, and SO_REUSEADDR lets the host listen on it.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind((LOOPBACK, 0))
        self.port: int = self._reserved.getsockname()[1]
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.deaths = 0
        self._stopping = threading.Event()
        self._spawning = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep, name="functions-host", daemon=True)

    @property
    def pid(self) -> int | None:
        """The process at the head of the group; None before `start`."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        self._process = self._spawn()
        self._keeper.start()

    def wait_ready(self, timeout_s: float) -> None:
        """Until it accepts connections, which it does once the source is loaded. Errors: HostFailed."""
        deadline = time.monotonic() + timeout_s
        while not self._accepts():
            if self.deaths:
                raise HostFailed(f"{self._function.source} cannot be served; {self._last_words()}")
            if time.monotonic() > deadline:
                raise HostFailed(f"{self._function.source} is not up after {timeout_s:g} s; {self._last_words()}")
            self._stopping.wait(0.02)

    def stop(self) -> None:
        """End the whole group: politely, then not. Nothing of it is left when this returns."""
        with self._spawning:
            self._stopping.set()
        if self._process is not None:
            _end_group(self._process)
            self._keeper.join()
        self._reserved.close()

    def _keep(self) -> None:
        """Start it again whenever it dies, as a platform would: soon at first, then with growing pauses."""
        pause = _FIRST_PAUSE_S
        process = self._process
        while process is not None:
            began = time.monotonic()
            process.wait()
            _end_group(process)
            if time.monotonic() - began > _HEALTHY_S:
                pause = _FIRST_PAUSE_S
            if self._stopping.wait(pause):
                return
            pause = min(pause * 2, _LONGEST_PAUSE_S)
            with self._spawning:
                if self._stopping.is_set():
                    return
                self.deaths += 1
                process = self._process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._function.command(self.port),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(self._function.environment),
                start_new_session=True,
            )

    def _accepts(self) -> bool:
        try:
            socket.create_connection((LOOPBACK, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _last_words(self) -> str:
        with self._log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL))
            return f"the end of {self._log}:\n{log.read().decode(errors='replace').strip()}"


def _end_group(process: subprocess.Popen[bytes], patience_s: float = 2.0) -> None:
    """SIGTERM lets requests finish; the workers of a killed master have nobody to wait for."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin:
        process.stdin.close()
