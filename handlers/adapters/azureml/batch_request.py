"""What would be sent to a batch endpoint of Azure ML to predict a batch of data. Pure.

How: https://learn.microsoft.com/azure/machine-learning/how-to-access-data-batch-endpoints-jobs, and azure-ai-ml's
`batch_endpoints.invoke`, which the tests compare with. The endpoint itself says where its jobs are posted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from uuid import UUID, uuid5

from retrigger.handlers.adapters.azureml.request import FINGERPRINT, PUBLIC
from retrigger.handlers.adapters.azureml.resources import asset_id
from retrigger.handlers.jobs import Request
from retrigger.triggers.azure_jobs import is_binding, is_readable
from retrigger.triggers.errors import Refused

if TYPE_CHECKING:
    from retrigger.handlers.jobs import BatchJob

API_VERSION: Final = "2023-10-01"
# Of no meaning but that a job's request has the same id whenever it is sent.
_REQUESTS: Final = UUID("8a4f1c5e-6f7b-4d53-9d0e-3c1b6a2f7e90")


def batch_request(job: BatchJob, *, workspace: str, endpoint: str | None = None) -> Request:
    """Its `url` is the endpoint's resource, with the property that holds the address to post to.

    Raises Refused for what a model behind an endpoint cannot be given.
    """
    if len(job.input) != 1:
        told = f"batch endpoint {job.endpoint} takes one input, not {len(job.input)}"
        raise Refused(f"{told}; give it `window.folder`, or an MLTable", code="bad_parameters")
    (given,) = job.input
    if not is_readable(given) or not is_readable(job.output):
        told = "the input or the output is no data that Azure ML reads; give a URI, or azureml:NAME:VERSION"
        raise Refused(told, code="bad_parameters")
    if is_binding(given) or is_binding(job.output):
        told = "the input or the output holds a binding (`${{`), which Azure ML would resolve"
        raise Refused(told, code="bad_parameters")
    kind = "UriFolder" if given.endswith("/") or given.startswith("azureml:") else "UriFile"
    properties: dict[str, Any] = {
        "name": job.id,
        "tags": {**job.labels, FINGERPRINT: job.fingerprint},
        "inputData": {kind: {"jobInputType": kind, "uri": asset_id(workspace, "data", given)}},
        "outputData": {"score": {"jobOutputType": "UriFolder", "uri": job.output}},
    }
    if job.experiment is not None:
        properties["properties"] = {"experimentName": job.experiment}
    url = f"{endpoint_url(job, workspace, endpoint)}#properties.scoringUri"
    return Request(method="POST", url=url, body={"properties": properties})


def endpoint_url(job: BatchJob, workspace: str, endpoint: str | None = None) -> str:
    if job.endpoint is None:
        told = f"model {job.model} stands behind no batch endpoint; name it under `models` in retrigger.yaml"
        raise Refused(told, code="bad_parameters")
    return f"{(endpoint or PUBLIC).rstrip('/')}{quote(workspace)}/batchEndpoints/{quote(job.endpoint)}"


def headers_of(job: BatchJob) -> dict[str, str]:
    """Which deployment predicts, and an id by which the platform may know that it had this request before."""
    deployment = {} if job.deployment is None else {"azureml-model-deployment": job.deployment}
    return {"repeatability_request-id": str(uuid5(_REQUESTS, job.id)), **deployment}
