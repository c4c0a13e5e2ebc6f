"""Bytes as they come -> the records of a CSV file, with a bound on everything that is held."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer

# In characters: a longer record is a forgotten quote, or no CSV at all.
RECORD_LIMIT: Final = 1024 * 1024
_BUFFER: Final = 64 * 1024
_MAGIC: Final = {
    b"\x1f\x8b": "it is compressed with gzip; upload the plain file, or set its Content-Encoding",
    b"PK\x03\x04": "it is a zip archive or a spreadsheet; export it as CSV",
    b"PAR1": "it is a Parquet file; name its format in the trigger",
    b"\xff\xfe": "it is UTF-16; save it as UTF-8",
    b"\xfe\xff": "it is UTF-16; save it as UTF-8",
}


class Unreadable(Exception):
    """The file cannot be read on from here. The text is a reason for people, without values."""


class Records:
    """The records of a file, with their numbers: the header is row 1, as a spreadsheet counts.

    At most `limit` bytes are read, and nothing more once `deadline()` is true. `size` is what was announced.
    `cut` says that the file goes on after what was read; a record that was cut off is not given out.
    """

    def __init__(self, chunks: Iterator[bytes], *, size: int | None, limit: int, deadline: Callable[[], bool]) -> None:
        self._raw = _Raw(chunks, size, limit, deadline)
        # Bytes that are no UTF-8 become lone surrogates and are found line by line: so the row can be named.
        self._text = io.TextIOWrapper(
            io.BufferedReader(self._raw, _BUFFER), encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        self._row = 0
        self._held = 0
        self._exhausted = False

    @property
    def read(self) -> int:
        """Bytes so far."""
        return self._raw.total

    @property
    def cut(self) -> bool:
        return self._raw.cut

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
                _refuse_other_formats(line)
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


class _Raw(io.RawIOBase):
    """An iterator of chunks as a file, so that the standard library decodes and splits whatever their borders are."""

    def __init__(self, chunks: Iterator[bytes], size: int | None, limit: int, deadline: Callable[[], bool]) -> None:
        self._chunks = chunks
        self._size = size
        self._limit = limit
        self._deadline = deadline
        self._rest = memoryview(b"")
        self._ended = False
        self.total = 0
        self.cut = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer, so that what is read does not depend on how the chunks were cut."""
        target = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(target) and self._more():
            count = min(len(target) - filled, len(self._rest), self._limit - self.total)
            target[filled : filled + count] = self._rest[:count]
            self._rest = self._rest[count:]
            self.total += count
            filled += count
        return filled

    def _more(self) -> bool:
        """Whether bytes are at hand. Once there are none, there will be none."""
        if self._ended:
            return False
        while not self._rest:
            chunk = None if self._deadline() else next(self._chunks, None)
            if chunk is None:
                return self._end()
            self._rest = memoryview(chunk)
        return self.total < self._limit or self._end()

    def _end(self) -> bool:
        """The file goes on if bytes are left, or fewer came than announced; at the limit, whoever gave them stopped."""
        self._ended = True
        stopped = self.total >= self._limit and self.total != self._size
        short = self._size is not None and self.total < self._size
        self.cut = bool(self._rest) or stopped or short or self._deadline()
        return False


def _refuse_other_formats(line: str) -> None:
    start = line[:8].encode("utf-8", "surrogateescape")
    for magic, reason in _MAGIC.items():
        if start.startswith(magic):
            raise Unreadable(f"the file is no CSV: {reason}")


def _is_utf8(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True
