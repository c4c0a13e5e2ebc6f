"""VertexEndpoints against the local Vertex AI, where models are served for real."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.adapters.memory import MemoryRecords
from retrigger.handlers.adapters.vertex.endpoints import VertexEndpoints
from retrigger.handlers.endpoints import Deployment, Endpoint
from retrigger.handlers.jobs import JobStatus
from retrigger.handlers.ledger import Ledger
from retrigger.handlers.rollout.rollouts import Rollouts
from retrigger.handlers.transport.credentials import Tokens, TokenSettings
from retrigger.handlers.transport.google import GoogleApi
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.local_emulator.state import State
from retrigger.triggers.errors import Refused
from tests.handlers.adapters.vertex.test_serving import a_rollout
from tests.handlers.conftest import Loopback, Reply
from tests.local_emulator.planes.vertex.online import an_endpoint, deployed, deployment, register
from tests.local_emulator.planes.vertex.test_plane import PARENT, Plane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from retrigger.handlers.jobs import RolloutJob

OLD = "7"
_, PROJECT, _, LOCATION = PARENT.split("/")


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    """An endpoint `churn` with all of its traffic on version 1."""
    plane = Plane(State.at(tmp_path / "state"))
    register(plane, "old")
    an_endpoint(plane)
    deployed(plane, deployment(number=OLD, split={"0": 100}))
    yield plane
    plane.stop()


@pytest.fixture
def endpoints(plane: Plane) -> Iterator[VertexEndpoints]:
    metadata = Loopback()
    metadata.always = lambda _: Reply(200, b'{"access_token": "a-token", "expires_in": 3600}')
    address, http = plane.server.url, Http(HttpSettings())
    api = GoogleApi(http, Tokens(http, TokenSettings(metadata=metadata.url)))
    yield VertexEndpoints(api, http, project=PROJECT, location=LOCATION, endpoint=address, monitoring=address)
    metadata.close()


def since(plane: Plane) -> int:
    return int(plane.now.timestamp() * 1000)


def the_rollout(**changes: Any) -> RolloutJob:
    return a_rollout(endpoint="churn", version="2", **changes)


def settled(endpoints: VertexEndpoints) -> Endpoint:
    deadline = time.monotonic() + 30
    while (seen := endpoints.look("churn")).changing:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return seen


def test_a_version_is_deployed_gets_traffic_is_asked_and_removed(endpoints: VertexEndpoints, plane: Plane) -> None:
    register(plane, "new")
    job = the_rollout()
    new, model = endpoints.deployment_of(job), endpoints.model_of(job)
    before = endpoints.look("churn")
    endpoints.deploy(job, since(plane))
    endpoints.deploy(job, since(plane))  # again, while it is being made
    ready = settled(endpoints)
    endpoints.deploy(job, since(plane))  # again, since its answer was lost
    assert ready == Endpoint(
        deployments={OLD: Deployment(state="ready", model="churn@1"), new: Deployment(state="ready", model=model)},
        split={OLD: 100},
        etag=ready.etag,
    )
    assert endpoints.invoke("churn", new, job.smoke) is None
    half = {OLD: 50, new: 50}
    assert not endpoints.shift("churn", half, before)
    assert endpoints.shift("churn", half, ready)
    for body, status in ((job.smoke, 200), ({"none": "that this server can read"}, 502)):
        answers = [endpoints.invoke("churn", new, body) for _ in range(3)]
        assert {answer.status for answer in answers if answer is not None} == {status}
    with pytest.raises(Refused):  # it has traffic
        endpoints.remove("churn", OLD)
    assert endpoints.shift("churn", {new: 100}, endpoints.look("churn"))
    endpoints.remove("churn", OLD)
    settled(endpoints)
    endpoints.remove("churn", OLD)  # again, since its answer was lost
    left = settled(endpoints)
    assert (left.deployments, left.split) == ({new: Deployment(state="ready", model=model)}, {new: 100})


def test_a_model_that_does_not_come_up_is_refused_for_this_rollout_alone(
    endpoints: VertexEndpoints, plane: Plane
) -> None:
    register(plane, "new", BROKEN="yes")
    endpoints.deploy(the_rollout(), since(plane))
    assert list(settled(endpoints).deployments) == [OLD]
    with pytest.raises(Refused, match="the model file is not readable") as raised:
        endpoints.deploy(the_rollout(), since(plane))
    assert raised.value.code == "deployment_failed"
    endpoints.deploy(the_rollout(id="churn-0a1b-1"), since(plane) + 1)
    settled(endpoints)


def test_the_first_deployment_of_an_endpoint_gets_its_traffic_from_the_rollout(
    endpoints: VertexEndpoints, plane: Plane
) -> None:
    register(plane, "new")
    status, told = plane("POST", f"{PARENT}/endpoints", {"displayName": "Empty"}, endpointId="empty")
    assert status == 200, told
    job = a_rollout(endpoint="empty", version="2")
    new = endpoints.deployment_of(job)
    endpoints.deploy(job, since(plane))
    deadline = time.monotonic() + 30
    while (seen := endpoints.look("empty")).changing:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert seen.split == {}
    assert endpoints.shift("empty", {new: 100}, seen)
    answer = endpoints.invoke("empty", new, job.smoke)
    assert answer is not None
    assert answer.status == 200
    assert endpoints.shift("empty", {}, endpoints.look("empty"))
    assert endpoints.look("empty").split == {}


def test_what_a_model_answers_with_an_error_counts_against_the_new_one(
    endpoints: VertexEndpoints, plane: Plane
) -> None:
    answer = endpoints.invoke("churn", OLD, {"instances": [{"status": 503, "say": "no"}]})
    assert answer is not None
    assert answer.status == 503
    assert plane is not None


def test_a_model_that_is_not_registered_is_refused(endpoints: VertexEndpoints, plane: Plane) -> None:
    with pytest.raises(Refused) as raised:
        endpoints.deploy(the_rollout(), since(plane))
    assert raised.value.code == "not_found"


def rolled_out(
    endpoints: VertexEndpoints, plane: Plane, job: RolloutJob, users: int = 0
) -> tuple[JobStatus, list[Any]]:
    """Bring a rollout to its end, a minute a tick, users asking in between. -> its end, each split until then."""
    rollouts = Rollouts(Ledger(MemoryRecords(lambda: plane.now), "dev"), endpoints)
    rollouts.submit(job)
    new, splits = endpoints.deployment_of(job), []
    deadline = time.monotonic() + 60
    while (status := rollouts.status(job)).state == "running":
        assert time.monotonic() < deadline, status
        seen = settled(endpoints)
        named = {"new" if name == new else "old": share for name, share in seen.split.items()}
        if named not in splits[-1:]:
            splits.append(named)
        for _ in range(users):
            plane("POST", f"{PARENT}/endpoints/churn:predict", {"instances": [1]})
        plane.now += timedelta(minutes=1)
    return status, splits


@pytest.mark.parametrize("health", ["probes", "platform"])
def test_a_rollout_goes_all_the_way(endpoints: VertexEndpoints, plane: Plane, health: str) -> None:
    register(plane, "new")
    job = the_rollout(health=health, error_rate=0.01, bake_ms=180_000, steps=[50, 100])
    status, splits = rolled_out(endpoints, plane, job, users=6)
    assert status == JobStatus(state="succeeded")
    assert splits == [{"old": 100}, {"old": 50, "new": 50}, {"new": 100}]
    assert list(endpoints.look("churn").deployments) == [endpoints.deployment_of(job)]


def test_a_version_that_fails_its_users_is_taken_back_by_the_platforms_figures(
    endpoints: VertexEndpoints, plane: Plane
) -> None:
    register(plane, "new", FAILS="yes")
    job = the_rollout(health="platform", smoke=None, error_rate=0.2, bake_ms=600_000, steps=[50, 100])
    status, splits = rolled_out(endpoints, plane, job, users=6)
    assert status == JobStatus(state="failed", error="at 50 % 100.0% of its requests failed, and 20.0% may")
    assert splits == [{"old": 100}, {"old": 50, "new": 50}, {"old": 100}]
    assert list(endpoints.look("churn").deployments) == [OLD]


def test_a_version_that_fails_its_smoke_test_is_taken_back(endpoints: VertexEndpoints, plane: Plane) -> None:
    register(plane, "new", FAILS="yes")
    status, splits = rolled_out(endpoints, plane, the_rollout(steps=[50, 100]))
    assert status == JobStatus(state="failed", error="the smoke test was answered 500")
    assert splits == [{"old": 100}, {"old": 50, "new": 50}, {"old": 100}]


def test_a_version_that_does_not_come_up_changes_nothing(endpoints: VertexEndpoints, plane: Plane) -> None:
    register(plane, "new", BROKEN="yes")
    status, splits = rolled_out(endpoints, plane, the_rollout())
    assert status.state == "failed"
    assert "the model file is not readable" in str(status.error)
    assert splits == [{"old": 100}]
