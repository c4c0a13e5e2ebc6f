from __future__ import annotations

import contextlib
import ipaddress
import secrets
import socket
import ssl
import threading
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.transport.http import Http, HttpSettings, Response
from retrigger.triggers.errors import Refused, Unavailable, Unknown

if TYPE_CHECKING:
    from pathlib import Path

    from tests.handlers.conftest import Loopback


def test_any_status_is_an_answer_with_lower_case_headers(http: Http, loopback: Loopback) -> None:
    loopback.reply(418, b"short", X_Kind="teapot")
    answer = http.request("POST", loopback.url + "/x?y=1", headers={"A": "b"}, body=b"data", write=True)
    assert (answer.status, answer.body, answer.headers["x-kind"]) == (418, b"short", "teapot")
    (seen,) = loopback.requests
    assert (seen.method, seen.path, seen.headers["a"], seen.body) == ("POST", "/x?y=1", "b", b"data")


def test_no_redirect_is_followed(http: Http, loopback: Loopback) -> None:
    loopback.reply(302, b"", Location="http://127.0.0.1:9/elsewhere")
    assert http.request("GET", loopback.url, headers={}, write=False).status == 302
    assert len(loopback.requests) == 1


@pytest.mark.parametrize(("write", "error"), [(True, Unknown), (False, Unavailable)])
def test_an_answer_that_is_dropped_after_the_request_was_sent(
    *, http: Http, loopback: Loopback, write: bool, error: type[Unavailable]
) -> None:
    loopback.drop()
    with pytest.raises(Unavailable, match=f"the connection to {loopback.host} broke") as caught:
        http.request("POST", loopback.url, headers={}, body=b"{}", write=write)
    assert (type(caught.value), caught.value.code) == (error, "connection_lost")
    assert len(loopback.requests) == 1, "nothing is sent twice"


@pytest.mark.parametrize(("write", "error"), [(True, Unknown), (False, Unavailable)])
def test_an_answer_that_does_not_come_in_time(
    *, impatient: Http, loopback: Loopback, write: bool, error: type[Unavailable]
) -> None:
    loopback.stall()
    with pytest.raises(Unavailable, match="did not answer in time") as caught:
        impatient.request("POST", loopback.url, headers={}, write=write)
    assert (type(caught.value), caught.value.code) == (error, "timeout")


def test_an_answer_that_breaks_off_in_its_body_is_lost(http: Http, loopback: Loopback) -> None:
    loopback.break_off(b"half")
    with pytest.raises(Unknown) as caught:
        http.request("POST", loopback.url, headers={}, write=True)
    assert caught.value.code == "connection_lost"


def test_a_closed_port_means_that_nothing_was_sent(http: Http) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(Unavailable, match=rf"127\.0\.0\.1:{port} accepts no connection; check") as caught:
        http.request("POST", f"http://127.0.0.1:{port}/", headers={}, write=True)
    assert (type(caught.value), caught.value.code) == (Unavailable, "connection_refused")


def test_a_name_without_address_means_that_nothing_was_sent(http: Http) -> None:
    with pytest.raises(Unavailable, match=r"nowhere\.invalid has no address") as caught:
        http.request("POST", "http://nowhere.invalid/", headers={}, write=True)
    assert (type(caught.value), caught.value.code) == (Unavailable, "dns")


def test_a_proxy_that_cannot_be_reached_means_that_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    http = Http(HttpSettings(https_proxy=f"http://127.0.0.1:{port}"))
    with pytest.raises(Unavailable, match="the proxy if one is set") as caught:
        http.request("POST", "https://example.invalid/", headers={}, write=True)
    assert (type(caught.value), caught.value.code) == (Unavailable, "connection_refused")


def test_a_proxy_that_refuses_means_that_nothing_was_sent(loopback: Loopback) -> None:
    loopback.reply(403)
    http = Http(HttpSettings(https_proxy=loopback.url))
    with pytest.raises(Unavailable, match="the proxy did not let a connection") as caught:
        http.request("POST", "https://example.invalid/", headers={}, write=True)
    assert (type(caught.value), caught.value.code) == (Unavailable, "proxy")
    assert [seen.method for seen in loopback.requests] == ["CONNECT"]


