"""What every platform's endpoints do alike, on the fake that we ship and on the platforms that run here."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from retrigger.handlers.adapters.azureml.endpoints import AzureMlEndpoints
from retrigger.handlers.adapters.memory import MemoryEndpoints
from retrigger.handlers.adapters.vertex.endpoints import VertexEndpoints
from retrigger.handlers.endpoints import Answer, Deployment, Endpoint, Endpoints, Health
from retrigger.handlers.jobs import RolloutJob
from retrigger.handlers.ledger import to_ms
from retrigger.handlers.transport.azure import AzureApi
from retrigger.handlers.transport.credentials import KeptToken
from retrigger.handlers.transport.google import GoogleApi
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.local_emulator.state import State
from retrigger.triggers.errors import Refused, RetriggerError
from tests.local_emulator.planes.azureml import served_models
from tests.local_emulator.planes.azureml.azureml_plane import WORKSPACE
from tests.local_emulator.planes.azureml.azureml_plane import Plane as AzurePlane
from tests.local_emulator.planes.vertex import online
from tests.local_emulator.planes.vertex.test_plane import PARENT
from tests.local_emulator.planes.vertex.test_plane import Plane as VertexPlane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from retrigger.handlers.endpoints import Split
    from retrigger.triggers.event import Json


MINUTE = timedelta(minutes=1)


class Platform(ABC):
    """An endpoint `churn` without deployments, and three versions of a model `churn`, of which 3 never comes up."""

    endpoints: Endpoints
    body: ClassVar[Json]
    mirrors = True

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def later(self) -> tuple[int, int]:
        """Ten minutes pass, and what was asked of the deployments has been measured. -> from when to when, in ms."""


class Memory(Platform):
    body: ClassVar[Json] = 1

    def __init__(self, folder: Path) -> None:
        del folder
        endpoints = MemoryEndpoints()
        endpoints.put("churn", {}, {})
        endpoints.failing.add("churn:3")
        self.endpoints = self._memory = endpoints

    def close(self) -> None: ...

    def later(self) -> tuple[int, int]:
        well = Health(error_rate=0.0, p95_ms=1)
        self._memory.measured = {deployment: well for _, deployment, _ in self._memory.asked}
        return 0, 600_000


def passed(plane: AzurePlane | VertexPlane) -> tuple[int, int]:
    began, plane.now = plane.now, plane.now + 10 * MINUTE
    return to_ms(began - MINUTE), to_ms(plane.now)


class AzureMl(Platform):
    body: ClassVar[Json] = {"input_data": {"columns": ["a"], "index": [0], "data": [[1]]}}

    def __init__(self, folder: Path) -> None:
        self.plane = AzurePlane(State.at(folder))
        http, token = Http(HttpSettings(connect_timeout=2, timeout=10)), KeptToken(lambda: ("t", 3600.0), lambda: 0.0)
        api, address = AzureApi(http, token), self.plane.server.url
        self.endpoints = AzureMlEndpoints(api, http, token, workspace=WORKSPACE, endpoint=address)
        served_models.put_endpoint(self.plane)
        for version in ("1", "2", "3"):
            served_models.put_model(self.plane, 2, version=version)
        self.plane.put_blob("landing", "churn/3/model/code/scale.py", b"raise RuntimeError\n")

    def close(self) -> None:
        self.plane.stop()

    def later(self) -> tuple[int, int]:
        return passed(self.plane)


class Vertex(Platform):
    body: ClassVar[Json] = {"instances": [[1]]}
    mirrors = False

    def __init__(self, folder: Path) -> None:
        self.plane = VertexPlane(State.at(folder))
        http, token = Http(HttpSettings()), KeptToken(lambda: ("t", 3600.0), lambda: 0.0)
        _, project, _, location = PARENT.split("/")
        api, address = GoogleApi(http, token), self.plane.server.url
        self.endpoints = VertexEndpoints(
            api, http, project=project, location=location, endpoint=address, monitoring=address
        )
        online.an_endpoint(self.plane)
        for number in (1, 2, 3):
            online.register(self.plane, f"version {number}", **({"BROKEN": "yes"} if number == 3 else {}))

    def close(self) -> None:
        self.plane.stop()

    def later(self) -> tuple[int, int]:
        return passed(self.plane)


@pytest.fixture(params=[Memory, AzureMl, Vertex])
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Platform]:
    made: Platform = request.param(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def endpoints(platform: Platform) -> Endpoints:
    return platform.endpoints


def a_rollout(platform: Platform, version: str, **changes: Any) -> RolloutJob:
    usual: dict[str, Any] = {
        "id": f"churn-{version}",
        "display_name": "churn",
        "labels": {"team": "growth"},
        "fingerprint": "f00d",
        "endpoint": "churn",
        "model": "churn",
        "version": version,
        "steps": [10, 100],
        "smoke": platform.body,
    }
    return RolloutJob(**{**usual, **changes})


def settled(endpoints: Endpoints) -> Endpoint:
    """The endpoint when nothing changes any more."""
    deadline = time.monotonic() + 30
    while True:
        seen = endpoints.look("churn")
        if not seen.changing and all(it.state in {"ready", "failed"} for it in seen.deployments.values()):
            return seen
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)


def deployed(platform: Platform, version: str) -> tuple[RolloutJob, str]:
    """A rollout whose deployment is there, without traffic, and the deployment's name."""
    job = a_rollout(platform, version)
    platform.endpoints.deploy(job, 0)
    settled(platform.endpoints)
    return job, platform.endpoints.deployment_of(job)


