"""The CEL runtime (cel-expr-python): its environments, our function `date()`, and its errors in an author's words.

The only module that knows the library. It is imported when the first expression is compiled, not before.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.expression_text import HAS_STAND_IN, LOOPS, ROOTS

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPES: Final = ("string", "int", "double", "bool", "timestamp", "duration", "list", "map", "bytes", "null", "dyn")


def type_name(type_: Any) -> str:
    """The plain name of a type of the runtime, without its parameters: one of `TYPES`, or another."""
    name = str(type_.name()).partition("<")[0].lower()
    return "int" if name == "uint" else name


@lru_cache(maxsize=1)
def runtime() -> Any:
    from cel_expr_python import cel

    return cel.NewEnv(variables=dict.fromkeys(ROOTS, cel.Type.DYN), functions=[_date_function()])


@lru_cache(maxsize=4096)
def program(text: str) -> Any:
    """Compiled without the static pass. RuntimeError if the text is no expression."""
    return runtime().compile(text, disable_check=True)


@lru_cache(maxsize=64)
def checker(variables: tuple[tuple[str, str], ...]) -> Any:
    """An environment in which each dotted name is one typed variable, so that every unknown field is an error."""
    from cel_expr_python import cel

    has = cel.Overload("has_dyn", return_type=cel.Type.BOOL, parameters=[cel.Type.DYN])
    return cel.NewEnv(
        variables={name: getattr(cel.Type, type_.upper()) for name, type_ in variables},
        functions=[_date_function(), cel.FunctionDecl(HAS_STAND_IN, [has])],
    )


def _date_function() -> Any:
    from cel_expr_python import cel

    def overload(name: str, first: Any, implementation: Any) -> Any:
        text = cel.Type.STRING
        return cel.Overload(name, return_type=text, parameters=[first, text], impl=implementation)

    return cel.FunctionDecl(
        "date",
        [overload("date_timestamp", cel.Type.TIMESTAMP, _date), overload("date_text", cel.Type.STRING, _date_text)],
    )


def _date(time: datetime, zone: str) -> str:
    """Errors show neither argument: an event may have given it."""
    from retrigger.triggers import zones

    try:
        place = zones.zone(zone)
    except ValueError as exc:
        raise ValueError("date() takes a time zone by its IANA name, such as Europe/Paris") from exc
    return time.astimezone(place).date().isoformat()


def _date_text(text: str, zone: str) -> str:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ValueError("date() takes a time with its offset from UTC, such as 2026-01-05T03:00:00Z")
    return _date(time, zone)


_PLACE: Final = r"ERROR: <input>:(-?\d+):(-?\d+): (.*)"
_OVERLOAD: Final = r"found no matching overload for '(.*)' applied to '(.*)'"


def translated(report: str, source: str, variables: Mapping[str, str]) -> ExpressionError:
    """The runtime's first complaint, with its place in `source` and in the words of a trigger's author."""
    found = re.search(_PLACE, report)
    if found is None or "recursion" in report:
        code = "too_complex" if "recursion" in report else "syntax"
        message = "the expression is nested too deeply" if code == "too_complex" else report[:200]
        return ExpressionError(message, code=code)
    line, column = int(found[1]), int(found[2])
    column += sum(len(text) for text in source.splitlines(keepends=True)[: line - 1])
    message = found[3]
    if unknown := re.search(r"undeclared reference to '(.*?)'", message):
        name = unknown[1]
        called = source[column - 1 : column] == "("
        start = column - len(name if called else name.rpartition(".")[0])
        return ExpressionError(_unknown(name, called, variables), code="unknown_name", column=max(start, 1))
    if overload := re.search(_OVERLOAD, message):
        operator = overload[1].replace("_", "") or overload[1]
        hint = ": convert one with int(…), double(…) or string(…)" if "," in overload[2] else ""
        return ExpressionError(f"{operator} does not take {overload[2]}{hint}", code="wrong_type", column=column)
    code = "wrong_type" if message.startswith("expression of type") else "syntax"
    return ExpressionError(message.partition(" expecting {")[0][:200], code=code, column=column)


def _unknown(name: str, called: bool, variables: Mapping[str, str]) -> str:  # noqa: FBT001  # read at one place, above
    from difflib import get_close_matches

    functions = (
        *LOOPS,
        "has",
        "size",
        "date",
        "startsWith",
        "endsWith",
        "contains",
        "matches",
        "timestamp",
        "duration",
    )
    known = functions if called else tuple(variables)
    near = get_close_matches(name, known, 1)
    what = "function" if called else "name"
    if near:
        return f"there is no {what} {name} here (did you mean `{near[0]}`?)"
    listed = ", ".join(sorted(known)[:12]) or "none"
    return f"there is no {what} {name} here (there are: {listed})"
