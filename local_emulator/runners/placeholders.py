"""Placeholders in commands and constants of compiled pipelines.

Source: `kfp.dsl.placeholders` (what may be written) and `pipeline_spec.proto` (what it means).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.values import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

_PLACEHOLDER = re.compile(r"\{\{\$(?:\.(.*?))?\}\}")
_REFERENCE = re.compile(
    r"(?P<side>inputs|outputs)\.(?P<kind>parameters|artifacts)\['(?P<key>[^']+)'\]"
    r"(?:\.(?P<attribute>output_file|uri|path|metadata|value|name))?(?:\['(?P<field>[^']+)'\])?"
)


def fill(
    text: str,
    executor_input: Mapping[str, Any],
    constants: Mapping[str, str],
    local_path: Callable[[str], str] = str,
) -> str:
    """Replace every placeholder, once: a value that itself looks like a placeholder stays as it is.

    `constants` are the names of the job and the task (`pipeline_job_name`, …); `local_path` maps an artifact's URI to
    where its bytes are. Errors: PipelineError for a placeholder that nobody defines.
    """

    def replacement(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return json.dumps(executor_input)
        if name in constants:
            return constants[name]
        reference = _REFERENCE.fullmatch(name)
        if reference is None:
            raise PipelineError(f"placeholder {found[0]!r} is not supported")
        return as_text(_refer(reference, executor_input, local_path))

    return _PLACEHOLDER.sub(replacement, text)


def _refer(reference: re.Match[str], executor_input: Mapping[str, Any], local_path: Callable[[str], str]) -> Any:
    side, kind, key = reference["side"], reference["kind"], reference["key"]
    if (side, kind) == ("inputs", "parameters"):
        if key not in executor_input["inputs"]["parameterValues"]:
            raise PipelineError(f"placeholder of parameter {key!r}, which has no value")
        value = executor_input["inputs"]["parameterValues"][key]
        return value[reference["field"]] if reference["field"] else value
    if (side, kind) == ("outputs", "parameters"):
        return executor_input["outputs"]["parameters"][key]["outputFile"]
    artifacts = executor_input[side]["artifacts"].get(key, {}).get("artifacts", [])
    if not artifacts:
        raise PipelineError(f"placeholder of artifact {key!r}, which was not given")
    artifact = artifacts[0]
    match reference["attribute"]:
        case None:
            return artifact
        case "path":
            return local_path(artifact["uri"])
        case "metadata" if reference["field"]:
            return artifact["metadata"].get(reference["field"], "")
        case attribute:
            return artifact[attribute]


def resolve_structures(command: Sequence[str], given: Collection[str]) -> list[str]:
    """Resolve `IfPresent` and `Concat` elements; `given` names the inputs that have a value."""
    words: list[str] = []
    for element in command:
        if element.startswith(('{"IfPresent"', '{"Concat"')):
            resolved = _resolve(json.loads(element), given)
            words += resolved if isinstance(resolved, list) else [] if resolved is None else [resolved]
        else:
            words.append(element)
    return words


def _resolve(element: Any, given: Collection[str]) -> Any:
    match element:
        case {"Concat": parts}:
            return "".join(part for part in (_resolve(item, given) for item in parts) if part is not None)
        case {"IfPresent": {"InputName": name, "Then": then, **rest}}:
            chosen = then if name in given else rest.get("Else")
            return None if chosen is None else _resolve(chosen, given)
        case list():
            return [part for part in (_resolve(item, given) for item in element) if part is not None]
        case _:
            return element
