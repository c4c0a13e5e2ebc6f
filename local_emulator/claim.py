"""One emulator to a state folder: its lock, its ports, and the file by which others find it."""

from __future__ import annotations

import fcntl
import http.client
import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Router

from retrigger.local_emulator.guard import LoopbackOnly
from retrigger.local_emulator.http import Server
from retrigger.local_emulator.state import State, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import TextIOWrapper

_LAST_PORT = 65535
STATUS_PATH = "/retrigger/v1/status"


class InUse(Exception):
    """Another emulator has this state folder, or a port is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A running emulator. `blob_url` and `queue_url`: Azure's storage; `started` is RFC 3339, by the host's clock."""

    pid: int
    url: str
    blob_url: str
    queue_url: str
    project_folder: str
    started: str


class _Port:
    """A port that is held, and serves once it has routes."""

    def __init__(self, number: int) -> None:
        """Errors: InUse."""
        self._faces = Router()
        try:
            self._server = Server([Mount("", self._faces, middleware=[Middleware(LoopbackOnly)])], number)
        except OSError as error:
            raise InUse(f"port {number} cannot be opened ({error.strerror}); choose another, or 0 for any") from error
        self.url = self._server.url

    def serve(self, routes: Sequence[BaseRoute]) -> None:
        self._faces.routes.extend(routes)
        self._server.start()

    def close(self) -> None:
        self._server.stop()


class Claim:
    """The state folder and the ports, taken before anything runs: what is compiled for the emulator names their URLs.

    Blob and Queue have ports of their own: there the first part of a path is an account, which may have any name.
    """

    def __init__(self, state: State, lock: TextIOWrapper, port: _Port, blob: _Port, queue: _Port) -> None:
        self.state = state
        self.url = port.url
        self.blob_url = blob.url
        self.queue_url = queue.url
        self._lock = lock
        self._port = port
        self._blob = blob
        self._queue = queue

    @classmethod
    def take(cls, state: State, port: int = 0) -> Self:
        """Port 0 takes any; Blob and Queue have the two after `port`. Errors: InUse. The lock goes with the process."""
        with ExitStack() as stack:
            lock = stack.enter_context(state.lock.open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InUse(
                    f"an emulator already runs on the state folder {state.root}; `retrigger down` stops it"
                ) from error
            main = _Port(port)
            stack.callback(main.close)
            if port > _LAST_PORT - 2:
                raise InUse(f"after port {port} there are no two for Blob and Queue; choose another, or 0 for any")
            blob = _Port(port and port + 1)
            stack.callback(blob.close)
            queue = _Port(port and port + 2)
            stack.pop_all()
        return cls(state, lock, main, blob, queue)

    def serve(self, routes: Sequence[BaseRoute], blob: Sequence[BaseRoute], queue: Sequence[BaseRoute]) -> None:
        """Answer on the ports from now on."""
        self._blob.serve(blob)
        self._queue.serve(queue)
        self._port.serve(routes)

    def announce(self, process: Process) -> None:
        """Say where the emulator is, once it is ready."""
        write_atomically(self.state.process, json.dumps(asdict(process)))

    def release(self) -> None:
        """Close the ports, then let others have the folder."""
        self.state.process.unlink(missing_ok=True)
        self._port.close()
        self._blob.close()
        self._queue.close()
        self._lock.close()


def running(state: State) -> Process | None:
    """The emulator of a state folder, if it answers: a file that a killed one left behind is not believed."""
    try:
        process = Process(**json.loads(state.process.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    connection = http.client.HTTPConnection(urlsplit(process.url).netloc, timeout=2)
    try:
        connection.request("GET", STATUS_PATH)
        status = json.load(connection.getresponse())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return process if isinstance(status, dict) and status.get("pid") == process.pid else None
