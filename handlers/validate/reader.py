"""An object's bytes for a validator: a file to be read once, from its beginning, as far as a function has the time."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from retrigger.handlers.validate.stream import MOST_BYTES, Stream
from retrigger.triggers.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from _typeshed import WriteableBuffer

    from retrigger.handlers.ports import Objects
    from retrigger.triggers.event import Object

_BUFFER: Final = 64 * 1024


class ObjectReader(io.BufferedReader):
    """A binary file that cannot seek. It is opened when it is first read: what is not read costs nothing.

    It ends after 64 MiB, and where the gate's time is over. Reading raises Refused `object_gone` where the object is
    not there, and Unavailable where the store does not answer, or did not in time: let both pass.
    """

    def __init__(self, objects: Objects, payload: Object, deadline: Callable[[], bool]) -> None:
        self._stream = _Opened(objects, payload, deadline)
        super().__init__(self._stream, _BUFFER)

    @property
    def cut(self) -> bool:
        """Whether the object goes on, or may go on, after what was read so far to the end."""
        return self._stream.cut


class _Opened(Stream):
    def __init__(self, objects: Objects, payload: Object, deadline: Callable[[], bool]) -> None:
        self._transfer = _transfer(objects, payload)
        super().__init__(self._transfer, size=payload.size, limit=MOST_BYTES, deadline=deadline)

    def readinto(self, buffer: WriteableBuffer) -> int:
        count = super().readinto(buffer)
        if self.late and not self.total:
            raise Unavailable("not a byte of the object came in time; try again", code="gate_timeout")
        return count

    def close(self) -> None:
        self._transfer.close()  # whatever a validator keeps
        super().close()


def _transfer(objects: Objects, payload: Object) -> Generator[bytes]:
    """Opened by its first chunk."""
    yield from objects.read(payload.bucket, payload.name, version=payload.version, limit=MOST_BYTES)
