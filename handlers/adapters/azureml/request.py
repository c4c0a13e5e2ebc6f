"""What would be sent to Azure ML to launch a pipeline job. Pure: `explain` prints it, the client sends it.

The resource: https://learn.microsoft.com/rest/api/azureml/jobs/create-or-update. How an author's YAML becomes one
follows azure-ai-ml's `load_job` and `jobs.create_or_update`, which the tests compare with.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from retrigger.handlers.adapters.azureml.resources import place_id
from retrigger.handlers.adapters.azureml.steps import step
from retrigger.handlers.adapters.azureml.values import data, identity, literal, output
from retrigger.handlers.jobs import Request
from retrigger.triggers.azure_jobs import faults, is_binding, is_readable
from retrigger.triggers.errors import Refused
from retrigger.triggers.signature import DATA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.adapters.azureml.values import Document
    from retrigger.handlers.jobs import PipelineJob
    from retrigger.triggers.event import Json

FINGERPRINT: Final = "retrigger-fingerprint"
PUBLIC: Final = "https://management.azure.com"
API_VERSION: Final = "2024-01-01-preview"
_JOB_ID: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}"


def job_request(
    job: PipelineJob, template: Mapping[str, Json], *, workspace: str, endpoint: str | None = None
) -> Request:
    """`template` is a pipeline job as its author wrote it; `workspace` is a resource id.

    `endpoint` replaces Resource Manager's public address. Raises Refused for what one request cannot launch.
    """
    if not re.fullmatch(_JOB_ID, job.id):
        raise Refused(f"{job.id!r} is no Azure ML job name; shorten the trigger's name", code="invalid_job_id")
    fault = next(faults(template), None)
    if fault is not None:
        place = ".".join(fault.at)
        raise Refused(f"pipeline {job.pipeline}, {place}: {fault.message.rstrip('.')}", code=fault.code)
    document: Any = template
    url = f"{job_url(workspace, job.id, endpoint)}?api-version={API_VERSION}"
    return Request(method="PUT", url=url, body={"properties": _properties(job, document, workspace)})


def job_url(workspace: str, name: str, endpoint: str | None = None) -> str:
    """One job of a workspace, without the version of the API that the caller speaks."""
    return f"{(endpoint or PUBLIC).rstrip('/')}{quote(workspace)}/jobs/{quote(name)}"


def _properties(job: PipelineJob, document: Document, workspace: str) -> Document:
    declared: Document = document.get("inputs") or {}
    inputs = _inputs(job, declared, workspace)
    omitted = frozenset(declared) - inputs.keys()
    outputs: Document = document.get("outputs") or {}
    sent: Document = {
        "jobType": "Pipeline",
        "displayName": job.display_name,
        "tags": {**(document.get("tags") or {}), **job.labels, FINGERPRINT: job.fingerprint},
        "properties": document.get("properties") or {},
        "isArchived": False,
        "inputs": inputs,
        "outputs": {name: output(about, "job") for name, about in outputs.items()},
        "jobs": {name: step(name, about, workspace, omitted) for name, about in document["jobs"].items()},
        "settings": _settings(job, document.get("settings") or {}, workspace),
    }
    experiment = job.experiment or document.get("experiment_name")
    if experiment:
        sent["experimentName"] = experiment
    if "description" in document:
        sent["description"] = document["description"]
    if "identity" in document:
        sent["identity"] = identity(document["identity"], "job")
    if "compute" in document and job.compute is None:
        sent["computeId"] = place_id(workspace, "computes", document["compute"])
    return sent


def _settings(job: PipelineJob, declared: Document, workspace: str) -> Document:
    """The environment's compute and caching go before the template's."""
    sent = {**declared, "_source": "YAML.JOB"}
    if job.compute is not None:
        sent["default_compute"] = job.compute
    if job.caching is not None:
        sent["force_rerun"] = not job.caching
    for key, kind in (("default_compute", "computes"), ("default_datastore", "datastores")):
        if key in sent:
            sent[key] = place_id(workspace, kind, sent[key])
    return sent


def _inputs(job: PipelineJob, declared: Document, workspace: str) -> Document:
    """Every input that has a value: a parameter, or the author's own. An optional one without is left out."""
    unknown = next((name for name in job.parameters if name not in declared), None)
    if unknown is not None:
        known = ", ".join(sorted(declared)) or "none"
        raise Refused(f"pipeline {job.pipeline} has no input {unknown}; it takes {known}", code="unknown_parameter")
    sent = {}
    for name, given in declared.items():
        about = given if isinstance(given, dict) else {"value": given}
        value = job.parameters.get(name)
        value = _own(about) if value is None else _from_outside(name, value)
        if value is None or (value == "" and about.get("optional")):
            continue
        if about.get("type") in DATA or ("path" in about and "type" not in about):
            sent[name] = data(about, _place(name, value), "job", workspace)
        else:
            sent[name] = literal(_sendable(name, value), "job")
    return sent


def _own(about: Document) -> Json:
    """The value that the template brings along."""
    value: Json = about.get("path", about.get("value", about.get("default")))
    return value


def _from_outside(name: str, value: Json) -> Json:
    """A parameter is a value and nothing else: Azure ML would replace a binding in it by what it names."""
    if isinstance(value, str) and is_binding(value):
        raise Refused(
            f"parameter {name} holds a binding (`${{{{`), which Azure ML would resolve", code="bad_parameters"
        )
    return value


def _place(name: str, value: Json) -> str:
    if not isinstance(value, str) or not (is_binding(value) or is_readable(value)):
        told = f"parameter {name} is no data that Azure ML reads; give a URI, or azureml:NAME:VERSION"
        raise Refused(told, code="bad_parameters")
    return value


def _sendable(name: str, value: Json) -> Json:
    if value == "":
        told = f"parameter {name} is empty, which Azure ML does not take; make it `optional`, or give it a value"
        raise Refused(told, code="bad_parameters")
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused(f"parameter {name} is not a finite number; correct its expression", code="not_finite")
    return value
