"""What a benchmark found: a table for people, one JSON line for programs, and each target beside its figure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from retrigger.triggers.event import Json

Cell: TypeAlias = "str | int | float"


@dataclass(frozen=True, slots=True)
class Target:
    """What must be true of a figure. `bound` is the largest that is good, or the smallest where `at_least`."""

    what: str
    figure: float
    bound: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound

    def __str__(self) -> str:
        limit = f"at {'least' if self.at_least else 'most'} {self.bound:g}"
        return f"{'met   ' if self.met else 'MISSED'}  {self.what}: {_text(self.figure)} ({limit})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`columns` and `rows` are the table, `data` the JSON line's own keys; `notes` say how it was measured."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    data: Mapping[str, Json]
    targets: Sequence[Target] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """`sizes` are what `unit` says, by default; `smallest` shows that it works, and nothing else."""

    line: str
    unit: str
    sizes: tuple[int, ...]
    smallest: tuple[int, ...]
    run: Callable[[Sequence[int]], Report] = field(repr=False)


def as_json(name: str, report: Report) -> str:
    targets: list[Json] = [
        {"what": it.what, "figure": it.figure, "bound": it.bound, "at_least": it.at_least, "met": it.met}
        for it in report.targets
    ]
    return json.dumps({"benchmark": name, **report.data, "targets": targets})


def as_table(name: str, line: str, report: Report) -> str:
    rows = [[_text(cell) for cell in row] for row in [report.columns, *report.rows]]
    widths = [max(len(row[at]) for row in rows) for at in range(len(report.columns))]
    first, *rest = [_aligned(row, widths) for row in rows]
    parts = [f"{name}: {line}", "", first, "-" * len(first), *rest]
    told = [f"  {note}" for note in report.notes] + [f"  {target}" for target in report.targets]
    return "\n".join([*parts, *([""] if told else []), *told, ""])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """Names to the left, numbers to the right."""
    cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
    return "  ".join(cells)


def _text(cell: Cell) -> str:
    match cell:
        case float() if cell >= 100:
            return f"{cell:,.0f}"
        case float():
            return f"{cell:.3g}"
        case int():
            return f"{cell:,}"
        case _:
            return cell