def served(platform: Platform, split: Split) -> None:
    assert platform.endpoints.shift("churn", split, settled(platform.endpoints))
    assert settled(platform.endpoints).split == split


def asked(platform: Platform, deployment: str) -> Answer:
    """Until it is met: some platforms ask whom the split says."""
    for _ in range(50):
        answer = platform.endpoints.invoke("churn", deployment, platform.body)
        if answer is not None:
            return answer
    raise AssertionError(deployment)


def test_an_endpoint_that_is_not_there_is_refused(endpoints: Endpoints) -> None:
    with pytest.raises(Refused):
        endpoints.look("none")


def test_an_endpoint_without_deployments_has_no_traffic(endpoints: Endpoints) -> None:
    seen = endpoints.look("churn")
    assert (seen.deployments, seen.split, seen.changing) == ({}, {}, False)


def test_the_name_is_the_rollouts_and_the_request_is_no_secret(platform: Platform, endpoints: Endpoints) -> None:
    one, other = a_rollout(platform, "1"), a_rollout(platform, "1", id="churn-1-1")
    assert endpoints.deployment_of(one) == endpoints.deployment_of(a_rollout(platform, "2", id=one.id))
    assert endpoints.deployment_of(one) != endpoints.deployment_of(other)
    assert "authorization" not in str(endpoints.request(one)).lower()


def test_a_deployment_is_made_once_without_traffic_and_holds_the_model(
    platform: Platform, endpoints: Endpoints
) -> None:
    job, name = deployed(platform, "1")
    endpoints.deploy(job, 0)
    seen = settled(endpoints)
    assert dict(seen.deployments) == {name: Deployment(state="ready", model=endpoints.model_of(job))}
    assert seen.split == {}


def test_a_second_deployment_leaves_the_split_alone(platform: Platform, endpoints: Endpoints) -> None:
    _, old = deployed(platform, "1")
    served(platform, {old: 100})
    _, new = deployed(platform, "2")
    seen = endpoints.look("churn")
    assert (set(seen.deployments), seen.split) == ({old, new}, {old: 100})


def test_one_that_fails_is_seen_or_its_next_try_is_refused(platform: Platform, endpoints: Endpoints) -> None:
    job, name = deployed(platform, "3")
    seen = endpoints.look("churn").deployments.get(name)
    if seen is None:
        with pytest.raises(Refused):
            endpoints.deploy(job, 0)
    else:
        assert seen.state == "failed"


