"""Azure Machine Learning's events, in either schema of Event Grid.

Source: https://learn.microsoft.com/azure/event-grid/event-schema-machine-learning. The keys of the data come in several
spellings (RunId, runId): events hold them in camel case with a small first letter.

    RunStatusChanged       of a run: its id, its status            a model monitor's alarm is one, with the tag
                                                                   azureml_modelmonitor_threshold_breached
    RunCompleted           of a run: its id, its status or "completed"
    ModelRegistered        of a model: its name, version           "registered"
    ModelDeployed          of an endpoint: its name                "deployed"
    DatasetDriftDetected   of a drift monitor: its name            "drift_detected"; retired

A status is in lower case. `resource` is the subject under the workspace. An endpoint that is deployed to again, and a
monitor that finds drift again, are other occurrences: there the event's id stands behind a `#`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Lifecycle
from retrigger.triggers.formats.times import occurred
from retrigger.triggers.formats.wire import json_bytes, mapping, required, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retrigger.triggers.event import Json
    from retrigger.triggers.formats.envelope import Envelope

_TYPE = "Microsoft.MachineLearningServices."
TYPES = tuple(
    f"{_TYPE}{name}"
    for name in ("RunStatusChanged", "RunCompleted", "ModelRegistered", "ModelDeployed", "DatasetDriftDetected")
)
_KEYS = (
    *("experimentId", "experimentName", "runId", "runType", "runStatus", "runTags", "runProperties"),
    *("modelName", "modelVersion", "modelTags", "modelProperties"),
    *("serviceName", "serviceComputeType", "modelIds", "serviceTags", "serviceProperties"),
    *("dataDriftId", "dataDriftName", "baseDatasetId", "targetDatasetId", "driftCoefficient", "startTime", "endTime"),
)
_SPELLED = {key.lower(): key for key in _KEYS}
_TAGS = ("runTags", "modelTags", "serviceTags")
_WHERE = "The Azure ML event's"


class _About(NamedTuple):
    """`path` names it under the workspace where the subject does not; `once`: that alone tells occurrences apart."""

    name: str
    version: str | None
    status: str
    path: str
    once: bool = True


def from_cloudevent(envelope: Envelope, now: datetime | None) -> Event:
    """`properties` are all of the data; of a deployment, modelIds is a list. JSON inside a string stays a string."""
    fields = _spelled(mapping(envelope.data, f"{_WHERE} data"))
    about = _about(envelope.type.removeprefix(_TYPE), fields)
    resource = _resource(envelope, about)
    payload = Lifecycle(
        platform="azureml",
        resource=resource if about.once else f"{resource}#{envelope.id}",
        name=about.name,
        version=about.version,
        status=about.status,
        tags=_tags(fields),
        properties=fields,
    )
    return Event(
        id=envelope.id,
        source=envelope.source,
        type=envelope.type,
        time=occurred(envelope.time, now),
        subject=envelope.subject,
        payload=payload,
        traceparent=envelope.traceparent,
        notes=envelope.notes,
    )


def data(payload: Lifecycle) -> dict[str, Json]:
    """The event's data: the inverse of what `properties` hold."""
    ids = payload.properties.get("modelIds")
    joined: dict[str, Json] = {"modelIds": ",".join(map(str, ids))} if isinstance(ids, list) else {}
    return {**payload.properties, **joined}


def _about(kind: str, fields: Mapping[str, Json]) -> _About:
    match kind:
        case "RunStatusChanged":
            run = required(fields, "runId", _WHERE)
            return _About(run, None, required(fields, "runStatus", _WHERE).lower(), f"runs/{run}")
        case "RunCompleted":
            run, status = required(fields, "runId", _WHERE), text(fields, "runStatus", _WHERE)
            return _About(run, None, (status or "completed").lower(), f"runs/{run}")
        case "ModelRegistered":
            model, version = required(fields, "modelName", _WHERE), _version(fields)
            return _About(model, version, "registered", f"models/{model}:{version}")
        case "ModelDeployed":
            endpoint = required(fields, "serviceName", _WHERE)
            return _About(endpoint, None, "deployed", f"endpoints/{endpoint}", once=False)
        case _:
            monitor = required(fields, "dataDriftName", _WHERE)
            return _About(monitor, None, "drift_detected", f"datadrifts/{monitor}", once=False)


def _resource(envelope: Envelope, about: _About) -> str:
    """A drift event's subject is not read: published ones have braces where the ids should be."""
    subject = (envelope.subject or "").lstrip("/")
    if about.status == "drift_detected" or not subject:
        return f"{envelope.source}/{about.path}"
    if subject.lower().startswith("subscriptions/"):
        return f"/{subject}"
    return f"{envelope.source}/{subject}"


def _spelled(fields: Mapping[str, Json]) -> dict[str, Json]:
    spelled = {_SPELLED.get(key.lower()) or key[:1].lower() + key[1:]: value for key, value in fields.items()}
    ids = spelled.get("modelIds")
    if isinstance(ids, str):
        spelled["modelIds"] = [each.strip() for each in ids.split(",") if each.strip()]
    return spelled


def _version(fields: Mapping[str, Json]) -> str:
    value = fields.get("modelVersion")
    return str(value) if type(value) is int else required(fields, "modelVersion", _WHERE)


def _tags(fields: Mapping[str, Json]) -> dict[str, str]:
    """A tag is text; what else was put there is kept as JSON, and null as empty text."""
    value = next((found for name in _TAGS if (found := fields.get(name)) is not None), None)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"{_WHERE} tags are no JSON object; correct the sender.", code="bad_field")
    return {name: _tag(tag) for name, tag in value.items()}


def _tag(value: Json) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_bytes(value).decode()
