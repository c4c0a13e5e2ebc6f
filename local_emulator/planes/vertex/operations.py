"""Long-running operations of the local Vertex AI: what is under way, and how it ended.

An operation is named below what it is about: `…/endpoints/E/operations/O`, or `…/locations/L/operations/O`.

Source: https://cloud.google.com/vertex-ai/docs/general/long-running-operations
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retrigger.local_emulator.planes.resources import NotFound
from retrigger.local_emulator.planes.rest import Call, page
from retrigger.local_emulator.runners.record import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from retrigger.local_emulator.planes.resources import Body, Resources

FAILED_PRECONDITION = 9
"""The code of gRPC that Vertex AI gives to a deployment whose server did not come up."""

_PACKAGE = "type.googleapis.com/google.cloud.aiplatform.v1."
_EMPTY = "type.googleapis.com/google.protobuf.Empty"
_ASKED = "asked"
_KEPT = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """The messages of an operation: what it tells of itself, and what it has given when it is done."""

    metadata: str
    response: str


UPLOAD_MODEL = Kind(f"{_PACKAGE}UploadModelOperationMetadata", f"{_PACKAGE}UploadModelResponse")
CREATE_ENDPOINT = Kind(f"{_PACKAGE}CreateEndpointOperationMetadata", f"{_PACKAGE}Endpoint")
DEPLOY_MODEL = Kind(f"{_PACKAGE}DeployModelOperationMetadata", f"{_PACKAGE}DeployModelResponse")
UNDEPLOY_MODEL = Kind(f"{_PACKAGE}UndeployModelOperationMetadata", f"{_PACKAGE}UndeployModelResponse")
DELETE = Kind(f"{_PACKAGE}DeleteOperationMetadata", _EMPTY)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """An operation that has not ended, with what its beginner has to know to end it."""

    name: str
    asked: Body


class Operations:
    """Stored as they are shown, the last 200 that have ended.

    One that is under way also keeps what was asked, which is not shown.
    """

    def __init__(self, resources: Resources, now: Callable[[], datetime]) -> None:
        self._resources = resources
        self._now = now

    def begin(self, parent: str, kind: Kind, asked: Body) -> Body:
        """An operation that `succeed` or `fail` will end, be it after a restart."""
        return self._create(parent, kind, {_ASKED: asked})

    def done(self, parent: str, kind: Kind, response: Mapping[str, Any]) -> Body:
        """An operation that has ended when it is first told of."""
        return self._create(parent, kind, {"done": True, "response": {"@type": kind.response, **response}})

    def succeed(self, name: str, kind: Kind, response: Mapping[str, Any]) -> None:
        self._end(name, {"response": {"@type": kind.response, **response}})

    def fail(self, name: str, message: str) -> None:
        self._end(name, {"error": {"code": FAILED_PRECONDITION, "message": message}})

    def under_way(self, parent: str) -> list[UnderWay]:
        """Those below one resource that have not ended, oldest first."""
        found = [item.body for item in self._resources.all(f"{parent}/operations")]
        waiting = sorted((body for body in found if _ASKED in body), key=_created)
        return [UnderWay(body["name"], body[_ASKED]) for body in waiting]

    def get(self, call: Call) -> Body:
        return _shown(self._resources.get(f"{_parent(call)}/operations/{call.path['operation']}").body)

    def list_all(self, call: Call) -> Body:
        shown = [_shown(item.body) for item in self._resources.all(f"{_parent(call)}/operations")]
        found = page(call, shown, "metadata.generic_metadata.create_time desc")
        return {"operations": list(found.items), "nextPageToken": found.next_token}

    def _create(self, parent: str, kind: Kind, more: Body) -> Body:
        moment = timestamp(self._now())
        operation = {
            "name": f"{parent}/operations/{secrets.randbits(62)}",
            "metadata": {"@type": kind.metadata, "genericMetadata": {"createTime": moment, "updateTime": moment}},
            **more,
        }
        self._resources.create(operation["name"], operation)
        self._forget_oldest(parent)
        return _shown(operation)

    def _forget_oldest(self, parent: str) -> None:
        ended = [item for item in self._resources.all(f"{parent}/operations") if _ASKED not in item.body]
        for item in sorted(ended, key=lambda item: _created(item.body))[:-_KEPT]:
            with suppress(NotFound):  # another thread has done so
                self._resources.delete(item.name)

    def _end(self, name: str, outcome: Body) -> None:
        found = self._resources.get(name)
        metadata = found.body["metadata"]
        times = {**metadata["genericMetadata"], "updateTime": timestamp(self._now())}
        ended = {**_shown(found.body), "metadata": {**metadata, "genericMetadata": times}, "done": True, **outcome}
        self._resources.update(name, ended, found.etag)


def _shown(body: Body) -> Body:
    """As Google's JSON has it: `done` is left out of an operation that is not."""
    return {key: value for key, value in body.items() if key != _ASKED}


def _created(body: Body) -> str:
    created: str = body["metadata"]["genericMetadata"]["createTime"]
    return created


def _parent(call: Call) -> str:
    endpoint = call.path.get("endpoint")
    return f"{call.parent}/endpoints/{endpoint}" if endpoint else call.parent
