"""What the YAML files of a project describe, in the form that the local Azure ML takes.

Shapes: https://learn.microsoft.com/azure/machine-learning/reference-yaml-overview.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import yaml

from retrigger.local_emulator.planes.azureml.plane import Asset, Put
from retrigger.triggers.authoring.files import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from retrigger.triggers.event import Json

_BODIES: Final = ("command", "jobs", "task")
_BATCH: Final = ("batchDeployment.schema.json", "modelBatchDeployment.schema.json")
_ACTIONS: Final = {"append_row": "AppendRow", "summary_only": "SummaryOnly"}
Kind: TypeAlias = Literal["components", "environments", "models"]


class Unfit(Exception):
    """Why a file cannot be registered; the message says what to do."""


def read(path: Path) -> Asset | Put | None:
    """What a file describes; None for any other YAML file. Errors: Unfit."""
    told = document(path)
    schema = str(told.get("$schema", "")).rpartition("/")[2]
    if schema.endswith("Component.schema.json") or (not schema and "name" in told and _has_body(told)):
        return _component(path, told)
    if schema == "environment.schema.json" or (not schema and "name" in told and "image" in told):
        return replace(_named("environments", told), properties=_environment(path, told))
    if schema == "model.schema.json":
        return _model(path, told)
    if schema == "batchEndpoint.schema.json":
        return _batch_endpoint(told)
    if schema in _BATCH:
        return _batch_deployment(path, told)
    return None


def _has_body(told: Mapping[str, Any]) -> bool:
    return any(name in told for name in _BODIES) and "version" in told


def document(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_TEXT:
        raise Unfit(f"it is larger than {MAX_TEXT >> 20} MiB")
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise Unfit(f"it is no YAML: {str(error).splitlines()[0]}") from error
    return told if isinstance(told, dict) else {}


def _named(kind: Kind, told: Mapping[str, Any]) -> Asset:
    for field in ("name", "version"):
        if not isinstance(told.get(field), str | int | float):
            raise Unfit(f"it has no {field}; write the one by which others refer to it")
    return Asset(kind=kind, name=str(told["name"]), version=str(told["version"]), properties={})


def _component(path: Path, told: dict[str, Any]) -> Asset:
    spec = dict(told)
    if (code := _local(told.get("code"))) is not None:
        spec["code"] = _existing(path, code).as_uri()
    environment = told.get("environment")
    if (file := _local(environment)) is not None:
        environment = document(_existing(path, file))
        spec["environment"] = _environment(_existing(path, file), environment)
    elif isinstance(environment, dict):
        spec["environment"] = _environment(path, environment)
    jobs = told.get("jobs")
    if isinstance(jobs, dict):
        spec["jobs"] = {name: _step(path, step) for name, step in jobs.items()}
    return replace(_named("components", told), properties={"componentSpec": spec})


def _environment(path: Path, told: Mapping[str, Any]) -> dict[str, Json]:
    """Its conda file as text, whether it stands there or is named."""
    conda = told.get("conda_file")
    if isinstance(conda, str):
        text = _existing(path, conda).read_text(encoding="utf-8")
    else:
        text = yaml.safe_dump(conda) if conda else ""
    return {"name": str(told.get("name", "")), "image": str(told.get("image", "")), "condaFile": text}


def _model(path: Path, told: Mapping[str, Any]) -> Asset:
    """Its files lie where they are, or at an address."""
    place = told.get("path")
    if not isinstance(place, str):
        raise Unfit("it has no path; write where the model's files are")
    local = _local(place) if "://" not in place else None
    uri = place if local is None else _existing(path, local).as_uri()
    kind = str(told.get("type") or "custom_model")
    return replace(_named("models", told), properties={"modelUri": uri, "modelType": kind})


def _batch_endpoint(told: Mapping[str, Any]) -> Put:
    defaults = told.get("defaults")
    default = defaults.get("deployment_name") if isinstance(defaults, dict) else None
    properties: dict[str, Json] = {"authMode": "AADToken"}
    if default:
        properties["defaults"] = {"deploymentName": str(default)}
    return Put(path=("batchEndpoints", _text(told, "name")), properties=properties)


def _batch_deployment(path: Path, told: Mapping[str, Any]) -> Put:
    """Model, code and environment are named as registered ones; code may lie beside the file."""
    settings = told.get("settings")
    said = {**told, **(settings if isinstance(settings, dict) else {})}
    properties: dict[str, Json] = {
        "model": {"assetId": _registered(told, "model"), "referenceType": "Id"} if told.get("model") else None,
        "environmentId": _registered(told, "environment") or None,
        "environmentVariables": said.get("environment_variables"),
        "miniBatchSize": said.get("mini_batch_size"),
        "errorThreshold": said.get("error_threshold"),
        "outputFileName": said.get("output_file_name"),
        "outputAction": _ACTIONS.get(str(said.get("output_action")), "AppendRow"),
    }
    code = told.get("code_configuration")
    if isinstance(code, dict):
        script = {
            "codeId": _existing(path, _text(code, "code")).as_uri(),
            "scoringScript": _text(code, "scoring_script"),
        }
        properties["codeConfiguration"] = dict(script)
    place = ("batchEndpoints", _text(told, "endpoint_name"), "deployments", _text(told, "name"))
    return Put(path=place, properties=properties)


def _registered(told: Mapping[str, Any], field: str) -> str:
    reference = told.get(field) or ""
    if not isinstance(reference, str) or _local(reference):
        raise Unfit(f"its {field} is no registered one; give that a file of its own, and name it azureml:NAME:VERSION")
    return reference


def _text(told: Mapping[str, Any], field: str) -> str:
    if not isinstance(told.get(field), str):
        raise Unfit(f"it has no {field}; write one")
    return str(told[field])


def _step(path: Path, step: Any) -> Any:
    """A step of a pipeline component: a component that it names by its file, it names by name and version then."""
    file = _local(step.get("component")) if isinstance(step, dict) else None
    if file is None:
        return step
    named = _named("components", document(_existing(path, file)))
    return {**step, "component": f"azureml:{named.name}:{named.version}"}


def _local(reference: Any) -> str | None:
    """A path in a YAML file, with or without `file:`; None for what refers to a registered asset, or to nothing."""
    if not isinstance(reference, str) or reference.startswith(("azureml:", "git", "http")):
        return None
    return reference.removeprefix("file:")


def _existing(path: Path, name: str) -> Path:
    found = (path.parent / name).resolve()
    if not found.exists():
        raise Unfit(f"there is no {name}, which it names; check the path")
    return found
