"""The paths of online and batch endpoints, below a workspace: which of the parts answers which request."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from retrigger.local_emulator.planes.azureml import batch_endpoints, online_deployments
from retrigger.local_emulator.planes.azureml.batch_endpoints import BatchEndpoints
from retrigger.local_emulator.planes.azureml.online_deployments import OnlineDeployments
from retrigger.local_emulator.planes.azureml.online_endpoints import OnlineEndpoints
from retrigger.local_emulator.planes.azureml.online_metrics import OnlineMetrics
from retrigger.local_emulator.planes.azureml.online_scoring import OnlineScoring

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from starlette.routing import Route

    from retrigger.local_emulator.planes.azureml.arm import Answer, Call, Workspace
    from retrigger.local_emulator.planes.azureml.jobs import Jobs
    from retrigger.local_emulator.planes.azureml.resolving import Resolver
    from retrigger.local_emulator.planes.resources import Resources
    from retrigger.local_emulator.runners.routing import Traffic
    from retrigger.local_emulator.runners.serving import Servers


class Endpoints:
    """`folder` is for what the online deployments serve. Requests are counted in `traffic`."""

    def __init__(
        self,
        resources: Resources,
        jobs: Jobs,
        now: Callable[[], datetime],
        *,
        resolver: Callable[[Workspace], Resolver],
        servers: Servers,
        traffic: Traffic,
        folder: Path,
    ) -> None:
        changing = threading.Lock()
        self._deployments = OnlineDeployments(
            resources, servers, now, folder=folder, resolver=resolver, changing=changing
        )
        self._online = OnlineEndpoints(resources, self._deployments, traffic, now, changing=changing)
        self._batch = BatchEndpoints(resources, jobs, now, resolver=resolver)
        self._metrics = OnlineMetrics(resources, self._deployments, traffic)
        self._scoring = OnlineScoring(
            resources, self._online, self._deployments, servers=servers, traffic=traffic, now=now
        )

    def recover(self) -> None:
        """After a start of the emulator."""
        self._deployments.recover()

    def ensure(self, workspace: Workspace, name: str) -> None:
        """Make an online endpoint without deployments, unless it is there. Errors: Invalid for no such name."""
        self._online.ensure(workspace, name)

    def close(self) -> None:
        self._scoring.close()

    def scoring(self) -> Route:
        return self._scoring.route()

    def answer(self, call: Call) -> Answer | None:
        """None for a request that nobody here answers. Errors: ResourceError."""
        match call.path:
            case (online_deployments.OPERATIONS, _) if call.method == "GET":
                return self._deployments.operation(call)
            case (online_deployments.ENDPOINTS, _, "deployments", *_):
                return self._online_deployment(call)
            case (online_deployments.ENDPOINTS, *_):
                return self._online_endpoint(call)
            case (batch_endpoints.ENDPOINTS, *_):
                return self._batch_endpoint(call)
            case _:
                return None

    def _online_endpoint(self, call: Call) -> Answer | None:
        match call.method, call.path[1:]:
            case "GET", ():
                return self._online.list_all(call)
            case "GET", (_,):
                return self._online.get(call)
            case "PUT", (_,):
                return self._online.put(call)
            case "PATCH", (_,):
                return self._online.patch(call)
            case "DELETE", (_,):
                return self._online.delete(call)
            case "POST", (_, "listKeys"):
                return self._online.list_keys(call)
            case "POST", (_, "regenerateKeys"):
                return self._online.regenerate_keys(call)
            case "POST", (_, "token"):
                return self._online.token(call)
            case "GET", (_, "providers", provider, "metrics") if provider.lower() == "microsoft.insights":
                return self._metrics.metrics(call)
            case _:
                return None

    def _online_deployment(self, call: Call) -> Answer | None:
        match call.method, call.path[3:]:
            case "GET", ():
                return self._deployments.list_all(call)
            case "GET", (_,):
                return self._deployments.get(call)
            case "PUT", (_,):
                return self._deployments.put(call)
            case "DELETE", (_,):
                return self._deployments.delete(call)
            case "POST", (_, "getLogs"):
                return self._deployments.logs(call)
            case _:
                return None

    def _batch_endpoint(self, call: Call) -> Answer | None:
        match call.method, call.path[1:]:
            case "GET", () | (_, "deployments"):
                return self._batch.list_all(call)
            case "GET", (_,) | (_, "deployments", _):
                return self._batch.get(call)
            case "PUT", (_,):
                return self._batch.put(call)
            case "PATCH", (_,):
                return self._batch.patch(call)
            case "PUT", (_, "deployments", _):
                return self._batch.put_deployment(call)
            case "DELETE", (_,) | (_, "deployments", _):
                return self._batch.delete(call)
            case "POST", (_, "jobs"):
                return self._batch.invoke(call)
            case _:
                return None
