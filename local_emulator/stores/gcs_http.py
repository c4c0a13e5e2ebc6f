"""How the faces of the stores read a request and answer it: raw paths, bounded bodies, Google's error shape.

Error shape: https://cloud.google.com/storage/docs/json_api/v1/status-codes.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from starlette.datastructures import Headers, URLPath
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound

from retrigger.local_emulator.stores.conditions import Preconditions
from retrigger.local_emulator.stores.errors import Failed, Invalid, RangeNotSatisfiable, StoreError, TooLarge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.types import Receive, Scope, Send

JSON_LIMIT = 1024 * 1024
# How much of a body that nobody wants is still read, so that its sender sees the answer and not a reset connection.
DRAIN_LIMIT = 64 * 1024 * 1024
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Call:
    """One request but for its body. `path` is still percent-encoded; `base` is the scheme and host the client used."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Headers
    base: str
    names: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def integer(self, parameter: str) -> int | None:
        """Errors: Invalid unless it is a whole number of 64 bits."""
        return integer(parameter, self.query.get(parameter))

    def boolean(self, parameter: str) -> bool:
        """False if absent. The official client writes `True`, others `true`. Errors: Invalid."""
        match self.query.get(parameter, "false").lower():
            case "true":
                return True
            case "false":
                return False
            case text:
                raise Invalid(f"Invalid value for {parameter}: {text[:40]!r} is neither true nor false.")

    def preconditions(self, infix: str = "") -> Preconditions:
        """The four of them; with infix "Source" those of a copy's source."""
        return Preconditions(
            generation=self.integer(f"if{infix}GenerationMatch"),
            generation_not=self.integer(f"if{infix}GenerationNotMatch"),
            metageneration=self.integer(f"if{infix}MetagenerationMatch"),
            metageneration_not=self.integer(f"if{infix}MetagenerationNotMatch"),
        )

    def json(self) -> dict[str, object]:
        """The body as a JSON object; an empty body is an empty one. Errors: Invalid, TooLarge."""
        text = _gunzip(self.body) if self.headers.get("content-encoding") == "gzip" else self.body
        return parse_json(text) if text else {}


class Body:
    """The body of a request, read at most once and never held whole unless it is small."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._finished = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Errors: Disconnected if the client leaves before the end."""
        while not self._finished:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            self._finished = not message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    async def read(self, limit: int) -> bytes:
        """Errors: TooLarge, Disconnected."""
        whole = bytearray()
        async for chunk in self.chunks():
            whole += chunk
            if len(whole) > limit:
                raise TooLarge(f"The body of this call may have at most {limit} bytes.")
        return bytes(whole)

    async def drain(self) -> None:
        """Read and forget what is left, up to a bound."""
        left = DRAIN_LIMIT
        async for chunk in self.chunks():
            left -= len(chunk)
            if left < 0:
                return


class Disconnected(Exception):
    """The client went away: there is nobody to answer."""


def json_response(content: Mapping[str, object], status: int = 200) -> Response:
    return Response(json.dumps(content), status, media_type="application/json; charset=UTF-8")


def error_response(error: StoreError) -> Response:
    match error:
        case RangeNotSatisfiable(size=size):
            headers = {"Content-Range": f"bytes */{size}"}
        case _:
            headers = {}
    if error.status == 304:
        return Response(status_code=304)
    response = json_response(_error(error.status, error.reason, str(error)), error.status)
    response.headers.update(headers)
    return response


class RawRoute(BaseRoute):
    """Matches the path as it was sent.

    Starlette's own routes see it percent-decoded, where the slashes of an object's name look like those of the API.
    `refuse` shows a StoreError as the cloud would.
    """

    def __init__(
        self,
        pattern: str,
        respond: Callable[[Call, Body], Awaitable[Response]],
        refuse: Callable[[StoreError], Response],
    ) -> None:
        self._pattern = re.compile(pattern, re.DOTALL)
        self._respond = respond
        self._refuse = refuse

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        found = scope["type"] == "http" and self._pattern.fullmatch(scope["raw_path"].decode("latin-1"))
        return (Match.FULL if found else Match.NONE), {}

    def url_path_for(self, name: str, /, **_path_params: object) -> URLPath:
        raise NoMatchFound(name, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = Body(receive)
        try:
            response = await self._answer(scope, body)
        except Disconnected:
            return
        except Exception:
            # The server logs it, with its traceback; the client learns only that.
            await self._refuse(Failed("The emulator failed; its log says why."))(scope, receive, send)
            raise
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, body: Body) -> Response:
        try:
            response = await self._respond(_call(scope), body)
        except StoreError as error:
            response = self._refuse(error)
        await body.drain()
        return response


def parse_json(text: bytes) -> dict[str, object]:
    """Errors: Invalid, for anything but a JSON object that can be written back."""
    try:
        value = json.loads(text)
        # Half a surrogate pair and NaN can be read but not stored; RecursionError is what a bomb of brackets gives.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise Invalid("Parse Error: the body is not JSON.") from error
    if not isinstance(value, dict):
        raise Invalid("Parse Error: the body is not a JSON object.")
    return value


def parse_query(text: str) -> dict[str, str]:
    """Errors: Invalid for bytes that are not UTF-8 or over 100 parameters. Of one given twice the first counts."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise Invalid("The query string is not percent-encoded UTF-8, or has more than 100 parameters.") from error
    return dict(reversed(pairs))


def integer(name: str, text: str | None) -> int | None:
    """A parameter or header as a number. Errors: Invalid unless it is a whole number of 64 bits."""
    if text is None:
        return None
    if not re.fullmatch(r"-?[0-9]{1,19}", text) or abs(int(text)) > _LARGEST:
        raise Invalid(f"Invalid value for {name}: {text[:40]!r} is not a whole number of 64 bits.")
    return int(text)


def unquoted(text: str) -> str:
    """Errors: Invalid for bytes that are not UTF-8."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise Invalid("The path is not percent-encoded UTF-8.") from error


def _call(scope: Scope) -> Call:
    headers = Headers(scope=scope)
    host = headers.get("host") or "{}:{}".format(*scope["server"])
    return Call(
        method="GET" if scope["method"] == "HEAD" else scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=parse_query(scope["query_string"].decode("latin-1")),
        headers=headers,
        base=f"{scope['scheme']}://{host}",
    )


def _error(status: int, reason: str, message: str) -> dict[str, object]:
    detail = {"message": message, "domain": "global", "reason": reason}
    return {"error": {"code": status, "message": message, "errors": [detail]}}


def _gunzip(data: bytes) -> bytes:
    decompress = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        text = decompress.decompress(data, JSON_LIMIT)
    except zlib.error as error:
        raise Invalid("The body is not what its Content-Encoding says: gzip.") from error
    if decompress.unconsumed_tail:
        raise TooLarge(f"The body of this call may have at most {JSON_LIMIT} bytes.")
    if not decompress.eof:
        raise Invalid("The body ends before its gzip stream does.")
    return text
