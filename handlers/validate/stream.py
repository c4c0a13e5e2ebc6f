"""Bytes as they come -> a file that the standard library reads, with a bound on size and time."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from retrigger.handlers.validate.report import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer

MOST_BYTES: Final = 64 * 1024 * 1024
_BUFFER: Final = 64 * 1024
_MAGIC: Final = {
    b"\x1f\x8b": "it is compressed with gzip; upload the plain file, or set its Content-Encoding",
    b"PK\x03\x04": "it is a zip archive or a spreadsheet; export its table",
    b"PAR1": "it is a Parquet file; name its format in the trigger",
    b"\xff\xfe": "it is UTF-16; save it as UTF-8",
    b"\xfe\xff": "it is UTF-16; save it as UTF-8",
}


class Stream(io.RawIOBase):
    """An iterator of chunks as a file, so that the standard library decodes and splits whatever their borders are.

    At most `limit` bytes are read, and nothing more once `deadline()` is true. `size` is what was announced.
    `total` counts the bytes so far. At the end, `cut` says that the file goes on after them, and `late` that it was the
    time that ended the reading.
    """

    def __init__(self, chunks: Iterator[bytes], *, size: int | None, limit: int, deadline: Callable[[], bool]) -> None:
        self._chunks = chunks
        self._size = size
        self._limit = limit
        self._deadline = deadline
        self._rest = memoryview(b"")
        self._ended = False
        self.total = 0
        self.cut = False
        self.late = False

    def buffered(self) -> io.BufferedReader:
        return io.BufferedReader(self, _BUFFER)

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
        self.late = self._deadline()
        self.cut = bool(self._rest) or stopped or short or self.late
        return False


class Reading:
    """A text file as it is being read: at most `limit` bytes, and nothing more once `deadline()` is true.

    `size` is what was announced.
    """

    def __init__(self, chunks: Iterator[bytes], *, size: int | None, limit: int, deadline: Callable[[], bool]) -> None:
        self._raw = Stream(chunks, size=size, limit=limit, deadline=deadline)

    @property
    def read(self) -> int:
        """Bytes so far."""
        return self._raw.total

    @property
    def cut(self) -> bool:
        """Whether the file goes on after what was read."""
        return self._raw.cut

    @property
    def late(self) -> bool:
        """Whether it was the time that ended the reading."""
        return self._raw.late


def refuse_other_formats(start: bytes, *, expected: str) -> None:
    """Raises Unreadable where the first bytes of a text file are those of another well-known format."""
    for magic, reason in _MAGIC.items():
        if start.startswith(magic):
            raise Unreadable(f"the file is no {expected}: {reason}")
