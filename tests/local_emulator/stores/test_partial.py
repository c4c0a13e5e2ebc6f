from __future__ import annotations

import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from retrigger.local_emulator.stores.partial import Held, Partial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """What is longer fails as on a disk that is full: in the middle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_bytes_that_are_held_are_told_as_those_that_came_in_pieces(tmp_path: Path) -> None:
    with Partial(tmp_path / "partial") as pieces:
        pieces.write(b"hel")
        pieces.write(b"lo")
        held = Held(b"hello")
        assert (held.size, held.crc32c, held.md5) == (pieces.size, pieces.crc32c, pieces.md5)
        for content, name in ((pieces, "a"), (held, "b")):
            content.become(tmp_path / name)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"hello", "b": b"hello"}


def test_a_full_disk_leaves_nothing_of_what_was_held(tmp_path: Path) -> None:
    with files_of_at_most(10), pytest.raises(OSError, match="File too large"):
        Held(bytes(20)).become(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
