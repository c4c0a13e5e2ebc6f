"""What is deployed to the endpoints of the local Vertex AI: a model is, from when its own server is healthy.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints/deployModel
"""

from __future__ import annotations

import re
import secrets
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from retrigger.local_emulator.planes.resources import (
    AlreadyExists,
    Body,
    Exhausted,
    Invalid,
    NotFound,
    Precondition,
    ResourceError,
    Resources,
)
from retrigger.local_emulator.planes.vertex import operations, traffic_split
from retrigger.local_emulator.planes.vertex.operations import Operations
from retrigger.local_emulator.runners.containers import predict_route, server_of
from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.record import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from retrigger.local_emulator.planes.resources import Resource
    from retrigger.local_emulator.planes.rest import Call
    from retrigger.local_emulator.planes.vertex.models import Models
    from retrigger.local_emulator.planes.vertex.operations import UnderWay
    from retrigger.local_emulator.runners.server import ServerSpec
    from retrigger.local_emulator.runners.serving import Served, Servers

KIND = "endpoints"

_ID = re.compile(r"(?!0$)[0-9]{1,10}")
_MODEL = re.compile(r"(projects/[^/]+/locations/[^/]+)/models/([^/]+)")
_MAX_SERVERS = 32
_TAIL = 2000
_WITHIN_S = 60.0  # https://cloud.google.com/vertex-ai/docs/predictions/get-online-predictions


class Deployments:
    """Deploys, undeploys, and keeps the endpoints true: each change of one is made after the last was.

    Nothing watches the servers. Whoever looks at an endpoint, or at its operations, first has them settled.
    """

    def __init__(self, resources: Resources, models: Models, servers: Servers, now: Callable[[], datetime]) -> None:
        self._resources = resources
        self._models = models
        self._servers = servers
        self._now = now
        self._operations = Operations(resources, now)
        self._changing = threading.RLock()
        self._unsettled: set[str] = set()
        self._routes: dict[str, str] = {}

    def recover(self) -> None:
        """After a start: start the servers of what was deployed, or being deployed, when the emulator ended."""
        with self._changing:
            for collection in self._resources.collections(KIND):
                for endpoint in self._resources.all(collection):
                    self._unsettled.add(endpoint.name)
                    self.settle(endpoint.name)
                    for deployed in endpoint.body["deployedModels"]:
                        self._start(endpoint.name, deployed)  # where it cannot be, who asks it is told so

    def look(self, name: str) -> Resource:
        """An endpoint as it is now. Errors: NotFound."""
        self.settle(name)
        return self._resources.get(name)

    @contextmanager
    def changing(self, name: str) -> Iterator[Resource]:
        """An endpoint that nobody else changes meanwhile. Errors: NotFound."""
        with self._changing:
            yield self.look(name)

    def settle(self, name: str) -> None:
        """Find out what has become of the models that are being deployed to an endpoint."""
        if name not in self._unsettled:
            return
        with self._changing:
            waiting = self._operations.under_way(name)
            left = [operation for operation in waiting if not self._settled(name, operation)]
            if not left:
                self._unsettled.discard(name)

    def deploy(self, call: Call) -> Body:
        """Start to deploy; the operation ends when the model's server is healthy, or will never be."""
        name = endpoint_name(call)
        with self.changing(name) as found:
            asked = _wanted(call.body)
            waiting = [it.asked["deployedModel"]["id"] for it in self._operations.under_way(name)]
            taken = [it["id"] for it in found.body["deployedModels"]]
            if asked["id"] in (*taken, *waiting):
                raise AlreadyExists(f"DeployedModel {asked['id']} of {name} already exists.")
            split = traffic_split.checked(call.body.get("trafficSplit"), {traffic_split.NEW, *taken})
            if len(self._routes) >= _MAX_SERVERS:
                raise Exhausted(f"The emulator serves at most {_MAX_SERVERS} deployed models: undeploy another first.")
            deployed = self._resolved(asked)
            server = self._server(deployed)
            operation = self._operations.begin(
                name, operations.DEPLOY_MODEL, {"deployedModel": deployed, "trafficSplit": split}
            )
            self._unsettled.add(name)
            self._serve(_server_key(name, deployed["id"]), *server)
        return operation

    def undeploy(self, call: Call) -> Body:
        """Errors: NotFound for a model that is not deployed; Precondition while it has traffic."""
        name, gone = endpoint_name(call), str(call.body.get("deployedModelId", ""))
        with self.changing(name) as found:
            left = [it for it in found.body["deployedModels"] if it["id"] != gone]
            if len(left) == len(found.body["deployedModels"]):
                raise NotFound(f"DeployedModel {gone[:40]!r} is not found in {name}.")
            split = traffic_split.without(
                found.body["trafficSplit"], gone, [it["id"] for it in left], call.body.get("trafficSplit")
            )
            self._write(found, {"deployedModels": left, "trafficSplit": split})
            operation = self._operations.done(name, operations.UNDEPLOY_MODEL, {})
            self._stop(_server_key(name, gone))
        return operation

    def ask(self, name: str, deployed_id: str, body: bytes, headers: Mapping[str, str]) -> Served:
        """Have a deployed model's server predict; one that does not answer has answered 502, 503 or 504."""
        key = _server_key(name, deployed_id)
        return self._servers.ask(key, "POST", self._routes.get(key, "/"), body, headers, _WITHIN_S)

    def check_unused(self, found: Resource) -> None:
        """Errors: Precondition while a model is deployed to an endpoint, or is being deployed."""
        waiting = [it.asked["deployedModel"] for it in self._operations.under_way(found.name)]
        if used := [it["id"] for it in (*found.body["deployedModels"], *waiting)]:
            raise Precondition(f"{found.name} has the deployed models {', '.join(used)}: undeploy them first.")

    def _resolved(self, asked: Body) -> Body:
        """What is deployed: a version of a model, under the names that it is shown by. Errors: NotFound, Invalid."""
        place = _MODEL.fullmatch(str(asked.get("model", "")))
        if place is None:
            raise Invalid("deployed_model.model must be projects/PROJECT/locations/LOCATION/models/MODEL@VERSION.")
        model = self._models.find(place[1], place[2])
        return {
            **asked,
            "displayName": asked.get("displayName") or model["displayName"],
            "model": model["name"],
            "modelVersionId": model["versionId"],
            "createTime": timestamp(self._now()),
        }

    def _settled(self, name: str, operation: UnderWay) -> bool:
        """End an operation if it can be: tell whether it has ended."""
        deployed = operation.asked["deployedModel"]
        key = _server_key(name, deployed["id"])
        match (state := self._servers.state(key)).state:
            case "creating":
                return False
            case "gone":  # the emulator was started meanwhile
                if not (failure := self._start(name, deployed)):
                    return False
            case "ready":
                failure = self._add(name, operation)
            case "failed":
                failure = state.error
        if failure:
            model = f"{deployed['model']}@{deployed['modelVersionId']}"
            told = f"Model server of {model} never became ready: {failure}.\n{_tail(self._servers.log(key))}"
            self._stop(key)
            self._operations.fail(operation.name, told.rstrip())
        else:
            self._operations.succeed(operation.name, operations.DEPLOY_MODEL, {"deployedModel": deployed})
        return True

    def _add(self, name: str, operation: UnderWay) -> str:
        """Show a model as deployed; tell why that cannot be, or ""."""
        found, deployed = self._resources.get(name), operation.asked["deployedModel"]
        shown = found.body["deployedModels"]
        if any(it["id"] == deployed["id"] for it in shown):  # the emulator ended between this write and the next
            return ""
        try:
            split = traffic_split.checked(
                operation.asked["trafficSplit"], {traffic_split.NEW, *(it["id"] for it in shown)}
            )
        except Invalid as error:  # a model of the split was undeployed meanwhile
            return str(error).rstrip(".")
        split = traffic_split.with_new(split, deployed["id"]) or found.body["trafficSplit"]
        self._write(found, {"deployedModels": [*shown, deployed], "trafficSplit": split})
        return ""

    def _write(self, found: Resource, change: Body) -> None:
        self._resources.update(found.name, {**found.body, **change, "updateTime": timestamp(self._now())}, found.etag)

    def _start(self, name: str, deployed: Body) -> str:
        """Start a server again; tell why that cannot be, or ""."""
        try:
            spec, route = self._server(deployed)
        except ResourceError as error:  # its command has gone from this machine
            return str(error).rstrip(".")
        self._serve(_server_key(name, deployed["id"]), spec, route)
        return ""

    def _server(self, deployed: Body) -> tuple[ServerSpec, str]:
        """How a model's server is started, and the path that predicts. Errors: Invalid if it does not run here."""
        parent, _, model_id = deployed["model"].partition("/models/")
        version = f"{model_id}@{deployed['modelVersionId']}"
        model = self._models.find(parent, version)
        container = model.get("containerSpec", {})
        try:
            return server_of(version, container, str(model.get("artifactUri", ""))), predict_route(container)
        except PipelineError as error:
            raise Invalid(f"{error}.") from error

    def _serve(self, key: str, spec: ServerSpec, route: str) -> None:
        self._routes[key] = route
        self._servers.start(key, spec)

    def _stop(self, key: str) -> None:
        self._servers.stop(key)
        self._routes.pop(key, None)


