"""Expressions: CEL, checked against typed names when a trigger is written, evaluated on an event when it fires.

A trigger's author is told everything that can be known early: names, types, and what could grow without bound. At run
time an expression sees only the fields that it names, bounded in size and depth, and gives back plain JSON.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from retrigger.triggers import expression_text
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.expression_text import HAS_STAND_IN, ROOTS
from retrigger.triggers.expression_values import (
    MAX_CHARS,
    MAX_CHARS_LOOPED,
    MAX_CHARS_MATCHED,
    MAX_PAIRS,
    MAX_PAIRS_MAPPED,
    MAX_PATTERNS_LOOPED,
    MAX_SQUARED,
    MAX_VALUES,
    MAX_VALUES_LOOPED,
    Bounds,
    Meter,
    plain_json,
    readable,
)
from retrigger.triggers.frozen import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retrigger.triggers.expression_text import Path, Token
    from retrigger.triggers.expression_values import Json

_TIMES: Final = {
    ("event", "time"),
    ("event", "message", "published"),
    ("event", "schedule", "scheduled_for"),
    ("window", "since"),
    ("window", "until"),
}
"""The only timestamps. The runtime takes none inside a map: they are passed as text and read where they stand."""

_NOTHING: Final[Mapping[str, object]] = {}
_UNHELD: Final = "it reads a number beyond 64 bits, or half a surrogate pair"
_SHOWN: Final = r"([A-Z_]+: )?Integer value '"
"""How the runtime complains of such a number: with everything around it."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. `type` is its static type, "dyn" where it is known only when it is evaluated.

    `_text` is what the runtime is given; `_field` is the one field that it is, if it is nothing else.
    """

    source: str
    type: str
    _text: str
    _field: tuple[str, ...] | None
    _reads: tuple[tuple[str, ...], ...]
    _bounds: Bounds

    def evaluate(self, scope: Mapping[str, object]) -> Json:
        """The value on `scope` (the variables event, match, window, vars; times as datetimes).

        Plain JSON: timestamps as RFC 3339 with `Z`, durations as `1.5s`, bytes in base64. Raise ExpressionError
        `expression_failed` if there is none, `too_large` if what it reads or gives is.
        """
        meter = Meter(self._bounds)
        bound = self._bind(scope, meter)
        if self._field is not None:
            # Most expressions are a field and no more: the runtime, 40 ms of a cold start, is not needed for them.
            plain = _plain_field(bound, self._field)
            if plain is not None:
                return plain[0]
        if meter.nul:
            self._fail("a text holds a NUL character, at which the runtime would cut it")
        try:
            result = _program(self._text).eval(data=bound)
            value, failed = result.plain_value(), result.type().name() == "ERROR"
        except (RuntimeError, ValueError) as exc:  # what cel-cpp cannot represent, and then shows in its message
            self._fail(_UNHELD, exc)
        if failed:
            self._fail(_UNHELD if re.match(_SHOWN, str(value)) else str(value))
        try:
            return plain_json(value, Meter(Bounds()))
        except ValueError as exc:
            self._fail(str(exc), exc)

    def _bind(self, scope: Mapping[str, object], meter: Meter) -> dict[str, object]:
        """Only what is read, with a parent for every field, so that `has()` answers false for an absent one."""
        bound: dict[str, object] = {root: {} for root in ROOTS}
        for names in self._reads:
            target, value = bound, scope
            for name in names[:-1]:
                inner = value.get(name, _NOTHING)
                if not isinstance(inner, Mapping):
                    target[name] = readable(inner, meter)
                    break
                target = cast("dict[str, object]", target.setdefault(name, {}))
                value = inner
            else:
                if names[-1] in value:
                    target[names[-1]] = readable(value[names[-1]], meter)
        return bound

    def _fail(self, reason: str, cause: Exception | None = None) -> NoReturn:
        """Reasons are stored, and leave through the outbox: they show the author's words, never the event's."""
        if absent := re.search(r'Key not found in map : "(.*)"', reason):
            name = absent[1] if absent[1] in self.source else "a key"
            reason = f"{name} is absent here: guard it with has(…)"
        reason = re.sub(r"^[A-Z_]+: | \[[A-Z_]+\]$", "", reason)[:200]
        raise ExpressionError(f"{self.source[:200]}: {reason}", code="expression_failed") from cause


def compile_expression(source: str, variables: Mapping[str, str], *, result: tuple[str, ...] = ()) -> Expression:
    """Check `source` in full against dotted names and their types, such as {"event.object.size": "int"}.

    Raise ExpressionError, with the 1-based column in `source`: `syntax`, `unknown_name`, `bad_timezone`, `too_complex`
    or `wrong_type` (also if the value is of none of the types `result`, where some are named; "dyn" passes).
    """
    return _compiled(source, tuple(variables.items()), result)


@lru_cache(maxsize=4096)
def _compiled(source: str, variables: tuple[tuple[str, str], ...], result: tuple[str, ...]) -> Expression:
    """Kept: several rules ask for the same expression, and many triggers hold the same one."""
    from retrigger.triggers import cel

    found = expression_text.tokens(source)
    expression_text.refuse_unbounded(found)
    try:
        program = cel.checker(tuple(sorted(variables))).compile(_without_has(source, found))
    except RuntimeError as exc:
        raise cel.translated(str(exc), source, dict(variables)) from exc
    _check_zones(found)
    type_ = cel.type_name(program.return_type())
    if type_ not in cel.TYPES:
        raise ExpressionError(f"a {type_} cannot be used as a value", code="wrong_type", column=1)
    if result and type_ not in (*result, "dyn"):
        raise ExpressionError(f"this is a {type_}, a {' or '.join(result)} is needed", code="wrong_type", column=1)
    return replace(load_expression(source), type=type_)


@lru_cache(maxsize=4096)
def load_expression(source: str) -> Expression:
    """An expression that was checked when its trigger was compiled: without the static pass, so of type "dyn"."""
    found = expression_text.tokens(source)
    read = expression_text.paths(found)
    text, field = _with_times(source, read), _only_field(found, read)
    if field is None:
        try:
            _program(text)
        except RuntimeError as exc:
            from retrigger.triggers import cel

            raise cel.translated(str(exc), source, {}) from exc
    reads = _shortest(path.names for path in read)
    return Expression(source, "dyn", text, field, reads, _bounds(found, len(read)))


def _program(text: str) -> Any:
    """The runtime's. Most expressions are a field, and it is not imported for them."""
    from retrigger.triggers import cel

    return cel.program(text)


