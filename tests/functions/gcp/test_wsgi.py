"""How wsgi.py reads a request, beside what test_main and test_callers hold of both entry points."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.functions.gcp import wsgi
from retrigger.triggers.formats.wire import MAX_BODY

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.functions.gcp.dispatch import Asked
    from retrigger.functions.response import Answer


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Asked, bytes]]:
    """What was asked, and what its body gave when more was wanted than there is."""
    heard: list[tuple[Asked, bytes]] = []

    def serve(asked: Asked) -> tuple[str, int, dict[str, str]]:
        heard.append((asked, asked.read(1_000)))
        return "{}", 200, {"Content-Type": "application/json"}

    monkeypatch.setattr(wsgi, "serve", serve)
    return heard


def call(**environ: Any) -> tuple[str, dict[str, str], bytes]:
    started: list[Any] = []
    plain = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": io.BytesIO(b"body, and the next request")}
    body = wsgi.app({**plain, **environ}, lambda *said: started.append(said))  # type: ignore[arg-type, return-value]
    [(status, headers)] = started
    return status, dict(headers), b"".join(body)


def test_a_request_is_what_the_server_says(asked: list[tuple[Asked, bytes]]) -> None:
    said = call(
        REQUEST_METHOD="PUT",
        PATH_INFO="/pubsub/caf\xc3\xa9",
        QUERY_STRING="a=1&code=s3cret%2B%2F%3D&code=other",
        CONTENT_TYPE="application/json",
        CONTENT_LENGTH="4",
        HTTP_CE_ID="e-1",
        HTTP_CONTENT_TYPE="text/plain",
        REMOTE_ADDR="203.0.113.9",
    )
    assert said == ("200 OK", {"Content-Type": "application/json", "Content-Length": "2"}, b"{}")
    [(it, body)] = asked
    assert (it.method, it.path, it.call.code, it.call.peer) == ("PUT", "/pubsub/caf\u00e9", "s3cret+/=", "203.0.113.9")
    assert it.call.headers == {"content-type": "application/json", "content-length": "4", "ce-id": "e-1"}
    assert body == b"body"


@pytest.mark.parametrize(
    ("announced", "body"),
    [
        ({}, b""),
        ({"CONTENT_LENGTH": ""}, b""),
        ({"CONTENT_LENGTH": "x"}, b""),
        ({"CONTENT_LENGTH": "-1"}, b""),
        ({"CONTENT_LENGTH": "9" * 5_000}, b""),
        ({"CONTENT_LENGTH": "\u0664"}, b""),
        ({"CONTENT_LENGTH": "4"}, b"body"),
        ({"wsgi.input_terminated": True}, b"body, and the next request"),
    ],
)
def test_no_more_is_read_than_was_announced(
    asked: list[tuple[Asked, bytes]], announced: dict[str, Any], body: bytes
) -> None:
    call(**announced)
    assert asked[0][1] == body


def test_a_path_that_is_no_text_has_an_answer(asked: list[tuple[Asked, bytes]]) -> None:
    call(PATH_INFO="/\xff")
    assert asked[0][0].path == "/\ufffd"


@pytest.mark.usefixtures("asked")
def test_who_asks_for_the_head_alone_is_sent_no_body() -> None:
    assert call(REQUEST_METHOD="HEAD")[1:] == ({"Content-Type": "application/json", "Content-Length": "2"}, b"")


class Endless:
    """A body, and how much of it was read."""

    def __init__(self) -> None:
        self.given = 0

    def read(self, size: int) -> bytes:
        self.given += size
        return bytes(size)


def answering(status: int) -> Callable[[Asked], Answer]:
    return lambda _: ("{}", status, {})


@pytest.mark.parametrize("status", [200, 405, 503])
@pytest.mark.parametrize("announced", [{"CONTENT_LENGTH": "3000000"}, {"wsgi.input_terminated": True}])
def test_a_body_is_read_to_its_end_before_the_answer(
    monkeypatch: pytest.MonkeyPatch, status: int, announced: dict[str, Any]
) -> None:
    """Or else who still writes it meets a closed connection, and never hears the answer."""
    monkeypatch.setattr(wsgi, "serve", answering(status))
    body = io.BytesIO(bytes(3_000_000))
    call(**announced, **{"wsgi.input": body})
    assert body.read() == b""


def test_a_body_without_an_end_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi, "serve", answering(405))
    body = Endless()
    assert call(**{"wsgi.input": body, "wsgi.input_terminated": True})[0] == "405 Method Not Allowed"
    assert body.given == 3 * MAX_BODY


@pytest.mark.parametrize("status", [401, 403])
def test_who_is_refused_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setattr(wsgi, "serve", answering(status))
    body = Endless()
    call(**{"wsgi.input": body, "wsgi.input_terminated": True})
    assert body.given == 0
