"""A window's manifest as a dataset of the platform: its id, derived from the run, and what is said of it.

Ids of artifacts: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.metadataStores.artifacts.
All versions of a data asset of Azure ML have one type, so that its name says which:
https://learn.microsoft.com/azure/machine-learning/how-to-create-data-assets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrigger.triggers.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import ManifestFormat


def dataset_id(environment: Environment, run: str, form: ManifestFormat) -> str:
    """What `window.dataset` says. A run's id is a name for people, and a hash behind the last `-`."""
    if environment.cloud == "gcp":
        return run
    name, _, version = run.rpartition("-")
    return f"azureml:{name}-{'mltable' if form == 'mltable' else 'manifest'}:{version}"


def frozen_dataset(id_: str, uri: str, form: ManifestFormat, about: Mapping[str, Json]) -> dict[str, Any]:
    """As a frozen request holds it: the fields of `ports.Dataset`."""
    return {"id": id_, "uri": uri, "format": form, "about": dict(about)}


def of_elsewhere(environment: Environment, job: Mapping[str, Any]) -> dict[str, Any] | None:
    """The dataset of another environment's request: the same manifest, under the same id, is registered here too.

    Raises Refused where that is of another cloud: its id means nothing here, and is among the request's values.
    """
    dataset: dict[str, Any] | None = job.get("dataset")
    if dataset is not None and dataset["id"].startswith("azureml:") != (environment.cloud == "azure"):
        told = "its dataset is registered with the other cloud, under an id that means nothing here"
        raise Refused(told, code="not_supported_yet")
    return dataset
