"""How a Google control plane answers over REST: JSON in, JSON out, errors in Google's shape, never a traceback.

Source: https://google.aip.dev/193 (errors), https://google.aip.dev/127 (HTTP and JSON).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from retrigger.local_emulator.planes.resources import (
    AlreadyExists,
    Body,
    Conflict,
    Exhausted,
    Invalid,
    NotFound,
    Page,
    Precondition,
    ResourceError,
    paginate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request

MAX_BODY = 16 << 20
"""Bytes of a request; a compiled pipeline of a hundred components has less than one million."""

_MAX_PAGE = 1000
_PAGE_SIZE = re.compile(r"[0-9]{1,9}", re.ASCII)
_STATUS: dict[type[ResourceError], tuple[int, str]] = {
    AlreadyExists: (409, "ALREADY_EXISTS"),
    NotFound: (404, "NOT_FOUND"),
    Conflict: (409, "ABORTED"),
    Precondition: (400, "FAILED_PRECONDITION"),
    Invalid: (400, "INVALID_ARGUMENT"),
    Exhausted: (429, "RESOURCE_EXHAUSTED"),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the variables of its path, its query, its JSON body ({} if it had none).

    `pairs` is the query as it was written, where a name may stand more than once.
    """

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Body
    pairs: Sequence[tuple[str, str]] = ()

    @property
    def parent(self) -> str:
        return f"projects/{self.path['project']}/locations/{self.path['location']}"


def route(method: str, path: str, handler: Callable[[Call], Body]) -> Route:
    """Return a route that runs `handler` in a thread and answers with what it returns."""

    async def endpoint(request: Request) -> Response:
        try:
            body = await read_json(request)
            query = request.query_params
            call = Call(request.path_params, dict(query), body, query.multi_items())
            return answered(await run_in_threadpool(handler, call))
        except ResourceError as error:
            return refused(error)

    return Route(path, endpoint, methods=[method])


def refused(error: ResourceError) -> Response:
    """Answer with an error in Google's shape."""
    return failed(*_STATUS[type(error)], str(error))


def failed(status: int, name: str, message: str) -> Response:
    """Answer with an error of a status that no ResourceError has; `name` is a code of gRPC."""
    return answered({"error": {"code": status, "message": message, "status": name}}, status)


def answered(body: Body, status: int = 200) -> Response:
    # ASCII: a lone surrogate that came in as an escape goes out as one.
    return Response(json.dumps(body), status, media_type="application/json")


async def read_json(request: Request) -> Body:
    """The body, an object; {} for an empty one. Errors: Invalid."""
    raw = await read_body(request, MAX_BODY, Invalid(f"The request is larger than {MAX_BODY} bytes."))
    return parsed(raw) if raw else {}


async def read_body(request: Request, limit: int, too_large: ResourceError) -> bytes:
    """The body as it came; raises `too_large` at the first byte above the limit."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise too_large
        chunks.append(chunk)
    return b"".join(chunks)


def parsed(raw: bytes) -> Body:
    """A JSON object. Errors: Invalid."""
    try:
        body = json.loads(raw, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise Invalid("The request is not JSON.") from error
    if not isinstance(body, dict):
        raise Invalid("The request must be a JSON object.")
    return body


def _not_json(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def page(call: Call, items: Sequence[Body], order_by: str) -> Page:
    """Cut a list as the call's `filter`, `orderBy`, `pageSize` and `pageToken` ask. Errors: Invalid."""
    size = call.query.get("pageSize", "")
    if size and not _PAGE_SIZE.fullmatch(size):
        raise Invalid(f"Invalid page_size {size[:20]!r}: write a whole number.")
    return paginate(
        items,
        filter_=call.query.get("filter", ""),
        order_by=call.query.get("orderBy") or order_by,
        page_size=min(int(size or 0) or 100, _MAX_PAGE),
        page_token=call.query.get("pageToken", ""),
    )
