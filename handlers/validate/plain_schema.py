"""JSON Schemas of the usual kind: read here, without the validator, which is 7 MB and some milliseconds to load.

What is said here is only that a message certainly fits. A schema with any other keyword, a value that is not plainly
one thing (1.0, which is an integer there), and every message that does not fit are for the validator, whose words are
told. tests/handlers/validate/test_plain_schema.py holds both against each other.
Source of the keywords: https://json-schema.org/draft/2020-12/json-schema-validation
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NoReturn

from retrigger.handlers.validate import plain_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retrigger.triggers.event import Json

    Check = Callable[[Any], bool]

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_TEXTS: Final = frozenset({"title", "description", "$comment", "format"})  # of this draft, `format` is a remark
_TYPES: Final[Mapping[str, type]] = {"object": dict, "array": list, "string": str, "boolean": bool}
_MOST_WAYS: Final = 2_000_000
"""In which all patterns of a schema may try their texts: some 50 ms."""
_LONGEST: Final = 4096
_DEEPEST: Final = 64
_EXACT: Final = 2**53


class _NotPlainError(Exception):
    """It has something that only the validator reads."""


def compiled(schema: Json) -> Check | None:
    """Whether a value certainly fits; None where only the validator can say so of any."""
    if not isinstance(schema, dict) or schema.get("$schema", _DRAFT) != _DRAFT:
        return None
    try:
        return _Reading().schema({name: value for name, value in schema.items() if name != "$schema"})
    except _NotPlainError:
        return None


class _Reading:
    """`ways`: what the patterns that were met may still cost. Inside a list none may stand: it would be tried often."""

    def __init__(self) -> None:
        self._ways = _MOST_WAYS

    def schema(self, schema: Json, *, depth: int = 0, listed: bool = False) -> Check:
        given: dict[str, Any] = dict(schema) if isinstance(schema, dict) and depth < _DEEPEST else _refuse()
        checks: list[Check] = []
        for name in _TEXTS & given.keys():
            _text(given.pop(name))
        given.pop("default", None)
        if "type" in given:
            checks.append(_type(given.pop("type")))
        if given.keys() & {"properties", "required", "additionalProperties"}:
            checks.append(self._object(given, depth, listed=listed))
        if "items" in given:
            checks.append(_of(list, _each(self.schema(given.pop("items"), depth=depth + 1, listed=True))))
        longest = _count(given["maxLength"]) if "maxLength" in given else None
        checks += [_bound(name, given.pop(name)) for name in [*given] if name in _BOUNDS]
        if "pattern" in given:
            checks.append(self._pattern(given.pop("pattern"), longest, listed=listed))
        if "enum" in given:
            checks.append(_enum(given.pop("enum")))
        if given:
            _refuse()
        return lambda value: all(check(value) for check in checks)

    def _object(self, given: dict[str, Any], depth: int, *, listed: bool) -> Check:
        required, others = given.pop("required", []), given.pop("additionalProperties", True)
        properties = given.pop("properties", {})
        if not isinstance(others, bool) or not isinstance(properties, dict) or not _names(required):
            _refuse()
        known = {name: self.schema(part, depth=depth + 1, listed=listed) for name, part in properties.items()}

        def fits(value: dict[str, Any]) -> bool:
            return (
                all(name in value for name in required)
                and (others or value.keys() <= known.keys())
                and all(check(value[name]) for name, check in known.items() if name in value)
            )

        return _of(dict, fits)

    def _pattern(self, pattern: Any, longest: int | None, *, listed: bool) -> Check:
        most = min(_LONGEST if longest is None else longest, _LONGEST)
        found, ways = (not listed and plain_pattern.read(_text(pattern), most)) or _refuse()
        self._ways -= ways
        if self._ways < 0:
            _refuse()
        return _of(str, lambda text: len(text) <= most and found.match(text) is not None)


def _type(wanted: Any) -> Check:
    names = [wanted] if isinstance(wanted, str) else wanted
    if not _names(names) or not names:
        _refuse()
    checks = [_is(name) for name in names]
    return lambda value: any(check(value) for check in checks)


def _is(name: str) -> Check:
    match name:
        case "null":
            return lambda value: value is None
        case "integer":
            return _is_exact
        case "number":
            return lambda value: _is_exact(value) or (isinstance(value, float) and math.isfinite(value))
        case _:
            kind = _TYPES.get(name) or _refuse()
            return lambda value: isinstance(value, kind)


def _is_exact(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _EXACT


def _of(kind: type, check: Check) -> Check:
    """What is asked of values of that kind alone."""
    return lambda value: not isinstance(value, kind) or check(value)


def _each(check: Check) -> Check:
    return lambda values: all(check(value) for value in values)


def _bound(name: str, limit: Any) -> Check:
    kind, fits = _BOUNDS[name]
    if kind is not float:
        most = _count(limit)
        return _of(kind, lambda value: fits(len(value), most))
    if not _is_exact(limit):
        _refuse()
    return lambda value: not isinstance(value, int | float) or isinstance(value, bool) or fits(value, limit)


_BOUNDS: Final[Mapping[str, tuple[type, Callable[[Any, Any], bool]]]] = {
    "minLength": (str, lambda found, limit: found >= limit),
    "maxLength": (str, lambda found, limit: found <= limit),
    "minItems": (list, lambda found, limit: found >= limit),
    "maxItems": (list, lambda found, limit: found <= limit),
    "minimum": (float, lambda found, limit: found >= limit),
    "maximum": (float, lambda found, limit: found <= limit),
}


def _enum(values: Any) -> Check:
    if not _names(values) or not values:
        _refuse()
    return lambda value: isinstance(value, str) and value in values


def _names(value: Any) -> bool:
    """Whether it is a list of texts, each of them once."""
    return isinstance(value, list) and all(isinstance(it, str) for it in value) and len({*value}) == len(value)


def _count(value: Any) -> int:
    return int(value) if _is_exact(value) and value >= 0 else _refuse()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _refuse()


def _refuse() -> NoReturn:
    raise _NotPlainError