def endpoint_name(call: Call) -> str:
    return f"{call.parent}/{KIND}/{call.path['endpoint']}"


def _server_key(endpoint: str, deployed_id: str) -> str:
    """The key of a deployed model's server among all servers of the emulator."""
    return f"{endpoint}/{deployed_id}"


def _wanted(body: Body) -> Body:
    """The deployed model that is asked for, with its id. Errors: Invalid."""
    asked = body.get("deployedModel")
    if not isinstance(asked, dict):
        raise Invalid("deployed_model is required.")
    deployed_id, name = asked.get("id") or None, asked.get("displayName", "")
    if deployed_id is not None and not (isinstance(deployed_id, str) and _ID.fullmatch(deployed_id)):
        raise Invalid(f"Invalid deployed_model.id {str(deployed_id)[:40]!r}: 1 to 10 digits, and not 0 alone.")
    if not isinstance(name, str):
        raise Invalid("deployed_model.display_name must be a string.")
    dedicated = asked.get("dedicatedResources")
    if isinstance(dedicated, dict):
        machine, least = dedicated.get("machineSpec"), dedicated.get("minReplicaCount")
        if not isinstance(machine, dict) or not machine.get("machineType"):
            raise Invalid("deployed_model.dedicated_resources.machine_spec.machine_type is required.")
        if not isinstance(least, int) or least < 1:
            raise Invalid("deployed_model.dedicated_resources.min_replica_count must be a whole number above 0.")
    elif not isinstance(asked.get("automaticResources"), dict):
        raise Invalid("deployed_model needs dedicated_resources or automatic_resources: no other kind is emulated.")
    return {**asked, "id": deployed_id or str(secrets.randbits(62))}


def _tail(log: Path) -> str:
    """The end of a server's log, which goes with the server; "" where it has none."""
    return log.read_bytes()[-_TAIL:].decode(errors="replace") if log.exists() else ""
