"""What every Objects store promises of a part of an object; one suite, every adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.memory import MemoryObjects
from retrigger.triggers.errors import Refused

if TYPE_CHECKING:
    from retrigger.handlers.ports import Objects

DATA = bytes(range(256)) * 2000


@pytest.fixture
def objects(kind: str, place: str, request: pytest.FixtureRequest) -> Objects:
    made: Objects = MemoryObjects() if kind == "memory" else request.getfixturevalue(kind)
    made.write(place, "a", DATA)
    made.write(place, "empty", b"")
    return made


@pytest.mark.parametrize(
    ("start", "limit"), [(0, 1), (0, 10**9), (300_000, 200_000), (511_999, 1), (511_999, 9), (512_000, 1), (10**12, 1)]
)
def test_a_range_is_what_the_object_has_of_it(objects: Objects, place: str, start: int, limit: int) -> None:
    assert b"".join(objects.read(place, "a", start=start, limit=limit)) == DATA[start : start + limit]
    assert b"".join(objects.read(place, "empty", start=start, limit=limit)) == b""


def test_a_range_of_an_object_that_is_not_there(objects: Objects, place: str) -> None:
    with pytest.raises(Refused) as caught:
        list(objects.read(place, "b", start=1, limit=1))
    assert caught.value.code == "object_gone"
