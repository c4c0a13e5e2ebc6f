"""A loopback Google: hands out a token, takes pipeline jobs, and remembers when the first of them came."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from retrigger.triggers.event import Json

_TOKEN: Json = {"access_token": "token", "expires_in": 3599, "token_type": "Bearer"}
_ACCOUNT: Json = {"aliases": ["default"], "email": "default", "scopes": []}


class Platform:
    """Metadata server, Vertex AI, and as much of Cloud Storage as the SDK asks for before it submits."""

    def __init__(self) -> None:
        self._launched = threading.Event()
        self._at = 0.0
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body leave together: apart, the second waits 40 ms for an acknowledgement

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, value = platform.answer(self.command, self.path, body)
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Metadata-Flavor", "Google")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = answer  # noqa: N815  # http.server looks them up by these names

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.address}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def forget(self) -> None:
        self._launched.clear()

    def launched_at(self, timeout: float) -> float:
        """When the first launch request since `forget` was read whole, by the monotonic clock."""
        if not self._launched.wait(timeout):
            raise TimeoutError(f"no launch request came within {timeout:g} s")
        return self._at

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Json]:
        at = time.monotonic()
        parts = urlsplit(path)
        if method == "POST" and parts.path.endswith("/pipelineJobs"):
            if not self._launched.is_set():
                self._at = at
                self._launched.set()
            name = parse_qs(parts.query)["pipelineJobId"][0]
            job: dict[str, Json] = json.loads(body)
            place = parts.path.removeprefix("/v1/")
            return 200, {**job, "name": f"{place}/{name}", "state": "PIPELINE_STATE_PENDING"}
        return _besides(method, parts.path)


def _besides(method: str, path: str) -> tuple[int, Json]:
    """What is asked on the way. The bucket is missing: the SDK then makes it, and asks nothing of other services."""
    match method, path.strip("/").split("/"):
        case "GET", ["computeMetadata", "v1", *_, "token"]:
            return 200, _TOKEN
        case "GET", ["computeMetadata", "v1", "project", "project-id"]:
            return 200, "acme-dev"
        case "GET", ["computeMetadata", "v1", "universe", "universe-domain"]:
            return 404, {}
        case "GET", ["computeMetadata", *_]:
            return 200, _ACCOUNT
        case _, ["storage", "v1", "b", _, "iam"]:
            return 200, {"bindings": [], "etag": "x"}
        case "POST", ["storage", "v1", "b"]:
            return 200, {"kind": "storage#bucket", "name": "acme-dev-pipelines"}
        case "GET", [""]:
            return 200, {}
        case _:
            return 404, {"error": {"code": 404, "message": "no such thing"}}
