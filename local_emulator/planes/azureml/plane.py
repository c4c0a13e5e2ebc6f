"""The local Azure ML: what a workspace's paths of Resource Manager answer, and a page for each job.

Every workspace is there, and so is every compute; of registries there are none.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from retrigger.local_emulator.planes.azureml.addresses import Addresses
from retrigger.local_emulator.planes.azureml.arm import Answer, Call, Workspace, parted, route
from retrigger.local_emulator.planes.azureml.assets import KINDS, Assets
from retrigger.local_emulator.planes.azureml.endpoints import Endpoints
from retrigger.local_emulator.planes.azureml.jobs import Jobs
from retrigger.local_emulator.planes.azureml.lifecycle import Endings, model_registered
from retrigger.local_emulator.planes.azureml.places import Places
from retrigger.local_emulator.planes.azureml.resolving import Resolver
from retrigger.local_emulator.planes.resources import NotFound, ResourceError
from retrigger.local_emulator.stores.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from retrigger.local_emulator.planes.resources import Resources
    from retrigger.local_emulator.runners.process import JobProcesses
    from retrigger.local_emulator.runners.routing import Traffic
    from retrigger.local_emulator.runners.serving import Servers
    from retrigger.local_emulator.stores.objects import Objects
    from retrigger.triggers.event import Json

RUNNER = "retrigger.local_emulator.runners.azureml"
_CONTAINER = "azureml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One version of a component, an environment or a model: `properties` are those of its resource."""

    kind: Literal["components", "environments", "models"]
    name: str
    version: str
    properties: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A batch endpoint or a deployment of one: its path below the workspace, and the properties of its resource."""

    path: tuple[str, ...]
    properties: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Furniture:
    """What a project's workspace is furnished with.

    `datastores` are accounts and containers by name; `components` are those that its pipelines refer to; `endpoints`
    are the online endpoints that its rollouts change; `puts` has endpoints before their deployments.
    """

    workspace: Workspace
    assets: tuple[Asset, ...] = ()
    components: tuple[str, ...] = ()
    datastores: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    endpoints: tuple[str, ...] = ()
    puts: tuple[Put, ...] = ()


class AzureMl:
    """One plane for all workspaces.

    `blobs` are served at `blob_url`; `account` is the storage account where outputs lie by default, and uploads go.
    `tell` gives an event of Event Grid to whoever listens. `clock` is the file of the clock.
    Online endpoints are served by `servers`, from files below `deployments`, and their requests counted in `traffic`.
    """

    def __init__(
        self,
        resources: Resources,
        processes: JobProcesses,
        now: Callable[[], datetime],
        *,
        blobs: Objects,
        blob_url: str,
        account: str,
        tell: Callable[[Mapping[str, Json]], None],
        clock: Path,
        servers: Servers,
        traffic: Traffic,
        deployments: Path,
    ) -> None:
        self._blobs = blobs
        self._blob_url = blob_url
        self._account = account
        self.refused: list[str] = []
        addresses = Addresses(resources, f"https://{account}.blob.core.windows.net/{_CONTAINER}", blob_url)
        self.assets = Assets(
            resources,
            now,
            addresses=addresses,
            upload=self._container,
            registered=lambda *model: tell(model_registered(*model)),
        )
        self.places = Places(resources, now, addresses)
        self._resolver = partial(Resolver, resources, addresses)
        self.jobs = Jobs(
            resources,
            processes,
            now,
            resolver=self._resolver,
            ended=Endings(self.assets, tell).ended,
            clock=clock,
        )
        self.endpoints = Endpoints(
            resources,
            self.jobs,
            now,
            resolver=self._resolver,
            servers=servers,
            traffic=traffic,
            folder=deployments,
        )

    def recover(self) -> None:
        """After a start of the emulator."""
        self._container(_CONTAINER)
        self.jobs.recover()
        self.endpoints.recover()

    def close(self) -> None:
        self.endpoints.close()

    def furnish(self, furniture: Furniture) -> None:
        """Register what a project brings along: no news to anybody. `refused` tells what could not be."""
        workspace = furniture.workspace
        for name, (account, container) in furniture.datastores.items():
            properties = {"datastoreType": "AzureBlob", "accountName": account, "containerName": container}
            self.places.register(workspace, name, properties)
        for one in furniture.assets:
            self.assets.register(workspace, one.kind, one.name, one.version, one.properties, news=False)
        for name in furniture.endpoints:
            self.endpoints.ensure(workspace, name)
        bare = [replace(put, properties={**put.properties, "defaults": None}) for put in furniture.puts]
        self.refused = list(
            dict.fromkeys(filter(None, (self._put(workspace, put) for put in (*bare, *furniture.puts))))
        )

    def _put(self, workspace: Workspace, put: Put) -> str:
        """-> why it is refused, "" if it is not."""
        body = {"properties": {name: value for name, value in put.properties.items() if value is not None}}
        try:
            self.answer(Call("PUT", workspace, put.path, {}, body, self._blob_url))
        except ResourceError as error:
            return f"{'/'.join(put.path)}: {error}"
        return ""

    def missing(self, furniture: Furniture) -> list[str]:
        """Those of a project's components that nobody has registered."""
        resolver = self._resolver(furniture.workspace)
        return [name for name in furniture.components if not resolver.has_component(name)]

    def routes(self) -> list[Route]:
        return [
            route("/subscriptions/{rest:path}", self.answer),
            Route("/retrigger/azureml/subscriptions/{rest:path}", self._page),
            self.endpoints.scoring(),
        ]

    def answer(self, call: Call) -> Answer:
        """Errors: ResourceError."""
        match call.method, call.path:
            case "GET", ():
                return self.places.workspace(call)
            case _, ("jobs", *_):
                return self._job(call)
            case _, ("datastores", *_):
                return self._datastore(call)
            case "GET", ("computes", _):
                return self.places.compute(call)
            case _, (kind, *_) if kind in KINDS:
                return self._asset(call)
            case _ if (answer := self.endpoints.answer(call)) is not None:
                return answer
            case _:
                raise _not_served(call)

    def _job(self, call: Call) -> Answer:
        match call.method, call.path[1:]:
            case "GET", ():
                return self.jobs.list_all(call)
            case "PUT", (_,):
                return self.jobs.put(call)
            case "GET", (_,):
                return self.jobs.get(call)
            case "DELETE", (_,):
                return self.jobs.delete(call)
            case "POST", (_, "cancel"):
                return self.jobs.cancel(call)
            case _:
                raise _not_served(call)

    def _datastore(self, call: Call) -> Answer:
        match call.method, call.path[1:]:
            case "GET", ():
                return self.places.list_datastores(call)
            case "GET", (_,):
                return self.places.get_datastore(call)
            case "PUT", (_,):
                return self.places.put_datastore(call)
            case "POST", (_, "listSecrets"):
                return self.places.secrets(call)
            case _:
                raise _not_served(call)

    def _asset(self, call: Call) -> Answer:
        match call.method, call.path[1:]:
            case "GET", ():
                return self.assets.list_containers(call)
            case "GET", (_,):
                return self.assets.get_container(call)
            case "PUT", (_,):
                return self.assets.put_container(call)
            case "GET", (_, "versions"):
                return self.assets.list_versions(call)
            case "GET", (_, "versions" | "labels", _):
                return self.assets.get(call)
            case "PUT", (_, "versions", _):
                return self.assets.put(call)
            case "DELETE", (_, "versions", _):
                return self.assets.delete(call)
            case "POST", (_, "versions", _, "startPendingUpload"):
                return self.assets.start_upload(call)
            case _:
                raise _not_served(call)

    async def _page(self, request: Request) -> Response:
        match parted(f"subscriptions/{request.path_params['rest']}"):
            case workspace, ("jobs", name):
                try:
                    return PlainTextResponse(await run_in_threadpool(self.jobs.page, workspace, name))
                except NotFound as error:
                    return PlainTextResponse(f"{error}\n", 404)
            case _:
                return PlainTextResponse("There is no such page.\n", 404)

    def _container(self, name: str) -> str:
        """Make a container of the workspaces' account, unless it is there; give its address at the emulator's Blob."""
        with suppress(Conflict):
            self._blobs.insert_bucket(f"{self._account}/{name}", {})
        return f"{self._blob_url}/{self._account}/{name}"


def _not_served(call: Call) -> NotFound:
    return NotFound(f"{call.method} {'/'.join(call.path)[:300]} is not emulated: docs/emulator.md says what is.")
