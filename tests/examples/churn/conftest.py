"""The services that the components call, on loopback: objects to read, and a model registry."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Cloud:
    """`objects` by bucket/name; `versions` by MODEL and MODEL@ALIAS; `uploads` in the order in which they came."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    evaluations: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    uploads: list[dict[str, Any]] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)  # ends of paths that answer 503, once

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        path = unquote(urlsplit(target).path)
        for end in [end for end in self.failing if path.endswith(end)]:
            self.failing.remove(end)
            return 503, {"error": {"code": 503, "status": "UNAVAILABLE"}}
        match method, path.split("/")[1]:
            case "GET", "storage":
                return self._objects(path, parse_qs(urlsplit(target).query))
            case _:
                return self._models(method, path, body)

    def _objects(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        bucket, _, name = path.removeprefix("/storage/v1/b/").partition("/o")
        found = [
            {"bucket": bucket, "name": key.partition("/")[2], "generation": "1", "size": str(len(content))}
            for key, content in self.objects.items()
            if key.startswith(f"{bucket}/{query.get('prefix', [''])[0]}")
        ]
        if not name:
            return 200, {"kind": "storage#objects", "items": found}
        named = [item for item in found if item["name"] == name.removeprefix("/")]
        return (200, named[0]) if named else (404, {"error": {"code": 404, "message": "No such object"}})

    def _models(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        name = path.removeprefix("/v1/")
        match method:
            case "POST" if path.endswith("/models:upload"):
                self.uploads.append(body)
                model = body.get("parentModel") or f"{name.removesuffix(':upload')}/{body['modelId']}"
                number = str(len({v["versionId"] for v in self.versions.values()}) + 1)
                version = {**body["model"], "name": model, "versionId": number}
                for alias in [number, *body["model"]["versionAliases"]]:
                    self.versions[f"{model}@{alias}"] = version
                self.versions.setdefault(model, version)
                return 200, {"name": f"{model}/operations/1", "done": False}
            case "GET" if path.endswith("/operations/1"):
                model = name.removesuffix("/operations/1")
                number = str(len({v["versionId"] for v in self.versions.values()}))
                return 200, {"name": name, "done": True, "response": {"model": model, "modelVersionId": number}}
            case "POST" if path.endswith("/evaluations:import"):
                self.evaluations.setdefault(name.removesuffix("/evaluations:import"), []).append(
                    body["modelEvaluation"]
                )
                return 200, body["modelEvaluation"]
            case "GET" if path.endswith("/evaluations"):
                return 200, {"modelEvaluations": self.evaluations.get(name.removesuffix("/evaluations"), [])}
            case "GET" if name in self.versions:
                return 200, self.versions[name]
            case _:
                return 404, {"error": {"code": 404, "status": "NOT_FOUND"}}


def handler(cloud: Cloud) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path.startswith("/download/"):
                self._media(unquote(parts.path).removeprefix("/download/storage/v1/b/").replace("/o/", "/", 1))
            else:
                self._json(*cloud.answer("GET", self.path, None))

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            body = json.loads(content) if self.headers["Content-Type"] == "application/json" else None
            self._json(*cloud.answer("POST", self.path, body))

        def _media(self, key: str) -> None:
            content = cloud.objects[key]
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            part = content[int(first) : int(last) + 1 if last else None]
            if not part:
                self._reply(416, b"", {})
            else:
                span = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
                self._reply(206, part, {"Content-Range": span, "Content-Type": "text/csv"})

        def _json(self, status: int, body: Any) -> None:
            self._reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})

        def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    cloud = Cloud()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(cloud))
    cloud.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", cloud.url)
    monkeypatch.setenv("RETRIGGER_VERTEX_ENDPOINT", cloud.url)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "acme-dev")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(_service_account(tmp_path)))
    yield cloud
    server.shutdown()
    thread.join()
    server.server_close()


def _service_account(folder: Path) -> Path:
    """Credentials that sign their own tokens: those of any universe but Google's own do, and ask no server for them."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "service-account.json"
    account = {
        "type": "service_account",
        "project_id": "acme-dev",
        "private_key_id": "k",
        "private_key": key.decode(),
        "client_email": "churn@acme-dev.iam.gserviceaccount.com",
        "token_uri": "http://127.0.0.1:1/never-asked",
        "universe_domain": "universe.test",
    }
    path.write_text(json.dumps(account), encoding="utf-8")
    return path