def test_a_plain_request_goes_through_the_proxy(loopback: Loopback) -> None:
    loopback.reply(200, b"by proxy")
    http = Http(HttpSettings(http_proxy=loopback.url.replace("//", "//user:pass@")))
    answer = http.request("GET", "http://example.invalid/a", headers={}, write=False)
    assert answer.body == b"by proxy"
    (seen,) = loopback.requests
    assert (seen.path, seen.headers["proxy-authorization"]) == ("http://example.invalid/a", "Basic dXNlcjpwYXNz")


@pytest.mark.parametrize(("write", "error"), [(True, Unknown), (False, Refused)])
def test_an_answer_is_bounded(*, loopback: Loopback, write: bool, error: type[Exception]) -> None:
    loopback.reply(200, b"x" * 1001)
    with pytest.raises(error, match="larger than 1,000 bytes"):
        Http(HttpSettings(max_body=1000)).request("GET", loopback.url, headers={}, write=write)


@pytest.mark.parametrize(
    ("beginning", "then"),
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "x"),
        ("HTTP/1.1 200 O", "K"),
        ("HTTP/1.1 200 OK\r\nX-Long: ", "x"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: x\r\n"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "status", "header", "trailers", "continue"],
)
def test_an_answer_that_trickles_is_given_up(impatient: Http, beginning: str, then: str) -> None:
    with trickling(beginning, then) as url, pytest.raises(Unavailable) as caught:
        impatient.request("GET", url, headers={}, write=False)
    assert caught.value.code == "timeout"


def test_a_header_that_cannot_be_is_not_repeated_to_anybody(http: Http, loopback: Loopback) -> None:
    secret = secrets.token_hex()
    with pytest.raises(Refused, match="a header holds what none can") as caught:
        http.request("POST", loopback.url, headers={"Authorization": f"Bearer {secret}\n"}, write=True)
    assert secret not in "".join(traceback.format_exception(caught.value))
    assert loopback.requests == []


def test_a_stream_is_read_as_it_comes_and_may_be_left_early(http: Http, loopback: Loopback) -> None:
    loopback.reply(200, b"x" * 1_000_000)
    loopback.reply(200, b"next")
    with http.stream(loopback.url, headers={}) as stream:
        assert stream.status == 200
        assert set(next(stream.chunks)) == {ord("x")}
    assert http.request("GET", loopback.url, headers={}, write=False).body == b"next"
    assert len({seen.peer for seen in loopback.requests}) == 2, "what was not read to its end is not used again"


def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again(http: Http, loopback: Loopback) -> None:
    loopback.hang_up()
    loopback.reply(200, b"again")
    assert http.request("POST", loopback.url, headers={}, write=True).body == b""
    assert loopback.hung_up.wait(10)
    assert http.request("POST", loopback.url, headers={}, write=True).body == b"again"


def test_a_target_is_sent_as_it_is_spelled(http: Http, loopback: Loopback) -> None:
    for spelled, sent in [
        ("/a/../b%2Fc?x=%20#fragment", "/a/../b%2Fc?x=%20"),
        ("/naïve file", "/na%C3%AFve%20file"),
        ("", "/"),
        ("?q", "/?q"),
    ]:
        loopback.reply(200)
        http.request("GET", loopback.url + spelled, headers={}, write=False)
        assert loopback.requests[-1].path == sent


def test_a_stream_that_breaks_off_is_unavailable(http: Http, loopback: Loopback) -> None:
    loopback.break_off(b"half")
    with http.stream(loopback.url, headers={}) as stream, pytest.raises(Unavailable) as caught:
        list(stream.chunks)
    assert (type(caught.value), caught.value.code) == (Unavailable, "connection_lost")


def test_connections_are_used_again(http: Http, loopback: Loopback) -> None:
    for _ in range(3):
        loopback.reply(200, b"{}")
        http.request("GET", loopback.url, headers={}, write=False)
    assert (len(loopback.requests), len({seen.peer for seen in loopback.requests})) == (3, 1)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b"[" * 100_000])
def test_an_answer_that_is_no_json_object_is_unavailable(body: bytes) -> None:
    with pytest.raises(Unavailable) as caught:
        Response(200, {}, body).json()
    assert caught.value.code == "not_json"


