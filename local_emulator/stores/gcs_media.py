"""Downloads: an object's bytes, or a range of them, streamed from its file.

Headers: https://cloud.google.com/storage/docs/xml-api/reference-headers (the JSON API's media answers carry the same).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from starlette.responses import Response

from retrigger.local_emulator.stores.errors import RangeNotSatisfiable
from retrigger.local_emulator.stores.objects import CHUNK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from retrigger.local_emulator.stores.resource import StoredObject


class Media(Response):
    """Sends `length` bytes of an open file from `start`, and closes it whatever happens."""

    def __init__(self, file: BinaryIO, start: int, length: int, status: int, headers: dict[str, str]) -> None:
        super().__init__(status_code=status, headers={**headers, "Content-Length": str(length)})
        self._file = file
        self._start = start
        self._length = length

    def close(self) -> None:
        """Give up the file unsent."""
        self._file.close()

    def __del__(self) -> None:
        """A server that stops drops answers that it has not begun to send."""
        self._file.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the ASGI signature
        with self._file as file:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            file.seek(self._start)
            left = 0 if scope["method"] == "HEAD" else self._length
            more = True
            while more:
                chunk = file.read(min(CHUNK, left))
                left -= len(chunk)
                more = left > 0
                await send({"type": "http.response.body", "body": chunk, "more_body": more})


def media(stored: StoredObject, file: BinaryIO, wanted: str | None) -> Media:
    """Answer with the object, or with the range that the header `wanted` asks for. Errors: RangeNotSatisfiable."""
    return ranged(file, stored.size, wanted, _headers(stored))


def ranged(file: BinaryIO, size: int, wanted: str | None, headers: dict[str, str]) -> Media:
    """All `size` bytes of the file (200), or the range `wanted` of them (206). Errors: RangeNotSatisfiable."""
    try:
        span = _range(wanted, size)
    except RangeNotSatisfiable:
        file.close()
        raise
    if span is None:
        return Media(file, 0, size, 200, headers)
    first, last = span
    return Media(file, first, last - first + 1, 206, {**headers, "Content-Range": f"bytes {first}-{last}/{size}"})


def _headers(stored: StoredObject) -> dict[str, str]:
    hashes = f"crc32c={stored.crc32c}" + (f",md5={stored.md5}" if stored.md5 else "")
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": stored.etag,
        "X-Goog-Generation": str(stored.generation),
        "X-Goog-Metageneration": str(stored.metageneration),
        "X-Goog-Hash": hashes,
        "X-Goog-Stored-Content-Length": str(stored.size),
    }
    texts = {
        "Content-Type": stored.content_type,
        "Cache-Control": stored.attributes.get("cacheControl"),
        "Content-Disposition": stored.attributes.get("contentDisposition"),
        "Content-Encoding": stored.attributes.get("contentEncoding"),
        "Content-Language": stored.attributes.get("contentLanguage"),
        "X-Goog-Storage-Class": stored.attributes.get("storageClass", "STANDARD"),
        "X-Goog-Stored-Content-Encoding": stored.attributes.get("contentEncoding", "identity"),
    }
    # An uploader chose these freely: what cannot stand in a header stays in the resource.
    return headers | sendable(texts)


def sendable(texts: Mapping[str, str | None]) -> dict[str, str]:
    """Without what cannot stand in a header."""
    return {key: text for key, text in texts.items() if text and text.isascii() and text.isprintable()}


def _range(wanted: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte; None for the whole: no range, or one that RFC 9110 says to ignore."""
    found = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", wanted or "")
    if not found or found[0] == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
    elif last and int(last) < int(first):
        return None
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    if start >= size:
        raise RangeNotSatisfiable("Requested range not satisfiable", size)
    return start, end
