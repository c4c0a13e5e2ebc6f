"""Jobs of a workspace by their name, whatever kind they are of: looked at, and cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from retrigger.handlers.adapters.azureml.request import API_VERSION, job_url
from retrigger.handlers.adapters.azureml.status import job_status
from retrigger.handlers.jobs import JobStatus
from retrigger.handlers.transport.api import object_in

if TYPE_CHECKING:
    from retrigger.handlers.jobs import Job
    from retrigger.handlers.transport.azure import AzureApi

PERHAPS_THERE: Final = frozenset({400, 409})
"""What Azure ML answers where a name is taken, among other things."""
_CANCEL_VERSION: Final = "2023-04-01-preview"
_GONE: Final = frozenset({404})


class Jobs:
    """Of one workspace, a resource id. `endpoint` replaces Resource Manager's public address."""

    def __init__(self, api: AzureApi, *, workspace: str, endpoint: str | None = None) -> None:
        self._api = api
        self._workspace = workspace
        self._endpoint = endpoint

    def get(self, job: Job) -> dict[str, Any] | None:
        answer = self._api.call("GET", f"{self._url(job)}?api-version={API_VERSION}", accept=_GONE)
        return None if answer.status in _GONE else answer.json()

    def status(self, job: Job) -> JobStatus:
        """`lost` if the platform knows no such job."""
        found = self.get(job)
        return JobStatus(state="lost") if found is None else job_status(found)

    def cancel(self, job: Job) -> None:
        """A job that has ended, or is not there, is as good as cancelled."""
        url = f"{self._url(job)}/cancel?api-version={_CANCEL_VERSION}"
        answer = self._api.call("POST", url, body=b"", write=True, accept=_GONE | PERHAPS_THERE)
        if answer.status in PERHAPS_THERE and self.status(job).state == "running":
            raise self._api.refusal(answer, url)

    def _url(self, job: Job) -> str:
        return job_url(self._workspace, job.id, self._endpoint)


def tags_of(job: dict[str, Any]) -> dict[str, Any]:
    return object_in(object_in(job, "properties"), "tags")