def test_a_split_is_written_over_what_was_seen_alone(platform: Platform, endpoints: Endpoints) -> None:
    (_, old), (_, new) = deployed(platform, "1"), deployed(platform, "2")
    first = settled(endpoints)
    served(platform, {old: 100})
    assert not endpoints.shift("churn", {new: 100}, first)
    assert endpoints.look("churn").split == {old: 100}
    for split in ({old: 90, new: 10}, {new: 100}, {}):
        served(platform, split)


def test_a_split_that_is_there_changes_nothing(platform: Platform, endpoints: Endpoints) -> None:
    _, name = deployed(platform, "1")
    served(platform, {name: 100})
    served(platform, {name: 100})
    assert set(endpoints.look("churn").deployments) == {name}


def test_traffic_to_what_is_not_there_is_refused(platform: Platform, endpoints: Endpoints) -> None:
    _, name = deployed(platform, "1")
    with pytest.raises(RetriggerError):
        endpoints.shift("churn", {name: 50, "123": 50}, settled(endpoints))
    assert endpoints.look("churn").split == {}


def test_what_has_traffic_answers(platform: Platform) -> None:
    (_, old), (_, new) = deployed(platform, "1"), deployed(platform, "2")
    served(platform, {old: 50, new: 50})
    assert [asked(platform, name).status for name in (old, new)] == [200, 200]
    assert asked(platform, new).latency_ms >= 0


def test_what_has_no_traffic_answers_or_cannot_be_asked(platform: Platform, endpoints: Endpoints) -> None:
    (_, old), (_, new) = deployed(platform, "1"), deployed(platform, "2")
    served(platform, {old: 100})
    answer = endpoints.invoke("churn", new, platform.body)
    assert answer is None or answer.status == 200


def test_what_has_no_traffic_is_removed_and_removing_it_again_is_well(platform: Platform, endpoints: Endpoints) -> None:
    (_, old), (_, new) = deployed(platform, "1"), deployed(platform, "2")
    served(platform, {new: 100})
    for _ in range(2):
        endpoints.remove("churn", old)
        seen = settled(endpoints)
        assert (set(seen.deployments), seen.split) == ({new}, {new: 100})


def test_what_has_traffic_stays(platform: Platform, endpoints: Endpoints) -> None:
    (_, old), (_, new) = deployed(platform, "1"), deployed(platform, "2")
    served(platform, {old: 100})
    with pytest.raises(RetriggerError):
        endpoints.remove("churn", old)
    seen = settled(endpoints)
    assert (set(seen.deployments), seen.split) == ({old, new}, {old: 100})


def test_traffic_is_mirrored_to_what_has_none_or_refused(platform: Platform, endpoints: Endpoints) -> None:
    (_, old), (_, new) = deployed(platform, "1"), deployed(platform, "2")
    served(platform, {old: 100})
    seen = settled(endpoints)
    if not platform.mirrors:
        with pytest.raises(Refused) as refused:
            endpoints.mirror("churn", {new: 10}, seen)
        assert (refused.value.code, settled(endpoints)) == ("no_mirror", seen)
        return
    assert endpoints.mirror("churn", {new: 10}, seen)
    assert settled(endpoints).mirror == {new: 10}
    assert not endpoints.mirror("churn", {}, seen)
    for act in (
        lambda: endpoints.remove("churn", new),
        lambda: endpoints.shift("churn", {new: 100}, settled(endpoints)),
    ):
        with pytest.raises(RetriggerError):
            act()
    assert endpoints.mirror("churn", {}, settled(endpoints))
    served(platform, {new: 100})
    assert settled(endpoints).mirror == {}


def test_what_was_asked_is_measured_and_what_was_not_is_not(platform: Platform, endpoints: Endpoints) -> None:
    (_, old), (_, new) = deployed(platform, "1"), deployed(platform, "2")
    served(platform, {new: 100})
    for _ in range(3):
        asked(platform, new)
    since_ms, until_ms = platform.later()
    measured = endpoints.health("churn", new, since_ms, until_ms)
    assert measured is not None
    assert (measured.error_rate, measured.p95_ms < 10_000) == (0.0, True)
    assert endpoints.health("churn", old, since_ms, until_ms) is None
