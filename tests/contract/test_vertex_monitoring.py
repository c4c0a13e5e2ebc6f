"""What our adapter asks Cloud Monitoring, asked of the emulator's, after real predictions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import urllib3

from retrigger.handlers.adapters.vertex import metrics
from retrigger.handlers.adapters.vertex.serving import place_of
from retrigger.local_emulator.state import State
from tests.local_emulator.planes.vertex.online import CHURN, an_endpoint, deployed, deployment, register
from tests.local_emulator.planes.vertex.test_plane import Plane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from retrigger.handlers.endpoints import Health


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    """Of ten requests `1` gets nine and answers, `2` gets one and fails."""
    plane = Plane(State.at(tmp_path / "state"))
    register(plane, "blue")
    register(plane, "green", FAILS="1")
    an_endpoint(plane)
    deployed(plane, deployment(1, number="1", split={"0": 100}))
    deployed(plane, deployment(2, number="2", split={"1": 90, "0": 10}))
    yield plane
    plane.stop()


def health(plane: Plane, deployed_id: str, minutes: int) -> Health | None:
    until = int(plane.now.timestamp() * 1000)
    place = place_of("churn", "p", "europe-west4")
    asked = metrics.queries(place, deployed_id, until - minutes * 60_000, until, plane.server.url)
    assert asked is not None
    responses, latency = (urllib3.request("GET", url).json() for url in asked)
    return metrics.health_in(responses, latency)


def test_each_deployed_model_is_judged_by_its_own_answers(plane: Plane) -> None:
    assert health(plane, "1", 5) is None
    for _ in range(100):
        plane("POST", f"{CHURN}:predict", {"instances": [1]})
    plane.now += timedelta(seconds=90)
    good, bad = health(plane, "1", 5), health(plane, "2", 5)
    assert good is not None
    assert bad is not None
    assert (good.error_rate, bad.error_rate) == (0.0, 1.0)
    assert 0 < good.p95_ms <= 60_000
    plane.now += timedelta(minutes=5)
    assert health(plane, "1", 5) is None
