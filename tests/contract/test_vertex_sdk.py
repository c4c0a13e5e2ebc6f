"""The real google-cloud-aiplatform SDK against the local Vertex AI.

`PipelineJob.submit` also looks after the bucket of the pipeline root, through google-cloud-storage; the few answers it
wants come from routes beside the plane's, where an emulator has its Cloud Storage. No `from __future__ import
annotations` here: kfp reads annotations as objects.
"""
# Components are written the way kfp reads them, and run elsewhere.
# ruff: noqa: ANN201, PTH123

import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import Aborted, AlreadyExists, BadRequest, Conflict, FailedPrecondition, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from kfp import compiler, dsl
from kfp.dsl import Dataset, Metrics, Output
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from retrigger.local_emulator.http import Server
from retrigger.local_emulator.planes.resources import Resources
from retrigger.local_emulator.planes.vertex.plane import Vertex
from retrigger.local_emulator.runners.process import JobProcesses
from retrigger.local_emulator.runners.routing import Traffic
from retrigger.local_emulator.runners.serving import Servers
from retrigger.local_emulator.state import State
from tests.local_emulator.planes.vertex.online import container

PARENT = "projects/p/locations/europe-west4"


@dsl.component(base_image="python:3.11")
def train(rows: int, data: Output[Dataset], metrics: Output[Metrics]) -> float:
    with open(data.path, "w") as file:
        file.write("x" * rows)
    metrics.log_metric("auc", 0.9)
    return rows / 2


@dsl.component(base_image="python:3.11")
def linger(seconds: int):
    import time

    time.sleep(seconds)


@dsl.pipeline(name="training")
def training(rows: int, seconds: int = 0):
    train(rows=rows)
    linger(seconds=seconds)


async def bucket(_: Request) -> JSONResponse:
    """Say that the bucket is missing: the SDK then creates it, and asks nothing of other services."""
    return JSONResponse({"error": {"code": 404, "message": "no such bucket"}}, 404)


async def create_bucket(request: Request) -> JSONResponse:
    return JSONResponse({"kind": "storage#bucket", "name": (await request.json())["name"]})


async def policy(_: Request) -> JSONResponse:
    return JSONResponse({"bindings": [], "etag": "x"})


@pytest.fixture
def plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = State.at(tmp_path / "state")

    def now() -> datetime:
        return datetime.now(UTC)

    resources = Resources(state.root / "resources.sqlite3")
    processes = JobProcesses(state.jobs, env=os.environ, now=now)
    servers = Servers(state.servers)
    vertex = Vertex(
        resources,
        processes,
        now,
        servers=servers,
        traffic=Traffic(),
        cache=state.root / "cache",
        clock=state.clock,
    )
    storage = [
        Route("/storage/v1/b", create_bucket, methods=["POST"]),
        Route("/storage/v1/b/{bucket}/iam", policy, methods=["GET", "PUT"]),
        Route("/storage/v1/b/{bucket}", bucket),
    ]
    server = Server([*vertex.routes(), *storage])
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    aiplatform.init(
        project="p",
        location="europe-west4",
        credentials=AnonymousCredentials(),
        api_endpoint=server.url,
        api_transport="rest",
    )
    yield server
    server.stop()
    processes.close()
    servers.close()
    resources.close()
    aiplatform.initializer.global_config.__init__()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("template") / "training.json"
    compiler.Compiler().compile(training, str(path))
    return str(path)


def pipeline_job(template: str, job_id: str, **parameters: Any) -> aiplatform.PipelineJob:
    return aiplatform.PipelineJob(
        display_name="training",
        template_path=template,
        job_id=job_id,
        pipeline_root="gs://bucket/root",
        parameter_values=parameters,
        labels={"run": job_id},
    )


@pytest.mark.usefixtures("plane")
def test_submit_wait_and_read_what_the_run_gave(template: str) -> None:
    job = pipeline_job(template, "run-1", rows=10)
    job.submit(service_account="sa@p.iam.gserviceaccount.com")
    job.wait()
    assert job.state == aiplatform.gapic.PipelineState.PIPELINE_STATE_SUCCEEDED
    [again] = aiplatform.PipelineJob.list(filter='labels.run="run-1"')
    assert (again.resource_name, again.labels) == (f"{PARENT}/pipelineJobs/run-1", {"run": "run-1"})
    got = aiplatform.PipelineJob.get(job.resource_name)
    details = {detail.task_name: detail for detail in got.task_details}
    assert dict(details["train"].execution.metadata) == {"input:rows": 10, "output:Output": 5}
    assert dict(details["train"].outputs["metrics"].artifacts[0].metadata) == {"auc": 0.9}
    assert details["train"].outputs["data"].artifacts[0].uri.startswith("gs://bucket/root/run-1/")
    with pytest.raises((Conflict, AlreadyExists)):
        pipeline_job(template, "run-1", rows=10).submit(service_account="sa@p.iam.gserviceaccount.com")


