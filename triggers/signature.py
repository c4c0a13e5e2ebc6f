"""What a compiled pipeline takes, and whether values fit it: told when a trigger is written, not when it fires.

The format is that of Kubeflow Pipelines, schema 2.x
(https://github.com/kubeflow/pipelines/blob/master/api/v2alpha1/pipeline_spec.proto), as `kfp` compiles it and Vertex AI
takes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.event import Json

Type: TypeAlias = Literal["STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN", "LIST", "STRUCT"]

MAX_EXACT: Final = 2**53
"""Parameters travel as doubles: beyond this, whole numbers arrive rounded."""
_TYPES: Final[Mapping[str, Type]] = {
    "STRING": "STRING",
    "NUMBER_INTEGER": "NUMBER_INTEGER",
    "NUMBER_DOUBLE": "NUMBER_DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "LIST": "LIST",
    "STRUCT": "STRUCT",
    "INT": "NUMBER_INTEGER",  # this and the next: schema 2.0.0
    "DOUBLE": "NUMBER_DOUBLE",
}
_SYSTEM: Final = ("TASK_FINAL_STATUS", "TASK_CONFIG")
"""Filled in by the platform, never by a caller."""
_OF_EXPRESSION: Final[Mapping[str, Type]] = {
    "string": "STRING",
    "timestamp": "STRING",
    "duration": "STRING",
    "bytes": "STRING",
    "int": "NUMBER_INTEGER",
    "double": "NUMBER_DOUBLE",
    "bool": "BOOLEAN",
    "list": "LIST",
    "map": "STRUCT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One input. `literals` are the only values allowed, where there are any; `default` is None if there is none."""

    name: str
    type: Type
    required: bool = True
    default: Json = None
    literals: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The inputs of the pipeline `name`; `artifacts` are the names of those that are data, not values."""

    name: str
    parameters: Mapping[str, Parameter]
    artifacts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why one parameter does not fit: unknown_parameter, missing_parameter, wrong_type, lossy_number or bad_literal."""

    parameter: str
    code: str
    message: str


def read(template: Mapping[str, Json]) -> Signature:
    """The signature of a PipelineSpec, or of a job holding one (`pipelineSpec`, `runtimeConfig`).

    Raise ValueError for anything else, saying what it is.
    """
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
        name=str(_mapping(spec, "pipelineInfo").get("name", "pipeline")),
        parameters=parameters,
        artifacts=tuple(_mapping(inputs, "artifacts")),
    )


def check(signature: Signature, types: Mapping[str, str], literals: Mapping[str, Json]) -> list[Misfit]:
    """Every misfit of a mapping: `types` of what expressions will give (CEL's names), `literals` that are known now."""
    found = []
    for name in (*types, *literals):
        parameter = signature.parameters.get(name)
        if parameter is None:
            found.append(_unknown(signature, name))
        elif name in literals:
            found += _misfits(parameter, literals[name])
        else:
            found += _type_misfits(parameter, types[name])
    return found + _missing(signature, {**types, **literals})


def fit(signature: Signature, values: Mapping[str, Json]) -> dict[str, Json]:
    """The values as they are sent: whole doubles as integers, nulls left to the pipeline's defaults.

    Raise ValueError with every reason if they do not fit.
    """
    given = {name: value for name, value in values.items() if value is not None}
    found = check(signature, {}, given)
    if found:
        raise ValueError("; ".join(f"{misfit.parameter}: {misfit.message}" for misfit in found))
    return {name: _whole(value, signature.parameters[name].type) for name, value in given.items()}


def _refuse_foreign(spec: Mapping[str, Json]) -> None:
    if str(spec.get("apiVersion", "")).startswith("argoproj.io") or spec.get("kind") == "Workflow":
        raise ValueError("this is an Argo workflow, of Kubeflow Pipelines 1: compile the pipeline with kfp>=2")
    if "implementation" in spec:
        raise ValueError("this is a component, not a pipeline: compile the pipeline that uses it")
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
    type_ = _TYPES.get(str(declared.get("parameterType") or declared.get("type")))
    if type_ is None:
        raise ValueError(f"the pipeline's input {name} has no known type")
    literals = declared.get("literals") or []
    default = given.get(name, declared.get("defaultValue"))
    return Parameter(
        name=name,
        type=type_,
        required=default is None and not declared.get("isOptional"),
        default=_whole(default, type_),
        literals=tuple(_whole(value, type_) for value in literals) if isinstance(literals, list) else (),
    )


