"""The data gate for Parquet: the footer alone, for it names the columns, their types and the number of rows."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from retrigger.handlers.validate.columns import judge_count, judge_names, judge_nulls, label
from retrigger.handlers.validate.parquet_footer import read_footer
from retrigger.handlers.validate.report import Unreadable, judged
from retrigger.triggers.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from retrigger.handlers.validate.parquet_footer import FileColumn, Footer
    from retrigger.handlers.validate.report import Findings, GateReport
    from retrigger.triggers.spec import ObjectCheck

MOST_FOOTER: Final = 16 * 1024 * 1024
# Most footers are shorter: then one request reads all.
_GUESS: Final = 64 * 1024
_MAGIC: Final = 4
_ENDING: Final = 8  # the footer's length, little-endian in four bytes, and the magic number
_INTS: Final = frozenset(product(("INT32", "INT64"), (None, "INTEGER")))
# What a declared type may be in a file: (physical type, logical type).
_FITTING: Final[Mapping[str, frozenset[tuple[str, str | None]]]] = {
    "str": frozenset(product(("BYTE_ARRAY",), ("STRING", "ENUM", "JSON"))),
    "int": _INTS,
    "float": _INTS
    | frozenset(product(("INT32", "INT64", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"), ("DECIMAL",)))
    | {("FLOAT", None), ("DOUBLE", None), ("FIXED_LEN_BYTE_ARRAY", "FLOAT16")},
    "bool": frozenset({("BOOLEAN", None)}),
    "date": frozenset({("INT32", "DATE")}),
    "datetime": frozenset({("INT64", "TIMESTAMP"), ("INT96", None)}),
}
# A column that holds nulls alone, and so is of every type.
_EMPTY: Final = "UNKNOWN"


def gate_parquet(
    read: Callable[[int, int], Iterator[bytes]], check: ObjectCheck, *, size: int, deadline: Callable[[], bool]
) -> GateReport:
    """Judge the file by its last bytes. `read(start, limit)` gives a range of it; `size` is in bytes.

    Raises Unavailable if the footer did not come before `deadline()` was true: that says nothing about the data.
    """
    end = _End(read, size, deadline)
    return judged(lambda findings: _judge(end, check, findings), lambda: end.read, check, size)


def _judge(end: _End, check: ObjectCheck, findings: Findings) -> int:
    footer = read_footer(end.footer(), nulls=check.max_null_ratio is not None)
    judge_names([column.name for column in footer.columns], check, findings)
    for column in footer.columns:
        _judge_type(column, check, findings)
    _judge_nulls(footer, check, findings)
    judge_count(footer.rows, check, findings)
    return footer.rows


def _judge_type(column: FileColumn, check: ObjectCheck, findings: Findings) -> None:
    declared = check.columns.get(column.name)
    if declared is None or column.logical == _EMPTY:
        return
    if column.physical is None:
        told = "it is nested"
    elif (column.physical, column.logical) in _FITTING[declared.type]:
        return
    else:
        told = f"the file has {column.physical}" + (f" as {column.logical}" if column.logical else "")
    findings.add(f"type {column.name}", f"column {column.name}: no {declared.type}; {told}")


def _judge_nulls(footer: Footer, check: ObjectCheck, findings: Findings) -> None:
    """By the footer's statistics, which a writer may leave out: what they do not tell is said."""
    if check.max_null_ratio is None or not footer.rows:
        return
    single = [(index, column) for index, column in enumerate(footer.columns) if column.physical is not None]
    uncounted = 0
    for index, column in single:
        nulls = footer.rows if column.logical == _EMPTY else column.nulls
        if nulls is None:
            uncounted += 1
        else:
            judge_nulls(label(index, column.name, check), nulls, footer.rows, check, findings)
    if not footer.counted:
        findings.notes.append("nulls not judged: the footer is too long to count them in time")
    elif uncounted:
        findings.notes.append(f"nulls not judged: the file has no counts of them for {uncounted:,} columns")


class _End:
    """The last bytes of a file. `read` is how many were read so far."""

    def __init__(self, read: Callable[[int, int], Iterator[bytes]], size: int, deadline: Callable[[], bool]) -> None:
        self._read = read
        self._size = size
        self._deadline = deadline
        self.read = 0

    def footer(self) -> bytes:
        """Raises Unreadable if the file does not end as a Parquet file does."""
        if not self._size:
            raise Unreadable("the file is empty")
        tail = self._range(max(0, self._size - _GUESS), self._size)
        length = self._length(tail)
        start = self._size - _ENDING - length
        missing = self._range(start, self._size - len(tail)) if start < self._size - len(tail) else b""
        return (missing + tail)[-_ENDING - length : -_ENDING]

    def _length(self, tail: bytes) -> int:
        match tail[-_MAGIC:]:
            case b"PAR1":
                length = int.from_bytes(tail[-_ENDING:-_MAGIC], "little")
            case b"PARE":
                told = "the footer is encrypted, and cannot be judged: write it in plain text, or leave the check out"
                raise Unreadable(told, code="encrypted_footer")
            case _:
                raise Unreadable("the file does not end as Parquet does: it is cut off, or of another format")
        if length > MOST_FOOTER:
            raise Unreadable(f"the footer has {length:,} bytes; at most {MOST_FOOTER:,} are read")
        if length > self._size - _ENDING - _MAGIC:
            raise Unreadable("the footer is damaged: it is longer than the file; write the file again")
        return length

    def _range(self, start: int, stop: int) -> bytes:
        pieces, missing = [], stop - start
        for chunk in self._read(start, stop - start):
            pieces.append(chunk)
            self.read += len(chunk)
            missing -= len(chunk)
            if missing > 0 and self._deadline():
                raise Unavailable("the footer of the file did not come in time; try again", code="gate_timeout")
        if missing:
            raise Unreadable("the file is not as long as was announced: it was replaced; send its newest version")
        return b"".join(pieces)