@pytest.mark.usefixtures("plane")
def test_cancel_and_delete(template: str) -> None:
    job = pipeline_job(template, "run-1", rows=1, seconds=600)
    job.submit(service_account="sa@p.iam.gserviceaccount.com")
    job.cancel()
    deadline = time.monotonic() + 20
    while job.state != aiplatform.gapic.PipelineState.PIPELINE_STATE_CANCELLED:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    job.delete()
    with pytest.raises(NotFound):
        aiplatform.PipelineJob.get(f"{PARENT}/pipelineJobs/run-1")


@pytest.mark.usefixtures("plane")
def test_a_batch_prediction_is_made_followed_and_listed() -> None:
    model = aiplatform.Model.upload(
        display_name="churn",
        model_id="churn",
        serving_container_image_uri="image",
        serving_container_command=["no-such"],
    )
    job = aiplatform.BatchPredictionJob.submit(
        job_display_name="score",
        model_name=model.resource_name,
        gcs_source="gs://bucket/in.jsonl",
        gcs_destination_prefix="gs://bucket/out",
        machine_type="n1-standard-4",
        labels={"retrigger-job": "score-1"},
    )
    deadline = time.monotonic() + 20
    while job.state != aiplatform.gapic.JobState.JOB_STATE_FAILED:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    [again] = aiplatform.BatchPredictionJob.list(filter='labels.retrigger-job="score-1"')
    assert (again.resource_name, again.state.name) == (job.resource_name, "JOB_STATE_FAILED")
    assert "the input gs://bucket/in.jsonl is not there" in again.error.message
    job.delete()
    with pytest.raises(NotFound):
        aiplatform.BatchPredictionJob(job.resource_name)


def test_models_are_registered_in_versions_with_their_metrics(plane: Server) -> None:
    first = aiplatform.Model.upload(
        display_name="churn",
        model_id="churn",
        artifact_uri="gs://bucket/model",
        serving_container_image_uri="image",
        labels={"run": "run-1"},
    )
    second = aiplatform.Model.upload(
        display_name="churn", parent_model=first.resource_name, is_default_version=False, version_aliases=["champion"]
    )
    assert [(model.resource_name, model.version_id, sorted(model.version_aliases)) for model in (first, second)] == [
        (f"{PARENT}/models/churn", "1", ["default"]),
        (f"{PARENT}/models/churn", "2", ["champion"]),
    ]
    assert {version.version_id for version in first.versioning_registry.list_versions()} == {"1", "2"}
    models = aiplatform.gapic.ModelServiceClient(
        client_options={"api_endpoint": plane.url}, transport="rest", credentials=AnonymousCredentials()
    )
    metrics = {"display_name": "test", "metrics": {"auc": 0.9}}
    models.import_model_evaluation(parent=f"{PARENT}/models/churn@2", model_evaluation=metrics)
    [evaluation] = second.list_model_evaluations()
    assert dict(evaluation.metrics) == {"auc": 0.9}


def served_model(name: str, **more: Any) -> aiplatform.Model:
    spec = container(name)
    return aiplatform.Model.upload(
        display_name="churn",
        serving_container_image_uri=spec["imageUri"],
        serving_container_command=spec["command"],
        serving_container_args=spec["args"],
        serving_container_environment_variables={item["name"]: item["value"] for item in spec["env"]},
        serving_container_health_route=spec["healthRoute"],
        serving_container_predict_route=spec["predictRoute"],
        **more,
    )


