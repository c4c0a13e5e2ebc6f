"""Pipeline jobs of Vertex AI over REST. They take our id: a second launch of the same job changes nothing.

Nor does a second registration of the dataset of a job, which comes first.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from retrigger.handlers.adapters.vertex.request import NO_ACCOUNT, job_request
from retrigger.handlers.adapters.vertex.resources import FINGERPRINT, GONE, collection_url, encoded
from retrigger.handlers.jobs import JobStatus
from retrigger.handlers.transport.api import object_in
from retrigger.triggers.errors import Refused, Unavailable
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.adapters.vertex.artifacts import Artifacts
    from retrigger.handlers.jobs import PipelineJob, Request
    from retrigger.handlers.transport.google import GoogleApi
    from retrigger.triggers.event import Json

_EXISTS: Final = frozenset({409})


class Pipelines:
    """Of one project and location. `endpoint` replaces the region's public address."""

    def __init__(self, api: GoogleApi, *, project: str, location: str, endpoint: str | None = None) -> None:
        self._api = api
        self._project = project
        self._location = location
        self._endpoint = endpoint
        self._jobs = collection_url("pipelineJobs", project, location, endpoint)

    def request(self, job: PipelineJob, template: Mapping[str, Json]) -> Request:
        """Raises Refused where the platform certainly would refuse."""
        request = job_request(job, template, project=self._project, location=self._location, endpoint=self._endpoint)
        if job.dataset is None:
            return request
        return replace(request, first=(self._artifacts.request(job, job.dataset),))

    def submit(self, job: PipelineJob, template: Mapping[str, Json]) -> Literal["created", "adopted", "conflict"]:
        """One POST. Only if the id is taken, one GET that tells our own earlier launch from somebody else's job."""
        try:
            request = self.request(job, template)
        except Refused as exc:
            # Before identities had to be named, a version of ours may have launched it and died before it could say so.
            if exc.code == NO_ACCOUNT and _is_ours(self._get(job.id), job):
                return "adopted"
            raise
        if job.dataset is not None:
            self._artifacts.register(job, job.dataset)
        answer = self._api.call(request.method, request.url, body=encoded(request.body), write=True, accept=_EXISTS)
        if answer.status not in _EXISTS:
            answer.json()  # or else it was a proxy that answered: the same is sent again
            return "created"
        existing = self._get(job.id)
        if existing is None:
            # Deleted in between, or the id is still being taken by a concurrent request.
            raise Unavailable(
                f"job {job.id} exists and cannot be read yet; it is looked at again later", code="job_not_readable"
            )
        return "adopted" if _is_ours(existing, job) else "conflict"

    def status(self, job: PipelineJob) -> JobStatus:
        from retrigger.handlers.adapters.vertex.status import job_status  # a process that only launches does without

        found = self._get(job.id)
        return JobStatus(state="lost") if found is None else job_status(found)

    def cancel(self, job: PipelineJob) -> None:
        """A job that has ended, or is not there, is as good as cancelled."""
        try:
            self._api.call("POST", f"{self._jobs}/{job.id}:cancel", body=b"{}", write=True, accept=GONE)
        except Refused as exc:
            if exc.code != "failed_precondition":
                raise

    @cached_property
    def _artifacts(self) -> Artifacts:
        from retrigger.handlers.adapters.vertex.artifacts import Artifacts  # a process that registers none does without

        return Artifacts(self._api, project=self._project, location=self._location, endpoint=self._endpoint)

    def _get(self, job_id: str) -> dict[str, Any] | None:
        answer = self._api.call("GET", f"{self._jobs}/{job_id}", accept=GONE)
        return None if answer.status in GONE else answer.json()


def _is_ours(found: Mapping[str, Any] | None, job: PipelineJob) -> bool:
    return found is not None and object_in(found, "labels").get(FINGERPRINT) == job.fingerprint