def test_settings_come_from_the_environment_and_lower_case_wins() -> None:
    environ = {
        "HTTPS_PROXY": "http://upper:1",
        "https_proxy": "http://lower:1",
        "HTTP_PROXY": "http://from-a-header:1",
        "NO_PROXY": ".Internal.example, 10.0.0.1:8443,,",
        "SSL_CERT_FILE": "/etc/ca.pem",
    }
    assert HttpSettings.from_environment(environ) == HttpSettings(
        https_proxy="http://lower:1", no_proxy=("internal.example", "10.0.0.1:8443"), ca_bundle="/etc/ca.pem"
    )
    assert HttpSettings.from_environment({}) == HttpSettings()


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://storage.googleapis.com/x", "http://p:1"),
        ("http://plain.example/", None),
        ("https://a.internal.example/", None),
        ("https://internal.example/", None),
        ("https://notinternal.example/", "http://p:1"),
        ("https://10.0.0.1:8443/", None),
        ("https://10.0.0.1/", "http://p:1"),
        ("https://metadata.google.internal/", None),
        ("https://127.0.0.1:5/", None),
        ("https://169.254.255.2:8081/msi/token", None),
    ],
)
def test_what_goes_through_the_proxy(url: str, proxy: str | None) -> None:
    settings = HttpSettings(https_proxy="http://p:1", no_proxy=("internal.example", "10.0.0.1:8443"))
    assert settings.proxy_for(url) == proxy


def test_a_star_exempts_every_host() -> None:
    assert HttpSettings(https_proxy="http://p:1", no_proxy=("*",)).proxy_for("https://a.example/") is None


class trickling:  # noqa: N801  # used as a context manager, like contextlib's own
    """A server that begins an answer, and then sends a little more of it every 50 ms, for 5 s at the most."""

    def __init__(self, beginning: str, then: str) -> None:
        self._beginning = beginning.encode()
        self._then = then.encode()

    def __enter__(self) -> str:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/"

    def _serve(self) -> None:
        peer, _ = self._socket.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(self._beginning)
            for _ in range(100):
                if self._stop.wait(0.05):
                    return
                try:
                    peer.sendall(self._then)
                except OSError:
                    return

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()


def test_a_certificate_is_checked_against_the_named_authority(tmp_path: Path) -> None:
    authority = self_signed(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        thread = threading.Thread(target=answer_over_tls, args=(listening, authority, 2))
        thread.start()
        with pytest.raises(Unavailable, match="is not trusted; name your CA's file in SSL_CERT_FILE") as caught:
            Http(HttpSettings()).request("POST", url, headers={}, write=True)
        trusting = Http(HttpSettings(ca_bundle=str(authority)))
        assert trusting.request("POST", url, headers={}, write=True).body == b"hi"
        thread.join(10)
    assert (type(caught.value), caught.value.code) == (Unavailable, "certificate")


def test_a_trusted_certificate_of_another_host_is_none(tmp_path: Path) -> None:
    authority = self_signed(tmp_path)  # for 127.0.0.1
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer_over_tls, args=(listening, authority, 1))
        thread.start()
        url = f"https://localhost:{listening.getsockname()[1]}/"
        with pytest.raises(Unavailable) as caught:
            Http(HttpSettings(ca_bundle=str(authority))).request("POST", url, headers={}, write=True)
        thread.join(10)
    assert (type(caught.value), caught.value.code) == (Unavailable, "certificate")


def answer_over_tls(listening: socket.socket, authority: Path, times: int) -> None:
    context = server_context(authority)
    for _ in range(times):
        peer, _ = listening.accept()
        answer_once_over_tls(peer, context)


def server_context(authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    return context


def answer_once_over_tls(peer: socket.socket, context: ssl.SSLContext) -> None:
    with contextlib.suppress(OSError), context.wrap_socket(peer, server_side=True) as tls:
        tls.recv(65536)
        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    peer.close()


def self_signed(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 and its key, in one PEM file."""
    x509 = pytest.importorskip("cryptography.x509")
    forms = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    curves = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
    hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
    key = curves.generate_private_key(curves.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "loopback.pem"
    private = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(forms.Encoding.PEM))
    return path
