"""The endpoints of the local Vertex AI: create, get, list, patch, delete.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from retrigger.local_emulator.planes.resources import AlreadyExists, Body, Conflict, Invalid, Resource, Resources, camel
from retrigger.local_emulator.planes.rest import Call, page
from retrigger.local_emulator.planes.vertex import operations, traffic_split
from retrigger.local_emulator.planes.vertex.deploying import KIND, endpoint_name
from retrigger.local_emulator.planes.vertex.operations import Operations
from retrigger.local_emulator.runners.record import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from retrigger.local_emulator.planes.vertex.deploying import Deployments
    from retrigger.local_emulator.runners.routing import Traffic

_ID = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?|[1-9][0-9]{0,8}")
_MAX_NAME = 128
_UPDATABLE = ("displayName", "description", "labels", "trafficSplit")


class Endpoints:
    """Shown as Google's JSON shows them: what is empty is left out. The etag changes with every change."""

    def __init__(
        self, resources: Resources, deployments: Deployments, traffic: Traffic, now: Callable[[], datetime]
    ) -> None:
        self._resources = resources
        self._deployments = deployments
        self._traffic = traffic
        self._operations = Operations(resources, now)
        self._now = now

    def create(self, call: Call) -> Body:
        """`endpointId` makes a repeated create an ALREADY_EXISTS; without it every create is a new endpoint."""
        _check(call.body)
        endpoint_id = call.query.get("endpointId")
        if endpoint_id is not None and not _ID.fullmatch(endpoint_id):
            raise Invalid(
                f"Invalid endpoint_id {endpoint_id[:80]!r}: a letter and up to 62 of [a-z0-9-], or up to 9 digits."
            )
        traffic_split.checked(call.body.get("trafficSplit"), ())
        made = self._made(f"{call.parent}/{KIND}/{endpoint_id or secrets.randbits(62)}", call.body)
        return self._operations.done(made.name, operations.CREATE_ENDPOINT, _shown(made))

    def ensure(self, name: str) -> None:
        """Make an endpoint that a project names as one that is there, whatever its id; one that is there stays."""
        with suppress(AlreadyExists):
            self._made(name, {"displayName": name.rsplit("/", 1)[-1]})

    def get(self, call: Call) -> Body:
        return _shown(self._deployments.look(endpoint_name(call)))

    def list_all(self, call: Call) -> Body:
        for item in self._resources.all(f"{call.parent}/{KIND}"):
            self._deployments.settle(item.name)
        shown = [_shown(item) for item in self._resources.all(f"{call.parent}/{KIND}")]
        found = page(call, shown, "create_time desc")
        return {KIND: list(found.items), "nextPageToken": found.next_token}

    def patch(self, call: Call) -> Body:
        """Change the fields of the mask. Errors: Conflict for an etag that is not the present one; Invalid."""
        paths = [camel(path.strip()) for path in call.query.get("updateMask", "").split(",") if path.strip()]
        if not paths or not set(paths) <= set(_UPDATABLE):
            raise Invalid(f"update_mask must name fields of these: {', '.join(_UPDATABLE)}.")
        with self._deployments.changing(endpoint_name(call)) as found:
            etag = call.body.get("etag")
            if etag and etag != found.etag:
                raise Conflict(f"{found.name} changed since it was read: etag {str(etag)[:40]} is not the present one.")
            change = {path: call.body.get(path) for path in paths}
            if "trafficSplit" in change:
                deployed = [it["id"] for it in found.body["deployedModels"]]
                change["trafficSplit"] = traffic_split.checked(change["trafficSplit"], deployed)
            body = {**found.body, **change, "updateTime": timestamp(self._now())}
            _check(body)
            return _shown(self._resources.update(found.name, body, found.etag))

    def delete(self, call: Call) -> Body:
        """Errors: Precondition while a model is deployed to it."""
        with self._deployments.changing(endpoint_name(call)) as found:
            self._deployments.check_unused(found)
            self._resources.delete(found.name)
            self._traffic.forget(found.name)
            return self._operations.done(found.name, operations.DELETE, {})

    def _made(self, name: str, body: Body) -> Resource:
        """Errors: AlreadyExists."""
        moment = timestamp(self._now())
        own = {"name": name, "deployedModels": [], "trafficSplit": {}, "createTime": moment, "updateTime": moment}
        return self._resources.create(name, {**body, **own})


def _check(endpoint: Body) -> None:
    """Errors: Invalid for what a user names an endpoint by."""
    name, labels = endpoint.get("displayName"), endpoint.get("labels") or {}
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME:
        raise Invalid(f"endpoint.display_name must be a text of 1 to {_MAX_NAME} characters.")
    if not isinstance(labels, dict) or not all(isinstance(label, str) for label in labels.values()):
        raise Invalid("endpoint.labels must be an object of strings.")


def _shown(found: Resource) -> Body:
    filled = {key: value for key, value in found.body.items() if value not in ({}, [], None, "")}
    return {**filled, "etag": found.etag}
