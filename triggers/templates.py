"""What a compiled pipeline declares: the signature of one of Kubeflow Pipelines or of Azure ML.

Kubeflow Pipelines, schema 2.x, as `kfp` compiles it and Vertex AI takes it:
https://github.com/kubeflow/pipelines/blob/master/api/v2alpha1/pipeline_spec.proto. Azure ML's pipeline job:
https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-pipeline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.triggers.signature import DATA, Parameter, Signature, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Json
    from retrigger.triggers.signature import Type

_KFP_TYPES: Final[Mapping[str, Type]] = {
    "STRING": "STRING",
    "NUMBER_INTEGER": "NUMBER_INTEGER",
    "NUMBER_DOUBLE": "NUMBER_DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "LIST": "LIST",
    "STRUCT": "STRUCT",
    "INT": "NUMBER_INTEGER",  # this and the next: schema 2.0.0
    "DOUBLE": "NUMBER_DOUBLE",
}
_AZURE_TYPES: Final[Mapping[str, Type]] = {
    "string": "STRING",
    "integer": "NUMBER_INTEGER",
    "number": "NUMBER_DOUBLE",
    "boolean": "BOOLEAN",
    **{name: name for name in DATA},
}
_SYSTEM: Final = ("TASK_FINAL_STATUS", "TASK_CONFIG")
"""Filled in by the platform, never by a caller."""


def read(template: Mapping[str, Json], unnamed: str = "pipeline") -> Signature:
    """The signature of a PipelineSpec, of a job holding one (`pipelineSpec`, `runtimeConfig`), or of an Azure ML job.

    `unnamed` is what it is called if it has no name. Raise ValueError for anything else, saying what it is.
    """
    return _azure(template, unnamed) if is_azure(template) else _kfp(template, unnamed)


def is_azure(template: Mapping[str, Json]) -> bool:
    """Whether this is a pipeline job of Azure ML."""
    return "jobs" in template and (
        template.get("type") == "pipeline" or "pipelineJob" in str(template.get("$schema", ""))
    )


def _kfp(template: Mapping[str, Json], unnamed: str) -> Signature:
    spec = _mapping(template, "pipelineSpec") if "pipelineSpec" in template else template
    _refuse_foreign(spec)
    given = _given(_mapping(template, "runtimeConfig"))
    inputs = _mapping(_mapping(spec, "root"), "inputDefinitions")
    parameters = {}
    for name, declared in _mapping(inputs, "parameters").items():
        if not isinstance(declared, dict):
            raise ValueError(f"the pipeline's input {name} is not an object")  # noqa: TRY004  # the file's fault
        if declared.get("parameterType") not in _SYSTEM:
            parameters[name] = _parameter(name, declared, given)
    return Signature(
        name=str(_mapping(spec, "pipelineInfo").get("name", unnamed)),
        parameters=parameters,
        artifacts={
            name: not (isinstance(declared, dict) and declared.get("isOptional"))
            for name, declared in _mapping(inputs, "artifacts").items()
        },
    )


def _refuse_foreign(spec: Mapping[str, Json]) -> None:
    if str(spec.get("apiVersion", "")).startswith("argoproj.io") or spec.get("kind") == "Workflow":
        raise ValueError("this is an Argo workflow, of Kubeflow Pipelines 1: compile the pipeline with kfp>=2")
    if "implementation" in spec:
        raise ValueError("this is a component, not a pipeline: compile the pipeline that uses it")
    if isinstance(spec.get("type"), str) and "root" not in spec:
        raise ValueError(
            f"this is a `{str(spec['type'])[:40]}` of Azure ML, not a pipeline: write `type: pipeline` with `jobs`"
        )
    if "root" not in spec or not str(spec.get("schemaVersion", "")).startswith("2."):
        raise ValueError(
            "this is no compiled pipeline: it has no `root` with a `schemaVersion` of 2: compile it with kfp>=2"
        )


def _mapping(parent: Mapping[str, Json], name: str) -> dict[str, Json]:
    value = parent.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"`{name}` of the pipeline is not an object")  # noqa: TRY004  # the file's fault
    return value


def _given(runtime: Mapping[str, Json]) -> dict[str, Json]:
    """What a job sets already: plain values, or schema 2.0.0's `{"intValue": "1"}`."""
    given = _mapping(runtime, "parameterValues")
    for name, typed in _mapping(runtime, "parameters").items():
        match typed:
            case {"intValue": int() | str() as value} if str(value).removeprefix("-").isdecimal():
                given[name] = int(value)
            case {"doubleValue": value} | {"stringValue": value}:
                given[name] = value
            case _:
                raise ValueError(f"`runtimeConfig` of the pipeline gives {name} in no known form")
    return given


def _parameter(name: str, declared: Mapping[str, Json], given: Mapping[str, Json]) -> Parameter:
    type_ = _KFP_TYPES.get(str(declared.get("parameterType") or declared.get("type")))
    if type_ is None:
        raise ValueError(f"the pipeline's input {name} has no known type")
    literals = declared.get("literals") or []
    default = given.get(name, declared.get("defaultValue"))
    return Parameter(
        name=name,
        type=type_,
        required=default is None and not declared.get("isOptional"),
        default=whole(default, type_),
        literals=tuple(whole(value, type_) for value in literals) if isinstance(literals, list) else (),
    )


def _azure(template: Mapping[str, Json], unnamed: str) -> Signature:
    _mapping(template, "jobs")
    inputs = _mapping(template, "inputs")
    return Signature(
        name=str(template.get("name") or template.get("display_name") or unnamed),
        parameters={name: _azure_input(name, declared) for name, declared in inputs.items()},
        platform="azureml",
    )


def _azure_input(name: str, declared: Json) -> Parameter:
    """A literal, which is its own default; or `{type, path | value | default, optional, min, max, enum}`."""
    about = declared if isinstance(declared, dict) else {"default": declared}
    default = about.get("path", about.get("value", about.get("default")))
    type_ = _AZURE_TYPES.get(str(about["type"]).lower()) if "type" in about else _azure_type(about, default)
    if type_ is None:
        raise ValueError(f"the pipeline's input {name} has no known type: write `{name}: {{type: string}}`")
    if default == "":
        default = None  # an empty text is no value to Azure ML: the launcher leaves it out, or refuses to send it
    enum = about.get("enum")
    return Parameter(
        name=name,
        type=type_,
        required=default is None and about.get("optional") is not True,
        default=whole(default, type_),
        literals=tuple(enum) if isinstance(enum, list) else (),
        low=_number(about.get("min")),
        high=_number(about.get("max")),
    )


def _azure_type(about: Mapping[str, Json], default: Json) -> Type | None:
    """What Azure ML takes an input for that has no type."""
    if "path" in about:
        return "uri_folder"
    match default:
        case bool():
            return "BOOLEAN"
        case int():
            return "NUMBER_INTEGER"
        case float():
            return "NUMBER_DOUBLE"
        case str():
            return "STRING"
        case _:
            return None


def _number(value: Json) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
