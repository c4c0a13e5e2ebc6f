"""The local Azure ML's endpoints, as the real azure-ai-ml uses them and as our own adapters do."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.adapters.azureml.batches import Batches
from retrigger.handlers.adapters.azureml.endpoints import AzureMlEndpoints
from retrigger.handlers.adapters.azureml.jobs import Jobs
from retrigger.handlers.endpoints import Deployment, Endpoint
from retrigger.handlers.jobs import BatchJob, RolloutJob
from retrigger.handlers.transport.azure import AzureApi
from retrigger.handlers.transport.credentials import KeptToken
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.local_emulator.state import State
from retrigger.triggers.errors import Unavailable
from tests.contract.azureml_tls import served_over_tls
from tests.local_emulator.planes.azureml.azureml_plane import ACCOUNT, WORKSPACE, Plane
from tests.local_emulator.planes.azureml.served_models import SCRIPT, put_endpoint, put_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    # raised inside the SDK, while it is imported and used; nothing of ours
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
ROWS = {"input_data": {"columns": ["a", "b"], "index": [0], "data": [[1, 2]]}}


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    plane = Plane(State.at(tmp_path / "state"))
    yield plane
    plane.stop()


@pytest.fixture
def client(plane: Plane, tmp_path: Path) -> Iterator[Any]:
    with served_over_tls(plane, tmp_path) as client:
        yield client


def answered(plane: Plane, deployment: str) -> int:
    place, day = f"{WORKSPACE}/onlineEndpoints/churn".lower().lstrip("/"), timedelta(days=1)
    return plane.traffic.of(place, deployment, plane.now - day, plane.now + day).requests


def test_the_sdk_rolls_a_model_out(plane: Plane, client: Any, tmp_path: Path) -> None:
    from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    endpoint = client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="churn", auth_mode="key", tags={"team": "growth"})
    ).result()
    assert (endpoint.name, endpoint.provisioning_state, endpoint.tags) == ("churn", "Succeeded", {"team": "growth"})
    for name, factor in (("blue", 2), ("green", 3)):
        model = put_model(plane, factor, version=str(factor)).removeprefix("/")
        made = ManagedOnlineDeployment(
            name=name, endpoint_name="churn", model=f"/{model}", instance_type="Standard_DS3_v2", instance_count=1
        )
        deployment = client.online_deployments.begin_create_or_update(made).result()
        assert (deployment.name, deployment.provisioning_state) == (name, "Succeeded")
    assert {one.name for one in client.online_deployments.list("churn")} == {"blue", "green"}

    endpoint.traffic = {"blue": 90, "green": 10}
    client.online_endpoints.begin_create_or_update(endpoint).result()
    assert client.online_endpoints.get("churn").traffic == {"blue": 90, "green": 10}
    request = tmp_path / "request.json"
    request.write_text(json.dumps(ROWS))
    answers = Counter(client.online_endpoints.invoke("churn", request_file=str(request)) for _ in range(20))
    assert answers == {"[6]": 18, "[9]": 2}

    endpoint.traffic, endpoint.mirror_traffic = {"blue": 100, "green": 0}, {"green": 50}
    client.online_endpoints.begin_create_or_update(endpoint).result()
    answers = Counter(client.online_endpoints.invoke("churn", request_file=str(request)) for _ in range(4))
    assert answers == {"[6]": 4}
    deadline = time.monotonic() + 10
    while answered(plane, "green") <= 2:  # those of its time with traffic
        assert time.monotonic() < deadline
        time.sleep(0.01)
    named = client.online_endpoints.invoke("churn", deployment_name="green", request_file=str(request))
    assert named == "[9]"
    assert "POST /score" in client.online_deployments.get_logs("green", "churn", lines=10)
    keys = client.online_endpoints.get_keys("churn")
    client.online_endpoints.begin_regenerate_keys("churn", key_type="primary").result()
    assert client.online_endpoints.get_keys("churn").primary_key != keys.primary_key

    with pytest.raises(HttpResponseError, match="has traffic"):
        client.online_deployments.begin_delete("blue", "churn").result()
    client.online_endpoints.begin_delete("churn").result()
    with pytest.raises(ResourceNotFoundError):
        client.online_endpoints.get("churn")


def test_the_sdk_deploys_a_script_and_is_told_why_a_deployment_failed(
    plane: Plane, client: Any, tmp_path: Path
) -> None:
    from azure.ai.ml.entities import CodeConfiguration, Environment, ManagedOnlineDeployment, ManagedOnlineEndpoint
    from azure.core.exceptions import HttpResponseError

    client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="churn", auth_mode="key")).result()
    source = tmp_path / "source"
    source.mkdir()
    (source / "score.py").write_text(SCRIPT)
    bare = Environment(name="bare", version="1", image="ubuntu", conda_file={"dependencies": ["python=3.11"]})
    made = ManagedOnlineDeployment(
        name="blue",
        endpoint_name="churn",
        model=put_model(plane, 7),
        code_configuration=CodeConfiguration(code=str(source), scoring_script="score.py"),
        environment=bare,
        instance_type="Standard_DS3_v2",
        instance_count=1,
        environment_variables={"MODE": "fast"},
    )
    with pytest.raises(HttpResponseError, match="No module named 'words'"):
        client.online_deployments.begin_create_or_update(made).result()
    (source / "words.py").write_text("HELLO = 'hello'\n")
    made.code_configuration = CodeConfiguration(code=str(source), scoring_script="score.py")
    assert client.online_deployments.begin_create_or_update(made).result().provisioning_state == "Succeeded"
    request = tmp_path / "request.json"
    request.write_text("[1]")
    told = client.online_endpoints.invoke("churn", deployment_name="blue", request_file=str(request))
    assert json.loads(told) == {"said": "hello", "factor": 7, "got": [1], "mode": "fast"}


def test_the_sdk_asks_a_batch_endpoint(plane: Plane, client: Any) -> None:
    from azure.ai.ml import Input
    from azure.ai.ml.entities import BatchEndpoint, ModelBatchDeployment, ModelBatchDeploymentSettings

    plane.put_blob("landing", "in/a.csv", b"x,y\n1,2\n")
    client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="scores")).result()
    made = ModelBatchDeployment(
        name="blue",
        endpoint_name="scores",
        model=put_model(plane, 2),
        compute="cpu",
        settings=ModelBatchDeploymentSettings(mini_batch_size=5),
    )
    assert client.batch_deployments.begin_create_or_update(made).result().provisioning_state == "Succeeded"
    endpoint = client.batch_endpoints.get("scores")
    endpoint.defaults.deployment_name = "blue"
    assert client.batch_endpoints.begin_create_or_update(endpoint).result().defaults.deployment_name == "blue"
    folder = f"https://{ACCOUNT}.blob.core.windows.net/landing/in/"
    job = client.batch_endpoints.invoke("scores", input=Input(type="uri_folder", path=folder))
    deadline = time.monotonic() + 30
    while client.jobs.get(job.name).status != "Completed":
        assert time.monotonic() < deadline, plane.page(job.name)
        time.sleep(0.05)
    assert plane.blob("azureml", f"azureml/{job.name}/score/predictions.csv") == b'[0, 6, "a.csv"]\n'
    client.batch_endpoints.begin_delete("scores").result()
    assert list(client.batch_endpoints.list()) == []


def api() -> tuple[AzureApi, Http, KeptToken]:
    http, token = Http(HttpSettings(connect_timeout=2, timeout=10)), KeptToken(lambda: ("t", 3600.0), lambda: 0.0)
    return AzureApi(http, token), http, token


def rollout(version: str) -> RolloutJob:
    return RolloutJob(
        id=f"churn-{version}",
        display_name="churn",
        labels={},
        fingerprint="f00d",
        endpoint="churn",
        model="churn",
        version=version,
        steps=[10, 100],
        smoke={"input_data": [[1]]},
    )


def ready(endpoints: AzureMlEndpoints, name: str) -> Endpoint:
    deadline = time.monotonic() + 30
    while (seen := endpoints.look("churn")).deployments[name].state == "creating":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return seen


def test_our_rollouts_adapter_looks_deploys_shifts_asks_and_removes(plane: Plane) -> None:
    manager, http, token = api()
    endpoints = AzureMlEndpoints(manager, http, token, workspace=WORKSPACE, endpoint=plane.server.url)
    put_endpoint(plane)
    assert endpoints.look("churn") == Endpoint(deployments={}, split={}, changing=False)
    first, second = (rollout(version) for version in ("2", "3"))
    old, new = (endpoints.deployment_of(job) for job in (first, second))
    for job in (first, second):
        model = put_model(plane, int(job.version), version=job.version)
        endpoints.deploy(job, 0)
        state = endpoints.look("churn").deployments[endpoints.deployment_of(job)].state
        assert state in {"creating", "ready"}
        made = ready(endpoints, endpoints.deployment_of(job)).deployments[endpoints.deployment_of(job)]
        assert made == Deployment(state="ready", model=model, error=None)
    seen = endpoints.look("churn")
    assert endpoints.shift("churn", {old: 100}, seen)
    assert not endpoints.shift("churn", {new: 100}, seen)
    assert endpoints.shift("churn", {old: 90, new: 10}, endpoints.look("churn"))
    assert endpoints.look("churn").split == {old: 90, new: 10}
    answers = [endpoints.invoke("churn", new, body) for body in (second.smoke, "nonsense")]
    assert [answer.status for answer in answers if answer is not None] == [200, 424]
    minute = int(plane.now.timestamp()) * 1000
    health = endpoints.health("churn", new, minute - 60_000, minute + 60_000)
    assert health is not None
    assert health.error_rate == 0.5
    assert health.p95_ms > 0
    assert endpoints.health("churn", old, minute - 60_000, minute + 60_000) is None
    assert endpoints.shift("churn", {new: 100}, endpoints.look("churn"))
    endpoints.remove("churn", old)
    endpoints.remove("churn", old)
    assert endpoints.look("churn").deployments.keys() == {new}


def test_our_adapter_is_told_that_a_change_is_under_way_and_that_one_failed(plane: Plane) -> None:
    manager, http, token = api()
    endpoints = AzureMlEndpoints(manager, http, token, workspace=WORKSPACE, endpoint=plane.server.url)
    put_endpoint(plane)
    put_model(plane, 2, version="2")
    plane.put_blob("landing", "churn/2/model/code/scale.py", b"raise RuntimeError\n")
    job = rollout("2")
    endpoints.deploy(job, 0)
    with pytest.raises(Unavailable, match="another change"):
        endpoints.remove("churn", endpoints.deployment_of(job))
    assert ready(endpoints, endpoints.deployment_of(job)).deployments[endpoints.deployment_of(job)].state == "failed"
    endpoints.remove("churn", endpoints.deployment_of(job))


def test_our_batch_adapter_makes_a_job_once_and_finds_it_again(plane: Plane) -> None:
    manager, _, _ = api()
    plane.put_blob("landing", "in/a.csv", b"x,y\n1,2\n")
    plane("PUT", "/batchEndpoints/scores", {"properties": {}})
    model = {"assetId": put_model(plane, 2), "referenceType": "Id"}
    plane("PUT", "/batchEndpoints/scores/deployments/blue", {"properties": {"model": model}})
    jobs = Jobs(manager, workspace=WORKSPACE, endpoint=plane.server.url)
    batches = Batches(manager, manager, jobs, workspace=WORKSPACE, endpoint=plane.server.url)
    job = BatchJob(
        id="score-0a1b",
        display_name="score",
        labels={"team": "growth"},
        fingerprint="f00d",
        input=[f"https://{ACCOUNT}.blob.core.windows.net/landing/in/"],
        output="azureml://datastores/workspaceblobstore/paths/scores/",
        endpoint="scores",
        deployment="blue",
    )
    assert batches.submit(job) == "created"
    assert batches.submit(job) == "created"  # the same request, so the same job
    assert plane.ended("score-0a1b")["status"] == "Completed", plane.page("score-0a1b")
    assert plane.blob("azureml", "scores/predictions.csv") == b'[0, 6, "a.csv"]\n'
    assert len(plane("GET", "/jobs")[1]["value"]) == 1
