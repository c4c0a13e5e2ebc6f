from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.transport.connections import Connections, Route
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.triggers.errors import Unavailable
from tests.handlers.transport.test_http import answer_over_tls, self_signed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.handlers.conftest import Loopback


def test_no_more_connections_wait_than_are_to_be_kept(loopback: Loopback) -> None:
    connections, route = Connections(None, kept=1), Route.to(loopback.url, None)
    first, second = connections.take(route, 5), connections.take(route, 5)
    connections.give_back(route, first)
    connections.give_back(route, second)
    assert second.sock is None, "it was closed"
    assert connections.take(route, 5) is first
    first.close()


def test_a_connection_that_waited_too_long_is_not_used_again(loopback: Loopback) -> None:
    connections, route = Connections(None, kept=1, idle=0), Route.to(loopback.url, None)
    first = connections.take(route, 5)
    connections.give_back(route, first)
    second = connections.take(route, 5)
    assert second is not first
    assert first.sock is None, "it was closed"
    second.close()


def test_a_forked_process_does_not_use_its_parents_connections(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections, route = Connections(None, kept=1), Route.to(loopback.url, None)
    mine = connections.take(route, 5)
    connections.give_back(route, mine)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    theirs = connections.take(route, 5)
    assert theirs is not mine
    theirs.close()


@pytest.mark.parametrize("proxy", ["https://proxy.example", "socks5://127.0.0.1:1080", "http://"])
def test_a_proxy_of_another_kind_is_refused_before_anything_is_sent(proxy: str) -> None:
    with pytest.raises(Unavailable, match="name it in HTTPS_PROXY as http://HOST:PORT") as caught:
        Http(HttpSettings(https_proxy=proxy)).request("GET", "https://example.invalid/", headers={}, write=True)
    assert (type(caught.value), caught.value.code) == (Unavailable, "proxy")


def test_a_proxy_may_be_named_without_its_scheme() -> None:
    assert HttpSettings(https_proxy="proxy:3128").proxy_for("https://example.com/") == "http://proxy:3128"


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    with pytest.raises(Unavailable, match=r"ca\.pem cannot be read; name a PEM file") as caught:
        Http(HttpSettings(ca_bundle=str(missing))).request("GET", "https://127.0.0.1:1/", headers={}, write=True)
    assert (type(caught.value), caught.value.code) == (Unavailable, "certificate")


def test_a_host_that_speaks_no_tls_has_been_sent_nothing(loopback: Loopback) -> None:
    secure = loopback.url.replace("http:", "https:")
    with pytest.raises(Unavailable, match="speaks no TLS") as caught:
        Http(HttpSettings()).request("POST", secure, headers={}, body=b"{}", write=True)
    assert (type(caught.value), caught.value.code) == (Unavailable, "tls")
    assert loopback.requests == []


def test_a_secure_request_goes_through_the_proxys_tunnel(tmp_path: Path) -> None:
    """To the authority that was named, with the proxy's credentials decoded, and none of ours told to the proxy."""
    authority = self_signed(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listening, tunnel(listening.getsockname()[1]) as (proxy, asked):
        server = threading.Thread(target=answer_over_tls, args=(listening, authority, 1))
        server.start()
        settings = HttpSettings(https_proxy=f"http://us%40er:p%20w@{proxy}", ca_bundle=str(authority))
        sent = {"Authorization": "Bearer secret"}
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        route = Route.to(url, settings.proxy_for("https://elsewhere.example/"))
        connection = Connections(settings.ca_bundle, 1).take(route, 5)
        connection.request("GET", "/", headers=sent)
        assert connection.getresponse().read() == b"hi"
        connection.close()
        server.join(10)
    assert b"Proxy-Authorization: Basic dXNAZXI6cCB3\r\n" in asked[0]
    assert asked[0].startswith(b"CONNECT 127.0.0.1:")
    assert b"secret" not in asked[0]


@contextmanager
def tunnel(port: int) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that lets one connection through: (its address, what it was asked)."""
    asked: list[bytes] = []

    def serve() -> None:
        client, _ = listening.accept()
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            asked.append(client.recv(65536))
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pump, args=(server, client))
            back.start()
            pump(client, server)
            back.join(10)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}", asked
        thread.join(10)


def pump(from_: socket.socket, to: socket.socket) -> None:
    try:
        while data := from_.recv(65536):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # either side may be gone first