def _whole(value: Json, type_: Type | None) -> Json:
    """100.0 -> 100, since a template holds every number as a double; but a double stays one."""
    match value:
        case float() if type_ != "NUMBER_DOUBLE" and value.is_integer() and abs(value) <= MAX_EXACT:
            return int(value)
        case list():
            return [_whole(item, None) for item in value]
        case dict():
            return {name: _whole(item, None) for name, item in value.items()}
        case _:
            return value


def _unknown(signature: Signature, name: str) -> Misfit:
    from difflib import get_close_matches

    message = f"the pipeline {signature.name} has no parameter {name}"
    if name in signature.artifacts:
        message += ": it is an artifact, so it goes under `artifacts`"
    elif near := get_close_matches(name, signature.parameters, 1):
        message += f", did you mean {near[0]}?"
    else:
        message += f" (it has {', '.join(sorted(signature.parameters)[:12]) or 'none'})"
    return Misfit(name, "unknown_parameter", message)


def _missing(signature: Signature, given: Mapping[str, object]) -> list[Misfit]:
    return [
        Misfit(
            name, "missing_parameter", f"the pipeline {signature.name} needs it ({parameter.type}) and nothing gives it"
        )
        for name, parameter in signature.parameters.items()
        if parameter.required and name not in given
    ]


def _type_misfits(parameter: Parameter, type_: str) -> list[Misfit]:
    given = _OF_EXPRESSION.get(type_)
    if type_ == "dyn" or (type_ == "null" and not parameter.required):
        return []
    if given == parameter.type or (given, parameter.type) == ("NUMBER_INTEGER", "NUMBER_DOUBLE"):
        return []
    return [Misfit(parameter.name, "wrong_type", f"it is {parameter.type}, the expression gives a {type_}")]


def _misfits(parameter: Parameter, value: Json) -> list[Misfit]:
    """Why a known value does not fit."""
    if value is None:
        if not parameter.required:
            return []
        return [Misfit(parameter.name, "missing_parameter", "it is required: null is no value")]
    shown = repr(value)[:64]
    whole = _whole(value, parameter.type)
    if parameter.type == "NUMBER_INTEGER" and isinstance(whole, float):
        return [Misfit(parameter.name, "lossy_number", f"it is NUMBER_INTEGER, {shown} cannot become one exactly")]
    if not _is_of(whole, parameter.type):
        return [Misfit(parameter.name, "wrong_type", f"it is {parameter.type}, {shown} is not")]
    found = [Misfit(parameter.name, "lossy_number", reason) for reason in _inexact(value)]
    if parameter.literals and whole not in parameter.literals:
        allowed = ", ".join(map(repr, parameter.literals))
        found.append(Misfit(parameter.name, "bad_literal", f"{shown} is none of {allowed}"))
    return found


def _is_of(value: Json, type_: Type) -> bool:
    match type_:
        case "STRING":
            return isinstance(value, str)
        case "NUMBER_INTEGER":
            return isinstance(value, int) and not isinstance(value, bool)
        case "NUMBER_DOUBLE":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "BOOLEAN":
            return isinstance(value, bool)
        case "LIST":
            return isinstance(value, list)
        case "STRUCT":
            return isinstance(value, dict)


def _inexact(value: Json) -> Iterator[str]:
    """Numbers, however deep, that would arrive as others."""
    match value:
        case float() if not math.isfinite(value):
            yield f"JSON has no number {value}"
        case int() if abs(value) > MAX_EXACT:
            yield f"{str(value)[:32]} is beyond 2**53 and would arrive rounded: pass it as text"
        case list():
            for item in value:
                yield from _inexact(item)
        case dict():
            for item in value.values():
                yield from _inexact(item)
