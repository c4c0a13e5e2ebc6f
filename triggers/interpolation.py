"""Values whose text may hold `${{ expression }}`: checked when a trigger is written, rendered when it fires.

An expression that is the whole value keeps its type; inside text it becomes text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from retrigger.triggers import expression_text
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.expression_text import Hole
from retrigger.triggers.expressions import compile_expression, load_expression

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.expression_values import Json


def check_value(value: Json, variables: Mapping[str, str]) -> str:
    """The static type of a value whose text may hold `${{ … }}`. Raise ExpressionError, its column in the text."""
    match value:
        case str():
            return _check_text(expression_text.template(value), variables)
        case list():
            for item in value:
                check_value(item, variables)
            return "list"
        case dict():
            for item in value.values():
                check_value(item, variables)
            return "map"
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "double"


def expressions_in(value: Json) -> Iterator[Hole]:
    """Every `${{ … }}` of a value, however deep. Raise ExpressionError for text that is no template."""
    match value:
        case str():
            yield from (part for part in expression_text.template(value) if isinstance(part, Hole))
        case list():
            for item in value:
                yield from expressions_in(item)
        case dict():
            for item in value.values():
                yield from expressions_in(item)


def render_value(value: Json, scope: Mapping[str, object]) -> Json:
    """The value with its expressions evaluated: alone they keep their type, inside text they become text."""
    match value:
        case str():
            match expression_text.template(value):
                case (Hole() as hole,):
                    return load_expression(hole.source).evaluate(scope)
                case parts:
                    return "".join(part if isinstance(part, str) else _in_text(part, scope) for part in parts)
        case list():
            return [render_value(item, scope) for item in value]
        case dict():
            return {name: render_value(item, scope) for name, item in value.items()}
        case _:
            return value


def _check_text(parts: tuple[str | Hole, ...], variables: Mapping[str, str]) -> str:
    type_ = "string"
    for part in parts:
        if isinstance(part, str):
            continue
        try:
            type_ = compile_expression(part.source, variables).type
        except ExpressionError as error:
            raise ExpressionError(str(error), code=error.code, column=part.at + max(error.column, 1)) from error
        if len(parts) > 1 and type_ in ("list", "map", "null"):
            message = f"a {type_} has no form inside text: let it be the whole value"
            raise ExpressionError(message, code="wrong_type", column=part.at + 1)
    return type_ if len(parts) == 1 else "string"


def _in_text(hole: Hole, scope: Mapping[str, object]) -> str:
    value = load_expression(hole.source).evaluate(scope)
    match value:
        case str():
            return value
        case bool() | int() | float():
            return json.dumps(value)
        case _:
            message = (
                f"{hole.source[:200]}: {'null' if value is None else type(value).__name__} has no form inside text"
            )
            raise ExpressionError(message, code="expression_failed")
