"""The data gate for CSV: is this file what the trigger declares, as far as a function has the time to look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.handlers.validate.cells import NULLS, fits
from retrigger.handlers.validate.columns import (
    MOST_COLUMNS,
    complaint,
    judge_count,
    judge_names,
    judge_nulls,
    label,
)
from retrigger.handlers.validate.csv_records import Records
from retrigger.handlers.validate.report import Unreadable, judged
from retrigger.handlers.validate.stream import MOST_BYTES
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.spec import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from retrigger.handlers.validate.report import Findings, GateReport
    from retrigger.triggers.spec import ObjectCheck

_ANYTHING: Final = Column()


def gate_csv(
    chunks: Iterator[bytes],
    check: ObjectCheck,
    *,
    size: int | None,
    deadline: Callable[[], bool],
    limit: int = MOST_BYTES,
) -> GateReport:
    """Judge the first `limit` bytes, or as many as come before `deadline()` is true. `size` is the announced one.

    The header is row 1. Raises Unavailable if not even it came in time: that says nothing about the data.
    """
    records = Records(chunks, size=size, limit=limit, deadline=deadline)
    return judged(lambda findings: _judge(records, check, findings), lambda: records.read, check, size)


def _judge(records: Records, check: ObjectCheck, findings: Findings) -> int | None:
    """Number of rows; None if the file goes on, or if its header does not say what the rows hold."""
    numbered = iter(records)
    _, header = next(numbered, (0, None))
    if header is None:
        if records.late:
            raise Unavailable("the header of the file did not come in time; try again", code="gate_timeout")
        raise Unreadable(f"the first {records.read:,} bytes hold no header" if records.cut else "the file is empty")
    _judge_header(header, check, findings)
    if findings.any():
        return None
    columns = [
        _Judged(label(index, name, check), check.columns.get(name, _ANYTHING)) for index, name in enumerate(header)
    ]
    rows = 0
    for row, cells in numbered:
        rows += 1
        _judge_row(row, cells, columns, findings)
    for column in columns:
        judge_nulls(column.label, column.empty, rows, check, findings)
    judge_count(rows, check, findings, cut=records.cut)
    return None if records.cut else rows


def _judge_header(header: list[str], check: ObjectCheck, findings: Findings) -> None:
    if len(header) > MOST_COLUMNS:
        raise Unreadable(f"row 1: more than {MOST_COLUMNS:,} columns")
    if len(header) == 1 and check.columns.keys() - {header[0]} and (other := _other_separator(header[0])):
        raise Unreadable(f"row 1: one column; the cells seem to be separated by {other}, not by commas")
    judge_names(header, check, findings, place="row 1: ")


def _judge_row(row: int, cells: list[str], columns: list[_Judged], findings: Findings) -> None:
    if len(cells) != len(columns):
        findings.add("width", f"row {row}: {len(cells)} cells where the header has {len(columns)}")
        return
    for column, cell in zip(columns, cells, strict=True):
        if cell in column.nulls:
            column.empty += 1
        elif not column.fits(cell):
            findings.add(f"cell {column.label}", f"row {row}, column {column.label}: {column.complaint}")


class _Judged:
    """One column of the file, with the number of empty cells in it so far."""

    __slots__ = ("complaint", "empty", "fits", "label", "nulls")

    def __init__(self, told: str, declared: Column) -> None:
        self.label = told
        self.nulls = NULLS.difference(declared.one_of)
        self.fits = fits(declared)
        self.complaint = complaint(declared)
        self.empty = 0


def _other_separator(text: str) -> str | None:
    return next((name for char, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")) if char in text), None)
