"""One run of one model server: a process group on a port of its own, which dies with whoever started it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

import urllib3

from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.groups import GUARD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HOST: Final = "127.0.0.1"
MAX_LOG: Final = 1 << 20
"""Bytes of a log before its oldest half goes."""

_LOOK_EVERY_S = 0.05
_LINE = 1000
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """How a server is started: an argument list, and variables beside those that it inherits.

    The port it shall listen on is put into each variable of `port_names`.
    `health` is the path that answers 200 when it is ready.
    """

    command: Sequence[str]
    env: Mapping[str, str]
    port_names: Sequence[str]
    health: str
    cwd: Path | None = None
    ready_within_s: float = 60.0


class Server:
    """A server that was started. Nothing of it is left when `stop` returns, or when this process is killed."""

    def __init__(self, spec: ServerSpec, inherited: Mapping[str, str], log: Path, port: int) -> None:
        """Errors: OSError if the command cannot be started."""
        self._spec = spec
        self._log = _Log(log)
        self._http = urllib3.PoolManager(retries=False)
        self.url = f"http://{HOST}:{port}"
        self._until = time.monotonic() + spec.ready_within_s
        self._lock = threading.Lock()
        self._guard = subprocess.Popen(["/bin/sh", "-c", GUARD], stdin=subprocess.PIPE, process_group=0)
        try:
            self._program = subprocess.Popen(
                spec.command,
                env={**inherited, **spec.env, **dict.fromkeys(spec.port_names, str(port))},
                cwd=spec.cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=self._guard.pid,
            )
        except OSError:
            self.kill()
            raise
        assert self._program.stdout is not None
        self._reader = threading.Thread(target=self._log.keep, args=(self._program.stdout,), daemon=True)
        self._reader.start()

    def wait_ready(self, stopped: threading.Event) -> bool:
        """Wait until it is healthy; False if it was `stopped` before. Errors: PipelineError if it will never be."""
        while time.monotonic() < self._until:
            if self._program.poll() is not None:
                raise PipelineError(self.ended())
            try:
                if self._http.request("GET", self.url + self._spec.health, timeout=1.0).status == 200:
                    return True
            except urllib3.exceptions.HTTPError:
                pass  # it does not listen yet
            if stopped.wait(_LOOK_EVERY_S):
                return False
        within = f"{self._spec.ready_within_s:g} s"
        raise PipelineError(f"the server was not healthy within {within}: {self._log.last}".rstrip(": "))

    def wait(self) -> None:
        """Until its process has ended."""
        self._program.wait()

    def ended(self) -> str:
        """Tell why it ended, in one line."""
        self.kill()  # else a child of its could hold the pipe of the log open
        self._reader.join()
        status = self._program.wait()
        return f"the server ended with status {status}: {self._log.last}".rstrip(": ")

    def kill(self) -> None:
        """End it and all that it started; more than once does no harm."""
        with self._lock:
            if self._guard.returncode is None:
                os.killpg(self._guard.pid, signal.SIGKILL)  # the guard is not reaped yet, so the id is nobody else's
                self._guard.wait()
            assert self._guard.stdin is not None
            self._guard.stdin.close()

    def stop(self) -> None:
        self.kill()
        self._program.wait()
        self._reader.join()
        self._http.clear()


class _Log:
    """What a server says: the newest part of it in a file, its last line at hand."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = ""
        self._begun = b""  # a line whose end has not been read: it may come in pieces

    @property
    def last(self) -> str:
        return _line(self._begun) or self._last

    def keep(self, said: IO[bytes]) -> None:
        """Read until nobody can say any more."""
        with said, self._path.open("ab+") as sink:
            while chunk := said.read1(_CHUNK):  # type: ignore[attr-defined]  # a buffered reader, as Popen makes them
                sink.write(chunk)
                sink.flush()
                self._remember(chunk)
                if sink.tell() > MAX_LOG:
                    sink.seek(-(MAX_LOG // 2), os.SEEK_END)
                    newest = sink.read()
                    sink.truncate(0)
                    sink.write(newest)

    def _remember(self, chunk: bytes) -> None:
        *lines, begun = (self._begun + chunk).split(b"\n")
        self._last = next((told for line in reversed(lines) if (told := _line(line))), self._last)
        self._begun = begun[:_CHUNK]


def _line(said: bytes) -> str:
    return said.decode(errors="replace").strip()[:_LINE]


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
