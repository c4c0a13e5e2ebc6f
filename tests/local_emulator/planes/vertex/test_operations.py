from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from retrigger.local_emulator.planes.resources import Resources
from retrigger.local_emulator.planes.rest import Call
from retrigger.local_emulator.planes.vertex.operations import DELETE, DEPLOY_MODEL, Operations, UnderWay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLACE = {"project": "p", "location": "l", "endpoint": "e"}
PARENT = "projects/p/locations/l/endpoints/e"


class Ticking:
    """Each look is a second after the last."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


@pytest.fixture
def operations(tmp_path: Path) -> Iterator[Operations]:
    resources = Resources(tmp_path / "resources.sqlite3")
    yield Operations(resources, Ticking())
    resources.close()


def names(operations: Operations, **query: str) -> list[str]:
    return [it["name"] for it in operations.list_all(Call(PLACE, query, {}))["operations"]]


def test_one_that_is_under_way_keeps_what_was_asked_until_it_ends(operations: Operations) -> None:
    begun = operations.begin(PARENT, DEPLOY_MODEL, {"id": "1"})
    assert operations.under_way(PARENT) == [UnderWay(begun["name"], {"id": "1"})]
    assert begun.keys() == {"name", "metadata"}
    operations.fail(begun["name"], "out of memory")
    assert operations.under_way(PARENT) == []
    found = operations.get(Call({**PLACE, "operation": begun["name"].rsplit("/", 1)[1]}, {}, {}))
    times = {"createTime": "2026-01-02T00:00:01.000000Z", "updateTime": "2026-01-02T00:00:02.000000Z"}
    assert found == {
        "name": begun["name"],
        "metadata": {"@type": DEPLOY_MODEL.metadata, "genericMetadata": times},
        "done": True,
        "error": {"code": 9, "message": "out of memory"},
    }


def test_they_are_listed_newest_first_and_by_whether_they_are_done(operations: Operations) -> None:
    first = operations.begin(PARENT, DEPLOY_MODEL, {})
    second = operations.done(PARENT, DELETE, {})
    assert names(operations) == [second["name"], first["name"]]
    assert names(operations, filter="done=true") == [second["name"]]


def test_the_oldest_that_have_ended_are_forgotten(operations: Operations) -> None:
    begun = operations.begin(PARENT, DEPLOY_MODEL, {})
    made = [operations.done(PARENT, DELETE, {})["name"] for _ in range(203)]
    kept = names(operations, pageSize="1000")
    assert kept == [*reversed(made[3:]), begun["name"]]
