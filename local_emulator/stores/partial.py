"""Bytes on their way in: a file under a temporary name that grows, or, where they are few, all of them at once."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING, Protocol, Self

import google_crc32c

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class Content(Protocol):
    """All bytes of an object to be. The checksums are in base64."""

    @property
    def size(self) -> int: ...
    @property
    def crc32c(self) -> str: ...
    @property
    def md5(self) -> str: ...
    def become(self, path: Path) -> None:
        """Be the file at `path` from now on. Errors: OSError, with nothing there."""


class Held:
    """Few bytes, in memory: they are written once, where they stay, and a refused upload never meets the disk."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    @property
    def crc32c(self) -> str:
        return _crc32c(google_crc32c.value(self._data))

    @property
    def md5(self) -> str:
        return base64.b64encode(hashlib.md5(self._data, usedforsecurity=False).digest()).decode()

    def become(self, path: Path) -> None:
        try:
            path.write_bytes(self._data)
        except OSError:
            path.unlink(missing_ok=True)
            raise


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
        return _crc32c(self._crc32c)

    @property
    def md5(self) -> str:
        return base64.b64encode(self._md5.digest()).decode()

    def become(self, path: Path) -> None:
        self.path.rename(path)

    def discard(self) -> None:
        """Forget the bytes, unless they have become an object."""
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def _crc32c(value: int) -> str:
    return base64.b64encode(value.to_bytes(4, "big")).decode()
