"""What an audit log says of Vertex AI's jobs and models, and of those of its forerunner, AI Platform.

Source: https://cloud.google.com/vertex-ai/docs/general/audit-logging. It tells what was asked for, and the state at
once after that; that a job ended is not written there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.event import Lifecycle
from retrigger.triggers.formats.loose import at, first, known, text_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Json

# Of each call: where its request describes the thing, and the status of what has no state of its own.
_CALLS: Mapping[str, tuple[str, str]] = {
    "PipelineService.CreatePipelineJob": ("pipelineJob", "created"),
    "PipelineService.CancelPipelineJob": ("", "cancelling"),
    "PipelineService.DeletePipelineJob": ("", "deleted"),
    "JobService.CreateBatchPredictionJob": ("batchPredictionJob", "created"),
    "JobService.CreateCustomJob": ("customJob", "created"),
    "JobService.CreateJob": ("job", "created"),
    "ModelService.UploadModel": ("model", "created"),
    "ModelService.CreateModel": ("model", "created"),
    "ModelService.DeleteModel": ("", "deleted"),
}


def lifecycle(entry: dict[str, Json], words: Mapping[str, Json]) -> Lifecycle | None:
    """The job or model that the call was about; None for other calls, one that was refused, or that names nothing.

    A call that goes on (uploading a model) is logged twice. Its beginning is `running`, and stands for the operation.
    """
    payload = entry.get("protoPayload")
    call = ".".join(str(words.get("methodName", "")).split(".")[-2:])
    if call not in _CALLS or at(payload, "status", "code"):
        return None
    field, status = _CALLS[call]
    asked, response = at(payload, "request", field), at(payload, "response")
    operation = entry.get("operation")
    goes_on = at(operation, "first") is True and at(operation, "last") is not True
    resource = text_at(operation, "id") if goes_on else _resource(payload, words, made=field != "")
    if not resource:
        return None
    shown = first(text_at(response, "displayName"), text_at(asked, "displayName"))
    return Lifecycle(
        platform="vertex",
        resource=resource,
        name=shown if shown and field == "model" else resource.rpartition("/")[2],
        version=text_at(response, "modelVersionId") or None,
        status="running" if goes_on else _state(text_at(response, "state")) or status,
        tags=_labels(at(response, "labels")) or _labels(at(asked, "labels")),
        properties={**words, **known({"displayName": shown}), **_arguments(asked)},
    )


def _resource(payload: Json, words: Mapping[str, Json], *, made: bool) -> str:
    """The answer names what was made, or its id under the parent that the entry names; else the request names it."""
    request, response = at(payload, "request"), at(payload, "response")
    name, parent = text_at(response, "name"), str(words.get("resourceName", ""))
    if not made:
        return first(text_at(request, "name"), parent)
    if name and "/operations/" not in name:
        return name
    pipeline_job, job = text_at(request, "pipelineJobId"), text_at(response, "jobId")
    return first(
        text_at(response, "model"),
        f"{parent}/pipelineJobs/{pipeline_job}" if pipeline_job else "",
        f"{parent}/jobs/{job}" if job else "",
    )


def _state(state: str) -> str:
    """PIPELINE_STATE_PENDING and JOB_STATE_PENDING are both `pending`."""
    return state.rpartition("_STATE_")[2].lower()


def _labels(labels: Json) -> dict[str, str]:
    return {name: value for name, value in labels.items() if isinstance(value, str)} if isinstance(labels, dict) else {}


def _arguments(asked: Json) -> dict[str, Json]:
    arguments = at(asked, "trainingInput", "args")
    return {"args": arguments} if isinstance(arguments, list) else {}
