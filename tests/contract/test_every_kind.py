"""One event is one run and one rollout, of every kind, whatever happens to what is sent to the platform.

The event is delivered twice. What the platform is asked meets a fault where it would change something: the first
request of each method that writes. What takes no id of ours (a batch of Vertex AI) or does not promise to look at it
(one of Azure ML) is sent at most once: where nobody can know whether it arrived, it is looked for; if it is not there,
the run is `unsure`, and an operator decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.contract.faulty import road_to
from tests.contract.kinds import (
    AzureMlBatch,
    AzureMlPipeline,
    AzureMlRollout,
    VertexBatch,
    VertexPipeline,
    VertexRollout,
    World,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.contract.faulty import Fault
    from tests.contract.kinds import Kind

FAULTS: Final[tuple[Fault, ...]] = ("lost", "unanswered", "late", "twice", 409, 429, 503)
KINDS: Final = (VertexPipeline, VertexBatch, VertexRollout, AzureMlPipeline, AzureMlBatch, AzureMlRollout)
NOBODY_KNOWS: Final[Mapping[type[Kind], tuple[Fault, ...]]] = {
    VertexBatch: ("lost", 503),
    AzureMlBatch: ("lost", 409, 503),  # 409: somebody makes a job of this name, and it is not there yet
}
"""After these there is no job, but one could be on its way."""
WRITES: Final = ("POST", "PUT", "PATCH", "DELETE")


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    kind = request.param(tmp_path)
    yield kind
    kind.close()


def test_without_a_fault(kind: Kind) -> None:
    with road_to(kind.plane.server.url) as road:
        world = World(kind, road.url)
        for _ in range(2):
            world.deliver()
        run = world.run()
    assert (run.state, run.outcome) == ("ended", ends(kind))
    assert len(kind.made()) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_with_one(kind: Kind, fault: Fault) -> None:
    if fault == "twice" and isinstance(kind, VertexBatch):
        pytest.skip("what is sent twice on the way is two jobs: the platform takes no id, and nobody can tell")
    with road_to(kind.plane.server.url) as road:
        world = World(kind, road.url)
        for method in WRITES:
            road.fail(method, fault)
        for _ in range(2):
            world.deliver()
        run = world.run()
        assert any(not faults for faults in road.faults.values())  # it was met
    if fault in NOBODY_KNOWS.get(type(kind), ()):
        assert (run.state, kind.made()) == ("unsure", [])
    else:
        assert (run.state, run.outcome) == ("ended", ends(kind))
        assert len(kind.made()) == 1


def ends(kind: Kind) -> str:
    return "failed" if isinstance(kind, VertexBatch) else "succeeded"
