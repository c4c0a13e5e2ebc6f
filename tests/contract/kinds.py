"""Every kind of launch, on the control planes of the emulator: an event goes in, and its run is brought to its end."""

from __future__ import annotations

import hashlib
import json
import time
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from retrigger.handlers.adapters.azureml.client import AzureMlLauncher
from retrigger.handlers.adapters.azureml.endpoints import AzureMlEndpoints
from retrigger.handlers.adapters.memory import MemoryObjects, MemoryRecords
from retrigger.handlers.adapters.vertex.client import VertexLauncher
from retrigger.handlers.adapters.vertex.endpoints import VertexEndpoints
from retrigger.handlers.transport.azure import AzureApi
from retrigger.handlers.transport.credentials import KeptToken, Tokens, TokenSettings
from retrigger.handlers.transport.google import GoogleApi
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.handlers.wiring import assemble
from retrigger.local_emulator.state import State
from retrigger.triggers import compiled
from retrigger.triggers.environment import Channel, Endpoint, Environment, Model, Pipeline
from retrigger.triggers.event import Event, Message
from retrigger.triggers.launches import BatchPrediction, OnlineDeployment, PipelineLaunch
from retrigger.triggers.match import Index
from retrigger.triggers.spec import MessageSource, Trigger
from tests.handlers.conftest import Loopback, Reply
from tests.local_emulator.planes.azureml import azureml_plane, served_models
from tests.local_emulator.planes.azureml.azureml_plane import ACCOUNT, WORKSPACE
from tests.local_emulator.planes.vertex import online
from tests.local_emulator.planes.vertex import test_plane as test_vertex
from tests.local_emulator.planes.vertex.test_plane import PARENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from retrigger.handlers.endpoints import Endpoints
    from retrigger.handlers.ports import Launcher
    from retrigger.handlers.records import Run
    from retrigger.triggers.event import Json
    from retrigger.triggers.launches import Launch
    from retrigger.triggers.spec import Cloud

TOPIC: Final = "projects/p/topics/go"
_, PROJECT, _, LOCATION = PARENT.split("/")
_TICKS_EVERY: Final = timedelta(seconds=30)
_PATIENCE_S: Final = 40.0
"""Of a test, for models that start and jobs that run."""
OLD: Final = "7"


class Kind(ABC):
    """One kind of launch. `plane` is the platform itself, and stands still but for `wind`."""

    cloud: Cloud
    launch: Launch
    pipeline: Mapping[str, Json] | None = None
    health: Literal["probes", "platform"] = "probes"

    def __init__(self, folder: Path) -> None:
        self.plane = self.start(State.at(folder / "state"))
        self.arrange()

    @abstractmethod
    def start(self, state: State) -> Any: ...

    @abstractmethod
    def arrange(self) -> None:
        """Register what the launch needs."""

    @abstractmethod
    def over(self, road: str) -> tuple[Launcher, Endpoints]:
        """The adapters, with `road` for the platform's address."""

    @abstractmethod
    def made(self) -> list[str]:
        """What was launched, as the platform names it."""

    def close(self) -> None:
        self.plane.stop()


class World:
    """A project with one trigger, whose messages launch one kind of thing over a road to its platform."""

    def __init__(self, kind: Kind, road: str) -> None:
        self.kind = kind
        self._deadline = time.monotonic() + _PATIENCE_S
        launcher, endpoints = kind.over(road)
        text = json.dumps(kind.pipeline or {})
        sha = hashlib.sha256(text.encode()).hexdigest()
        environment = Environment(
            name="test",
            cloud=kind.cloud,
            project=PROJECT,
            location=LOCATION,
            workspace=WORKSPACE,
            ledger="",
            channels={"go": Channel(address=TOPIC)},
            pipelines={"train": Pipeline(template=sha, root=kind_root(kind), service_account="default")},
            endpoints={"online": Endpoint(name="churn", health=kind.health), "scores": Endpoint(name="scores")},
            models={"churn": Model()},
        )
        trigger = Trigger(name="go", sources=(MessageSource(channel="go"),), launch=kind.launch)
        index = Index.build((trigger,), environment).to_json()
        loaded = compiled.load(compiled.dumps(environment, (trigger,), {sha: text}, index))
        records = MemoryRecords(lambda: kind.plane.now)
        self.app = assemble(loaded, records, launcher, MemoryObjects(), endpoints=endpoints)

    def deliver(self) -> None:
        """The one event, as often as this is called."""
        payload = Message(channel=TOPIC, id="1", body=b"{}", json={})
        event = Event(id="1", source="//test", type="test", time=self.kind.plane.now, subject=None, payload=payload)
        self.app.core.handle(event)

    def run(self, between: Callable[[], object] = lambda: None) -> Run:
        """The one run, when it has ended or nobody knows whether it was launched. `between`: what ticks wait for."""
        while True:
            self.kind.plane.now += _TICKS_EVERY
            self.app.tick().run()
            between()
            [stored] = self.app.ledger.runs.list()
            if stored.value.state in {"ended", "unsure"}:
                return stored.value
            assert time.monotonic() < self._deadline, stored.value


def kind_root(kind: Kind) -> str:
    return "gs://bucket/root" if kind.cloud == "gcp" else ""


# Vertex AI


