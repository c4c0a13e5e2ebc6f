"""The real google-cloud-aiplatform SDK against the local Vertex AI.

`PipelineJob.submit` also looks after the bucket of the pipeline root, through google-cloud-storage; the few answers it
wants come from routes beside the plane's, where an emulator has its Cloud Storage. No `from __future__ import
annotations` here: kfp reads annotations as objects.
"""
# Components are written the way kfp reads them, and run elsewhere.
# ruff: noqa: ANN201, PTH123

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import AlreadyExists, Conflict, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from kfp import compiler, dsl
from kfp.dsl import Dataset, Metrics, Output
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from retrigger.local_emulator.http import Server
from retrigger.local_emulator.planes import vertex
from retrigger.local_emulator.planes.artifacts import Artifacts
from retrigger.local_emulator.planes.batch_predictions import BatchPredictions
from retrigger.local_emulator.planes.models import Models
from retrigger.local_emulator.planes.pipeline_jobs import PipelineJobs
from retrigger.local_emulator.planes.resources import Resources
from retrigger.local_emulator.runners.process import JobProcesses
from retrigger.local_emulator.state import State

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
    artifacts = Artifacts(resources, now)
    jobs = PipelineJobs(resources, processes, artifacts, now, cache=state.root / "cache", clock=state.clock)
    storage = [
        Route("/storage/v1/b", create_bucket, methods=["POST"]),
        Route("/storage/v1/b/{bucket}/iam", policy, methods=["GET", "PUT"]),
        Route("/storage/v1/b/{bucket}", bucket),
    ]
    models = Models(resources, now)
    batches = BatchPredictions(resources, models, processes, now, clock=state.clock)
    server = Server([*vertex.routes(jobs, batches, models, artifacts), *storage])
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
