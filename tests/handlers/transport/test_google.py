from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.transport.google import GoogleApi, failure
from retrigger.handlers.transport.http import Response
from retrigger.triggers.errors import Refused, Unavailable, Unknown

if TYPE_CHECKING:
    from tests.handlers.conftest import Loopback


def test_calls_carry_the_token(api: GoogleApi, loopback: Loopback) -> None:
    loopback.reply(200, {"a": 1})
    assert api.call("GET", loopback.url).json() == {"a": 1}
    assert loopback.requests[0].headers["authorization"] == "Bearer secret-token"


def test_an_accepted_status_is_an_answer(api: GoogleApi, loopback: Loopback) -> None:
    loopback.reply(409, {"error": {}})
    assert api.call("POST", loopback.url, body=b"{}", write=True, accept=frozenset({409})).status == 409


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (302, Refused, "http_302"),
        (400, Refused, "invalid_argument"),
        (401, Unavailable, "unauthenticated"),
        (403, Refused, "permission_denied"),
        (404, Refused, "not_found"),
        (408, Unavailable, "http_408"),
        (429, Unavailable, "resource_exhausted"),
        (500, Unavailable, "internal"),
        (503, Unavailable, "unavailable"),
    ],
)
def test_what_is_permanent_and_what_may_pass(status: int, error: type[Exception], code: str) -> None:
    body = b"" if code.startswith("http") else b'{"error": {"status": "%s", "message": "no"}}' % code.upper().encode()
    found = failure(Response(status, {}, body), "host")
    assert (type(found), found.code) == (error, code)


def test_a_failure_says_who_answered_what_and_the_next_step() -> None:
    body = b'{"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no actAs\\u0007 on x\\nstack trace"}}'
    assert str(failure(Response(403, {}, body), "h.example")) == (
        "h.example answered 403 permission_denied: no actAs  on x; "
        "grant the caller's service account what the message names"
    )


def test_a_proxys_page_is_not_quoted() -> None:
    assert str(failure(Response(502, {}, b"<html>"), "h")) == "h answered 502 http_502: no reason given; try again"


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("Wed, 21 Oct", None), (None, None), ("9" * 400, None)])
def test_how_long_the_platform_asks_to_wait(text: str | None, seconds: float | None) -> None:
    headers = {} if text is None else {"retry-after": text}
    found = failure(Response(429, headers, b""), "h")
    assert isinstance(found, Unavailable)
    assert found.retry_after == seconds


def test_a_lost_answer_to_a_write_is_unknown(api: GoogleApi, loopback: Loopback) -> None:
    loopback.drop()
    with pytest.raises(Unknown):
        api.call("POST", loopback.url, body=b"{}", write=True)


def test_a_stream_that_is_refused_tells_why(api: GoogleApi, loopback: Loopback) -> None:
    loopback.reply(403, {"error": {"message": "not yours"}})
    with pytest.raises(Refused, match="not yours"), api.stream(loopback.url, headers={}):
        pass


def test_a_rejected_token_is_renewed(api: GoogleApi, loopback: Loopback) -> None:
    loopback.reply(401)
    loopback.reply(200, b"{}")
    with pytest.raises(Unavailable):
        api.call("GET", loopback.url)
    assert api.call("GET", loopback.url).status == 200
