"""An object's bytes for a validator: a file to be read once, from its beginning, as far as a function has the time."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from retrigger.handlers.validate.csv_gate import GATE_BYTES
from retrigger.triggers.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer

    from retrigger.handlers.ports import Objects
    from retrigger.triggers.event import Object

_BUFFER = 64 * 1024


class ObjectReader(io.BufferedReader):
    """A binary file that cannot seek. It is opened when it is first read: what is not read costs nothing.

    It ends after 64 MiB, and where the gate's time is over. Reading raises Refused `object_gone` where the object is
    not there, and Unavailable where the store does not answer, or did not in time: let both pass.
    """

    def __init__(self, objects: Objects, payload: Object, deadline: Callable[[], bool]) -> None:
        self._read = _Raw(objects, payload, deadline)
        super().__init__(self._read, _BUFFER)

    @property
    def cut(self) -> bool:
        """Whether the object goes on, or may go on, after what was read so far to the end."""
        return self._read.cut


class _Raw(io.RawIOBase):
    def __init__(self, objects: Objects, payload: Object, deadline: Callable[[], bool]) -> None:
        self._objects = objects
        self._payload = payload
        self._deadline = deadline
        self._chunks: Iterator[bytes] | None = None
        self._rest = memoryview(b"")
        self._total = 0
        self.cut = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if not self._rest and not self.cut:
            self._rest = memoryview(self._next())
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        self._chunks = iter(())  # whatever a validator keeps, the transfer ends
        self._rest = memoryview(b"")
        super().close()

    def _next(self) -> bytes:
        """The next bytes; none at the end of the object, of the 64 MiB, or of the time."""
        if self._deadline():
            if not self._total:
                raise Unavailable("not a byte of the object came in time; try again", code="gate_timeout")
            self.cut = True
            return b""
        if self._chunks is None:
            it = self._payload
            self._chunks = self._objects.read(it.bucket, it.name, version=it.version, limit=GATE_BYTES)
        chunk = next((some for some in self._chunks if some), b"")
        self._total += len(chunk)
        if not chunk and self._total >= GATE_BYTES:
            self.cut = self._total != self._payload.size
        return chunk
