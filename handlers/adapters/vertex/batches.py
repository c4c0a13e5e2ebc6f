"""Batch predictions of Vertex AI over REST. They take no id of ours: sent once, and found again by a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote, urlencode, urlsplit

from retrigger.handlers.adapters.vertex.batch_request import JOB, KIND, batch_request, job_label
from retrigger.handlers.adapters.vertex.batch_status import batch_status
from retrigger.handlers.adapters.vertex.resources import GONE, collection_url, encoded
from retrigger.handlers.jobs import JobStatus
from retrigger.handlers.transport.google import failure
from retrigger.triggers.errors import Refused, Unavailable, Unknown

if TYPE_CHECKING:
    from retrigger.handlers.jobs import BatchJob, Request
    from retrigger.handlers.transport.google import GoogleApi
    from retrigger.handlers.transport.http import Response

_UNCERTAIN: Final = frozenset({408, *range(500, 600)})
_PAGES_AT_MOST: Final = 20


class Batches:
    """Of one project and location. `endpoint` replaces the region's public address."""

    def __init__(self, api: GoogleApi, *, project: str, location: str, endpoint: str | None = None) -> None:
        self._api = api
        self._project = project
        self._location = location
        self._endpoint = endpoint
        self._jobs = collection_url(KIND, project, location, endpoint)

    def request(self, job: BatchJob) -> Request:
        """Raises Refused where the platform certainly would refuse."""
        return batch_request(job, project=self._project, location=self._location, endpoint=self._endpoint)

    def submit(self, job: BatchJob) -> Literal["created"]:
        """One POST. An error of the server's is no certain no: another job may have been made by then."""
        request = self.request(job)
        answer = self._api.call(request.method, request.url, body=encoded(request.body), write=True, accept=_UNCERTAIN)
        if answer.status in _UNCERTAIN:
            error = failure(answer, urlsplit(request.url).netloc)
            raise Unknown(str(error), code=error.code)
        if not _is_named(answer):
            raise Unknown("the answer names no batch prediction; one may have been made", code="no_name")
        return "created"

    def status(self, job: BatchJob) -> JobStatus:
        found = self._find(job)
        return JobStatus(state="lost") if found is None else batch_status(found)

    def cancel(self, job: BatchJob) -> None:
        """A job that has ended, or is not there, is as good as cancelled."""
        found = self._find(job)
        if found is None:
            return
        name = quote(found["name"].rpartition("/")[2], safe="")
        try:
            self._api.call("POST", f"{self._jobs}/{name}:cancel", body=b"{}", write=True, accept=GONE)
        except Refused as exc:
            if exc.code != "failed_precondition":
                raise

    def _find(self, job: BatchJob) -> dict[str, Any] | None:
        """A page may be empty and yet not be the last."""
        query = {"filter": f'labels.{JOB}="{job_label(job)}"'}
        for _ in range(_PAGES_AT_MOST):
            page: dict[str, Any] = self._api.call("GET", f"{self._jobs}?{urlencode(query)}").json()
            match page.get(KIND):
                case [{"name": str()} as found, *_]:
                    return dict(found)
                case None | []:
                    pass
                case _:  # "it is not there" may only be said of a list
                    raise Unavailable("the list of batch predictions is none; try again", code="odd_answer")
            if not page.get("nextPageToken"):
                return None
            query["pageToken"] = str(page["nextPageToken"])
        raise Unavailable(f"the list of batch predictions with {JOB}={job.id} does not end", code="endless_list")


def _is_named(answer: Response) -> bool:
    """Whether it is the API that answered: a proxy's page may come instead, before or behind it."""
    try:
        return bool(answer.json().get("name"))
    except Unavailable:
        return False
