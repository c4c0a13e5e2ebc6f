"""The face of the local Vertex AI: its REST v1 paths, and the path of Cloud Monitoring that tells how it predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.local_emulator.planes.rest import Call, route
from retrigger.local_emulator.planes.vertex.artifacts import Artifacts
from retrigger.local_emulator.planes.vertex.batch_predictions import BatchPredictions
from retrigger.local_emulator.planes.vertex.deploying import Deployments, endpoint_name
from retrigger.local_emulator.planes.vertex.endpoints import Endpoints
from retrigger.local_emulator.planes.vertex.models import Models
from retrigger.local_emulator.planes.vertex.monitoring import Monitoring
from retrigger.local_emulator.planes.vertex.operations import Operations
from retrigger.local_emulator.planes.vertex.pipeline_jobs import PipelineJobs
from retrigger.local_emulator.planes.vertex.predicting import Predictions

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from starlette.routing import Route

    from retrigger.local_emulator.planes.resources import Body, Resources
    from retrigger.local_emulator.runners.process import JobProcesses
    from retrigger.local_emulator.runners.routing import Traffic
    from retrigger.local_emulator.runners.serving import Servers

_LOCATION = "/projects/{project}/locations/{location}"
_PARENT = f"/v1{_LOCATION}"
_ENDPOINT = _PARENT + "/endpoints/{endpoint}"


class Vertex:
    """One plane for all projects. `cache` is the folder of tasks' results, `clock` the file of the clock."""

    def __init__(
        self,
        resources: Resources,
        processes: JobProcesses,
        now: Callable[[], datetime],
        *,
        servers: Servers,
        traffic: Traffic,
        cache: Path,
        clock: Path,
    ) -> None:
        self._artifacts = Artifacts(resources, now)
        self._jobs = PipelineJobs(resources, processes, self._artifacts, now, cache=cache, clock=clock)
        self._models = Models(resources, now)
        self._batches = BatchPredictions(resources, self._models, processes, now, clock=clock)
        self._operations = Operations(resources, now)
        self._deployments = Deployments(resources, self._models, servers, now)
        self._endpoints = Endpoints(resources, self._deployments, traffic, now)
        self._predictions = Predictions(self._deployments, traffic, now)
        self._monitoring = Monitoring(resources, traffic)

    def recover(self) -> None:
        """After a start of the emulator: go on with what was accepted, and serve what was deployed."""
        self._jobs.recover()
        self._batches.recover()
        self._deployments.recover()

    def ensure_endpoint(self, name: str) -> None:
        """Make the endpoint projects/P/locations/L/endpoints/E, unless it is there."""
        self._endpoints.ensure(name)

    def routes(self) -> list[Route]:
        """The more particular path stands before the one that would swallow it."""
        return [
            *self._job_routes(),
            *self._model_routes(),
            *self._artifact_routes(),
            *self._endpoint_routes(),
            *self._operation_routes(),
            *self._monitoring.routes(),
        ]

    def _job_routes(self) -> list[Route]:
        return [
            route("POST", f"{_PARENT}/pipelineJobs", self._jobs.create),
            route("GET", f"{_PARENT}/pipelineJobs", self._jobs.list_all),
            route("POST", _PARENT + "/pipelineJobs/{job}:cancel", self._jobs.cancel),
            route("GET", _PARENT + "/pipelineJobs/{job}", self._jobs.get),
            route("DELETE", _PARENT + "/pipelineJobs/{job}", self._jobs.delete),
            route("POST", f"{_PARENT}/batchPredictionJobs", self._batches.create),
            route("GET", f"{_PARENT}/batchPredictionJobs", self._batches.list_all),
            route("POST", _PARENT + "/batchPredictionJobs/{job}:cancel", self._batches.cancel),
            route("GET", _PARENT + "/batchPredictionJobs/{job}", self._batches.get),
            route("DELETE", _PARENT + "/batchPredictionJobs/{job}", self._batches.delete),
        ]

    def _model_routes(self) -> list[Route]:
        models = self._models
        return [
            route("POST", f"{_PARENT}/models:upload", models.upload),
            route("GET", f"{_PARENT}/models", models.list_all),
            route("GET", _PARENT + "/models/{model}:listVersions", models.list_versions),
            route("POST", _PARENT + "/models/{model}/evaluations:import", models.import_evaluation),
            route("GET", _PARENT + "/models/{model}/evaluations", models.list_evaluations),
            route("GET", _PARENT + "/models/{model}/evaluations/{evaluation}", models.get_evaluation),
            route("GET", _PARENT + "/models/{model}", models.get),
        ]

    def _artifact_routes(self) -> list[Route]:
        store = _PARENT + "/metadataStores/{store}"
        return [
            route("GET", store, self._artifacts.get_store),
            route("POST", f"{store}/artifacts", self._artifacts.create),
            route("GET", f"{store}/artifacts", self._artifacts.list_all),
            route("GET", store + "/artifacts/{artifact}", self._artifacts.get),
        ]

    def _endpoint_routes(self) -> list[Route]:
        return [
            route("POST", f"{_PARENT}/endpoints", self._endpoints.create),
            route("GET", f"{_PARENT}/endpoints", self._endpoints.list_all),
            route("POST", f"{_ENDPOINT}:deployModel", self._deployments.deploy),
            route("POST", f"{_ENDPOINT}:undeployModel", self._deployments.undeploy),
            *self._predictions.routes(_ENDPOINT),
            route("GET", _ENDPOINT, self._endpoints.get),
            route("PATCH", _ENDPOINT, self._endpoints.patch),
            route("DELETE", _ENDPOINT, self._endpoints.delete),
        ]

    def _operation_routes(self) -> list[Route]:
        """Over REST google-cloud-aiplatform asks for operations below `/ui`: it is the first address that it knows."""
        found = []
        for location in (_PARENT, f"/ui{_LOCATION}"):
            below = location + "/endpoints/{endpoint}/operations"
            found += [
                route("GET", below, self._settled(self._operations.list_all)),
                route("GET", below + "/{operation}", self._settled(self._operations.get)),
                route("GET", location + "/operations/{operation}", self._operations.get),
            ]
        return found

    def _settled(self, handler: Callable[[Call], Body]) -> Callable[[Call], Body]:
        """Show operations of an endpoint as they are now."""

        def answer(call: Call) -> Body:
            self._deployments.settle(endpoint_name(call))
            return handler(call)

        return answer
