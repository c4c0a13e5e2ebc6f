"""BatchPredictionJobs of the local Vertex AI: the model's own server predicts them, as the one step of a job.

As Vertex AI does it takes no id of the caller's: what is sent twice is two jobs. Nothing succeeds that was not
predicted: the job of a model without a server that runs here fails, and says what to register.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs
"""

from __future__ import annotations

import json
import secrets
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from retrigger.local_emulator.planes.resources import Body, Invalid, Precondition, Resources
from retrigger.local_emulator.planes.rest import Call, page
from retrigger.local_emulator.planes.vertex import operations
from retrigger.local_emulator.planes.vertex.operations import Operations
from retrigger.local_emulator.runners import prediction
from retrigger.local_emulator.runners.prediction import PredictionRequest
from retrigger.local_emulator.runners.record import JobState, timestamp
from retrigger.local_emulator.runners.request import JobRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from retrigger.local_emulator.planes.vertex.models import Models
    from retrigger.local_emulator.runners.process import JobProcesses

_KIND = "batchPredictionJobs"
_FORMATS = ("jsonl", "csv")
_BATCH = 64


class BatchPredictions:
    """Create, get, list, cancel, delete. `clock` is the file of the emulator's clock."""

    def __init__(
        self, resources: Resources, models: Models, processes: JobProcesses, now: Callable[[], datetime], *, clock: Path
    ) -> None:
        self._resources = resources
        self._models = models
        self._processes = processes
        self._now = now
        self._operations = Operations(resources, now)
        self._clock = clock

    def recover(self) -> None:
        """After a start: hand the runner what was accepted but never reached it."""
        for collection in self._resources.collections(_KIND):
            for resource in self._resources.all(collection):
                self._processes.submit(_key(resource.name), self._run(resource.name, resource.body["asked"]))

    def create(self, call: Call) -> Body:
        """A number of its own for every call. Errors: Invalid; NotFound for a model that is not registered."""
        name = f"{call.parent}/{_KIND}/{secrets.randbits(62)}"
        if not call.body.get("displayName"):
            raise Invalid("batch_prediction_job.display_name is required.")
        created = timestamp(self._now())
        asked = asdict(self._asked(call.body, created))
        job = {**call.body, "name": name, "createTime": created}
        self._resources.create(name, {"job": job, "asked": asked})
        self._processes.submit(_key(name), self._run(name, asked))
        return self._view({"job": job, "asked": asked})

    def get(self, call: Call) -> Body:
        return self._view(self._resources.get(_name(call)).body)

    def list_all(self, call: Call) -> Body:
        views = [self._view(item.body) for item in self._resources.all(f"{call.parent}/{_KIND}")]
        found = page(call, views, "create_time desc")
        return {_KIND: list(found.items), "nextPageToken": found.next_token}

    def cancel(self, call: Call) -> Body:
        """Ask the job to end; it answers before it has ended, and a finished job stays as it is."""
        self._resources.get(_name(call))
        self._processes.cancel(_key(_name(call)))
        return {}

    def delete(self, call: Call) -> Body:
        """Errors: Precondition while the job runs."""
        name = _name(call)
        state = self._view(self._resources.get(name).body)["state"]
        if state in {"JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_CANCELLING"}:
            raise Precondition(f"{name} is in state {state}; cancel it, and delete it when it has ended.")
        self._resources.delete(name)
        self._processes.delete(_key(name))
        return self._operations.done(call.parent, operations.DELETE, {})

    def _asked(self, body: Body, created: str) -> PredictionRequest:
        wanted = str(body.get("model", ""))
        parent, found, version = wanted.partition("/models/")
        if not found:
            raise Invalid(f"Invalid model {wanted!r}: write projects/PROJECT/locations/LOCATION/models/MODEL.")
        model = self._models.find(parent, version)
        tuning = _object(body, "manualBatchTuningParameters")
        form, uris = _source(_object(body, "inputConfig"))
        folder = _destination(_object(body, "outputConfig"))
        return PredictionRequest(
            model=wanted,
            container=model.get("containerSpec", {}),
            artifacts=str(model.get("artifactUri", "")),
            inputs=uris,
            format=form,
            folder=f"{folder.rstrip('/')}/prediction-{model['displayName']}-{created}",
            parameters=body.get("modelParameters"),
            batch_size=_whole(tuning.get("batchSize") or _BATCH),
        )

    def _run(self, name: str, asked: Body) -> JobRequest:
        spec = _pipeline()
        return JobRequest(name, spec, asked["folder"], {"request": json.dumps(asked)}, clock=str(self._clock))

    def _view(self, body: Body) -> Body:
        """Show a job: the request as it was accepted, and what has become of it."""
        job, asked = body["job"], body["asked"]
        try:
            state = self._processes.state(_key(job["name"]))
        except FileNotFoundError:  # accepted in this moment, by another thread
            state = {"state": JobState.PENDING, "tasks": []}
        view = {
            **job,
            **{key: state[key] for key in ("startTime", "endTime") if state.get(key)},
            "updateTime": state.get("endTime") or state.get("startTime") or job["createTime"],
            "state": state["state"].replace("PIPELINE_STATE_", "JOB_STATE_"),
        }
        if state["state"] == JobState.SUCCEEDED:
            view["outputInfo"] = {"gcsOutputDirectory": asked["folder"]}
            view["completionStats"] = state["tasks"][0]["outputs"]["parameters"]["stats"]
        if state["state"] == JobState.FAILED:
            view["error"] = {"code": 9, "message": state["error"]}
        return view


