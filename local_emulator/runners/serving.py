"""The model servers behind online endpoints: one for each deployment, started again when it crashes, asked over HTTP.

Both clouds' endpoints are served by this; `routing` says which deployment a request goes to.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final, Literal

import urllib3

from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.server import Server, ServerSpec, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Served", "ServerSpec", "ServerState", "Servers"]

MAX_ANSWER: Final = 64 << 20
"""Bytes of what a server may answer."""

RESTARTS: Final = 3
"""How often in a row a server that was ready is started again when it has ended."""

_PAUSE_S = 0.2
_STEADY_S = 60.0  # who was ready for so long has not crashed in a row
# What belongs to one connection, and not to the message: RFC 9110, 7.6.1.
_CONNECTION: Final = frozenset(
    {
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass(frozen=True, slots=True)
class ServerState:
    """`failed`: it will not answer any more, and `error` says why in one line; `gone`: there is none."""

    state: Literal["creating", "ready", "failed", "gone"]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Served:
    """An answer. Header names are in lower case. Who was not `reached`, or broke off, has not given it himself."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    reached: bool = True


class Servers:
    """The servers of all deployments, by keys of the caller's; safe for threads.

    Their logs lie below `folder`. `env` is what they inherit: by default the environment of this process.
    """

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._env = dict(os.environ if env is None else env)
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._closed = False

    def start(self, key: str, spec: ServerSpec) -> None:
        """Start a server, unless the key has one; `state` tells when it is ready."""
        with self._lock:
            if self._closed or key in self._kept:
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            self._kept[key] = _Kept(spec, self._env, self.log(key))

    def state(self, key: str) -> ServerState:
        kept = self._kept.get(key)
        return ServerState("gone") if kept is None else kept.state

    def ask(  # noqa: PLR0917  # a request has these parts
        self, key: str, method: str, path: str, body: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> Served:
        """Pass a request on. One that does not answer has answered 503 (it is down), 502 (it broke off) or 504."""
        kept = self._kept.get(key)
        if kept is None or (url := kept.url) is None:
            return _refusal(503, "the deployment has no server that is ready")
        passed = {name: value for name, value in headers.items() if name.lower() not in _CONNECTION}
        try:
            answer = kept.http.request(
                method, url + path, body=body, headers=passed, timeout=timeout_s, preload_content=False
            )
            try:
                told = answer.read(MAX_ANSWER + 1, decode_content=False)
            finally:
                answer.close()
        except urllib3.exceptions.NewConnectionError:
            return _refusal(503, "the server of the deployment does not listen")
        except urllib3.exceptions.TimeoutError:
            return _refusal(504, f"the server of the deployment did not answer within {timeout_s:g} s")
        except urllib3.exceptions.HTTPError:
            return _refusal(502, "the server of the deployment broke off")
        if len(told) > MAX_ANSWER:
            return _refusal(502, f"the server of the deployment answered more than {MAX_ANSWER} bytes")
        kept_headers = {name.lower(): value for name, value in answer.headers.items()}
        return Served(answer.status, {k: v for k, v in kept_headers.items() if k not in _CONNECTION}, told)

    def log(self, key: str) -> Path:
        """Where the log of a server is, or would be."""
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.log"

    def stop(self, key: str) -> None:
        """End a server and forget its log; nothing of it is left when this returns."""
        with self._lock:
            kept = self._kept.pop(key, None)
        if kept is not None:
            kept.stop()
            self.log(key).unlink(missing_ok=True)

    def close(self) -> None:
        """End every server; none is started any more."""
        with self._lock:
            self._closed = True
            all_kept = list(self._kept.values())
        for kept in all_kept:
            kept.stop()


class _Kept:
    """A server that a thread looks after: it starts it, waits for it, and starts it again."""

    def __init__(self, spec: ServerSpec, env: Mapping[str, str], log: Path) -> None:
        self._spec = spec
        self._env = env
        self._log = log
        self._lock = threading.Lock()
        self._server: Server | None = None
        self._stopped = threading.Event()
        self.http = urllib3.PoolManager(retries=False, maxsize=8)
        self.url: str | None = None
        self.state = ServerState("creating")
        self._since = inf  # when this run of it became ready
        self._thread = threading.Thread(target=self._look_after, name="model-server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._lock:
            self._stopped.set()
            if self._server is not None:
                self._server.kill()
        self._thread.join()
        self.http.clear()

    def _look_after(self) -> None:
        crashes, error = 0, ""
        while crashes <= RESTARTS and not self._stopped.is_set():
            error = self._run()
            if self.state.state != "ready":
                break
            crashes = 1 if time.monotonic() - self._since > _STEADY_S else crashes + 1
            self._stopped.wait(_PAUSE_S)
        self.state = ServerState("failed", error)

    def _run(self) -> str:
        """Run it once, from its start to its end; tell why it ended."""
        self._since = inf
        try:
            server = self._started()
        except OSError as error:
            return f"the server could not be started: {error}"
        if server is None:
            return ""
        try:
            if not server.wait_ready(self._stopped):
                return ""
            self.url, self.state, self._since = server.url, ServerState("ready"), time.monotonic()
            server.wait()
            return server.ended()
        except PipelineError as error:
            return str(error)
        finally:
            self.url = None
            server.stop()

    def _started(self) -> Server | None:
        with self._lock:
            if self._stopped.is_set():
                return None
            self._server = Server(self._spec, self._env, self._log, free_port())
            return self._server


def _refusal(status: int, told: str) -> Served:
    return Served(status, {"content-type": "text/plain; charset=utf-8"}, f"{told}\n".encode(), reached=False)
