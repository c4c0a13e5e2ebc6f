"""An issuer of tokens on loopback: signs with RSA keys of its own, and shows their public halves to whoever asks."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """One for each name: to make a key takes long."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_jwk(kid: str, name: str | None = None) -> dict[str, Any]:
    """The public half of the key named `name` (that of `kid` if None), under the id `kid`."""
    jwk: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(private_key(name or kid).public_key(), as_dict=True)
    return {**jwk, "kid": kid, "use": "sig", "alg": "RS256"}


def sign(claims: Mapping[str, object], key: str = "k1", **header: object) -> str:
    """With the key of this name; `kid` is that name, unless the header says otherwise. Claims may be of any type."""
    payload = json.dumps(claims).encode()
    return jwt.PyJWS().encode(payload, private_key(key), algorithm="RS256", headers={"kid": key, **header})


@dataclass
class Issuer:
    """What it answers can be changed between two requests; `asked` counts them."""

    body: bytes = field(default_factory=lambda: json.dumps({"keys": [public_jwk("k1")]}).encode())
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Cache-Control": "public, max-age=3600"})
    asked: int = 0

    def show(self, *kids: str) -> None:
        self.body = json.dumps({"keys": [public_jwk(kid) for kid in kids]}).encode()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/certs"

    def __enter__(self) -> Self:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_GET(self) -> None:
                issuer.asked += 1
                self.send_response(issuer.status)
                for name, value in {**issuer.headers, "Content-Length": str(len(issuer.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(issuer.body)

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
