"""What `${{…}}` stands for: in a step's inputs, and in the command of a component.

Source: https://learn.microsoft.com/azure/machine-learning/reference-yaml-core-syntax, and beside it
reference-yaml-component-command.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.values import Artifact, Values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retrigger.local_emulator.runners.azureml.pipelines import Declared, Given

Bound: TypeAlias = str | Artifact
"""A literal, or data."""

DATA: Final = frozenset(
    {"uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model", "path", "any_path"}
)
FILE: Final = "uri_file"

_BINDING = re.compile(r"\$\{\{\s*([^{}]+?)\s*\}\}")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_PRODUCER = re.compile(r"parent\.jobs\.([^.]+)\.outputs\.(.+)")
_INTEGER = re.compile(r"[+-]?\d+(\.0*)?")
_TRUTHS = {"true": "True", "false": "False"}  # how the SDK writes a boolean, and how a command gets it


def producers(inputs: Mapping[str, Given]) -> set[str]:
    """The steps whose outputs a step's inputs are bound to."""
    texts = [given.value for given in inputs.values() if given.value is not None]
    bindings = [binding for text in texts for binding in _BINDING.findall(text)]
    return {found[1] for binding in bindings if (found := _PRODUCER.fullmatch(binding))}


def producer(binding: str) -> tuple[str, str] | None:
    """The step and the output that `parent.jobs.STEP.outputs.NAME` names."""
    found = _PRODUCER.fullmatch(binding)
    return None if found is None else (found[1], found[2])


def data(name: str, uri: str, type_: str) -> Artifact:
    return Artifact("", name, uri, {"schemaTitle": type_})


def bind(
    declared: Mapping[str, Declared], given: Mapping[str, Given], resolve: Callable[[str], Bound | None]
) -> Values:
    """Give a component its inputs. `resolve` gives what a binding stands for, None for an optional one not given.

    Errors: PipelineError for an input that is required and has no value, or one of another type.
    """
    parameters: dict[str, str] = {}
    artifacts: dict[str, tuple[Artifact, ...]] = {}
    for name, about in declared.items():
        match _value(name, given.get(name), about, resolve):
            case Artifact() as item:
                artifacts[name] = (item,)
            case str() as text:
                parameters[name] = _typed(name, text, about.type)
            case None if not about.optional:
                raise PipelineError(f"input {name!r} is required, and nothing gives it")
    return Values(parameters, artifacts)


def _value(name: str, given: Given | None, about: Declared, resolve: Callable[[str], Bound | None]) -> Bound | None:
    if given is not None and given.uri:
        return data(name, given.uri, given.type or about.type)
    text = given.value if given is not None else None
    if text is not None and (whole := _BINDING.fullmatch(text.strip())):
        return resolve(whole[1]) or about.default
    if text is not None:
        return _BINDING.sub(lambda found: _text(resolve(found[1]), found[1]), text)
    return about.default


def _text(bound: Bound | None, binding: str) -> str:
    if not isinstance(bound, str):
        raise PipelineError(f"{binding} stands inside a text, and is no text")
    return bound


def _typed(name: str, text: str, type_: str) -> str:
    """A literal as a command gets it. Errors: PipelineError if it is not of its type."""
    match type_:
        case "integer" if _INTEGER.fullmatch(text):
            return text.partition(".")[0]
        case "number" if _is_number(text):
            return text
        case "boolean" if text.lower() in _TRUTHS:
            return _TRUTHS[text.lower()]
        case "integer" | "number" | "boolean":
            raise PipelineError(f"input {name!r} is of the type {type_}, and {text[:80]!r} is not")
        case _ if type_ in DATA:
            raise PipelineError(f"input {name!r} is data ({type_}), and {text[:80]!r} is a literal")
        case _:
            return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def fill(text: str, names: Mapping[str, str]) -> str:
    """Put values and paths into a command; `names` are `inputs.x` and `outputs.y`.

    A part in `$[[…]]` goes if one of its inputs has no value. What a value itself holds is left as it is.
    """

    def optional(part: re.Match[str]) -> str:
        return part[1] if all(name in names for name in _BINDING.findall(part[1])) else ""

    def value(found: re.Match[str]) -> str:
        if found[1] not in names:
            raise PipelineError(f"the command names {found[0]}, which has no value")
        return names[found[1]]

    return _BINDING.sub(value, _OPTIONAL.sub(optional, text))
