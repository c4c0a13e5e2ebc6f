"""What the text of one CSV cell may be."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retrigger.triggers.spec import Column

# What pandas.read_csv reads as missing: https://pandas.pydata.org/docs/reference/api/pandas.read_csv.html (na_values)
NULLS: Final = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN")
) | {"<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"}
# A number or a time is never longer; this also bounds what the patterns below look at.
_LONGEST: Final = 64
_INT: Final = re.compile(r"[+-]?[0-9]+")
_FLOAT: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BOOLS: Final = frozenset({"true", "false", "0", "1"})


def fits(column: Column) -> Callable[[str], bool]:
    """Whether a cell that is not null is what the column declares."""
    if column.one_of:
        return frozenset(column.one_of).__contains__
    return _TYPES[column.type]


def _is_int(cell: str) -> bool:
    return len(cell) <= _LONGEST and _INT.fullmatch(cell.strip()) is not None


def _is_float(cell: str) -> bool:
    return len(cell) <= _LONGEST and _FLOAT.fullmatch(cell.strip()) is not None


def _is_bool(cell: str) -> bool:
    return len(cell) <= _LONGEST and cell.strip().lower() in _BOOLS


def _is_date(cell: str) -> bool:
    """`2024-02-29`: the extended form only, of the several that `fromisoformat` takes."""
    try:
        return len(cell) == 10 and cell[4] == cell[7] == "-" and cell.isascii() and date.fromisoformat(cell) is not None
    except ValueError:
        return False


def _is_datetime(cell: str) -> bool:
    """ISO 8601 with a time of day; a zone may be missing."""
    try:
        return 10 < len(cell) <= _LONGEST and cell.isascii() and datetime.fromisoformat(cell) is not None
    except ValueError:
        return False


def _is_text(_: str) -> bool:
    return True


_TYPES: Final[Mapping[str, Callable[[str], bool]]] = {
    "str": _is_text,
    "int": _is_int,
    "float": _is_float,
    "bool": _is_bool,
    "date": _is_date,
    "datetime": _is_datetime,
}
