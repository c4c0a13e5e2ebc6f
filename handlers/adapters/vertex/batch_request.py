"""What would be sent to Vertex AI to predict a batch. Pure: `explain` prints it, the client sends it.

The resource: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs.
How its parts belong together follows google-cloud-aiplatform's BatchPredictionJob, which the tests compare with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from retrigger.handlers.adapters.vertex.resources import FINGERPRINT, collection_url, fitting_labels
from retrigger.handlers.jobs import Request
from retrigger.triggers.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrigger.handlers.jobs import BatchJob

KIND: Final = "batchPredictionJobs"
JOB: Final = "retrigger-job"
"""The label by which a job is found again: the end of our id, which the platform takes nowhere else."""
_LONGEST_LABEL: Final = 63
_FORMATS: Final = {
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".tfrecord": "tf-record",
    ".tfrecord.gz": "tf-record-gzip",
}
_TABLE: Final = "bq://"
_OBJECT: Final = "gs://"

# The platform's JSON.
Document = dict[str, Any]


def batch_request(job: BatchJob, *, project: str, location: str, endpoint: str | None = None) -> Request:
    """`endpoint` replaces the region's public address. Raises Refused where the platform certainly would.

    Input and output may come from an event: no reason tells them.
    """
    if job.model is None:
        raise Refused(
            f"endpoint {job.endpoint} predicts no batches: Vertex AI does so by a model; write `model: NAME`",
            code="no_batch_endpoint",
        )
    model = job.model if "/" in job.model else f"projects/{project}/locations/{location}/models/{job.model}"
    body: Document = {
        "displayName": job.display_name,
        "model": model,
        "inputConfig": _input(job),
        "outputConfig": _output(job),
        "labels": fitting_labels({**job.labels, JOB: job_label(job), FINGERPRINT: job.fingerprint}),
    }
    if job.model_parameters:
        body["modelParameters"] = dict(job.model_parameters)
    if job.machine_type is not None:
        body |= _machines(job)
    if job.service_account is not None:
        body["serviceAccount"] = job.service_account
    return Request(method="POST", url=collection_url(KIND, project, location, endpoint), body=body)


def job_label(job: BatchJob) -> str:
    """A retry's id may be longer than a label: what tells it from others, hash and epoch, stands at its end."""
    return job.id[-_LONGEST_LABEL:]


def _input(job: BatchJob) -> Document:
    """Objects of one format, or one table."""
    if all(uri.startswith(_OBJECT) for uri in job.input):
        form = job.instances_format or _format_of(job.input)
        return {"instancesFormat": form, "gcsSource": {"uris": [_whole(uri) for uri in job.input]}}
    match job.input:
        case [table] if table.startswith(_TABLE):
            return {"instancesFormat": "bigquery", "bigquerySource": {"inputUri": table}}
    raise Refused(
        "Vertex AI does not read the input: give gs:// URIs, or one bq:// table",
        code="bad_input",
    )


def _whole(uri: str) -> str:
    """A folder is read by a wildcard."""
    return f"{uri}*" if uri.endswith("/") else uri


def _format_of(uris: Sequence[str]) -> str:
    found = {next((form for end, form in _FORMATS.items() if uri.endswith(end)), None) for uri in uris}
    match list(found):
        case [str(form)]:
            return form
    raise Refused(
        "the names of the input do not tell one format: set `batch.instances_format` of the model in retrigger.yaml",
        code="unknown_format",
    )


def _output(job: BatchJob) -> Document:
    if job.output.startswith(_OBJECT):
        return {
            "predictionsFormat": job.predictions_format or "jsonl",
            "gcsDestination": {"outputUriPrefix": job.output},
        }
    if job.output.startswith(_TABLE):
        return {"predictionsFormat": "bigquery", "bigqueryDestination": {"outputUri": job.output}}
    raise Refused(
        "Vertex AI does not write to the output: give a gs:// folder, or bq://PROJECT[.DATASET]",
        code="bad_output",
    )


def _machines(job: BatchJob) -> Document:
    machine = _given(
        machineType=job.machine_type, acceleratorType=job.accelerator_type, acceleratorCount=job.accelerator_count
    )
    replicas = _given(startingReplicaCount=job.starting_replica_count, maxReplicaCount=job.max_replica_count)
    return {
        "dedicatedResources": {"machineSpec": machine, **replicas},
        "manualBatchTuningParameters": _given(batchSize=job.batch_size),
    }


def _given(**values: str | int | None) -> Document:
    return {name: value for name, value in values.items() if value is not None}