class OnVertex(Kind):
    cloud = "gcp"

    def start(self, state: State) -> test_vertex.Plane:
        self._metadata = Loopback()
        self._metadata.always = lambda _: Reply(200, b'{"access_token": "a-token", "expires_in": 3600}')
        return test_vertex.Plane(state)

    def over(self, road: str) -> tuple[Launcher, Endpoints]:
        http = impatient()
        api = GoogleApi(http, Tokens(Http(HttpSettings()), TokenSettings(metadata=self._metadata.url)))
        return (
            VertexLauncher(api, project=PROJECT, location=LOCATION, endpoint=road),
            VertexEndpoints(api, http, project=PROJECT, location=LOCATION, endpoint=road, monitoring=road),
        )

    def close(self) -> None:
        super().close()
        self._metadata.close()

    def _named(self, collection: str) -> list[str]:
        _, found = self.plane("GET", f"{PARENT}/{collection}")
        return [one["name"] for one in found.get(collection, ())]


class VertexPipeline(OnVertex):
    pipeline = test_vertex.pipeline('printf x > "$1"; printf x > "$2"')
    launch = PipelineLaunch(pipeline="train", parameters={"rows": 3})

    def arrange(self) -> None:
        pass

    def made(self) -> list[str]:
        return self._named("pipelineJobs")


class VertexBatch(OnVertex):
    """Its input is not there: that the job fails for it is its end."""

    launch = BatchPrediction(model="churn", input="gs://bucket/in.jsonl", output="gs://bucket/out/")

    def arrange(self) -> None:
        online.register(self.plane, "old")

    def made(self) -> list[str]:
        return self._named("batchPredictionJobs")


class VertexRollout(OnVertex):
    launch = OnlineDeployment(endpoint="online", model="churn", version="2", smoke={"instances": [1]}, steps=(50, 100))

    def arrange(self) -> None:
        online.register(self.plane, "old")
        online.register(self.plane, "new")
        online.an_endpoint(self.plane)
        online.deployed(self.plane, online.deployment(number=OLD, split={"0": 100}))

    def made(self) -> list[str]:
        """What the endpoint's traffic goes to, beside what is deployed without any."""
        found = online.look(self.plane)
        assert list(found["trafficSplit"].values()) == [100]
        return [one["id"] for one in found["deployedModels"] if one["id"] != OLD]


# Azure ML


class OnAzureMl(Kind):
    cloud = "azure"

    def start(self, state: State) -> azureml_plane.Plane:
        return azureml_plane.Plane(state)

    def over(self, road: str) -> tuple[Launcher, Endpoints]:
        http, token = impatient(), KeptToken(lambda: ("a-token", 3600.0), lambda: 0.0)
        api = AzureApi(http, token)
        return (
            AzureMlLauncher(api, api, workspace=WORKSPACE, endpoint=road),
            AzureMlEndpoints(api, http, token, workspace=WORKSPACE, endpoint=road),
        )

    def _jobs(self) -> list[str]:
        _, found = self.plane("GET", "/jobs")
        return [one["name"] for one in found["value"]]


class AzureMlPipeline(OnAzureMl):
    pipeline: Mapping[str, Json] = {
        "type": "pipeline",
        "settings": {"default_compute": "azureml:cpu"},
        "jobs": {"say": {"type": "command", "component": "azureml:say:1"}},
    }
    launch = PipelineLaunch(pipeline="train")

    def arrange(self) -> None:
        self.plane.component("say", command="true", environment="azureml:bare:1")
        environment = {"properties": {"image": "ubuntu", "condaFile": json.dumps({"dependencies": []})}}
        assert self.plane("PUT", "/environments/bare/versions/1", environment)[0] in {200, 201}

    def made(self) -> list[str]:
        return self._jobs()


class AzureMlBatch(OnAzureMl):
    launch = BatchPrediction(
        endpoint="scores",
        input=f"https://{ACCOUNT}.blob.core.windows.net/landing/in/",
        output="azureml://datastores/workspaceblobstore/paths/out/",
    )

    def arrange(self) -> None:
        self.plane.put_blob("landing", "in/a.csv", b"x,y\n1,2\n")
        told: dict[str, Any] = {"authMode": "AADToken"}
        assert self._put("", told) == 201
        model = {"model": {"assetId": served_models.put_model(self.plane, 2), "referenceType": "Id"}}
        assert self._put("/deployments/blue", model) == 201
        assert self._put("", {**told, "defaults": {"deploymentName": "blue"}}) == 200

    def _put(self, path: str, properties: dict[str, Any]) -> int:
        status, _ = self.plane("PUT", f"/batchEndpoints/scores{path}", {"location": "w", "properties": properties})
        return int(status)

    def made(self) -> list[str]:
        return self._jobs()


class AzureMlRollout(OnAzureMl):
    launch = OnlineDeployment(
        endpoint="online", model="churn", version="2", smoke={"input_data": [[1]]}, steps=(50, 100)
    )

    def arrange(self) -> None:
        served_models.put_model(self.plane, 2, version="2")
        served_models.put_endpoint(self.plane)
        served_models.deploy(self.plane, "old", served_models.put_model(self.plane, 1))
        assert served_models.deployed(self.plane, "old") == "Succeeded"
        served_models.put_endpoint(self.plane, {"old": 100})

    def made(self) -> list[str]:
        """What the endpoint's traffic goes to, beside what is deployed without any."""
        _, found = self.plane("GET", "/onlineEndpoints/churn")
        assert list(found["properties"]["traffic"].values()) == [100]
        _, deployments = self.plane("GET", "/onlineEndpoints/churn/deployments")
        return [one["name"] for one in deployments["value"] if one["name"] != "old"]


def impatient() -> Http:
    """As little patience as lets the planes answer."""
    return Http(HttpSettings(connect_timeout=1, timeout=1))
