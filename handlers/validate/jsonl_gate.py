"""The data gate for JSON Lines: is every line an object with the declared columns, as far as there is time to look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.handlers.validate.columns import complaint, did_you_mean, judge_count, judge_nulls
from retrigger.handlers.validate.jsonl_records import BadLine, Lines, parse
from retrigger.handlers.validate.report import Unreadable, judged
from retrigger.handlers.validate.stream import MOST_BYTES
from retrigger.handlers.validate.values import fits
from retrigger.triggers.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from retrigger.handlers.validate.report import Findings, GateReport
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Column, ObjectCheck


def gate_jsonl(
    chunks: Iterator[bytes],
    check: ObjectCheck,
    *,
    size: int | None,
    deadline: Callable[[], bool],
    limit: int = MOST_BYTES,
) -> GateReport:
    """Judge the first `limit` bytes, or as many as come before `deadline()` is true. `size` is the announced one.

    The first line is row 1. Raises Unavailable if not even it came in time: that says nothing about the data.
    """
    lines = Lines(chunks, size=size, limit=limit, deadline=deadline)
    return judged(lambda findings: _judge(lines, check, findings), lambda: lines.read, check, size)


def _judge(lines: Lines, check: ObjectCheck, findings: Findings) -> int | None:
    """Number of rows; None if the file goes on."""
    columns = [_Judged(name, column) for name, column in check.columns.items()]
    first: Mapping[str, Json] | None = None
    rows = 0
    for row, line in lines:
        rows += 1
        try:
            found = parse(line)
        except BadLine as exc:
            findings.add(exc.rule, f"row {row}: {exc}")
            continue
        first = found if first is None else first
        _judge_row(row, found, columns, findings)
    if not rows:
        raise _without_rows(lines)
    for column in columns:
        if column.present:
            judge_nulls(column.name, rows - column.filled, rows, check, findings)
        elif first is not None:
            findings.add(
                f"missing {column.name}", f"no row has column {column.name}{did_you_mean(column.name, [*first])}"
            )
    judge_count(rows, check, findings, cut=lines.cut)
    return None if lines.cut else rows


def _judge_row(row: int, found: Mapping[str, Json], columns: list[_Judged], findings: Findings) -> None:
    """A column that a row lacks is empty there. What is not declared may be anything."""
    for column in columns:
        if column.name not in found:
            continue
        column.present = True
        value = found[column.name]
        if value is None:
            continue
        column.filled += 1
        if not column.fits(value):
            findings.add(f"value {column.name}", f"row {row}, column {column.name}: {column.complaint}")


def _without_rows(lines: Lines) -> Unavailable | Unreadable:
    if lines.late:
        return Unavailable("no row of the file came in time; try again", code="gate_timeout")
    if lines.cut:
        return Unreadable(f"the first {lines.read:,} bytes hold no row")
    return Unreadable("the file is empty")


class _Judged:
    """A declared column: whether any row has it, and in how many it is not null."""

    __slots__ = ("complaint", "filled", "fits", "name", "present")

    def __init__(self, name: str, declared: Column) -> None:
        self.name = name
        self.fits = fits(declared)
        self.complaint = complaint(declared)
        self.present = False
        self.filled = 0
