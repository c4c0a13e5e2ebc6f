"""The rules that hold for a table in any format: which columns it has, how many of their values miss, how many rows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrigger.handlers.validate.report import Findings
    from retrigger.triggers.spec import Column, ObjectCheck

MOST_COLUMNS: Final = 10_000
# Looking for a similar name is quadratic: only where a person would look too.
_SIMILAR_AMONG: Final = 200
_SIMILAR_LENGTH: Final = 64


def judge_names(names: Sequence[str], check: ObjectCheck, findings: Findings, *, place: str = "") -> None:
    """Every declared column is there, and no column is there twice. `place` begins the reasons: `row 1: `."""
    present = Counter(names)
    for name in check.columns:
        if name not in present:
            findings.add(f"missing {name}", f"{place}no column {name}{did_you_mean(name, names)}")
    for name, count in present.items():
        if count > 1:
            told = label(names.index(name), name, check)
            findings.add(f"double {name}", f"{place}the name of column {told} stands there {count} times")


def judge_nulls(told: str, empty: int, rows: int, check: ObjectCheck, findings: Findings) -> None:
    if check.max_null_ratio is not None and rows and empty / rows > check.max_null_ratio:
        findings.add(
            f"nulls {told}",
            f"column {told}: {empty:,} of {rows:,} cells are empty; at most {check.max_null_ratio * 100:.4g} % may be",
        )


def judge_count(rows: int, check: ObjectCheck, findings: Findings, *, cut: bool = False) -> None:
    """`cut`: the file goes on after these rows."""
    if check.min_rows is not None and rows < check.min_rows and not cut:
        findings.add("few", f"the file has {rows:,} rows; at least {check.min_rows:,} are needed")
    if check.max_rows is not None and rows > check.max_rows:
        findings.add("many", f"the file has more than the {check.max_rows:,} rows that are allowed")


def label(index: int, name: str, check: ObjectCheck) -> str:
    """The declared name, else the position: where a header is missing, its place is taken by values."""
    return name if name in check.columns else f"{index + 1}"


def complaint(column: Column) -> str:
    return "none of the allowed texts" if column.one_of else f"no {column.type}"


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """A name of the file so close to the declared one that it can be no value; or nothing."""
    import difflib

    candidates = [text for text in names[:_SIMILAR_AMONG] if len(text) <= _SIMILAR_LENGTH and text.isprintable()]
    folded = {text.casefold().replace(" ", "_").replace("-", "_"): text for text in candidates}
    close = difflib.get_close_matches(name.casefold()[:_SIMILAR_LENGTH], folded, n=1, cutoff=0.8)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""
