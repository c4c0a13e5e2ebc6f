"""AzureMlLauncher: launches, watches and cancels pipeline jobs through Azure's Resource Manager.

A job's name is ours, and what it runs cannot be changed: putting the same job again changes nothing. It is answered 200
instead of 201, or 400 if anything but its tags differs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal

from retrigger.handlers.adapters.azureml.request import API_VERSION, FINGERPRINT, job_request, job_url
from retrigger.handlers.adapters.azureml.status import job_status
from retrigger.handlers.ports import BatchJob, JobStatus
from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.ports import Job, Request
    from retrigger.handlers.transport.azure import AzureApi
    from retrigger.handlers.transport.credentials import KeptToken
    from retrigger.handlers.transport.http import Response
    from retrigger.triggers.event import Json

_CANCEL_VERSION: Final = "2023-04-01-preview"
_GONE: Final = frozenset({404})
_PERHAPS_THERE: Final = frozenset({400, 409})


class AzureMlLauncher:
    """The port `Launcher`. `workspace` is a resource id; `endpoint` replaces Resource Manager's public address.

    `tokens` are for Azure ML itself, which is called through Resource Manager: a launch carries both.
    """

    def __init__(self, api: AzureApi, tokens: KeptToken, *, workspace: str, endpoint: str | None = None) -> None:
        self._api = api
        self._tokens = tokens
        self._workspace = workspace
        self._endpoint = endpoint

    def request(self, job: Job, template: Mapping[str, Json] | None) -> Request:
        """Pure: what `submit` would send. Raises Refused where it is more than one request could launch."""
        if isinstance(job, BatchJob):
            raise Refused(
                f"batch job {job.id} of Azure ML: not launchable yet by this version", code="not_supported_yet"
            )
        assert template is not None  # a pipeline has one
        return job_request(job, template, workspace=self._workspace, endpoint=self._endpoint)

    def submit(self, job: Job, template: Mapping[str, Json] | None) -> Literal["created", "adopted", "conflict"]:
        """One PUT. Only if it is refused, one GET that tells our own earlier launch from somebody else's job."""
        request = self.request(job, template)
        body = json.dumps(request.body, separators=(",", ":"), allow_nan=False).encode()
        answer = self._api.call(
            request.method,
            request.url,
            body=body,
            also={"x-azureml-token": self._tokens},
            write=True,
            accept=_PERHAPS_THERE,
        )
        if answer.status not in _PERHAPS_THERE:
            return "created" if answer.status == 201 else "adopted"
        existing = self._get(job)
        if existing is None:
            raise self._not_launched(job, answer)
        tags = (existing.get("properties") or {}).get("tags") or {}
        return "adopted" if tags.get(FINGERPRINT) == job.fingerprint else "conflict"

    def status(self, job: Job) -> JobStatus:
        """`lost` if the platform knows no such job."""
        found = self._get(job)
        return JobStatus(state="lost") if found is None else job_status(found)

    def cancel(self, job: Job) -> None:
        """A job that has ended, or is not there, is as good as cancelled."""
        url = f"{self._url(job)}/cancel?api-version={_CANCEL_VERSION}"
        answer = self._api.call("POST", url, body=b"", write=True, accept=_GONE | _PERHAPS_THERE)
        if answer.status in _PERHAPS_THERE and self.status(job).state == "running":
            raise self._api.refusal(answer, url)

    def _not_launched(self, job: Job, answer: Response) -> Refused | Unavailable:
        """There is no such job: a 400 is about what was asked for, a 409 about another request that is under way."""
        if answer.status == 409:
            told = f"job {job.id} is being made and cannot be read yet; it is looked at again later"
            return Unavailable(told, code="job_not_readable")
        return self._api.refusal(answer, self._url(job))

    def _get(self, job: Job) -> dict[str, Any] | None:
        answer = self._api.call("GET", f"{self._url(job)}?api-version={API_VERSION}", accept=_GONE)
        return None if answer.status in _GONE else answer.json()

    def _url(self, job: Job) -> str:
        return job_url(self._workspace, job.id, self._endpoint)
