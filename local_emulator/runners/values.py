"""Parameter values and artifacts of compiled pipelines, as the intermediate representation types them.

Source: `pipeline_spec.proto` of Kubeflow Pipelines, messages ComponentInputsSpec, RuntimeArtifact and ParameterType.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retrigger.local_emulator.runners.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Mapping

# How schema 2.0.0 named its three types, and what they are called since.
_OLD_TYPES = {"STRING": "STRING", "INT": "NUMBER_INTEGER", "DOUBLE": "NUMBER_DOUBLE"}

_PYTHON_TYPES = {"STRING": str, "BOOLEAN": bool, "LIST": list, "STRUCT": dict}
_EXACT_INTEGERS = 2**53


@dataclass(frozen=True, slots=True)
class Artifact:
    """One artifact: `schema` is its type (`schemaTitle`, `schemaVersion`), `name` its resource name."""

    name: str
    display_name: str
    uri: str
    schema: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def as_runtime_artifact(self) -> dict[str, Any]:
        """Return the form that a component reads in its executor input."""
        return {"name": self.name, "uri": self.uri, "type": dict(self.schema), "metadata": dict(self.metadata)}

    def as_json(self) -> dict[str, Any]:
        """Return the form in which the control plane shows it, and the cache keeps it."""
        return {
            "name": self.name,
            "displayName": self.display_name,
            "uri": self.uri,
            "schemaTitle": self.schema.get("schemaTitle", ""),
            "schemaVersion": self.schema.get("schemaVersion", ""),
            "metadata": dict(self.metadata),
        }

    @classmethod
    def from_json(cls, shown: Mapping[str, Any]) -> Artifact:
        schema = {key: shown[key] for key in ("schemaTitle", "schemaVersion") if shown.get(key)}
        return cls(shown["name"], shown["displayName"], shown["uri"], schema, shown.get("metadata", {}))


@dataclass(frozen=True, slots=True)
class Values:
    """What goes into a task or comes out of it."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, tuple[Artifact, ...]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        shown = {key: [artifact.as_json() for artifact in items] for key, items in self.artifacts.items()}
        return {"parameters": dict(self.parameters), "artifacts": shown}

    @classmethod
    def from_json(cls, shown: Mapping[str, Any]) -> Values:
        artifacts = {key: tuple(map(Artifact.from_json, items)) for key, items in shown["artifacts"].items()}
        return cls(shown["parameters"], artifacts)


def parameter_type(definition: Mapping[str, Any]) -> str:
    """`parameterType`, or what schema 2.0.0 called `type`."""
    old = str(definition.get("type", ""))
    return str(definition.get("parameterType") or _OLD_TYPES.get(old, old))


def as_text(value: Any) -> str:
    """Show a value inside a string: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def whole(value: Any) -> Any:
    """40.0 -> 40, at any depth: the intermediate representation knows no integers inside lists and structs."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [whole(item) for item in value]
        case dict():
            return {key: whole(item) for key, item in value.items()}
        case _:
            return value


def convert(value: Any, kind: str) -> Any:
    """Give a number the form its type asks for, leave all else as it is: within a pipeline types are the compiler's."""
    match kind, value:
        case _, bool():
            return value
        case "NUMBER_INTEGER", float() if value.is_integer():
            return int(value)
        case "NUMBER_DOUBLE", int():
            return float(value)
        case (("LIST" | "STRUCT"), _):
            return whole(value)
        case _:
            return value


def check(name: str, value: Any, kind: str) -> None:
    """Errors: PipelineError if a caller's value is not of the type that the pipeline declares."""
    match kind, value:
        case (("NUMBER_INTEGER" | "NUMBER_DOUBLE"), bool()):
            fits = False
        case "NUMBER_INTEGER", int() | float():
            fits = abs(value) <= _EXACT_INTEGERS and value == int(value)
        case "NUMBER_DOUBLE", int() | float():
            fits = True
        case (("NUMBER_INTEGER" | "NUMBER_DOUBLE"), _):
            fits = False
        case _ if kind in _PYTHON_TYPES:
            fits = isinstance(value, _PYTHON_TYPES[kind])
        case _:
            fits = True  # types of the system, which no caller gives
    if not fits:
        shown = json.dumps(value)
        raise PipelineError(f"parameter {name!r} must be {kind}, not {shown if len(shown) <= 80 else 'this value'}")


def bind(spec: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Hold a request's parameter values against the pipeline's signature; defaults filled in.

    Errors: PipelineError for an unknown name, a required one that is missing, or a value of another type.
    """
    definitions = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    if unknown := sorted(given.keys() - definitions.keys()):
        known = ", ".join(definitions) or "none"
        raise PipelineError(f"parameter {unknown[0]!r} is not in the pipeline's signature; it takes: {known}")
    bound = {}
    for name, definition in definitions.items():
        if given.get(name) is not None:
            kind = parameter_type(definition)
            check(name, given[name], kind)
            bound[name] = convert(given[name], kind)
        elif "defaultValue" in definition:
            bound[name] = convert(definition["defaultValue"], parameter_type(definition))
        elif not definition.get("isOptional"):
            raise PipelineError(f"parameter {name!r} is required and was not given")
    return bound


def with_defaults(component: Mapping[str, Any], values: Values) -> Values:
    """Return a component's inputs: typed, defaults filled in, absent ones left out."""
    parameters = {}
    for name, definition in component.get("inputDefinitions", {}).get("parameters", {}).items():
        value = values.parameters.get(name)
        if value is None:
            value = definition.get("defaultValue")
        if value is not None:
            parameters[name] = convert(value, parameter_type(definition))
    return Values(parameters, values.artifacts)


def require(component: Mapping[str, Any], values: Values) -> None:
    """Errors: PipelineError if an input has no value and is not optional: a branch not taken upstream gave none."""
    definitions = component.get("inputDefinitions", {})
    for kind, given in (("parameters", values.parameters), ("artifacts", values.artifacts)):
        for name, definition in definitions.get(kind, {}).items():
            if name not in given and not definition.get("isOptional"):
                raise PipelineError(f"input {name!r} has no value: the task it comes from gave none")
