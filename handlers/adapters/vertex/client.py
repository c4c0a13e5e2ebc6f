"""VertexLauncher: launches, watches and cancels jobs over the REST API of Vertex AI, each kind in its own way."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, assert_never

from retrigger.handlers.adapters.vertex.pipelines import Pipelines
from retrigger.handlers.jobs import BatchJob, PipelineJob, RolloutJob
from retrigger.triggers.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.adapters.vertex.batches import Batches
    from retrigger.handlers.jobs import Job, JobStatus, Request
    from retrigger.handlers.transport.google import GoogleApi
    from retrigger.triggers.event import Json


class VertexLauncher:
    """The port `Launcher`. `endpoint` replaces the region's public address: the emulator has another."""

    def __init__(self, api: GoogleApi, *, project: str, location: str, endpoint: str | None = None) -> None:
        self._pipelines = Pipelines(api, project=project, location=location, endpoint=endpoint)
        self._api = api
        self._project = project
        self._location = location
        self._endpoint = endpoint

    def request(self, job: Job, template: Mapping[str, Json] | None) -> Request:
        match job:
            case PipelineJob():
                return self._pipelines.request(job, _of_pipeline(template))
            case BatchJob():
                return self._batches.request(job)
            case RolloutJob():
                raise _not_here(job)
        assert_never(job)

    def submit(self, job: Job, template: Mapping[str, Json] | None) -> Literal["created", "adopted", "conflict"]:
        match job:
            case PipelineJob():
                return self._pipelines.submit(job, _of_pipeline(template))
            case BatchJob():
                return self._batches.submit(job)
            case RolloutJob():
                raise _not_here(job)
        assert_never(job)

    def status(self, job: Job) -> JobStatus:
        """`lost` if the platform knows no such job."""
        match job:
            case PipelineJob():
                return self._pipelines.status(job)
            case BatchJob():
                return self._batches.status(job)
            case RolloutJob():
                raise _not_here(job)
        assert_never(job)

    def cancel(self, job: Job) -> None:
        match job:
            case PipelineJob():
                self._pipelines.cancel(job)
            case BatchJob():
                self._batches.cancel(job)
            case RolloutJob():
                raise _not_here(job)

    @cached_property
    def _batches(self) -> Batches:
        from retrigger.handlers.adapters.vertex.batches import Batches  # a process that launches none does without

        return Batches(self._api, project=self._project, location=self._location, endpoint=self._endpoint)


def _not_here(job: RolloutJob) -> Refused:
    """Rollouts are no jobs of the platform; without `endpoints` in the environment there is nowhere to roll out to."""
    return Refused(f"{job.endpoint} is no endpoint of this environment any more", code="no_endpoint")


def _of_pipeline(template: Mapping[str, Json] | None) -> Mapping[str, Json]:
    assert template is not None, "a pipeline has one"
    return template