def _source(config: Body) -> tuple[str, list[str]]:
    form, source = config.get("instancesFormat"), config.get("gcsSource")
    uris = source.get("uris") if isinstance(source, dict) else None
    if form not in _FORMATS or not isinstance(uris, list) or not uris:
        raise Invalid(f"input_config: only a gcs_source of the formats {' and '.join(_FORMATS)} is emulated.")
    if not all(isinstance(uri, str) and uri.startswith("gs://") for uri in uris):
        raise Invalid("input_config.gcs_source.uris must be gs:// URIs.")
    return form, uris


def _destination(config: Body) -> str:
    destination = config.get("gcsDestination")
    folder = destination.get("outputUriPrefix") if isinstance(destination, dict) else None
    if config.get("predictionsFormat") != "jsonl" or not isinstance(folder, str) or not folder.startswith("gs://"):
        raise Invalid("output_config: only a gcs_destination of the format jsonl is emulated.")
    return folder


def _whole(value: Any) -> int:
    if not isinstance(value, int) or value < 1:
        raise Invalid("manual_batch_tuning_parameters.batch_size must be a whole number above 0.")
    return value


def _object(body: Body, field: str) -> Body:
    value = body.get(field, {})
    if not isinstance(value, dict):
        raise Invalid(f"{field} must be an object.")
    return value


def _name(call: Call) -> str:
    return f"{call.parent}/{_KIND}/{call.path['job']}"


def _key(name: str) -> str:
    """Return the folder of a job: a number, which no pipeline job's id begins with."""
    _, project, _, location, _, number = name.split("/")
    return f"{project}.{location}.{number}"


def _pipeline() -> dict[str, Any]:
    """A compiled pipeline of one step, which predicts what the parameter `request` says."""
    return {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "batch-prediction"},
        "root": {
            "dag": {
                "tasks": {
                    "predict": {
                        "taskInfo": {"name": "predict"},
                        "componentRef": {"name": "predict"},
                    }
                }
            },
            "inputDefinitions": {"parameters": {"request": {"parameterType": "STRING"}}},
        },
        "components": {
            "predict": {
                "executorLabel": "predict",
                "outputDefinitions": {"parameters": {"stats": {"parameterType": "STRUCT"}}},
            }
        },
        "deploymentSpec": {
            "executors": {
                "predict": {
                    "container": {
                        "image": "retrigger",
                        "command": [sys.executable, "-m", prediction.__name__],
                        "args": ["{{$.outputs.parameters['stats'].output_file}}"],
                    }
                }
            }
        },
    }
