from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.validate.reader import ObjectReader
from retrigger.handlers.validate.stream import MOST_BYTES
from retrigger.triggers.errors import Refused, Unavailable
from retrigger.triggers.event import Object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from retrigger.handlers.ports import ObjectStat

FILE = Object(store="gcs", account=None, bucket="b", name="a.csv", version="7", uri="gs://b/a.csv")


class Chunks:
    """A store that gives these chunks, and says what it was asked."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = chunks
        self.asked: list[tuple[str, str, str | None, int]] = []

    def read(
        self, bucket: str, name: str, *, version: str | None = None, start: int = 0, limit: int
    ) -> Iterator[bytes]:
        assert start == 0
        self.asked.append((bucket, name, version, limit))
        yield from self.chunks

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectStat]:
        raise AssertionError((bucket, prefix))

    def write(self, bucket: str, name: str, data: bytes) -> None:
        raise AssertionError((bucket, name, data))


def in_time() -> bool:
    return False


def test_it_is_a_file_whatever_its_chunks() -> None:
    reader = ObjectReader(Chunks([b"n,m", b"", b"\n1,2\n", b"3,4"]), FILE, in_time)
    assert [*csv.reader(io.TextIOWrapper(reader, encoding="utf-8"))] == [["n", "m"], ["1", "2"], ["3", "4"]]


def test_the_whole_object_is_not_cut() -> None:
    reader = ObjectReader(Chunks([b"ab", b"c"]), FILE, in_time)
    assert (reader.read(), reader.read(), reader.cut) == (b"abc", b"", False)


def test_it_asks_for_the_version_that_was_announced_and_only_when_it_is_read() -> None:
    store = Chunks([b"abc"])
    reader = ObjectReader(store, FILE, in_time)
    before = [*store.asked]
    reader.readline()
    assert (before, store.asked) == ([], [("b", "a.csv", "7", MOST_BYTES)])


def test_it_ends_when_the_time_is_over() -> None:
    times = iter([False, True, True])
    reader = ObjectReader(Chunks([b"abc", b"def"]), FILE, lambda: next(times))
    assert (reader.read(), reader.cut) == (b"abc", True)


def test_not_a_byte_in_time_says_nothing_of_the_object() -> None:
    with pytest.raises(Unavailable, match="not a byte"):
        ObjectReader(Chunks([b"abc"]), FILE, lambda: True).read()


@pytest.mark.parametrize(("size", "cut"), [(MOST_BYTES, False), (MOST_BYTES + 1, True), (None, True)])
def test_at_the_bound_it_is_cut_unless_the_object_ends_there(size: int | None, *, cut: bool) -> None:
    chunk = bytes(2**20)
    reader = ObjectReader(Chunks([chunk] * (MOST_BYTES // len(chunk))), replace(FILE, size=size), in_time)
    while reader.read(2**20):
        pass
    assert reader.cut is cut


def test_what_the_store_says_passes() -> None:
    class Gone(Chunks):
        def read(
            self, bucket: str, name: str, *, version: str | None = None, start: int = 0, limit: int
        ) -> Iterator[bytes]:
            del bucket, name, version, start, limit
            raise Refused("gone", code="object_gone")

    with pytest.raises(Refused, match="gone"):
        ObjectReader(Gone([]), FILE, in_time).read()


def test_closing_ends_the_transfer() -> None:
    ended: list[bool] = []

    def chunks() -> Iterator[bytes]:
        try:
            yield from [b"abc"] * 9
        finally:
            ended.append(True)

    reader = ObjectReader(Chunks(chunks()), FILE, in_time)
    reader.read(1)
    reader.close()
    assert ended == [True]
