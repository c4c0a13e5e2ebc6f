"""What is begun ahead of the first request: a connection, and a token."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.transport.credentials import KeptToken
from retrigger.handlers.transport.google import GoogleApi
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.triggers.errors import Refused, Unavailable
from tests.handlers.transport.test_http import answer_once_over_tls, answer_over_tls, self_signed, server_context

if TYPE_CHECKING:
    from pathlib import Path

    from tests.handlers.conftest import Loopback


def an_api(authority: Path | None = None) -> tuple[GoogleApi, list[str]]:
    """And what says how often a token was fetched."""
    fetched: list[str] = []

    def fetch() -> tuple[str, float]:
        fetched.append("token")
        return "token", 3600.0

    http = Http(HttpSettings(ca_bundle=None if authority is None else str(authority), timeout=5))
    return GoogleApi(http, KeptToken(fetch, lambda: 0.0)), fetched


def prepared(api: GoogleApi, url: str) -> None:
    api.prepare(url)
    for thread in threading.enumerate():
        if thread.name == "prepare":
            thread.join(10)


def test_the_first_request_goes_over_the_connection_that_was_prepared(tmp_path: Path) -> None:
    authority = self_signed(tmp_path)
    api, fetched = an_api(authority)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=answer_over_tls, args=(listening, authority, 1))  # one connection, no more
        server.start()
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        prepared(api, url)
        assert fetched == ["token"]
        assert api.call("GET", url).body == b"hi"
        server.join(10)
    assert fetched == ["token"]


def test_who_needs_a_connection_that_is_coming_waits_for_it(tmp_path: Path) -> None:
    authority = self_signed(tmp_path)
    http = Http(HttpSettings(ca_bundle=str(authority), timeout=5))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        preparing = threading.Thread(target=http.prepare, args=(url,))
        preparing.start()
        listening.settimeout(5)
        peer, _ = listening.accept()  # it is coming, and its handshake waits for us
        answers: list[bytes] = []
        asking = threading.Thread(
            target=lambda: answers.append(http.request("GET", url, headers={}, write=False).body), daemon=True
        )
        asking.start()
        answer_once_over_tls(peer, server_context(authority))
        asking.join(5)
        preparing.join(5)
    assert answers == [b"hi"]


def test_what_cannot_be_prepared_is_told_by_the_request_alone() -> None:
    api, _ = an_api()
    url = "https://127.0.0.1:1/"
    prepared(api, url)
    with pytest.raises(Unavailable):
        api.call("GET", url)


def test_a_token_that_is_refused_is_asked_for_again_by_the_request() -> None:
    def fetch() -> tuple[str, float]:
        raise Refused("no", code="no")

    api = GoogleApi(Http(HttpSettings()), KeptToken(fetch, lambda: 0.0))
    prepared(api, "https://127.0.0.1:1/")
    with pytest.raises(Refused, match="no"):
        api.call("GET", "https://127.0.0.1:1/")


def test_nothing_is_prepared_without_tls(loopback: Loopback) -> None:
    api, fetched = an_api()
    prepared(api, loopback.url)
    assert (fetched, loopback.requests) == ([], [])
