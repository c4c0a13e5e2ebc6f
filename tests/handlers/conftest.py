"""A loopback server that answers as scripted, breaks off, or stalls."""

from __future__ import annotations

import json
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.transport.credentials import Tokens, TokenSettings
from retrigger.handlers.transport.google import GoogleApi
from retrigger.handlers.transport.http import Http, HttpSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    peer: int = 0  # the port at the other end: which connection it came by


@dataclass(frozen=True)
class Reply:
    """`promise` announces more bytes than are sent; `drop` closes without an answer; `stall` waits for the end.

    `hang_up` closes the connection after a whole answer, without a word.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    promise: int = 0
    drop: bool = False
    stall: bool = False
    hang_up: bool = False


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves early is what some tests are about."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Loopback:
    """Answers from the script, in order, then with `always`."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.script: deque[Reply] = deque()
        self.always: Callable[[Received], Reply] = lambda _: Reply(500, b"not scripted")
        self.released = threading.Event()
        self.hung_up = threading.Event()
        self._lock = threading.Lock()
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                loopback.answer(self, Received(self.command, self.path, headers, body, self.client_address[1]))

            def finish(self) -> None:
                super().finish()
                self.connection.close()
                loopback.hung_up.set()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = handle_any  # noqa: N815  # http.server looks them up by these names

            def log_message(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def reply(self, status: int = 200, body: bytes | object = b"", **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.script.append(Reply(status, data, {name.replace("_", "-"): value for name, value in headers.items()}))

    def break_off(self, body: bytes) -> None:
        self.script.append(Reply(200, body, promise=len(body) + 1))

    def drop(self) -> None:
        self.script.append(Reply(drop=True))

    def hang_up(self) -> None:
        self.script.append(Reply(hang_up=True))

    def stall(self) -> None:
        self.script.append(Reply(stall=True))

    def answer(self, handler: BaseHTTPRequestHandler, received: Received) -> None:
        with self._lock:
            self.requests.append(received)
            reply = self.script.popleft() if self.script else self.always(received)
        if reply.stall:
            self.released.wait(10)
        if reply.drop or reply.stall:
            handler.close_connection = True
            return
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(max(reply.promise, len(reply.body))))
        handler.end_headers()
        handler.wfile.write(reply.body)
        handler.close_connection = reply.hang_up or reply.promise > len(reply.body)

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    server = Loopback()
    yield server
    server.close()


@pytest.fixture
def http() -> Http:
    return Http(HttpSettings(connect_timeout=1, timeout=5))


@pytest.fixture
def impatient() -> Http:
    return Http(HttpSettings(connect_timeout=0.2, timeout=0.2))


@pytest.fixture
def api(http: Http) -> Iterator[GoogleApi]:
    """Authorized by a metadata server of its own, so that a test sees only the calls it is about."""
    metadata = Loopback()
    metadata.always = lambda _: Reply(200, json.dumps({"access_token": "secret-token", "expires_in": 3600}).encode())
    yield GoogleApi(http, Tokens(http, TokenSettings(metadata=metadata.url)))
    metadata.close()
