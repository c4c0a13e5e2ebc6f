"""Bytes as they come -> the records of a CSV file, with a bound on everything that is held."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from retrigger.handlers.validate.report import Unreadable
from retrigger.handlers.validate.stream import Reading, refuse_other_formats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# In characters: a longer record is a forgotten quote, or no CSV at all.
RECORD_LIMIT: Final = 1024 * 1024


class Records(Reading):
    """The records of a file, with their numbers: the header is row 1, as a spreadsheet counts.

    A record that was cut off is not given out.
    """

    def __init__(self, chunks: Iterator[bytes], *, size: int | None, limit: int, deadline: Callable[[], bool]) -> None:
        super().__init__(chunks, size=size, limit=limit, deadline=deadline)
        # Bytes that are no UTF-8 become lone surrogates and are found line by line: so the row can be named.
        self._text = io.TextIOWrapper(self._raw.buffered(), encoding="utf-8-sig", errors="surrogateescape", newline="")
        self._row = 0
        self._held = 0
        self._exhausted = False

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Raises Unreadable where the bytes are no CSV. Blank lines count as rows and are not given out."""
        reader = csv.reader(self._lines(), strict=True)
        while True:
            self._row += 1
            self._held = 0
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as exc:
                if self._exhausted and self.cut:
                    return
                raise Unreadable(f"row {self._row}: not valid CSV: {exc}; check its quotes") from exc
            if cells:
                yield self._row, cells

    def _lines(self) -> Iterator[str]:
        """Lines with their ends. A record may have many: the bound is on all that csv holds at once."""
        while line := self._text.readline(RECORD_LIMIT + 1 - self._held):
            self._held += len(line)
            if self._row == 1 and self._held == len(line):
                refuse_other_formats(line[:8].encode("utf-8", "surrogateescape"), expected="CSV")
            if self._held > RECORD_LIMIT:
                raise Unreadable(f"row {self._row}: longer than {RECORD_LIMIT:,} characters; is a quote missing?")
            if self.cut and not line.endswith(("\n", "\r")):
                break
            if "\0" in line:
                raise Unreadable(f"row {self._row}: holds zero bytes; a CSV file is text in UTF-8")
            if not line.isascii() and not _is_utf8(line):
                raise Unreadable(f"row {self._row}: not UTF-8; save the file as UTF-8")
            yield line
        self._exhausted = True


def _is_utf8(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True
