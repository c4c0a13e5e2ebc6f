from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.transport.azure import AzureStorageApi, failure
from retrigger.handlers.transport.credentials import KeptToken
from retrigger.handlers.transport.http import Response
from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
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
        "h.example answered 403 AuthorizationPermissionMismatch: not you ; "
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
