"""A loopback cloud: hands out tokens, takes pipeline jobs, and remembers when the first of them came."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from retrigger.triggers.event import Json

_TOKEN: Json = {"access_token": "token", "expires_in": 3599, "token_type": "Bearer"}
_ACCOUNT: Json = {"aliases": ["default"], "email": "default", "scopes": []}


class Platform:
    """Metadata server, Vertex AI, Azure ML, and as much of Cloud Storage as the SDK asks for before it submits.

    With a certificate and its key (PEM, one file) it is at `secure_url` too.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self._launched = threading.Event()
        self._at = 0.0
        self._look: Callable[[], None] | None = None
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Nothing waits 40 ms for an acknowledgement: head and body leave together, and at once after a handshake.
            wbufsize = -1
            disable_nagle_algorithm = True

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

        plain = Quiet(("127.0.0.1", 0), Handler)
        self._servers = [plain]
        self.address = f"127.0.0.1:{plain.server_port}"
        self.url = f"http://{self.address}"
        if certificate is not None:
            secure = Quiet(("127.0.0.1", 0), Handler)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            secure.socket = context.wrap_socket(secure.socket, server_side=True)
            self._servers.append(secure)
            self.secure_url = f"https://127.0.0.1:{secure.server_port}"
        self._threads = [threading.Thread(target=it.serve_forever, args=(0.05,), daemon=True) for it in self._servers]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()

    def forget(self, look: Callable[[], None] | None = None) -> None:
        """The next launch is the first. `look` is called when it has been read, before it is answered."""
        self._launched.clear()
        self._look = look

    def launched_at(self, timeout: float) -> float:
        """When the first launch request since `forget` was read whole, by the monotonic clock."""
        if not self._launched.wait(timeout):
            raise TimeoutError(f"no launch request came within {timeout:g} s")
        return self._at

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Json]:
        at = time.monotonic()
        parts = urlsplit(path)
        if method == "PUT" and "/jobs/" in parts.path:
            self._first(at)
            properties = json.loads(body)["properties"]
            return 201, {**_arm(parts.path), "properties": {**properties, "status": "NotStarted", "services": {}}}
        if method == "POST" and parts.path.endswith("/pipelineJobs"):
            self._first(at)
            name = parse_qs(parts.query)["pipelineJobId"][0]
            job: dict[str, Json] = json.loads(body)
            place = parts.path.removeprefix("/v1/")
            return 200, {**job, "name": f"{place}/{name}", "state": "PIPELINE_STATE_PENDING"}
        return _besides(method, parts.path, parts.query)

    def _first(self, at: float) -> None:
        if not self._launched.is_set():
            self._at = at
            if self._look is not None:
                self._look()
            self._launched.set()


def _besides(method: str, path: str, query: str) -> tuple[int, Json]:
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
        case "GET", ["msi", "token"]:
            return 200, _entra_token(parse_qs(query)["resource"][0])
        case "GET", ["subscriptions", *_, "workspaces", _]:
            properties: Json = {"workspaceId": "w"}
            return 200, {**_arm(path), "location": "westeurope", "kind": "Default", "properties": properties}
        case "GET", ["subscriptions", *_, "computes", _]:
            properties = {"computeType": "AmlCompute", "properties": {}}
            return 200, {**_arm(path), "location": "westeurope", "properties": properties}
        case "GET", [""]:
            return 200, {}
        case _:
            return 404, {"error": {"code": 404, "message": "no such thing"}}


def _arm(path: str) -> dict[str, Json]:
    return {"id": path, "name": path.rpartition("/")[2]}


def _entra_token(resource: str) -> Json:
    """As App Service's endpoint answers. azure-ai-ml looks into a token for the resource that it is for."""
    parts = ({"alg": "none"}, {"aud": resource, "oid": "o", "tid": "t"})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    token = ".".join([*encoded, "c2ln"])
    return {"access_token": token, "expires_on": "4000000000", "resource": resource, "token_type": "Bearer"}
