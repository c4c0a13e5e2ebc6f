"""Conditions of compiled pipelines: CEL over `inputs.parameter_values`, and the selector of loop items."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from retrigger.local_emulator.runners.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SELECTOR = re.compile(r"""parseJson\(string_value\)((?:\[(?:"[^"]*"|'[^']*'|\d+)\])+)""")
_SUBSCRIPT = re.compile(r"""\[(?:"([^"]*)"|'([^']*)'|(\d+))\]""")


def holds(condition: str, parameters: Mapping[str, Any]) -> bool:
    """Evaluate what `dsl.If` compiled to. Errors: PipelineError if it does not parse or does not give a boolean."""
    from cel_expr_python import cel

    environment = cel.NewEnv(variables={"inputs": cel.Type("map<string, map<string, dyn>>")})
    try:
        expression = environment.compile(condition)
    except RuntimeError as error:
        raise PipelineError(f"condition {condition!r} cannot be read: {str(error).splitlines()[0]}") from error
    result = expression.eval(data={"inputs": {"parameter_values": dict(parameters)}})
    if result.type() != cel.Type.BOOL:
        raise PipelineError(f"condition {condition!r} has no answer: {result}")
    return bool(result.value())


def select(value: Any, selector: str) -> Any:
    """Take a part of a struct: `parseJson(string_value)["a"]["b"]`. An empty selector takes the whole."""
    if not selector:
        return value
    path = _SELECTOR.fullmatch(selector)
    if path is None:
        raise PipelineError(f"selector {selector!r} is not supported")
    part = json.loads(value) if isinstance(value, str) else value
    for double, single, index in _SUBSCRIPT.findall(path[1]):
        key: str | int = int(index) if index else double or single
        try:
            part = part[key]
        except (KeyError, IndexError, TypeError) as error:
            raise PipelineError(f"selector {selector!r} finds no {key!r} in the item") from error
    return part
