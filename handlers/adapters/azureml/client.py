"""AzureMlLauncher: launches, watches and cancels jobs of a workspace of Azure ML, each kind in its own way."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, assert_never

from retrigger.handlers.adapters.azureml.jobs import Jobs
from retrigger.handlers.adapters.azureml.pipelines import Pipelines
from retrigger.handlers.jobs import BatchJob, PipelineJob, RolloutJob
from retrigger.triggers.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.adapters.azureml.batches import Batches
    from retrigger.handlers.jobs import Job, JobStatus, Request
    from retrigger.handlers.transport.azure import AzureApi
    from retrigger.triggers.event import Json


class AzureMlLauncher:
    """The port `Launcher`. `workspace` is a resource id; `endpoint` replaces Resource Manager's public address.

    `api` has tokens for Resource Manager, `azureml` for Azure ML itself.
    """

    def __init__(self, api: AzureApi, azureml: AzureApi, *, workspace: str, endpoint: str | None = None) -> None:
        self._api = api
        self._azureml = azureml
        self._workspace = workspace
        self._endpoint = endpoint
        self._jobs = Jobs(api, workspace=workspace, endpoint=endpoint)
        self._pipelines = Pipelines(api, azureml, self._jobs, workspace=workspace, endpoint=endpoint)

    def request(self, job: Job, template: Mapping[str, Json] | None) -> Request:
        """Pure: what `submit` would send. Raises Refused where it is more than one request could launch."""
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
        if isinstance(job, RolloutJob):
            raise _not_here(job)
        return self._jobs.status(job)

    def cancel(self, job: Job) -> None:
        if isinstance(job, RolloutJob):
            raise _not_here(job)
        self._jobs.cancel(job)

    @cached_property
    def _batches(self) -> Batches:
        from retrigger.handlers.adapters.azureml.batches import Batches  # a process that launches none does without

        return Batches(self._api, self._azureml, self._jobs, workspace=self._workspace, endpoint=self._endpoint)


def _not_here(job: RolloutJob) -> Refused:
    """Rollouts are no jobs of the platform; without `endpoints` in the environment there is nowhere to roll out to."""
    return Refused(f"{job.endpoint} is no endpoint of this environment any more", code="no_endpoint")


def _of_pipeline(template: Mapping[str, Json] | None) -> Mapping[str, Json]:
    assert template is not None, "a pipeline has one"
    return template
