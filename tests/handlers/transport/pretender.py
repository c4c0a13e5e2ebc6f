"""A proxy on loopback that answers itself, over TLS: libraries that have fixed addresses reach no network."""

from __future__ import annotations

import json
import ssl
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    Answers = Callable[[str, Mapping[str, str]], tuple[int, Any]]

HOSTS = ("login.microsoftonline.com", "oauth2.googleapis.com")


class Pretender:
    """`answers(url, form)` gives a status and JSON, or bytes; it is also told of GETs, with an empty form.

    `seen`: what was asked, method, URL, headers (names in lower case) and body.
    """

    def __init__(self, folder: Path, answers: Answers, hosts: Sequence[str] = HOSTS) -> None:
        self.seen: list[tuple[str, str, Mapping[str, str], bytes]] = []
        self.authority = _certificate(folder / "pretender.pem", hosts)
        seen = self.seen
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority)

        class Handler(BaseHTTPRequestHandler):
            host = ""

            def do_CONNECT(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.host = self.path.partition(":")[0]
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")  # type: ignore[assignment]
                self.close_connection = False

            def finish(self) -> None:
                super().finish()
                self.connection.close()

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                url = f"https://{self.host}{self.path}"
                seen.append((self.command, url, {name.lower(): it for name, it in self.headers.items()}, body))
                status, value = answers(url, dict(parse_qsl(body.decode())))
                data = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                self.wfile.flush()

            do_GET = do_POST = do_PUT = handle_any  # noqa: N815  # http.server looks them up by these names

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A client that leaves is none of ours."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def variables(self) -> dict[str, str]:
        """What leads `requests` here."""
        return {"HTTPS_PROXY": self.url, "https_proxy": self.url, "REQUESTS_CA_BUNDLE": str(self.authority)}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _certificate(path: Path, hosts: Sequence[str]) -> Path:
    """For these hosts, and its key, in one PEM file."""
    x509 = pytest.importorskip("cryptography.x509")
    forms = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    curves = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
    hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
    key = curves.generate_private_key(curves.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pretender")])
    identity = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(identity, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(forms.Encoding.PEM))
    return path
