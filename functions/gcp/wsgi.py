"""The same as `main` for any WSGI server, without functions-framework, two fifths of a cold start (docs/adr/0017).

`serve` runs it as Cloud Run does. The interface: https://peps.python.org/pep-3333/
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from retrigger.functions.auth import Call
from retrigger.functions.gcp.dispatch import Asked, announced_length, serve
from retrigger.triggers.formats.wire import MAX_BODY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

_PIECE: Final = 64 * 1024
_REST: Final = 3 * MAX_BODY
"""Bytes: together with what was read, more than the 32 MiB that Cloud Run lets through."""
_REFUSED: Final = frozenset({401, 403})


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Events and ticks, by path."""
    asked = _asked(environ)
    body, status, headers = serve(asked)
    if status not in _REFUSED:
        _read_to_the_end(asked.read)
    said = body.encode()
    start_response(f"{status} {HTTPStatus(status).phrase}", [*headers.items(), ("Content-Length", str(len(said)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [said]


def _asked(environ: WSGIEnvironment) -> Asked:
    code = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True).get("code", [None])[0]
    return Asked(
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO", "").encode("latin-1").decode(errors="replace"),
        call=Call(headers=_headers(environ), code=code, peer=environ.get("REMOTE_ADDR")),
        read=_reader(environ),
    )


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    """By names in lower case. Of the two that have variables of their own those count: no client writes them."""
    sent = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    own = {"content-type": environ.get("CONTENT_TYPE"), "content-length": environ.get("CONTENT_LENGTH")}
    return sent | {name: value for name, value in own.items() if value}


def _reader(environ: WSGIEnvironment) -> Callable[[int], bytes]:
    """Not all servers end the stream where the body does: of those that do not, no more is read than was announced."""
    read: Callable[[int], bytes] = environ["wsgi.input"].read
    if environ.get("wsgi.input_terminated"):
        return read
    left = announced_length(environ.get("CONTENT_LENGTH")) or 0

    def announced(size: int) -> bytes:
        nonlocal left
        came = read(min(size, left))
        left -= len(came)
        return came

    return announced


def _read_to_the_end(read: Callable[[int], bytes]) -> None:
    """Whoever still writes when the connection is closed never hears the answer, and sends all of it again.

    A caller who was refused is not waited for: a stranger who writes slowly would hold a thread.
    """
    left = _REST
    while left > 0 and (came := read(_PIECE)):
        left -= len(came)
