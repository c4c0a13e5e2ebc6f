"""Zip archives that depend on nothing but the names and contents in them: the same files give the same bytes."""

from __future__ import annotations

import io
import stat
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_BEGINNING = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can tell
_UNIX = 3
_MODE = stat.S_IFREG | 0o644


def archive(files: Mapping[str, bytes]) -> bytes:
    """The files by their names (`a/b.py`), sorted. Not compressed: what zlib makes of a file differs by its version."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as zipped:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _BEGINNING)
            entry.create_system = _UNIX
            entry.external_attr = _MODE << 16
            zipped.writestr(entry, files[name])
    return written.getvalue()
