"""How a Google control plane answers over REST: JSON in, JSON out, errors in Google's shape, never a traceback.

Source: https://google.aip.dev/193 (errors), https://google.aip.dev/127 (HTTP and JSON).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from retrigger.local_emulator.planes.resources import (
    AlreadyExists,
    Body,
    Conflict,
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
_STATUS: dict[type[ResourceError], tuple[int, str]] = {
    AlreadyExists: (409, "ALREADY_EXISTS"),
    NotFound: (404, "NOT_FOUND"),
    Conflict: (409, "ABORTED"),
    Precondition: (400, "FAILED_PRECONDITION"),
    Invalid: (400, "INVALID_ARGUMENT"),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the variables of its path, its query, its JSON body ({} if it had none)."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Body

    @property
    def parent(self) -> str:
        return f"projects/{self.path['project']}/locations/{self.path['location']}"


def route(method: str, path: str, handler: Callable[[Call], Body]) -> Route:
    """Return a route that runs `handler` in a thread and answers with what it returns."""

    async def endpoint(request: Request) -> Response:
        try:
            body = await read_json(request)
            call = Call(request.path_params, dict(request.query_params), body)
            return _json(await run_in_threadpool(handler, call), 200)
        except ResourceError as error:
            status, name = _STATUS[type(error)]
            return _json({"error": {"code": status, "message": str(error), "status": name}}, status)

    return Route(path, endpoint, methods=[method])


def _json(body: Body, status: int) -> Response:
    # ASCII: a lone surrogate that came in as an escape goes out as one.
    return Response(json.dumps(body), status, media_type="application/json")


async def read_json(request: Request) -> Body:
    """The body, an object; {} for an empty one. Errors: Invalid."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise Invalid(f"The request is larger than {MAX_BODY} bytes.")
        chunks.append(chunk)
    if not size:
        return {}
    try:
        body = json.loads(b"".join(chunks), parse_constant=_not_json)
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
    if size and not size.isdecimal():
        raise Invalid(f"Invalid page_size {size!r}: write a whole number.")
    return paginate(
        items,
        filter_=call.query.get("filter", ""),
        order_by=call.query.get("orderBy") or order_by,
        page_size=min(int(size or 0) or 100, _MAX_PAGE),
        page_token=call.query.get("pageToken", ""),
    )


def done(name: str, kind: str, response: Mapping[str, Any]) -> Body:
    """Return a long-running operation that has ended; `kind` is the response's message ("UploadModelResponse")."""
    package = "google.protobuf" if kind == "Empty" else "google.cloud.aiplatform.v1"
    return {"name": name, "done": True, "response": {"@type": f"type.googleapis.com/{package}.{kind}", **response}}
