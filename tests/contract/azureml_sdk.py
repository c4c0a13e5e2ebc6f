"""What azure-ai-ml really sends: its own client, against a recorder on loopback.

The client insists on TLS (azure-core gives no bearer token to plain HTTP), on a token that can be decoded, and on
`AZUREML_DEV_URL_MFE` for another address than Azure's.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
WORKSPACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ml"


@dataclass(frozen=True)
class Sent:
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any


class Credential:
    """A token that says which resource it is for, as the client looks for it in there."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        parts = ({"alg": "none"}, {"aud": scopes[0].removesuffix("/.default"), "oid": "o", "tid": "t"})
        return AccessToken(".".join([*map(_part, parts), "c2ln"]), 4_000_000_000)


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


class Recorder(ThreadingHTTPServer):
    """Answers as Resource Manager does: what is put is there, a job with a status and its links."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: list[Sent] = []
        self.online: dict[str, Any] = {}
        """Every online endpoint, as it is answered."""
        self.deployments: list[str] = []
        self.certificate = certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://localhost:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def answer(self, sent: Sent) -> tuple[int, Any]:
        self.sent.append(sent)
        named = {"id": sent.path, "name": sent.path.rpartition("/")[2]}
        match sent.method, sent.path.removeprefix(WORKSPACE).split("/"):
            case "GET", [""]:
                return 200, {**named, "location": "westeurope", "kind": "Default", "properties": {"workspaceId": "w"}}
            case "GET", ["", "computes", _]:
                return 200, {
                    **named,
                    "location": "westeurope",
                    "properties": {"computeType": "AmlCompute", "properties": {}},
                }
            case "GET", ["", "batchEndpoints", _]:
                asked = {"authMode": "AADToken", "scoringUri": f"{self.url}{sent.path}/jobs", "defaults": {}}
                return 200, {**named, "location": "westeurope", "properties": asked}
            case "GET", ["", "batchEndpoints", _, "deployments"]:
                return 200, {"value": [{"id": f"{sent.path}/blue", "name": "blue", "location": "w", "properties": {}}]}
            case "POST", ["", "batchEndpoints", _, "jobs"]:
                return 201, {"name": sent.body["properties"].get("name"), "properties": sent.body["properties"]}
            case "GET", ["", "onlineEndpoints", _]:
                return 200, {**named, **self.online, "id": sent.path}
            case "GET", ["", "onlineEndpoints", _, "deployments"]:
                return 200, {"value": [_deployment(f"{sent.path}/{name}", name) for name in self.deployments]}
            case "POST", ["", "onlineEndpoints", _, "listKeys" | "token"]:
                return 200, {"primaryKey": "the-key", "secondaryKey": "another", "accessToken": "the-token"}
            case "PUT", ["", "onlineEndpoints", _] | ["", "onlineEndpoints", _, "deployments", _]:
                return 200, {**named, **sent.body}
            case "DELETE", ["", "onlineEndpoints", _, "deployments", _]:
                return 200, {}
            case "POST", ["", "score"]:
                return 200, {"churn": [0.5]}
            case "PUT", ["", "jobs", _]:
                told = {**sent.body["properties"], "status": "NotStarted", "services": {}}
                return 201, {**named, "properties": told}
            case _:
                return 404, {"error": {"code": "NotFound", "message": f"{sent.method} {sent.path}"}}

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def handle_any(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        sent = Sent(self.command, url.path, url.query, headers, json.loads(raw) if raw else None)
        status, answer = self.server.answer(sent)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815  # http.server looks them up by these names

    def log_message(self, *_: object) -> None:
        pass


def _deployment(path: str, name: str) -> dict[str, Any]:
    scale = {"scaleType": "Default"}
    properties = {"endpointComputeType": "Managed", "provisioningState": "Succeeded", "scaleSettings": scale}
    sku = {"name": "Default", "capacity": 1}
    return {"id": path, "name": name, "location": "westeurope", "properties": properties, "sku": sku}


def certificate(folder: Path, host: str = "localhost") -> Path:
    """A self-signed one for a host that is played on loopback, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{host}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return path
