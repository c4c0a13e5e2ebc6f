"""How much work a JSON Schema can ask for: bounded when it is written, so that no message makes it take long.

A validator asks the rules for one place of a message once for every way that leads from the schema's root to them. Two
references to one definition, with two references to another in it, are four ways; so they double at every step.
Source of the keywords: https://json-schema.org/draft/2020-12/json-schema-core#section-10
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import unquote

from retrigger.triggers.expression_text import pattern_cost

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retrigger.triggers.expression_values import Json

MAX_DEPTH: Final = 64
"""Levels of a message, of a schema, and of references that lead to references."""
MAX_RULES: Final = 1000
"""Rules that may be asked about one place of a message."""
MAX_PARTS: Final = 2000
"""Schemas in a schema."""
MAX_PATTERNS: Final = 200_000
"""The cost of all patterns of a schema: to build one takes 0.3 us each."""

_Schema: TypeAlias = "dict[str, Json]"
_SAME_PLACE: Final = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies")
_ANY_CHILD: Final = (
    *("items", "additionalItems", "prefixItems", "unevaluatedItems", "contains"),
    *("additionalProperties", "unevaluatedProperties", "patternProperties", "propertyNames"),
)
_MANY: Final = (
    *("allOf", "anyOf", "oneOf", "dependentSchemas", "dependencies", "prefixItems", "patternProperties"),
    *("properties", "$defs", "definitions"),
)
"""Keywords that hold several schemas, in a list or under names."""
_FINE_STEP: Final = 1e-15
"""`multipleOf` less than this is computed in fractions of hundreds of digits."""
_FINE_COST: Final = 500
_PATTERN_RULE: Final = 200
"""The cost of a pattern that takes as long as a rule, on as many characters."""
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")


class TooCostlyError(ValueError):
    """A schema that could take too long. `code` is stable; the text says what to change."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def rules(schema: Json) -> int:
    """The most rules that are asked about one place of any message. Raise TooCostlyError beyond the bounds above."""
    if not isinstance(schema, dict):
        return 1
    parts = list(_all_parts(schema))
    _refuse_patterns(parts)
    anchors = {str(part[key]): part for part in parts for key in ("$anchor", "$dynamicAnchor") if key in part}
    level = _Level(schema, anchors, None)
    most = 0
    for _ in range(MAX_DEPTH):
        counts = {id(part): level.count(part) for part in parts}
        most = max(most, *counts.values())
        if counts == level.above or not any(counts.values()):
            break  # so it stays, however deep the message is
        level = _Level(schema, anchors, counts)
    return most


class _Level:
    """Rules for a place some steps below the one that a schema is asked about; `above`: for one step less."""

    def __init__(self, root: _Schema, anchors: dict[str, _Schema], above: dict[int, int] | None) -> None:
        self.above = above
        self._root = root
        self._anchors = anchors
        self._counts: dict[int, int] = {}
        self._open: set[int] = set()

    def count(self, schema: Json) -> int:
        if not isinstance(schema, dict):
            return 0
        here = id(schema)
        if here in self._open:
            raise TooCostlyError("ref_cycle", "it refers to itself without going deeper: put the $ref below a property")
        if here not in self._counts:
            if len(self._open) > MAX_DEPTH:
                raise _too_complex(f"more than {MAX_DEPTH} references lead to one rule: make the way shorter")
            self._open.add(here)
            count = sum(self.count(part) for part in self._same_place(schema))
            self._open.discard(here)
            self._counts[here] = count + (_own(schema) if self.above is None else _below(schema, self.above))
            if self._counts[here] > MAX_RULES:
                raise _too_complex(f"more than {MAX_RULES} rules meet in one place: merge what anyOf and $ref repeat")
        return self._counts[here]

    def _same_place(self, schema: _Schema) -> Iterator[Json]:
        yield from _held(schema, _SAME_PLACE)
        for reference in (schema[key] for key in _REFERENCES if key in schema):
            yield self._found(str(reference))

    def _found(self, reference: str) -> Json:
        """What `#/$defs/a` or `#anchor` names. What leads out of the document is refused elsewhere."""
        fragment = unquote(reference.removeprefix("#"))
        if fragment and not fragment.startswith("/"):
            return self._anchors.get(fragment)
        found: Json = self._root
        for step in fragment.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            match found:
                case dict():
                    found = found.get(key)
                case list() if key.isdecimal() and len(key) < 6 and int(key) < len(found):
                    found = found[int(key)]
                case _:
                    return None
        return found


def _own(schema: _Schema) -> int:
    """Its rules for the place itself: one, and more for a pattern, or for lists and mappings that it compares with."""
    enum, step, pattern = schema.get("enum"), schema.get("multipleOf"), schema.get("pattern")
    listed = [*(enum if isinstance(enum, list) else ()), schema.get("const")]
    fine = isinstance(step, float) and abs(step) < _FINE_STEP
    dear = _pattern_rules(pattern) + fine * _FINE_COST
    return 1 + dear + sum(_values(item) for item in listed if isinstance(item, dict | list))


def _pattern_rules(pattern: Json) -> int:
    return pattern_cost(pattern) // _PATTERN_RULE if isinstance(pattern, str) else 0


def _below(schema: _Schema, above: dict[int, int]) -> int:
    """Of `properties` one rules each place; all else may, and every pattern is tried on every name."""
    named = max((above.get(id(part), 0) for part in _held(schema, ("properties",))), default=0)
    tried = schema.get("patternProperties")
    cost = sum(1 + _pattern_rules(text) for text in tried) if isinstance(tried, dict) else 0
    return named + cost + sum(above.get(id(part), 0) for part in _held(schema, _ANY_CHILD))


def _held(schema: _Schema, keywords: Sequence[str]) -> Iterator[Json]:
    """The schemas that these keywords hold."""
    for keyword in keywords:
        match schema.get(keyword):
            case list() as many:
                yield from many
            case dict() as many if keyword in _MANY:
                yield from many.values()
            case one:
                yield one


def _all_parts(schema: _Schema) -> Iterator[_Schema]:
    """Every mapping below a schema: each may be one, by its keyword or because a reference names it."""
    waiting: list[Json] = [schema]
    found = 0
    while waiting:
        match waiting.pop():
            case dict() as part:
                found += 1
                if found > MAX_PARTS:
                    raise _too_complex(f"it holds more than {MAX_PARTS:,} schemas: leave out what need not be checked")
                yield part
                waiting += part.values()
            case list() as parts:
                waiting += parts
            case _:
                pass


def _refuse_patterns(parts: Sequence[_Schema]) -> None:
    cost = 0
    for part in parts:
        names = part.get("patternProperties")
        texts = [part.get("pattern"), *(names if isinstance(names, dict) else ())]
        cost += sum(pattern_cost(text) for text in texts if isinstance(text, str))
    if cost > MAX_PATTERNS:
        raise _too_complex("its patterns are too large together: write shorter ones, with smaller counts and less \\p")


def _values(value: Json) -> int:
    """How many values it holds."""
    count, waiting = 0, [value]
    while waiting:
        count += 1
        match waiting.pop():
            case dict() as inner:
                waiting += inner.values()
            case list() as inner:
                waiting += inner
            case _:
                pass
    return count


def _too_complex(told: str) -> TooCostlyError:
    return TooCostlyError("schema_too_complex", told)
