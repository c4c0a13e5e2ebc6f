"""One emulator to a state folder: its lock, its port, and the file by which others find it."""

from __future__ import annotations

import fcntl
import http.client
import json
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

STATUS_PATH = "/retrigger/v1/status"


class InUse(Exception):
    """Another emulator has this state folder, or the port is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A running emulator. `started` is RFC 3339, by the host's clock."""

    pid: int
    url: str
    project_folder: str
    started: str


class Claim:
    """The state folder and the port, taken before anything runs: what is compiled for the emulator names its `url`."""

    def __init__(self, state: State, lock: TextIOWrapper, server: Server, faces: Router) -> None:
        self.state = state
        self.url = server.url
        self._lock = lock
        self._server = server
        self._faces = faces

    @classmethod
    def take(cls, state: State, port: int = 0) -> Self:
        """Errors: InUse. The lock goes with the process, however it ends."""
        lock = state.lock.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            faces = Router()
            server = Server([Mount("", faces, middleware=[Middleware(LoopbackOnly)])], port)
        except BlockingIOError as error:
            lock.close()
            raise InUse(
                f"an emulator already runs on the state folder {state.root}; `retrigger down` stops it"
            ) from error
        except OSError as error:
            lock.close()
            raise InUse(f"port {port} cannot be opened ({error.strerror}); choose another, or 0 for any") from error
        return cls(state, lock, server, faces)

    def serve(self, routes: Sequence[BaseRoute]) -> None:
        """Answer on the port from now on."""
        self._faces.routes.extend(routes)
        self._server.start()

    def announce(self, process: Process) -> None:
        """Say where the emulator is, once it is ready."""
        write_atomically(self.state.process, json.dumps(asdict(process)))

    def release(self) -> None:
        """Close the port, then let others have the folder."""
        self.state.process.unlink(missing_ok=True)
        self._server.stop()
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
