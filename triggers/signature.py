"""What a compiled pipeline takes, and whether values fit it: told when a trigger is written, not when it fires.

`templates` reads it out of the pipeline. Types have the names of Kubeflow Pipelines; data of Azure ML has its own.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from retrigger.triggers.event import Json

Data: TypeAlias = Literal["uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"]
"""Azure ML's inputs that are data: given as the text of their URI."""
Type: TypeAlias = Literal["STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN", "LIST", "STRUCT"] | Data

MAX_EXACT: Final = 2**53
"""Parameters travel as doubles: beyond this, whole numbers arrive rounded."""
DATA: Final[tuple[Data, ...]] = get_args(Data)
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
    """One input. `literals` are the only values allowed, where there are any; `default` is None if there is none.

    `low` and `high` are the bounds of a number, None where there is none.
    """

    name: str
    type: Type
    required: bool = True
    default: Json = None
    literals: tuple[Json, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The inputs of the pipeline `name`, as the platform takes them.

    `artifacts`: those that are given by an id of the platform's metadata store, and whether they are required.
    """

    name: str
    parameters: Mapping[str, Parameter]
    artifacts: Mapping[str, bool] = field(default_factory=dict)
    platform: Literal["vertex", "azureml"] = "vertex"


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why one parameter does not fit: unknown_parameter, missing_parameter, wrong_type, lossy_number or bad_literal."""

    parameter: str
    code: str
    message: str


def check(
    signature: Signature,
    types: Mapping[str, str],
    literals: Mapping[str, Json],
    shown: Callable[[Json], str] = lambda value: repr(value)[:64],
) -> list[Misfit]:
    """Every misfit of a mapping: `types` of what expressions will give (CEL's names), `literals` that are known now.

    `shown` says how a value appears in a message: an author's own in full, an event's not at all.
    """
    found = []
    for name in (*types, *literals):
        parameter = signature.parameters.get(name)
        if parameter is None:
            found.append(_unknown(signature, name))
        elif name in literals:
            found += _misfits(parameter, literals[name], shown)
        else:
            found += _type_misfits(parameter, types[name])
    return found + _missing(signature, {**types, **literals})


def fit(signature: Signature, values: Mapping[str, Json]) -> dict[str, Json]:
    """The values as they are sent: whole doubles as integers, nulls left to the pipeline's defaults.

    Raise ValueError with every reason if they do not fit. Values may come from an event: no reason tells one.
    """
    given = {name: value for name, value in values.items() if value is not None}
    found = check(signature, {}, given, shown=_kind)
    if found:
        raise ValueError("; ".join(f"{misfit.parameter}: {misfit.message}" for misfit in found))
    return {name: whole(value, signature.parameters[name].type) for name, value in given.items()}


def whole(value: Json, type_: Type | None) -> Json:
    """100.0 -> 100, since a template holds every number as a double; but a double stays one."""
    match value:
        case float() if type_ != "NUMBER_DOUBLE" and value.is_integer() and abs(value) <= MAX_EXACT:
            return int(value)
        case list():
            return [whole(item, None) for item in value]
        case dict():
            return {name: whole(item, None) for name, item in value.items()}
        case _:
            return value


def _unknown(signature: Signature, name: str) -> Misfit:
    from difflib import get_close_matches

    message = f"the pipeline {signature.name} has no parameter {name}"
    if name in signature.artifacts:
        message += ": it is an artifact, so it goes under `artifacts`"
    elif near := get_close_matches(name, signature.parameters, 1):
        message += f" (did you mean `{near[0]}`?)"
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
    given, wanted = _OF_EXPRESSION.get(type_), "STRING" if parameter.type in DATA else parameter.type
    if type_ == "dyn" or (type_ == "null" and not parameter.required):
        return []
    if given == wanted or (given, wanted) == ("NUMBER_INTEGER", "NUMBER_DOUBLE"):
        return []
    return [Misfit(parameter.name, "wrong_type", f"it is {parameter.type}, the expression gives a {type_}")]


def _kind(value: Json) -> str:
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case None:
            return "null"


def _misfits(parameter: Parameter, value: Json, show: Callable[[Json], str]) -> list[Misfit]:
    """Why a known value does not fit."""
    if value is None:
        if not parameter.required:
            return []
        return [Misfit(parameter.name, "missing_parameter", "it is required: null is no value")]
    whole_value, shown = whole(value, parameter.type), show(value)
    if parameter.type == "NUMBER_INTEGER" and isinstance(whole_value, float):
        return [Misfit(parameter.name, "lossy_number", f"it is NUMBER_INTEGER, {shown} cannot become one exactly")]
    if not _is_of(whole_value, parameter.type):
        return [Misfit(parameter.name, "wrong_type", f"it is {parameter.type}, {shown} is not")]
    found = [Misfit(parameter.name, "lossy_number", reason) for reason in _inexact(value, show)]
    if parameter.literals and whole_value not in parameter.literals:
        allowed = ", ".join(map(repr, parameter.literals))
        found.append(Misfit(parameter.name, "bad_literal", f"{shown} is none of {allowed}"))
    if isinstance(whole_value, int | float) and not _within(whole_value, parameter):
        bounds = f"{'' if parameter.low is None else parameter.low}..{'' if parameter.high is None else parameter.high}"
        found.append(Misfit(parameter.name, "bad_literal", f"{shown} is not in {bounds}"))
    return found


def _within(value: float, parameter: Parameter) -> bool:
    return (parameter.low is None or value >= parameter.low) and (parameter.high is None or value <= parameter.high)


def _is_of(value: Json, type_: Type) -> bool:
    match type_:
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
        case _:
            return isinstance(value, str)


def _inexact(value: Json, show: Callable[[Json], str]) -> Iterator[str]:
    """Numbers, however deep, that would arrive as others."""
    match value:
        case float() if not math.isfinite(value):
            yield f"{show(value)} is no number that JSON has"
        case int() if abs(value) > MAX_EXACT:
            yield f"{show(value)} is beyond 2**53 and would arrive rounded: pass it as text"
        case list():
            for item in value:
                yield from _inexact(item, show)
        case dict():
            for item in value.values():
                yield from _inexact(item, show)
