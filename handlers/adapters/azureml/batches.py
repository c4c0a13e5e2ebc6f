"""Batch predictions of Azure ML: jobs that a batch endpoint makes. Sent once, under our name, and found again by it.

The endpoint is said to take a job's name, and to refuse one that is taken; neither is promised anywhere.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Literal

from retrigger.handlers.adapters.azureml.batch_request import API_VERSION, batch_request, endpoint_url, headers_of
from retrigger.handlers.adapters.azureml.jobs import tags_of
from retrigger.handlers.adapters.azureml.request import FINGERPRINT
from retrigger.handlers.transport.api import object_in
from retrigger.triggers.errors import Refused, Unavailable, Unknown

if TYPE_CHECKING:
    from retrigger.handlers.adapters.azureml.jobs import Jobs
    from retrigger.handlers.jobs import BatchJob, Request
    from retrigger.handlers.transport.azure import AzureApi
    from retrigger.handlers.transport.http import Response
    from retrigger.triggers.event import Json

_TAKEN: Final = frozenset({409})
_UNCERTAIN: Final = frozenset({408, *range(500, 600)})


class Batches:
    """Of one workspace. `api` asks Resource Manager, `azureml` the endpoint itself, with tokens of Azure ML."""

    def __init__(
        self, api: AzureApi, azureml: AzureApi, jobs: Jobs, *, workspace: str, endpoint: str | None = None
    ) -> None:
        self._api = api
        self._azureml = azureml
        self._jobs = jobs
        self._workspace = workspace
        self._endpoint = endpoint

    def request(self, job: BatchJob) -> Request:
        return batch_request(job, workspace=self._workspace, endpoint=self._endpoint)

    def submit(self, job: BatchJob) -> Literal["created", "adopted", "conflict"]:
        """One GET, of where to; one POST. An error of the server's is no certain no: there may be a job by then."""
        request = self.request(job)
        address = self._scoring_uri(job)
        body = json.dumps(request.body, separators=(",", ":"), allow_nan=False).encode()
        answer = self._azureml.call(
            "POST", address, headers=headers_of(job), body=body, write=True, accept=_TAKEN | _UNCERTAIN
        )
        if answer.status in _UNCERTAIN:
            error = self._azureml.refusal(answer, address)
            raise Unknown(str(error), code=error.code)
        if answer.status in _TAKEN:
            return self._whose(job)
        if _name_in(answer) != job.id:
            raise Unknown(f"batch endpoint {job.endpoint} made a job, and not under the name {job.id}", code="no_name")
        return "created"

    def _scoring_uri(self, job: BatchJob) -> str:
        """Raises Refused where there is none: its address gets a token, so it must be one that nobody can listen to."""
        url = endpoint_url(job, self._workspace, self._endpoint)
        found = self._api.call("GET", f"{url}?api-version={API_VERSION}").json()
        address = object_in(found, "properties").get("scoringUri")
        safe = ("https://",) if self._endpoint is None else ("https://", self._endpoint.rstrip("/") + "/")
        if not isinstance(address, str) or not address.startswith(safe):
            raise Refused(f"batch endpoint {job.endpoint} has no address yet; wait until it is made", code="no_address")
        return address

    def _whose(self, job: BatchJob) -> Literal["adopted", "conflict"]:
        try:
            existing = self._jobs.get(job)
        except (Refused, Unavailable) as error:  # of the look, which says nothing of the job
            raise Unknown(f"job {job.id} exists, and cannot be read: {error}", code=error.code) from error
        if existing is None:
            raise Unknown(f"job {job.id} is being made and cannot be read yet", code="job_not_readable")
        return "adopted" if tags_of(existing).get(FINGERPRINT, job.fingerprint) == job.fingerprint else "conflict"


def _name_in(answer: Response) -> Json:
    """None where the answer is not the API's: a job may have been made all the same."""
    try:
        return answer.json().get("name")
    except Unavailable:
        return None
