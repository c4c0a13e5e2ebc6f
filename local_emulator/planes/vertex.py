"""The face of the local Vertex AI: its REST v1 paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.local_emulator.planes.rest import route

if TYPE_CHECKING:
    from starlette.routing import Route

    from retrigger.local_emulator.planes.artifacts import Artifacts
    from retrigger.local_emulator.planes.batch_predictions import BatchPredictions
    from retrigger.local_emulator.planes.models import Models
    from retrigger.local_emulator.planes.pipeline_jobs import PipelineJobs

_PARENT = "/v1/projects/{project}/locations/{location}"


def routes(jobs: PipelineJobs, batches: BatchPredictions, models: Models, artifacts: Artifacts) -> list[Route]:
    """Return the routes; the more particular path stands before the one that would swallow it."""
    return [
        route("POST", f"{_PARENT}/pipelineJobs", jobs.create),
        route("GET", f"{_PARENT}/pipelineJobs", jobs.list_all),
        route("POST", _PARENT + "/pipelineJobs/{job}:cancel", jobs.cancel),
        route("GET", _PARENT + "/pipelineJobs/{job}", jobs.get),
        route("DELETE", _PARENT + "/pipelineJobs/{job}", jobs.delete),
        route("POST", f"{_PARENT}/batchPredictionJobs", batches.create),
        route("GET", f"{_PARENT}/batchPredictionJobs", batches.list_all),
        route("POST", _PARENT + "/batchPredictionJobs/{job}:cancel", batches.cancel),
        route("GET", _PARENT + "/batchPredictionJobs/{job}", batches.get),
        route("DELETE", _PARENT + "/batchPredictionJobs/{job}", batches.delete),
        route("POST", f"{_PARENT}/models:upload", models.upload),
        route("GET", f"{_PARENT}/models", models.list_all),
        route("GET", _PARENT + "/models/{model}:listVersions", models.list_versions),
        route("POST", _PARENT + "/models/{model}/evaluations:import", models.import_evaluation),
        route("GET", _PARENT + "/models/{model}/evaluations", models.list_evaluations),
        route("GET", _PARENT + "/models/{model}/evaluations/{evaluation}", models.get_evaluation),
        route("GET", _PARENT + "/models/{model}", models.get),
        route("GET", _PARENT + "/metadataStores/{store}", artifacts.get_store),
        route("POST", _PARENT + "/metadataStores/{store}/artifacts", artifacts.create),
        route("GET", _PARENT + "/metadataStores/{store}/artifacts", artifacts.list_all),
        route("GET", _PARENT + "/metadataStores/{store}/artifacts/{artifact}", artifacts.get),
        route("GET", _PARENT + "/operations/{operation}", models.get_operation),
    ]
