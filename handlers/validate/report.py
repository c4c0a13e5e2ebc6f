"""What a gate says of a file, whatever its format: a reason for each rule that is broken, no value of the data."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from retrigger.handlers.outcome import Verdict
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.triggers.spec import ObjectCheck

_MOST_REASONS: Final = 10
BAD_DATA: Final = "bad_data"


class Unreadable(Exception):
    """The file cannot be read on from here. The text is a reason for people, without values."""

    def __init__(self, reason: str, *, code: str = BAD_DATA) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class GateReport:
    """`rows` counts the rows of data, and is None unless they are all known. `read` is in bytes.

    `reasons` name row and column, never the value of a cell. None of them means: pass. `notes` say what was declared
    and could not be judged. `code` is the verdict's, where there are reasons.
    """

    rows: int | None
    reasons: tuple[str, ...] = ()
    read: int = 0
    notes: tuple[str, ...] = ()
    code: str = BAD_DATA

    @property
    def verdict(self) -> Verdict:
        if self.reasons:
            return Verdict("gate", "stop", self.code, "; ".join(self.reasons))
        seen = f"the first {self.read:,} bytes" if self.rows is None else f"{self.rows:,} rows"
        return Verdict("gate", "pass", "ok", "; ".join((f"{seen} fit", *self.notes)))


class Findings:
    """One reason for each rule that is broken, with the first row and how many follow: bounded for any file."""

    def __init__(self) -> None:
        self.notes: list[str] = []
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


def judged(
    judge: Callable[[Findings], int | None], read: Callable[[], int], check: ObjectCheck, size: int | None
) -> GateReport:
    """The report of a judge, who adds to the findings and gives the number of rows, or raises Unreadable.

    `read` gives the bytes read so far. A file that is announced as too large is not read at all.
    """
    findings, rows, code = Findings(), None, BAD_DATA
    most = check.max_bytes
    if most is not None and size is not None and size > most:
        return GateReport(rows=None, reasons=(f"the file has {size:,} bytes; at most {most:,} are allowed",))
    try:
        rows = judge(findings)
    except Unreadable as exc:
        findings.add("unreadable", str(exc))
        code = exc.code
    if most is not None and read() > most:
        findings.add("bytes", f"the file has more than the {most:,} bytes that are allowed")
    return GateReport(rows=rows, reasons=findings.reasons(), read=read(), notes=tuple(findings.notes), code=code)
