"""Datasets of Vertex AI: artifacts in the metadata store where its pipelines look for their inputs.

The resource: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.metadataStores.artifacts.
What is sent is what google-cloud-aiplatform sends, and labels; the tests compare with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from retrigger.handlers.adapters.vertex.resources import GONE, collection_url, encoded, fitting_labels
from retrigger.handlers.jobs import Request
from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
    from retrigger.handlers.jobs import Dataset, PipelineJob
    from retrigger.handlers.transport.google import GoogleApi

_KIND: Final = "metadataStores/default/artifacts"
_EXISTS: Final = frozenset({409})


def artifact_request(
    job: PipelineJob, dataset: Dataset, *, project: str, location: str, endpoint: str | None = None
) -> Request:
    """`endpoint` replaces the region's public address. Raises Refused where the platform certainly would."""
    return Request(
        method="POST",
        url=f"{collection_url(_KIND, project, location, endpoint)}?artifactId={quote(dataset.id, safe='')}",
        body={
            "displayName": job.display_name,
            "uri": dataset.uri,
            "state": "LIVE",
            "schemaTitle": "system.Dataset",
            "schemaVersion": "0.0.1",
            "labels": {**fitting_labels(job.labels)},
            "metadata": {**dataset.about, "format": dataset.format},
        },
    )


class Artifacts:
    """Of one project and location. `endpoint` replaces the region's public address."""

    def __init__(self, api: GoogleApi, *, project: str, location: str, endpoint: str | None = None) -> None:
        self._api = api
        self._project = project
        self._location = location
        self._endpoint = endpoint

    def request(self, job: PipelineJob, dataset: Dataset) -> Request:
        return artifact_request(job, dataset, project=self._project, location=self._location, endpoint=self._endpoint)

    def register(self, job: PipelineJob, dataset: Dataset) -> None:
        """One POST. Only if the id is taken, one GET that tells our own earlier artifact from another one.

        Raises Refused (for good), Unavailable or Unknown: doing it again changes nothing.
        """
        request = self.request(job, dataset)
        answer = self._api.call(
            request.method, request.url, body=encoded(request.body), write=True, accept=_EXISTS | GONE
        )
        if answer.status in GONE:
            error = self._api.refusal(answer, request.url)
            told = f"{error}; a project's metadata store is made by the first pipeline that runs there"
            raise Refused(told, code=error.code)
        if answer.status not in _EXISTS:
            answer.json()  # or else it was a proxy that answered: the same is sent again
            return
        existing = self._get(dataset.id)
        if existing is None:
            told = f"artifact {dataset.id} exists and cannot be read yet; it is looked at again later"
            raise Unavailable(told, code="dataset_not_readable")
        if existing.get("uri") != dataset.uri:
            told = f"artifact {dataset.id} exists, and is of other data than {dataset.uri}; remove it, then replay"
            raise Refused(told, code="dataset_conflict")

    def _get(self, artifact: str) -> dict[str, Any] | None:
        url = f"{collection_url(_KIND, self._project, self._location, self._endpoint)}/{quote(artifact, safe='')}"
        answer = self._api.call("GET", url, accept=GONE)
        return None if answer.status in GONE else answer.json()