@pytest.mark.usefixtures("plane")
def test_two_versions_of_a_model_share_an_endpoint_and_one_takes_it_over() -> None:
    blue = served_model("blue", model_id="churn")
    green = served_model("green", parent_model=blue.resource_name)
    endpoint = aiplatform.Endpoint.create(display_name="churn", endpoint_id="churn", labels={"team": "ml"})
    machine: dict[str, Any] = {"machine_type": "n1-standard-2", "min_replica_count": 1, "max_replica_count": 1}
    endpoint.deploy(blue, deployed_model_display_name="blue", traffic_percentage=100, **machine)
    endpoint.deploy(
        aiplatform.Model(f"{green.resource_name}@2"),
        deployed_model_display_name="green",
        traffic_percentage=10,
        service_account="sa@p.iam.gserviceaccount.com",
        **machine,
    )
    ids = {model.display_name: model.id for model in endpoint.list_models()}
    assert endpoint.traffic_split == {ids["blue"]: 90, ids["green"]: 10}
    found = [endpoint.predict(instances=[[1.0]], parameters={"k": 1}) for _ in range(100)]
    assert Counter((it.predictions[0]["by"], it.deployed_model_id, it.model_version_id) for it in found) == {
        ("blue", ids["blue"], "1"): 90,
        ("green", ids["green"], "2"): 10,
    }
    assert endpoint.update(traffic_split={ids["blue"]: 0, ids["green"]: 100}).traffic_split[ids["green"]] == 100
    endpoint.undeploy(ids["blue"])
    [again] = aiplatform.Endpoint.list(filter='labels.team="ml"')
    assert [(model.id, model.model_version_id) for model in again.list_models()] == [(ids["green"], "2")]
    with pytest.raises(BadRequest, match="undeploy them first"):
        endpoint.delete()
    endpoint.delete(force=True)
    with pytest.raises(NotFound):
        aiplatform.Endpoint(f"{PARENT}/endpoints/churn").predict(instances=[1])


def test_a_deployment_with_no_traffic_and_our_id_is_followed_by_its_operations(plane: Server) -> None:
    model = served_model("blue", model_id="churn")
    broken = aiplatform.Model.upload(
        display_name="broken",
        model_id="broken",
        serving_container_image_uri="image",
        serving_container_command=["false"],
    )
    endpoint = aiplatform.Endpoint.create(display_name="churn", endpoint_id="churn")
    client = aiplatform.gapic.EndpointServiceClient(
        client_options={"api_endpoint": plane.url}, transport="rest", credentials=AnonymousCredentials()
    )

    def deploy(number: str, resource: str) -> Any:
        deployed = aiplatform.gapic.DeployedModel(
            id=number,
            model=f"{resource}@1",
            dedicated_resources={"machine_spec": {"machine_type": "n1-standard-2"}, "min_replica_count": 1},
        )
        return client.deploy_model(endpoint=endpoint.resource_name, deployed_model=deployed)

    assert deploy("1234567890", model.resource_name).result(timeout=30).deployed_model.id == "1234567890"
    with pytest.raises((AlreadyExists, Conflict)):
        deploy("1234567890", model.resource_name)
    with pytest.raises(FailedPrecondition, match="never became ready: the server ended with status 1"):
        deploy("5", broken.resource_name).result(timeout=30)
    with pytest.raises(BadRequest, match="doesn't have traffic_split"):
        endpoint.predict(instances=[1])
    stale = client.get_endpoint(name=endpoint.resource_name)
    stale.traffic_split = {"1234567890": 100}
    client.update_endpoint(endpoint=stale, update_mask={"paths": ["traffic_split"]})
    with pytest.raises((Aborted, Conflict)):
        client.update_endpoint(endpoint=stale, update_mask={"paths": ["traffic_split"]})
    assert endpoint.predict(instances=[1]).predictions[0]["by"] == "blue"
    operations = client.list_operations({"name": endpoint.resource_name}).operations
    assert Counter((it.done, it.metadata.type_url.rpartition(".")[2], it.HasField("error")) for it in operations) == {
        (True, "CreateEndpointOperationMetadata", False): 1,
        (True, "DeployModelOperationMetadata", False): 1,
        (True, "DeployModelOperationMetadata", True): 1,
    }


@pytest.mark.usefixtures("plane")
def test_artifacts_are_registered_once_read_and_found() -> None:
    told = {"uri": "gs://b/m.json", "display_name": "churn", "metadata": {"members": 2, "trigger": "é🎉"}}
    made = aiplatform.Artifact.create(schema_title="system.Dataset", resource_id="churn-0a1b", **told)
    again = aiplatform.Artifact("churn-0a1b")
    for one in (made, again):
        seen = (one.uri, one.display_name, one.metadata, one.schema_title, one.state.name)
        assert seen == (*told.values(), "system.Dataset", "LIVE")
    assert [it.name for it in aiplatform.Artifact.list(filter='schema_title="system.Dataset"')] == [made.name]
    assert aiplatform.Artifact.list(filter='schema_title="system.Model"') == []
    assert aiplatform.Artifact.get_with_uri("gs://b/m.json").resource_name == made.resource_name
    with pytest.raises((AlreadyExists, Conflict)):
        aiplatform.Artifact.create(schema_title="system.Dataset", resource_id="churn-0a1b", **told)
