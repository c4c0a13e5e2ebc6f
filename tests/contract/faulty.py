"""A proxy on the way to a store, which loses requests and answers, or answers in the store's place, as it is told."""

from __future__ import annotations

import http.client
import threading
from collections import deque
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Fault = int | str
"""A status to answer with; `lost`: the request never arrives; `unanswered`: it does, and its answer is lost; `late`:
its answer comes when nobody waits for it any more; `twice`: it arrives twice, and the second answer comes back."""


@dataclass(slots=True)
class Road:
    """`faults` meet the requests of their method, one each, in order. `meanwhile` runs before an answer is lost."""

    url: str = ""
    faults: dict[str, deque[Fault]] = field(default_factory=dict)
    meanwhile: Callable[[], object] = lambda: None
    requests: list[tuple[str, str]] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)

    def fail(self, method: str, *faults: Fault) -> None:
        self.faults[method] = deque(faults)

    def count(self, method: str) -> int:
        return sum(sent == method for sent, _ in self.requests)


@contextmanager
def road_to(store: str) -> Iterator[Road]:
    """A proxy whose `url` stands for the store's."""
    road = Road()
    target = urlsplit(store).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            road.requests.append((self.command, self.path))
            road.tokens.add(self.headers.get("Authorization"))
            waiting = road.faults.get(self.command)
            match waiting.popleft() if waiting else None:
                case int(status):
                    self._send(status, {"Retry-After": "1"} if status in {429, 503} else {}, b"")
                case "lost":
                    self.close_connection = True
                case fault:
                    answer = self._passed_on(body)
                    if fault == "twice":
                        answer = self._passed_on(body)
                    if fault == "late":
                        self.rfile.read(1)  # it ends when the client has given up
                    if fault in {"unanswered", "late"}:
                        road.meanwhile()
                        self.close_connection = True
                    else:
                        self._send(*answer)

        def _passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            with closing(http.client.HTTPConnection(target, timeout=10)) as connection:
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()

        def _send(self, status: int, headers: dict[str, str], data: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in {"content-length", "date", "server", "connection", "transfer-encoding"}:
                    self.send_header(name, value)
            length = next((value for name, value in headers.items() if name.lower() == "content-length"), len(data))
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    road.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield road
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
