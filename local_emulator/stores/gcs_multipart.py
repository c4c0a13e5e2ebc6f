"""Reads a multipart/related upload as it streams in: the JSON resource into memory, the media to its destination.

Format: RFC 2387 with two parts, as https://cloud.google.com/storage/docs/uploading-objects#multipart sends them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from retrigger.local_emulator.stores.errors import Invalid, NotEmulated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from retrigger.local_emulator.stores.partial import Partial

_HEAD_LIMIT = 16 * 1024
_RESOURCE_LIMIT = 1024 * 1024
_BLANK_LINE = b"\r\n\r\n"


async def read_related(chunks: AsyncIterator[bytes], content_type: str, media: Partial) -> tuple[bytes, str | None]:
    """Write the second part to `media`; return the first and the content type of the second.

    Errors: Invalid if it is not two parts, or ends before its closing boundary.
    """
    found = re.search(r'boundary=(?:"([^"]{1,70})"|([^\s;,"]{1,70}))', content_type, re.IGNORECASE)
    if not found:
        raise Invalid("A multipart upload names its boundary in Content-Type.")
    delimiter = b"--" + (found[1] or found[2]).encode("latin-1")
    reader = _Reader(chunks)
    await reader.until(delimiter, _HEAD_LIMIT)
    await reader.until(_BLANK_LINE, _HEAD_LIMIT)
    resource = await reader.until(b"\r\n" + delimiter, _RESOURCE_LIMIT)
    head = await reader.until(_BLANK_LINE, _HEAD_LIMIT)
    await reader.copy_until(b"\r\n" + delimiter, media)
    if not await reader.ends_with(b"--"):
        raise Invalid("A multipart upload has two parts: the resource, then the media.")
    if (_header(head, b"content-transfer-encoding") or "binary") not in {"binary", "8bit", "7bit"}:
        raise NotEmulated("The emulator takes the media of a multipart upload as it is, not encoded.")
    return resource, _header(head, b"content-type")


class _Reader:
    """Looks for marks in a stream, holding no more than a limit and searching no byte twice."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = bytearray()

    async def until(self, mark: bytes, limit: int) -> bytes:
        """Return what stands before the mark, and skip the mark."""
        searched = 0
        while (at := self._buffer.find(mark, searched)) < 0:
            if len(self._buffer) > limit:
                raise Invalid(f"A part of the multipart upload is longer than {limit} bytes.")
            searched = max(0, len(self._buffer) - len(mark) + 1)
            await self._more()
        return self._take(at, skip=len(mark))

    async def copy_until(self, mark: bytes, destination: Partial) -> None:
        """Write what stands before the mark, and skip the mark."""
        while (at := self._buffer.find(mark)) < 0:
            # The last bytes may be the beginning of the mark.
            destination.write(self._take(max(0, len(self._buffer) - len(mark) + 1)))
            await self._more()
        destination.write(self._take(at, skip=len(mark)))

    async def ends_with(self, mark: bytes) -> bool:
        """Do the next bytes close the stream? What follows them is read and means nothing."""
        while len(self._buffer) < len(mark):
            await self._more()
        closed = self._buffer.startswith(mark)
        async for _ in self._chunks:
            pass
        return closed

    def _take(self, length: int, skip: int = 0) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[: length + skip]
        return taken

    async def _more(self) -> None:
        try:
            self._buffer += await anext(self._chunks)
        except StopAsyncIteration:
            raise Invalid("The multipart upload ends before its closing boundary.") from None


def _header(head: bytes, name: bytes) -> str | None:
    found = re.search(rb"(?im)^%s:[ \t]*(.*?)[ \t\r]*$" % re.escape(name), head)
    return found[1].decode("latin-1") if found else None