def _check_zones(found: Sequence[Token]) -> None:
    """A zone in quotes, as the last argument of `date`, is checked at once: misspelt, it would fail on every event."""
    from retrigger.triggers import zones

    calls: list[bool] = []
    for at, token in enumerate(found):
        if token.text in ("(", "[", "{"):
            calls.append(at > 0 and found[at - 1].text == "date")
        elif token.text in (")", "]", "}") and calls.pop():
            argument = found[at - 1]
            if argument.kind == "string" and argument.text[0] in "\"'" and found[at - 2].text == ",":
                try:
                    zones.zone(argument.text.strip("\"'"))
                except ValueError as exc:
                    raise ExpressionError(str(exc), code="bad_timezone", column=argument.at + 1) from exc


def _without_has(source: str, found: Sequence[Token]) -> str:
    for at, token in enumerate(found):
        if token.text == "has" and found[at + 1 : at + 2] and found[at + 1].text == "(":
            source = source[: token.at] + HAS_STAND_IN + source[token.at + len(HAS_STAND_IN) :]
    return source


def _with_times(source: str, read: Iterable[Path]) -> str:
    for path in sorted(read, key=lambda path: path.start, reverse=True):
        if path.names in _TIMES and not path.guarded:
            source = f"{source[: path.start]}timestamp({source[path.start : path.end]}){source[path.end :]}"
    return source


def _bounds(found: Sequence[Token], reads: int) -> Bounds:
    """What the expression may read so that it ends in time, by what it does with it."""
    often = max(reads, 1)
    bounds = Bounds(MAX_CHARS // often, MAX_VALUES // often)
    loops = expression_text.loops(found)
    if loops:
        values = MAX_VALUES_LOOPED // len(found)
        inside = sum(token.text in ROOTS for token in loops)
        if inside:
            pairs = MAX_PAIRS_MAPPED if any(token.text == "map" for token in found) else MAX_PAIRS
            values = min(values, math.isqrt(pairs // inside))
        items = math.isqrt(MAX_SQUARED // max(sum(token.text in expression_text.LOOPS for token in found), 1))
        bounds = Bounds(MAX_CHARS_LOOPED // often, values, items)
    if cost := _pattern_cost(found):
        values = min(bounds.values, MAX_PATTERNS_LOOPED // cost) if loops else bounds.values
        bounds = replace(bounds, chars=min(bounds.chars, MAX_CHARS_MATCHED // cost), values=values)
    return bounds


def _pattern_cost(found: Sequence[Token]) -> int:
    """The cost of all patterns together. Raise ExpressionError for one that is wrong, or for too much."""
    cost = 0
    for token in expression_text.patterns(found):
        try:
            cost += expression_text.pattern_cost(_program(token.text).eval(data={}).plain_value())
            if cost > expression_text.MAX_PATTERN:
                message = "matches() is asked for too much: write shorter patterns, with smaller counts and less \\p"
                raise ExpressionError(message, code="too_complex", column=token.at + 1)
            result = _program(f"''.matches({token.text})").eval(data={})
        except RuntimeError as exc:
            raise ExpressionError("this is no text", code="syntax", column=token.at + 1) from exc
        if result.type().name() == "ERROR":
            raise ExpressionError(f"{result.plain_value()}"[:200], code="syntax", column=token.at + 1)
    return cost


def _shortest(paths: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Each path once, without those that lead into another's value."""
    kept: list[tuple[str, ...]] = []
    for names in sorted(set(paths), key=len):
        if not any(names[: len(short)] == short for short in kept):
            kept.append(names)
    return tuple(kept)


def _only_field(found: Sequence[Token], read: list[Path]) -> tuple[str, ...] | None:
    """The field that the whole expression is; None for anything else, and for times, which it gives in another form."""
    match read:
        case [path] if len(found) == 2 * len(path.names) - 1 and path.names not in _TIMES:
            return path.names
        case _:
            return None


def _plain_field(bound: Mapping[str, object], names: tuple[str, ...]) -> tuple[Json] | None:
    """The field's value. None if it is not one that the runtime certainly would give back as it is."""
    value: object = bound
    for name in names:
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    match value:
        case str() if value.isascii():
            return (value,)
        case None | bool():
            return (value,)
        case float() if math.isfinite(value):
            return (value,)
        case int() if -(2**63) <= value < 2**63:
            return (value,)
        case _:
            return None
