"""A function's process, from its start on: one request as soon as it listens, and its peak memory."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Function:
    """`command` takes a port; `path`, `headers` and `body` are the one request that is posted."""

    name: str
    command: Callable[[int], Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Started:
    """`began`: by the monotonic clock. The process leads a group of its own."""

    function: Function
    began: float
    port: int
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def ask(self) -> None:
        """Raises RuntimeError for any answer but 200."""
        connection = self._connected()
        connection.request("POST", self.function.path, body=self.function.body, headers=dict(self.function.headers))
        response = connection.getresponse()
        said = response.read()
        connection.close()
        if response.status != 200:
            self.log.seek(0)
            logged = self.log.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{self.function.name} answered {response.status}: {said[:500]!r}\n{logged}")

    def peak_mb(self) -> float:
        """Of its largest process: the host's worker shares with its parent what was loaded before the fork."""
        return max(_peaks_kb(self.process.pid)) / 1024

    def _connected(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                connection.connect()
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.001)
            else:
                return connection


@contextmanager
def started(function: Function) -> Iterator[Started]:
    """On a free port, with bytecode read and written, and no proxy between it and loopback."""
    port = _free_port()
    with tempfile.TemporaryFile() as log:
        began = time.monotonic()
        process = subprocess.Popen(
            function.command(port),
            env={**_environment(), **function.environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield Started(function, began, port, process, log)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _peaks_kb(group: int) -> Iterator[int]:
    """The peak resident size (VmHWM) of each process of a group; others may end while they are looked at."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(ProcessLookupError, FileNotFoundError):
            if os.getpgid(int(folder.name)) != group:
                continue
            for line in (folder / "status").read_text(encoding="utf-8").splitlines():
                if line.startswith("VmHWM:"):
                    yield int(line.split()[1])


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _environment() -> dict[str, str]:
    """Ours, without what changes how Python starts, where credentials are, or the way to loopback."""
    left_out = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV", "GOOGLE_APPLICATION_CREDENTIALS"}
    inherited = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**inherited, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
