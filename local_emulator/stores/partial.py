"""Bytes on their way in: a file under a temporary name, with its size and checksums so far."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING, Self

import google_crc32c

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class Partial:
    """Grows by `write`; becomes an object by `Objects.put`; as a context manager it is gone at the end otherwise.

    Nothing is held open between writes, so that thousands of sleeping uploads cost no file descriptors.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._crc32c = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        path.touch(exist_ok=False)

    def write(self, data: bytes) -> None:
        """Append. Errors: OSError, with nothing of `data` taken: the same bytes may be sent again."""
        try:
            with self.path.open("ab") as file:
                file.write(data)
        except OSError:
            os.truncate(self.path, self.size)
            raise
        self.size += len(data)
        self._crc32c = google_crc32c.extend(self._crc32c, data)
        self._md5.update(data)

    @property
    def crc32c(self) -> str:
        return base64.b64encode(self._crc32c.to_bytes(4, "big")).decode()

    @property
    def md5(self) -> str:
        return base64.b64encode(self._md5.digest()).decode()

    def discard(self) -> None:
        """Forget the bytes, unless they have become an object."""
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()
