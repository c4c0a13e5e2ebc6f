"""VertexLauncher: launches, watches and cancels pipeline jobs over the REST API of Vertex AI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal

from retrigger.handlers.adapters.vertex.request import FINGERPRINT, job_request, jobs_url
from retrigger.handlers.adapters.vertex.status import job_status
from retrigger.handlers.ports import JobStatus, PipelineJob
from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.ports import Job, Request
    from retrigger.handlers.transport.google import GoogleApi
    from retrigger.triggers.event import Json

_GONE: Final = frozenset({404})
_EXISTS: Final = frozenset({409})


class VertexLauncher:
    """The port `Launcher`. `endpoint` replaces the region's public address: the emulator has another."""

    def __init__(self, api: GoogleApi, *, project: str, location: str, endpoint: str | None = None) -> None:
        self._api = api
        self._project = project
        self._location = location
        self._endpoint = endpoint
        self._jobs = jobs_url(project, location, endpoint)

    def request(self, job: Job, template: Mapping[str, Json] | None) -> Request:
        """Pure: what `submit` would send. Raises Refused where the platform certainly would refuse."""
        if not isinstance(job, PipelineJob):
            raise Refused(f"job {job.id} is no pipeline", code="not_supported_yet")
        assert template is not None  # a pipeline has one
        return job_request(job, template, project=self._project, location=self._location, endpoint=self._endpoint)

    def submit(self, job: Job, template: Mapping[str, Json] | None) -> Literal["created", "adopted", "conflict"]:
        """One POST. Only if the id is taken, one GET that tells our own earlier launch from somebody else's job."""
        request = self.request(job, template)
        body = _encoded(request.body)
        answer = self._api.call(request.method, request.url, body=body, write=True, accept=_EXISTS)
        if answer.status not in _EXISTS:
            return "created"
        existing = self._get(job.id)
        if existing is None:
            # Deleted in between, or the id is still being taken by a concurrent request.
            raise Unavailable(
                f"job {job.id} exists and cannot be read yet; it is looked at again later", code="job_not_readable"
            )
        ours = existing.get("labels", {}).get(FINGERPRINT) == job.fingerprint
        return "adopted" if ours else "conflict"

    def status(self, job: Job) -> JobStatus:
        """`lost` if the platform knows no such job."""
        found = self._get(job.id)
        return JobStatus(state="lost") if found is None else job_status(found)

    def cancel(self, job: Job) -> None:
        """A job that has ended, or is not there, is as good as cancelled."""
        try:
            self._api.call("POST", f"{self._jobs}/{job.id}:cancel", body=b"{}", write=True, accept=_GONE)
        except Refused as exc:
            if exc.code != "failed_precondition":
                raise

    def _get(self, job_id: str) -> dict[str, Any] | None:
        answer = self._api.call("GET", f"{self._jobs}/{job_id}", accept=_GONE)
        return None if answer.status in _GONE else answer.json()


def _encoded(body: Mapping[str, Json]) -> bytes:
    try:
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    except ValueError as exc:
        raise Refused(
            "a parameter is not a finite number, which JSON cannot carry; correct its expression", code="not_finite"
        ) from exc
