"""How Resource Manager names things, and how it answers: JSON in, JSON out, errors in Azure's shape, never a traceback.

Source: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-providers-and-types, and
https://github.com/microsoft/api-guidelines/blob/vNext/azure/Guidelines.md for errors.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from retrigger.local_emulator.planes.resources import (
    AlreadyExists,
    Body,
    Conflict,
    Invalid,
    NotFound,
    Precondition,
    ResourceError,
    paginate,
)
from retrigger.local_emulator.planes.rest import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from starlette.requests import Request


PROVIDER: Final = "Microsoft.MachineLearningServices"
_WORKSPACE = re.compile(
    rf"/?subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/{re.escape(PROVIDER)}/workspaces/([^/]+)(?:/(.*))?",
    re.IGNORECASE | re.DOTALL,
)
_METHODS = ("GET", "PUT", "PATCH", "POST", "DELETE")
_COUNT = re.compile(r"[0-9]{1,9}")
_PAGE = 100
_SKIP = "$skipToken"
_STATUS: dict[type[ResourceError], tuple[int, str]] = {
    AlreadyExists: (409, "Conflict"),
    NotFound: (404, "NotFound"),
    Conflict: (409, "Conflict"),
    Precondition: (400, "UserError"),
    Invalid: (400, "UserError"),
}


@dataclass(frozen=True, slots=True)
class Workspace:
    """Every workspace is there. Resource Manager does not tell upper case from lower: `key` is one for all."""

    subscription: str
    group: str
    name: str

    @property
    def id(self) -> str:
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{group}/providers/{PROVIDER}/workspaces/{self.name}"

    @property
    def key(self) -> str:
        return self.id.lower().lstrip("/")


def parted(path: str) -> tuple[Workspace, tuple[str, ...]] | None:
    """The workspace of a resource's id, and the parts of the id below it; None if it is of no workspace."""
    found = _WORKSPACE.fullmatch(path)
    if found is None:
        return None
    below = (found[4] or "").strip("/")
    return Workspace(found[1], found[2], found[3]), tuple(below.split("/")) if below else ()


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the workspace, the path below it, its query, its JSON body ({} if it had none). `url` is its own.

    `headers` have names in lower case.
    """

    method: str
    workspace: Workspace
    path: tuple[str, ...]
    query: Mapping[str, str]
    body: Body
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """Where the caller reached this face."""
        return "/".join(self.url.split("/", 3)[:3])

    @property
    def key(self) -> str:
        """The name, in `Resources`, of what it is about."""
        return key(self.workspace, *self.path)

    @property
    def properties(self) -> Body:
        """Errors: Invalid if the body has none."""
        found = self.body.get("properties")
        if not isinstance(found, dict):
            raise Invalid("The request body must be an object with `properties`.")
        for name in ("tags", "properties"):
            if not isinstance(found.get(name) or {}, dict):
                raise Invalid(f"`properties.{name}` must be an object.")
        return found


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is None for none."""

    body: Body | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def key(workspace: Workspace, *path: str) -> str:
    return "/".join([workspace.key, *path]).lower()


def route(path: str, handler: Callable[[Call], Answer]) -> Route:
    """Return a route, whose `rest` is a resource's id, that runs `handler` in a thread."""

    async def endpoint(request: Request) -> Response:
        try:
            found = parted(f"subscriptions/{request.path_params['rest']}")
            if found is None:
                raise NotFound(f"{request.url.path[:500]} is not served here: only workspaces of Azure ML are.")
            body, query = await read_json(request), dict(request.query_params)
            call = Call(request.method, *found, query, body, str(request.url), request.headers)
            answer = await run_in_threadpool(handler, call)
        except UnicodeEncodeError:
            told = "The request holds half a character: \\uD800 to \\uDFFF come in pairs."
            answer = Answer({"error": {"code": "UserError", "message": told, "details": []}}, 400)
        except ResourceError as error:
            status, code = _STATUS[type(error)]
            answer = Answer({"error": {"code": code, "message": str(error), "details": []}}, status)
        if answer.body is None:
            return Response(status_code=answer.status, headers=answer.headers)
        return Response(json.dumps(answer.body), answer.status, answer.headers, media_type="application/json")

    return Route(path, endpoint, methods=_METHODS)


def stored(name: str, properties: Mapping[str, Any], created: datetime, **more: Any) -> Body:
    """What is kept of a resource: its name as it was written, its properties, and when it was made and changed."""
    moment = created.isoformat()
    return {"name": name, "properties": dict(properties), "createdAt": moment, "modifiedAt": moment, **more}


def shown(call: Call, path: Sequence[str], body: Body, properties: Body | None = None) -> Body:
    """A resource as Resource Manager shows it; `path` is the one below its workspace."""
    return {
        "id": f"{call.workspace.id}/{'/'.join(path)}",
        "name": body["name"],
        "type": f"{PROVIDER}/workspaces/{'/'.join(path[::2])}",
        "properties": body["properties"] if properties is None else properties,
        "systemData": {
            "createdAt": body["createdAt"],
            "createdBy": "retrigger-emulator",
            "createdByType": "Application",
            "lastModifiedAt": body["modifiedAt"],
        },
    }


def page(call: Call, items: Sequence[Body]) -> Answer:
    """A list, the newest first unless `$orderBy` is a name's, cut as `$top` asks."""
    top = call.query.get("$top", "")
    if top and not _COUNT.fullmatch(top):
        raise Invalid(f"$top is {top[:40]!r}: write a whole number.")
    newest = [{**item, "at": item["systemData"]["createdAt"]} for item in items]
    size = min(int(top or 0) or _PAGE, _PAGE)
    token = call.query.get(_SKIP, "")
    found = paginate(newest, filter_="", order_by="at desc", page_size=size, page_token=token)
    value = [{name: item[name] for name in item if name != "at"} for item in found.items]
    if not found.next_token or top:
        return Answer({"value": value})
    base = re.sub(rf"[&?]{re.escape(_SKIP)}=[^&]*", "", call.url)
    return Answer({"value": value, "nextLink": f"{base}{'&' if '?' in base else '?'}{_SKIP}={found.next_token}"})
