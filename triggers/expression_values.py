"""Values on their way into the runtime of expressions and out of it: bounded, and plain."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from retrigger.triggers.errors import ExpressionError

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"

MAX_DEPTH: Final = 64
"""Levels of a value that an expression reads: the runtime crashes on ten thousand."""
MAX_SIZE: Final = 4 * 2**20
"""Characters plus values that an expression reads or gives."""
MAX_SIZE_LOOPED: Final = 256 * 2**10
"""The same for an expression that loops: whatever it does to each item, it ends in under a second."""
MAX_ITEMS_LOOPED: Final = 1000
"""Items of any list that an expression with a loop reads: building a list takes quadratic time."""


class Meter:
    """What is left of a bound on size; `items` bounds each list and map. `nul`: a text with a NUL character was met."""

    __slots__ = ("items", "left", "nul")

    def __init__(self, left: int, items: int | None = None) -> None:
        self.left = left
        self.items = items
        self.nul = False

    def count(self, size: int, *, items: int = 0, depth: int = 0) -> None:
        self.left -= size + 1
        if self.left < 0 or (self.items is not None and items > self.items):
            message = "the values are too large for an expression" + ("" if self.items is None else " with a loop")
            raise ExpressionError(message, code="too_large")
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
            return [plain_json(item, meter) for item in value]
        case dict():
            return {_key(name): plain_json(item, meter) for name, item in value.items()}
        case _:
            raise ValueError("the value has no form in JSON")


def _key(name: object) -> str:
    if isinstance(name, str):
        return name
    raise ValueError("the keys of a map must be text")


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
