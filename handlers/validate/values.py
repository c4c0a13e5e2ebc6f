"""What one value of a JSON object may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.handlers.validate import cells
from retrigger.triggers.spec import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retrigger.triggers.event import Json


def fits(column: Column) -> Callable[[Json], bool]:
    """Whether a value that is not null is what the column declares. Nothing is converted: `"3"` is no int."""
    if column.one_of:
        return _text(frozenset(column.one_of).__contains__)
    return _TYPES[column.type]


def _text(judge: Callable[[str], bool]) -> Callable[[Json], bool]:
    return lambda value: isinstance(value, str) and judge(value)


def _is_int(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_float(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# JSON has no times: they are texts, written as in CSV.
_TYPES: Final[Mapping[str, Callable[[Json], bool]]] = {
    "str": lambda value: isinstance(value, str),
    "int": _is_int,
    "float": _is_float,
    "bool": lambda value: isinstance(value, bool),
    "date": _text(cells.fits(Column(type="date"))),
    "datetime": _text(cells.fits(Column(type="datetime"))),
}
