"""Datasets of Azure ML: versions of data assets, whose name and version are ours.

The resource: https://learn.microsoft.com/rest/api/azureml/data-versions/create-or-update. What is sent is what
azure-ai-ml sends for an address that is not looked at (`skip_validation`); the tests compare with it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from retrigger.handlers.adapters.azureml.jobs import PERHAPS_THERE
from retrigger.handlers.adapters.azureml.request import PUBLIC
from retrigger.handlers.adapters.azureml.resources import asset_id
from retrigger.handlers.jobs import Request
from retrigger.handlers.transport.api import object_in
from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.jobs import Dataset, PipelineJob
    from retrigger.handlers.transport.azure import AzureApi

API_VERSION: Final = "2023-04-01-preview"
_GONE: Final = frozenset({404})
_TYPES: Final[Mapping[str, str]] = {"json": "uri_file", "uris": "uri_file", "mltable": "mltable"}


def data_request(job: PipelineJob, dataset: Dataset, *, workspace: str, endpoint: str | None = None) -> Request:
    """`workspace` is a resource id; `endpoint` replaces Resource Manager's public address."""
    place = quote(asset_id(workspace, "data", dataset.id))
    return Request(
        method="PUT",
        url=f"{(endpoint or PUBLIC).rstrip('/')}{place}?api-version={API_VERSION}",
        body={
            "properties": {
                "dataType": _TYPES[dataset.format],
                "dataUri": dataset.uri,
                "isAnonymous": False,
                "isArchived": False,
                "properties": {name: str(value) for name, value in dataset.about.items()},
                "tags": dict(job.labels),
            }
        },
    )


class Assets:
    """Of one workspace."""

    def __init__(self, api: AzureApi, *, workspace: str, endpoint: str | None = None) -> None:
        self._api = api
        self._workspace = workspace
        self._endpoint = endpoint

    def request(self, job: PipelineJob, dataset: Dataset) -> Request:
        return data_request(job, dataset, workspace=self._workspace, endpoint=self._endpoint)

    def register(self, job: PipelineJob, dataset: Dataset) -> None:
        """One PUT: the same once more changes nothing. Only if it is refused, one GET tells whose version is there.

        Raises Refused (for good), Unavailable or Unknown: doing it again changes nothing.
        """
        request = self.request(job, dataset)
        body = json.dumps(request.body, separators=(",", ":")).encode()
        answer = self._api.call(request.method, request.url, body=body, write=True, accept=PERHAPS_THERE)
        if answer.status not in PERHAPS_THERE:
            answer.json()  # or else it was a proxy that answered: the same is sent again
            return
        existing = self._get(request.url)
        if existing is None and answer.status == 409:
            told = f"data asset {dataset.id} is being made and cannot be read yet; it is looked at again later"
            raise Unavailable(told, code="dataset_not_readable")
        if existing is None:
            raise self._api.refusal(answer, request.url)
        if object_in(existing, "properties").get("dataUri") != dataset.uri:
            told = f"data asset {dataset.id} exists, and is of other data than {dataset.uri}; archive it, then replay"
            raise Refused(told, code="dataset_conflict")

    def _get(self, url: str) -> dict[str, Any] | None:
        answer = self._api.call("GET", url, accept=_GONE)
        return None if answer.status in _GONE else answer.json()
