"""What would be sent to Vertex AI to launch a pipeline. Pure: `explain` prints it, the client sends it.

The resource: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs.
How a compiled pipeline becomes one follows google-cloud-aiplatform's PipelineJob, which the tests compare with.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from retrigger.handlers.adapters.vertex.resources import FINGERPRINT, collection_url, fitting_labels, is_job_id
from retrigger.handlers.jobs import Request
from retrigger.triggers.environment import DEFAULT_ACCOUNT
from retrigger.triggers.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.jobs import PipelineJob
    from retrigger.triggers.event import Json

NO_ACCOUNT: Final = "default_service_account"
# The schema of the first KFP 2 compilers; its parameters carry their type in the name of the field.
_TYPED_FIELDS: Final = {"INT": "intValue", "DOUBLE": "doubleValue", "STRING": "stringValue"}

# A compiled pipeline is its compiler's document: read as far as needed here, and passed on as it is.
Document = dict[str, Any]


def job_request(
    job: PipelineJob, template: Mapping[str, Json], *, project: str, location: str, endpoint: str | None = None
) -> Request:
    """`template` is a compiled PipelineSpec, or a document with `pipelineSpec` and `runtimeConfig` around one.

    `endpoint` replaces the region's public address. Raises Refused where the platform certainly would.
    """
    if not is_job_id(job.id):
        raise Refused(f"{job.id!r} is no Vertex AI job id; shorten the trigger's name", code="invalid_job_id")
    document: Any = template
    spec: Document = document.get("pipelineSpec", document)
    defaults: Document = document.get("runtimeConfig") or {}
    body: Document = {
        "displayName": job.display_name,
        "pipelineSpec": spec if job.caching is None else _with_caching(spec, enabled=job.caching),
        "labels": fitting_labels({**job.labels, FINGERPRINT: job.fingerprint}),
        "runtimeConfig": _runtime_config(job, spec, defaults),
    }
    if job.service_account is None:  # the platform would take the default one, which often may do anything
        raise Refused(
            f"pipeline {job.pipeline} would run as the default service account; name its `service_account` in "
            "retrigger.yaml (`default` if that is meant), compile and deploy: what is launched from then on has it",
            code=NO_ACCOUNT,
        )
    if job.service_account != DEFAULT_ACCOUNT:
        body["serviceAccount"] = job.service_account
    if job.network is not None:
        body["network"] = job.network
    if job.reserved_ip_ranges:
        body["reservedIpRanges"] = list(job.reserved_ip_ranges)
    if job.kms_key is not None:
        body["encryptionSpec"] = {"kmsKeyName": job.kms_key}
    if job.template_uri is not None:
        body["templateUri"] = job.template_uri
    url = f"{collection_url('pipelineJobs', project, location, endpoint)}?pipelineJobId={job.id}"
    return Request(method="POST", url=url, body=body)


def _runtime_config(job: PipelineJob, spec: Document, defaults: Document) -> Document:
    root = job.root or spec.get("defaultPipelineRoot") or defaults.get("gcsOutputDirectory")
    if not root:
        raise Refused(
            f"pipeline {job.pipeline} has no root for its outputs; give it one in retrigger.yaml", code="no_root"
        )
    types = {
        name: definition.get("parameterType") or definition.get("type")
        for name, definition in spec["root"].get("inputDefinitions", {}).get("parameters", {}).items()
    }
    values = {name: value for name, value in {**_defaults(defaults), **job.parameters}.items() if value is not None}
    for name in values:
        if name not in types:
            raise _unknown_parameter(name, job.pipeline, list(types))
    config: Document = {"gcsOutputDirectory": root}
    if _version(spec["schemaVersion"]) <= (2, 0, 0):
        config["parameters"] = {name: _typed(name, types[name], value) for name, value in values.items()}
    else:
        config["parameterValues"] = values
    artifacts = {**(defaults.get("inputArtifacts") or {}), **{k: {"artifactId": v} for k, v in job.artifacts.items()}}
    if artifacts:
        config["inputArtifacts"] = artifacts
    if job.failure_policy is not None:
        config["failurePolicy"] = f"PIPELINE_FAILURE_POLICY_FAIL_{job.failure_policy.upper()}"
    elif "failurePolicy" in defaults:
        config["failurePolicy"] = defaults["failurePolicy"]
    return config


def _defaults(runtime_config: Document) -> Document:
    """Parameters that the document around the pipeline brings along, in either of their two forms."""
    if runtime_config.get("parameterValues") is not None:
        return dict(runtime_config["parameterValues"])
    return {name: next(iter(typed.values())) for name, typed in (runtime_config.get("parameters") or {}).items()}


def _typed(name: str, kind: str, value: Json) -> Document:
    if kind not in _TYPED_FIELDS:
        raise Refused(
            f"parameter {name} has the unknown type {kind}; compile the pipeline with a newer KFP", code="unknown_type"
        )
    return {_TYPED_FIELDS[kind]: json.dumps(value) if isinstance(value, dict | list | bool) else value}


def _unknown_parameter(name: str, pipeline: str, known: list[str]) -> Refused:
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"it takes {', '.join(sorted(known)) or 'none'}"
    return Refused(f"pipeline {pipeline} has no parameter {name}; {hint}", code="unknown_parameter")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _with_caching(spec: Document, *, enabled: bool) -> Document:
    """A copy in which every task of the root and of all nested graphs says whether its result may be reused."""
    components = {name: _component_caching(part, enabled=enabled) for name, part in spec.get("components", {}).items()}
    return {**spec, "root": _component_caching(spec["root"], enabled=enabled), "components": components}


def _component_caching(component: Document, *, enabled: bool) -> Document:
    if "dag" not in component:
        return component
    dag = component["dag"]
    tasks = {name: {**task, "cachingOptions": {"enableCache": enabled}} for name, task in dag.get("tasks", {}).items()}
    return {**component, "dag": {**dag, "tasks": tasks}}
