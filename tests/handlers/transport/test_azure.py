from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.transport import service_bus
from retrigger.handlers.transport.azure import AzureApi, AzureStorageApi, failure, manager_failure
from retrigger.handlers.transport.credentials import KeptToken
from retrigger.handlers.transport.http import Response
from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.handlers.transport.http import Http
    from tests.handlers.conftest import Loopback

FORBIDDEN = b"<?xml version='1.0'?><Error><Code>C</Code><Message>not you\x07\nRequestId:1</Message></Error>"


@pytest.mark.parametrize(
    ("status", "error"),
    [(302, Refused), (400, Refused), (401, Unavailable), (403, Refused), (404, Refused), (408, Unavailable),
     (429, Unavailable), (500, Unavailable), (503, Unavailable)],
)  # fmt: skip
def test_what_is_permanent_and_what_may_pass(status: int, error: type[Exception]) -> None:
    told = failure(Response(status, {"x-ms-error-code": "ServerBusy", "retry-after": "7"}, b""), "host")
    assert (type(told), told.code) == (error, "ServerBusy")
    assert failure(Response(status, {}, b""), "host").code == f"http_{status}"


def test_a_failure_says_who_answered_what_and_the_next_step() -> None:
    told = failure(Response(403, {"x-ms-error-code": "AuthorizationPermissionMismatch"}, FORBIDDEN), "h.example")
    assert str(told) == (
        "h.example answered 403 AuthorizationPermissionMismatch: not you; "
        "grant the function's identity the role Storage Blob Data Contributor"
    )


def test_a_token_that_was_not_accepted_is_forgotten(http: Http, loopback: Loopback) -> None:
    given = iter(("first", "second"))
    api = AzureStorageApi(http, KeptToken(lambda: (next(given), 3600.0), lambda: 0.0))
    loopback.reply(401)
    loopback.reply(200)
    with pytest.raises(Unavailable):
        api.call("GET", loopback.url)
    assert api.call("GET", loopback.url).status == 200
    assert [seen.headers["authorization"] for seen in loopback.requests] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"error": {"code": "AuthorizationFailed", "message": "not you.\\nmore"}}', "AuthorizationFailed: not you"),
        (b'{"error": {"code": 7, "message": null}}', "http_403: no reason given"),
        (b'{"error": "no"}', "http_403: no reason given"),
        (b"[]", "http_403: no reason given"),
        (b"<html>", "http_403: no reason given"),
        (b"[" * 100_000, "http_403: no reason given"),
    ],
)
def test_what_resource_manager_says_with_the_next_step(body: bytes, told: str) -> None:
    error = manager_failure(Response(403, {}, body), "h.example")
    step = "grant the function's identity the role AzureML Data Scientist on the workspace"
    assert (type(error), str(error)) == (Refused, f"h.example answered 403 {told}; {step}")


def test_a_call_may_need_a_further_token(http: Http, loopback: Loopback) -> None:
    further = KeptToken(lambda: ("further", 3600.0), lambda: 0.0)
    api = AzureApi(http, KeptToken(lambda: ("usual", 3600.0), lambda: 0.0))
    loopback.reply(200)
    loopback.reply(200)
    api.call("PUT", loopback.url, also={"x-further": further})
    api.call("GET", loopback.url)
    sent = [(it.headers["authorization"], it.headers.get("x-further")) for it in loopback.requests]
    assert sent == [("Bearer usual", "further"), ("Bearer usual", None)]


@pytest.mark.parametrize(("begun", "of"), [(b"<Message>", failure), (b"<Detail>", service_bus.failure)])
def test_a_body_of_beginnings_is_read_in_one_go(
    begun: bytes, of: Callable[[Response, str], Refused | Unavailable]
) -> None:
    """Sixteen megabytes may come: looking two thousand bytes ahead at each beginning would take a minute."""
    told = of(Response(500, {}, begun * 1_500_000 + FORBIDDEN), "host")
    assert told.code == "http_500"
