"""Pipeline jobs of Azure ML, through Azure's Resource Manager.

A job's name is ours, and what it runs cannot be changed: putting the same job again changes nothing. It is answered 200
instead of 201, or 400 if anything but its tags differs. The dataset of a job is registered first.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from retrigger.handlers.adapters.azureml.jobs import PERHAPS_THERE, tags_of
from retrigger.handlers.adapters.azureml.request import FINGERPRINT, job_request
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.adapters.azureml.assets import Assets
    from retrigger.handlers.adapters.azureml.jobs import Jobs
    from retrigger.handlers.jobs import PipelineJob, Request
    from retrigger.handlers.transport.azure import AzureApi
    from retrigger.triggers.event import Json


class Pipelines:
    """Of one workspace. Azure ML is called through Resource Manager: a launch carries tokens for both."""

    def __init__(
        self, api: AzureApi, azureml: AzureApi, jobs: Jobs, *, workspace: str, endpoint: str | None = None
    ) -> None:
        self._api = api
        self._azureml = azureml
        self._jobs = jobs
        self._workspace = workspace
        self._endpoint = endpoint

    def request(self, job: PipelineJob, template: Mapping[str, Json]) -> Request:
        request = job_request(job, template, workspace=self._workspace, endpoint=self._endpoint)
        if job.dataset is None:
            return request
        return replace(request, first=(self._assets.request(job, job.dataset),))

    def submit(self, job: PipelineJob, template: Mapping[str, Json]) -> Literal["created", "adopted", "conflict"]:
        """One PUT. Only if it is refused, one GET that tells our own earlier launch from somebody else's job."""
        request = self.request(job, template)
        if job.dataset is not None:
            self._assets.register(job, job.dataset)
        answer = self._api.call(
            request.method,
            request.url,
            body=json.dumps(request.body, separators=(",", ":"), allow_nan=False).encode(),
            also={"x-azureml-token": self._azureml.tokens},
            write=True,
            accept=PERHAPS_THERE,
        )
        if answer.status not in PERHAPS_THERE:
            answer.json()  # or else it was a proxy that answered: the same is sent again
            return "created" if answer.status == 201 else "adopted"
        existing = self._jobs.get(job)
        if existing is not None:
            return "adopted" if tags_of(existing).get(FINGERPRINT) == job.fingerprint else "conflict"
        # There is no such job: a 400 is about what was asked for, a 409 about another request that is under way.
        if answer.status == 409:
            told = f"job {job.id} is being made and cannot be read yet; it is looked at again later"
            raise Unavailable(told, code="job_not_readable")
        raise self._api.refusal(answer, request.url)

    @cached_property
    def _assets(self) -> Assets:
        from retrigger.handlers.adapters.azureml.assets import Assets  # a process that registers none does without

        return Assets(self._api, workspace=self._workspace, endpoint=self._endpoint)
