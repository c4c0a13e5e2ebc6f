"""What is sent to predict a batch; and that it is what the official SDK sends, captured on the loopback interface."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.adapters.vertex.batch_request import batch_request
from retrigger.handlers.jobs import BatchJob, Request
from retrigger.triggers.errors import Refused
from tests.handlers.conftest import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.handlers.conftest import Loopback, Received

MODEL = "projects/p1/locations/us-central1/models/churn"


def a_job(**changes: Any) -> BatchJob:
    usual: dict[str, Any] = {
        "id": "churn-0a1b",
        "display_name": "churn",
        "labels": {"team": "growth"},
        "fingerprint": "f00d",
        "input": ["gs://b/1.jsonl"],
        "output": "gs://out/churn",
        "model": "churn",
    }
    return BatchJob(**{**usual, **changes})


def request(job: BatchJob, endpoint: str | None = None) -> Request:
    return batch_request(job, project="p1", location="us-central1", endpoint=endpoint)


def body(**changes: Any) -> Any:
    return request(a_job(**changes)).body


def refusal(**changes: Any) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        request(a_job(**changes))
    return caught.value.code, str(caught.value)


def test_the_whole_request() -> None:
    job = a_job(
        service_account="sa@p1.iam.gserviceaccount.com",
        machine_type="n1-standard-4",
        accelerator_type="NVIDIA_TESLA_T4",
        accelerator_count=1,
        starting_replica_count=1,
        max_replica_count=5,
        batch_size=64,
        model_parameters={"threshold": 0.5},
    )
    assert request(job) == Request(
        method="POST",
        url="https://us-central1-aiplatform.googleapis.com/v1/projects/p1/locations/us-central1/batchPredictionJobs",
        body={
            "displayName": "churn",
            "model": MODEL,
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://b/1.jsonl"]}},
            "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://out/churn"}},
            "labels": {"team": "growth", "retrigger-job": "churn-0a1b", "retrigger-fingerprint": "f00d"},
            "modelParameters": {"threshold": 0.5},
            "dedicatedResources": {
                "machineSpec": {
                    "machineType": "n1-standard-4",
                    "acceleratorType": "NVIDIA_TESLA_T4",
                    "acceleratorCount": 1,
                },
                "startingReplicaCount": 1,
                "maxReplicaCount": 5,
            },
            "manualBatchTuningParameters": {"batchSize": 64},
            "serviceAccount": "sa@p1.iam.gserviceaccount.com",
        },
    )


@pytest.mark.parametrize(
    ("uris", "form"),
    [
        (["gs://b/a.jsonl", "gs://b/c.jsonl"], "jsonl"),
        (["gs://b/*.csv"], "csv"),
        (["gs://b/a.tfrecord"], "tf-record"),
        (["gs://b/a.tfrecord.gz"], "tf-record-gzip"),
    ],
)
def test_the_names_tell_the_format(uris: list[str], form: str) -> None:
    assert body(input=uris)["inputConfig"] == {"instancesFormat": form, "gcsSource": {"uris": uris}}


def test_the_environment_s_format_goes_before_and_a_folder_is_read_by_a_wildcard() -> None:
    assert body(input=["gs://b/day/"], instances_format="csv")["inputConfig"] == {
        "instancesFormat": "csv",
        "gcsSource": {"uris": ["gs://b/day/*"]},
    }


def test_tables_of_bigquery_are_read_and_written() -> None:
    got = body(input=["bq://p.d.t"], output="bq://p.d", instances_format="csv", predictions_format="csv")
    assert (got["inputConfig"], got["outputConfig"]) == (
        {"instancesFormat": "bigquery", "bigquerySource": {"inputUri": "bq://p.d.t"}},
        {"predictionsFormat": "bigquery", "bigqueryDestination": {"outputUri": "bq://p.d"}},
    )


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("4711@prod", "projects/p1/locations/us-central1/models/4711@prod"),
        ("projects/q/locations/l/models/m@2", "projects/q/locations/l/models/m@2"),
    ],
)
def test_a_model_is_of_this_project_unless_it_says_otherwise(model: str, sent: str) -> None:
    assert body(model=model)["model"] == sent


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"model": None, "endpoint": "churn"}, "no_batch_endpoint", "endpoint churn predicts no batches"),
        ({"input": ["gs://b/day/"]}, "unknown_format", "do not tell one format"),
        ({"input": ["gs://b/a.csv", "gs://b/a.jsonl"]}, "unknown_format", "do not tell one format"),
        ({"input": ["gs://b/a.csv", "gs://b/README"]}, "unknown_format", "do not tell one format"),
        ({"input": ["gs://b/a.csv", "bq://p.d.t"]}, "bad_input", "Vertex AI does not read the input"),
        ({"input": ["bq://p.d.t", "bq://p.d.u"]}, "bad_input", "or one bq:// table"),
        ({"input": ["https://a.blob.core.windows.net/c/x.csv"]}, "bad_input", "give gs:// URIs"),
        ({"output": "s3://b"}, "bad_output", "Vertex AI does not write to the output"),
        ({"labels": {"Team": "x"}}, "invalid_label", "label 'Team' does not fit"),
    ],
)
def test_what_the_platform_certainly_refuses_is_refused_here(changes: dict[str, Any], code: str, told: str) -> None:
    got, message = refusal(**changes)
    assert (got, told in message) == (code, True)


# the official SDK is the oracle

OPTIONS: dict[str, dict[str, Any]] = {
    "the least": {},
    "many objects": {"input": ["gs://b/1.csv", "gs://b/2.csv"], "instances_format": "csv"},
    "formats": {"input": ["gs://b/1.tfrecord"], "instances_format": "tf-record", "predictions_format": "csv"},
    "tables": {"input": ["bq://p.d.t"], "output": "bq://p.d"},
    "a table to objects": {"input": ["bq://p.d.t"]},
    "a machine": {"machine_type": "n1-standard-4"},
    "machines": {"machine_type": "n1-standard-4", "starting_replica_count": 2, "max_replica_count": 9},
    "accelerators": {
        "machine_type": "n1-standard-8",
        "accelerator_type": "NVIDIA_TESLA_T4",
        "accelerator_count": 2,
        "batch_size": 16,
    },
    "parameters": {"model_parameters": {"threshold": 0.5, "classes": ["a", "b"], "on": True}},
    "an identity": {"service_account": "sa@p1.iam.gserviceaccount.com"},
    "a version": {"model": "4711@prod"},
}


@pytest.fixture
def sdk(loopback: Loopback) -> Iterator[Any]:
    """google-cloud-aiplatform, speaking to the loopback interface."""
    aiplatform = pytest.importorskip("google.cloud.aiplatform")
    credentials = pytest.importorskip("google.auth.credentials")

    def created(received: Received) -> Reply:
        job = {**json.loads(received.body), "name": "projects/1/locations/us-central1/batchPredictionJobs/1"}
        return Reply(200, json.dumps(job).encode(), {"Content-Type": "application/json"})

    loopback.always = created
    aiplatform.init(
        project="p1",
        location="us-central1",
        credentials=credentials.AnonymousCredentials(),
        api_endpoint=loopback.url,
        api_transport="rest",
    )
    yield aiplatform
    aiplatform.initializer.global_config.__init__()


@pytest.mark.parametrize("option", OPTIONS)
def test_it_is_what_the_sdk_sends(option: str, sdk: Any, loopback: Loopback) -> None:
    job = a_job(**OPTIONS[option])
    ours = request(job, loopback.url)
    as_sdk_takes_it(sdk, job, ours.body["labels"])
    [seen] = loopback.requests
    assert (seen.method, f"{loopback.url}{seen.path.partition('?')[0]}") == (ours.method, ours.url)
    assert as_proto(ours.body) == as_proto(json.loads(seen.body))


def as_sdk_takes_it(sdk: Any, job: BatchJob, labels: Any) -> None:
    """Submit the same with the SDK's own arguments."""
    table, to_table = job.input[0].startswith("bq://"), job.output.startswith("bq://")
    sdk.BatchPredictionJob.submit(
        job_display_name=job.display_name,
        model_name=job.model,
        instances_format=job.instances_format or "jsonl",
        predictions_format=job.predictions_format or "jsonl",
        gcs_source=None if table else list(job.input),
        bigquery_source=job.input[0] if table else None,
        gcs_destination_prefix=None if to_table else job.output,
        bigquery_destination_prefix=job.output if to_table else None,
        model_parameters=dict(job.model_parameters) or None,
        machine_type=job.machine_type,
        accelerator_type=job.accelerator_type,
        accelerator_count=job.accelerator_count,
        starting_replica_count=job.starting_replica_count,
        max_replica_count=job.max_replica_count,
        batch_size=job.batch_size,
        labels=dict(labels),
        service_account=job.service_account,
    )


def as_proto(document: Any) -> Any:
    types = pytest.importorskip("google.cloud.aiplatform_v1.types")
    return types.BatchPredictionJob.from_json(json.dumps(document))


@pytest.mark.parametrize(
    "changes",
    [
        {"input": ["s3://ada@example.org/1"]},
        {"input": ["gs://b/ada@example.org"]},
        {"output": "s3://ada@example.org"},
    ],
)
def test_no_refusal_tells_a_value_that_may_be_an_event_s(changes: dict[str, Any]) -> None:
    _, told = refusal(**changes)
    assert "ada" not in told
