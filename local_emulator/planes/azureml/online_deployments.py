"""Deployments of online endpoints: each is a server, and has succeeded when that is healthy.

A deployment that is changed gets a second server, which takes over when it is ready; if it never is, the first one goes
on. Source: https://learn.microsoft.com/rest/api/azureml/online-deployments.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from retrigger.local_emulator.planes.azureml import deployed
from retrigger.local_emulator.planes.azureml.arm import Answer, key, page
from retrigger.local_emulator.planes.azureml.endpoint_resources import checked_name, found, gone, kept, view
from retrigger.local_emulator.planes.resources import Body, Conflict, Invalid, NotFound, Precondition
from retrigger.local_emulator.runners.azureml import scorer, scoring
from retrigger.local_emulator.runners.azureml.scoring import Scoring
from retrigger.local_emulator.runners.serving import ServerSpec

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from retrigger.local_emulator.planes.azureml.arm import Call, Workspace
    from retrigger.local_emulator.planes.azureml.resolving import Resolver
    from retrigger.local_emulator.planes.resources import Resource, Resources
    from retrigger.local_emulator.runners.serving import Servers

ENDPOINTS: Final = "onlineEndpoints"
OPERATIONS: Final = "endpointOperations"
_UNDER_WAY: Final = frozenset({"Creating", "Updating"})
_STATUSES: Final = {"Creating": "InProgress", "Updating": "InProgress", "Succeeded": "Succeeded", "Failed": "Failed"}
_READY_WITHIN_S = 900.0  # an environment may have to be made first
_MOST_LINES = 5000
_SOON: Final = {"retry-after-ms": "200"}  # on a laptop nobody has to wait as long as in a cloud
_MOST_SERVED = 32  # each is a process of this machine
# What azure-ai-ml reads of every deployment, whether or not anybody gave it.
_EXPECTED: Final = {"endpointComputeType": "Managed", "scaleSettings": {"scaleType": "Default"}, "properties": {}}


class OnlineDeployments:
    """`folder` is for what the servers serve. `changing` is held while an endpoint or a deployment changes."""

    def __init__(
        self,
        resources: Resources,
        servers: Servers,
        now: Callable[[], datetime],
        *,
        folder: Path,
        resolver: Callable[[Workspace], Resolver],
        changing: threading.Lock,
    ) -> None:
        self._resources = resources
        self._servers = servers
        self._now = now
        self._folder = folder
        self._resolver = resolver
        self._changing = changing

    def recover(self) -> None:
        """After a start of the emulator: what was ready, or on its way, is started again."""
        for resource in self._all():
            self._start_servers(resource)

    def names(self, endpoint: str) -> set[str]:
        return {str(item.body["name"]) for item in self._resources.all(f"{endpoint}/deployments")}

    def put(self, call: Call) -> Answer:
        """Errors: Conflict while it is being made or changed."""
        name = checked_name("deployment", call.path[3])
        wanted = deployed.scoring_of(self._resolver(call.workspace), call.properties)
        deployed.timeout_of(call.properties)
        with self._changing:
            self._endpoint(call)
            before = self._settled(call.key)
            if before is None and sum(1 for _ in self._all()) >= _MOST_SERVED:
                raise Precondition(f"{_MOST_SERVED} deployments are served here, and no more: delete one first.")
            if before is not None and before.body["state"] in _UNDER_WAY:
                raise _busy(name)
            body = kept(call, name, self._now(), before, scoring=asdict(wanted))
            resource = self._keep(call.key, body, before)
            self._start_servers(resource)
        headers = {} if resource.body["state"] == "Succeeded" else _followed(call, resource)
        return Answer(self._view(call, resource.body), 201 if before is None else 200, headers)

    def get(self, call: Call) -> Answer:
        return Answer(self._view(call, self._known(call).body))

    def list_all(self, call: Call) -> Answer:
        self._endpoint(call)
        resources = [self._settled(item.name) for item in self._resources.all(call.key)]
        return page(call, [self._view(call, item.body) for item in resources if item is not None])

    def delete(self, call: Call) -> Answer:
        """Errors: Precondition while it has traffic; Conflict while it is being made or changed."""
        with self._changing:
            properties = self._endpoint(call).body["properties"]
            resource = self._settled(call.key)
            if resource is None:
                return gone()
            name = resource.body["name"]
            if resource.body["state"] in _UNDER_WAY:
                raise _busy(name)
            if any((properties.get(kind) or {}).get(name) for kind in ("traffic", "mirrorTraffic")):
                raise Precondition(f"The deployment {name} has traffic: give its share to another one, delete it then.")
            self._remove(resource)
        return Answer(None)

    def remove_all(self, endpoint: str) -> None:
        """When their endpoint goes; `changing` is held."""
        for resource in self._resources.all(f"{endpoint}/deployments"):
            self._remove(resource)

    def logs(self, call: Call) -> Answer:
        """The last lines of what its server said, the one that is being made if there are two."""
        resource = self._known(call)
        tail = call.body.get("tail") or _MOST_LINES
        if not isinstance(tail, int) or tail < 1:
            raise Invalid("`tail` must be a whole number above 0.")
        log = self._servers.log(_server(resource.name, resource.body["generation"]))
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        return Answer({"content": "".join(text.splitlines(keepends=True)[-min(tail, _MOST_LINES) :])})

    def operation(self, call: Call) -> Answer:
        """What has become of a change, as clients ask who follow `Azure-AsyncOperation`."""
        endpoint, deployment, generation = (*call.path[1].split(":"), "", "")[:3]
        resource = self._settled(key(call.workspace, ENDPOINTS, endpoint, "deployments", deployment))
        told: Body = {"id": call.url, "name": call.path[1], "status": "Canceled"}
        if resource is not None and str(resource.body["generation"]) == generation:
            told["status"] = _STATUSES[resource.body["state"]]
            if resource.body["error"]:
                told["error"] = {"code": "DeploymentFailed", "message": resource.body["error"]}
        return Answer(told, headers=_SOON)

    def server(self, endpoint: str, name: str) -> tuple[str | None, float] | None:
        """The key of the server that answers for a deployment now, if any, and how many seconds it has.

        None if there is no such deployment.
        """
        resource = self._settled(f"{endpoint}/deployments/{name}".lower())
        if resource is None:
            return None
        serving = resource.body["serving"]
        within = deployed.timeout_of(resource.body["properties"])
        return (_server(resource.name, serving) if serving else None), within

    def _all(self) -> Iterator[Resource]:
        for collection in self._resources.collections("deployments"):
            if f"/{ENDPOINTS.lower()}/" in collection:
                yield from self._resources.all(collection)

    def _endpoint(self, call: Call) -> Resource:
        try:
            return self._resources.get(key(call.workspace, ENDPOINTS, call.path[1]))
        except NotFound as error:
            raise NotFound(f"The online endpoint {call.path[1][:80]!r} was not found.") from error

    def _known(self, call: Call) -> Resource:
        self._endpoint(call)
        resource = self._settled(key(call.workspace, *call.path[:4]))
        if resource is None:
            raise NotFound(f"The deployment {call.path[3][:80]!r} of {call.path[1][:80]} was not found.")
        return resource

    def _keep(self, place: str, body: Body, before: Resource | None) -> Resource:
        """Write down what is wanted; a new generation of it, unless what is served would be the same."""
        if before is None:
            self._forget(place, 1)  # what a crash may have left of one with this name
            return self._resources.create(place, body | _state("Creating", 1, 0))
        old = before.body
        generation, serving = old["generation"], old["serving"]
        same = all(old[field] == body[field] for field in ("properties", "scoring"))
        lives = self._servers.state(_server(place, serving)).state != "failed"
        if same and lives and old["state"] == "Succeeded":
            state = _state("Succeeded", generation, serving)
        else:
            if generation != serving:  # the last change failed
                self._forget(place, generation)
            state = _state("Updating", generation + 1, serving)
        return self._resources.update(place, body | state, before.etag)

    def _settled(self, place: str) -> Resource | None:
        """A deployment; one that is under way is asked how it is, and what has become of it is written down."""
        resource = found(self._resources, place)
        if resource is None or resource.body["state"] not in _UNDER_WAY:
            return resource
        body = resource.body
        server = self._servers.state(_server(place, body["generation"]))
        match server.state:
            case "ready":
                body = body | _state("Succeeded", body["generation"], body["generation"])
            case "failed":
                body = body | _state("Failed", body["generation"], body["serving"], server.error)
            case _:
                return resource
        try:
            settled = self._resources.update(place, body, resource.etag)
        except (Conflict, NotFound):  # somebody else looked, or it was deleted, in this moment
            return self._settled(place)
        if server.state == "ready" and resource.body["serving"]:
            self._forget(place, resource.body["serving"])
        return settled

    def _start_servers(self, resource: Resource) -> None:
        body = resource.body
        wanted = {body["serving"], body["generation"] if body["state"] in _UNDER_WAY else body["serving"]} - {0}
        for generation in sorted(wanted):
            folder = self._place(resource.name, generation)
            if generation == body["generation"]:
                Scoring(**body["scoring"]).write(folder)
            spec = ServerSpec(
                command=[sys.executable, "-m", scoring.__name__, "serve", str(folder)],
                env={},
                port_names=(scorer.PORT,),
                health="/",
                ready_within_s=_READY_WITHIN_S,
            )
            self._servers.start(_server(resource.name, generation), spec)

    def _remove(self, resource: Resource) -> None:
        self._resources.delete(resource.name)
        for generation in {resource.body["generation"], resource.body["serving"]} - {0}:
            self._forget(resource.name, generation)

    def _forget(self, place: str, generation: int) -> None:
        self._servers.stop(_server(place, generation))
        shutil.rmtree(self._place(place, generation), ignore_errors=True)

    def _place(self, place: str, generation: int) -> Path:
        return self._folder / f"{hashlib.sha256(place.encode()).hexdigest()[:24]}-{generation}"

    def _view(self, call: Call, body: Body) -> Body:
        path = (*call.path[:3], body["name"])
        given = {**_EXPECTED, **{name: value for name, value in body["properties"].items() if value is not None}}
        return view(call, path, body, {**given, "provisioningState": body["state"]})


def _state(state: str, generation: int, serving: int, error: str = "") -> dict[str, Any]:
    """`generation` counts the changes of a deployment; `serving` is the one whose server answers, 0 for none yet."""
    return {"state": state, "generation": generation, "serving": serving, "error": error}


def _server(place: str, generation: int) -> str:
    return f"{place}@{generation}"


def _busy(name: str) -> Conflict:
    return Conflict(f"A change of the deployment {name} is under way: wait until it has succeeded or failed.")


def _followed(call: Call, resource: Resource) -> dict[str, str]:
    """Where to ask what has become of a change."""
    name = f"{call.path[1]}:{call.path[3]}:{resource.body['generation']}"
    return {"azure-asyncoperation": f"{call.origin}{call.workspace.id}/{OPERATIONS}/{name}", **_SOON}
