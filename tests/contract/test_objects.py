"""What every Objects store promises of a single object; one suite, every adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.memory import MemoryObjects

if TYPE_CHECKING:
    from retrigger.handlers.ports import Objects

NAMES = ("a/1.csv", "a b/ü+#%2F?.csv", "🚀", "a//b", "...", "folder/")
NO_NAMES = ("a", "a/", "A/1.csv", "a%20b", ".", "..", "a/..", "")


@pytest.fixture
def objects(kind: str, place: str, request: pytest.FixtureRequest) -> Objects:
    made: Objects = MemoryObjects() if kind == "memory" else request.getfixturevalue(kind)
    for name in NAMES:
        made.write(place, name, name.encode())
    return made


def test_an_object_is_what_a_listing_says_of_it(objects: Objects, place: str) -> None:
    found = {name: objects.stat(place, name) for name in NAMES}
    assert found == {stat.name: stat for stat in objects.list(place, "")}
    assert {name: stat and stat.size for name, stat in found.items()} == {name: len(name.encode()) for name in NAMES}


def test_of_what_is_read_by_its_version_the_stat_has_the_version(objects: Objects, place: str) -> None:
    stat = objects.stat(place, "🚀")
    assert stat is not None
    assert b"".join(objects.read(place, "🚀", version=stat.version, limit=100)) == "🚀".encode()


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_not_there_is_none(objects: Objects, place: str, name: str) -> None:
    assert objects.stat(place, name) is None
    assert objects.stat(f"{place}-no", "a/1.csv") is None
