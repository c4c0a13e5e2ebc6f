"""The data gate for CSV: is this file what the trigger declares, as far as a function has the time to look."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from retrigger.handlers.outcome import Verdict
from retrigger.handlers.validate.cells import NULLS, fits
from retrigger.handlers.validate.csv_records import Records, Unreadable
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.frozen import dataclass
from retrigger.triggers.spec import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from retrigger.triggers.spec import ObjectCheck

GATE_BYTES: Final = 64 * 1024 * 1024
GATE_SECONDS: Final = 5.0
_MOST_REASONS: Final = 10
_MOST_COLUMNS: Final = 10_000
# Looking for a similar name is quadratic: only where a person would look too.
_SIMILAR_AMONG: Final = 200
_SIMILAR_LENGTH: Final = 64
_ANYTHING: Final = Column()


@dataclass(frozen=True, slots=True)
class GateReport:
    """`rows` counts the rows under the header, and is None unless the whole file was read. `read` is in bytes.

    `reasons` name row (the header is row 1) and column, never the value of a cell. None of them means: pass.
    """

    rows: int | None
    reasons: tuple[str, ...] = ()
    read: int = 0

    @property
    def verdict(self) -> Verdict:
        if self.reasons:
            return Verdict("gate", "stop", "bad_data", "; ".join(self.reasons))
        seen = f"the first {self.read:,} bytes" if self.rows is None else f"{self.rows:,} rows"
        return Verdict("gate", "pass", "ok", f"{seen} fit")


def gate_csv(
    chunks: Iterator[bytes],
    check: ObjectCheck,
    *,
    size: int | None,
    deadline: Callable[[], bool],
    limit: int = GATE_BYTES,
) -> GateReport:
    """Judge the first `limit` bytes, or as many as come before `deadline()` is true. `size` is the announced one.

    Raises Unavailable if not even the header came in time: that says nothing about the data.
    """
    findings = _Findings()
    if check.max_bytes is not None and size is not None and size > check.max_bytes:
        findings.add("bytes", f"the file has {size:,} bytes; at most {check.max_bytes:,} are allowed")
        return GateReport(rows=None, reasons=findings.reasons())
    records = Records(chunks, size=size, limit=limit, deadline=deadline)
    rows = None
    try:
        rows = _judge(records, check, findings)
    except Unreadable as exc:
        findings.add("unreadable", str(exc))
    if check.max_bytes is not None and records.read > check.max_bytes:
        findings.add("bytes", f"the file has more than the {check.max_bytes:,} bytes that are allowed")
    return GateReport(rows=rows, reasons=findings.reasons(), read=records.read)


def _judge(records: Records, check: ObjectCheck, findings: _Findings) -> int | None:
    """Number of rows; None if the file goes on, or if its header does not say what the rows hold."""
    numbered = iter(records)
    _, header = next(numbered, (0, None))
    if header is None:
        if records.cut:
            raise Unavailable("the header of the file did not come in time; try again", code="gate_timeout")
        raise Unreadable("the file is empty")
    _judge_header(header, check, findings)
    if findings.any():
        return None
    columns = [
        _Judged(_label(index, name, check), check.columns.get(name, _ANYTHING)) for index, name in enumerate(header)
    ]
    rows = 0
    for row, cells in numbered:
        rows += 1
        _judge_row(row, cells, columns, findings)
    _judge_nulls(rows, columns, check, findings)
    _judge_count(rows, records, check, findings)
    return None if records.cut else rows


def _judge_header(header: list[str], check: ObjectCheck, findings: _Findings) -> None:
    if len(header) > _MOST_COLUMNS:
        raise Unreadable(f"row 1: more than {_MOST_COLUMNS:,} columns")
    missing = [name for name in check.columns if name not in header]
    if missing and len(header) == 1 and (other := _other_separator(header[0])):
        raise Unreadable(f"row 1: one column; the cells seem to be separated by {other}, not by commas")
    for name in missing:
        close = _similar(name, header)
        findings.add(f"missing {name}", f"row 1: no column {name}" + (f"; did you mean {close!r}?" if close else ""))
    for name, count in Counter(header).items():
        if count > 1:
            label = _label(header.index(name), name, check)
            findings.add(f"double {name}", f"row 1: the name of column {label} stands there {count} times")


def _judge_row(row: int, cells: list[str], columns: list[_Judged], findings: _Findings) -> None:
    if len(cells) != len(columns):
        findings.add("width", f"row {row}: {len(cells)} cells where the header has {len(columns)}")
        return
    for column, cell in zip(columns, cells, strict=True):
        if cell in column.nulls:
            column.empty += 1
        elif not column.fits(cell):
            findings.add(f"cell {column.label}", f"row {row}, column {column.label}: {column.complaint}")


def _judge_nulls(rows: int, columns: list[_Judged], check: ObjectCheck, findings: _Findings) -> None:
    if check.max_null_ratio is None or rows == 0:
        return
    for column in columns:
        if column.empty / rows > check.max_null_ratio:
            findings.add(
                f"nulls {column.label}",
                f"column {column.label}: {column.empty:,} of {rows:,} cells are empty; "
                f"at most {check.max_null_ratio * 100:.4g} % may be",
            )


def _judge_count(rows: int, records: Records, check: ObjectCheck, findings: _Findings) -> None:
    if check.min_rows is not None and rows < check.min_rows and not records.cut:
        findings.add("few", f"the file has {rows:,} rows; at least {check.min_rows:,} are needed")
    if check.max_rows is not None and rows > check.max_rows:
        findings.add("many", f"the file has more than the {check.max_rows:,} rows that are allowed")


class _Judged:
    """One column of the file, with the number of empty cells in it so far."""

    __slots__ = ("complaint", "empty", "fits", "label", "nulls")

    def __init__(self, label: str, declared: Column) -> None:
        self.label = label
        self.nulls = NULLS.difference(declared.one_of)
        self.fits = fits(declared)
        self.complaint = "none of the allowed texts" if declared.one_of else f"no {declared.type}"
        self.empty = 0


class _Findings:
    """One reason for each rule that is broken, with the first row and how many follow: bounded for any file."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._more: Counter[str] = Counter()

    def add(self, rule: str, reason: str) -> None:
        if rule in self._first:
            self._more[rule] += 1
        else:
            self._first[rule] = reason

    def any(self) -> bool:
        return bool(self._first)

    def reasons(self) -> tuple[str, ...]:
        told = [self._told(rule) for rule in list(self._first)[:_MOST_REASONS]]
        left = len(self._first) - len(told)
        return (*told, f"and {left} more") if left else tuple(told)

    def _told(self, rule: str) -> str:
        more = self._more[rule]
        return self._first[rule] + (f" (and so in {more:,} more rows)" if more else "")


def _label(index: int, name: str, check: ObjectCheck) -> str:
    """The declared name, else the position: where a header is missing, its place is taken by values."""
    return name if name in check.columns else f"{index + 1}"


def _similar(name: str, header: list[str]) -> str | None:
    """A name of the file so close to the declared one that it can be no value."""
    import difflib

    candidates = [text for text in header[:_SIMILAR_AMONG] if len(text) <= _SIMILAR_LENGTH and text.isprintable()]
    folded = {text.casefold().replace(" ", "_").replace("-", "_"): text for text in candidates}
    close = difflib.get_close_matches(name.casefold()[:_SIMILAR_LENGTH], folded, n=1, cutoff=0.8)
    return folded[close[0]] if close else None


def _other_separator(text: str) -> str | None:
    return next((name for char, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")) if char in text), None)
