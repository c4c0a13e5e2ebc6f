"""Values on their way into the runtime of expressions and out of it: bounded, and plain."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.frozen import dataclass

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"

MAX_DEPTH: Final = 64
"""Levels of a value that an expression reads: the runtime crashes on ten thousand."""
MAX_CHARS: Final = 4 * 2**20
"""Characters that an expression reads, divided by how often it reads; and that it gives."""
MAX_CHARS_LOOPED: Final = 256 * 2**10
MAX_CHARS_MATCHED: Final = 40_000_000
"""Characters that an expression with `matches()` reads, times the cost of its patterns: 20 ns each at the worst."""
MAX_VALUES: Final = 50_000
"""Values that an expression reads, divided by how often it reads; and that it gives: a microsecond each."""
MAX_VALUES_LOOPED: Final = 400_000
"""Values that an expression with a loop reads, times its tokens."""
MAX_PAIRS: Final = 1_000_000
"""Pairs of values, where a loop reads more than its variable, times how often it does: 50 ns each."""
MAX_PAIRS_MAPPED: Final = 150_000
"""The same where `map` may give all pairs back."""
MAX_PATTERNS_LOOPED: Final = 2_500_000
"""Values that an expression with a loop and `matches()` reads, times the cost of its patterns: built for each item."""
MAX_SQUARED: Final = 1_000_000
"""The square of the items of any list that an expression with a loop reads, times its loops: each may build a list,
which takes quadratic time.
"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an expression may read of one event, so that it ends within 100 ms. `items`: of each list and map."""

    chars: int = MAX_CHARS
    values: int = MAX_VALUES
    items: int | None = None


class Meter:
    """What is left of the bounds. `nul`: a text with a NUL character was met."""

    __slots__ = ("_chars", "_items", "_values", "nul")

    def __init__(self, bounds: Bounds) -> None:
        self._chars, self._values, self._items = bounds.chars, bounds.values, bounds.items
        self.nul = False

    def count(self, chars: int, *, items: int = 0, depth: int = 0) -> None:
        self._chars -= chars
        self._values -= 1
        if self._chars < 0 or self._values < items or (self._items is not None and items > self._items):
            raise ExpressionError(
                "the values are too large for this expression: read a smaller field, or loop and match less",
                code="too_large",
            )
        if depth > MAX_DEPTH:
            raise ExpressionError(f"a value is nested deeper than {MAX_DEPTH} levels", code="too_large")


def readable(value: object, meter: Meter, depth: int = 0) -> object:
    """A value of a scope in the types that the runtime reads."""
    match value:
        case str() | bytes():
            meter.count(len(value))
            meter.nul = meter.nul or (isinstance(value, str) and "\0" in value)
            return value
        case datetime():
            return _rfc3339(value)
        case Mapping():
            meter.count(0, items=len(value), depth=depth)
            return {readable(name, meter): readable(item, meter, depth + 1) for name, item in value.items()}
        case list() | tuple():
            meter.count(0, items=len(value), depth=depth)
            return [readable(item, meter, depth + 1) for item in value]
        case _:
            meter.count(0)
            return value


def plain_json(value: object, meter: Meter) -> Json:
    """A value of the runtime, in the forms of protobuf's JSON mapping. Raise ValueError for what has none."""
    match value:
        case None | bool() | int():
            meter.count(0)
            return value
        case float() if math.isfinite(value):
            meter.count(0)
            return value
        case float():
            raise ValueError(f"JSON has no number {value}")
        case str():
            meter.count(len(value))
            return value
        case bytes() | bytearray():
            meter.count(len(value))
            return base64.b64encode(value).decode("ascii")
        case datetime():
            return _rfc3339(value)
        case timedelta():
            return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"
        case list():
            meter.count(0, items=len(value))
            return [plain_json(item, meter) for item in value]
        case dict():
            meter.count(0, items=len(value))
            return {_key(name): plain_json(item, meter) for name, item in value.items()}
        case _:
            raise ValueError("the value has no form in JSON")


def _key(name: object) -> str:
    if isinstance(name, str):
        return name
    raise ValueError("the keys of a map must be text")


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
