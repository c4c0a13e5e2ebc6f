"""Names of what is registered in a workspace, as the API wants them: resource ids.

The forms: https://learn.microsoft.com/azure/machine-learning/reference-yaml-core-syntax#referencing-azure-ml-resources.
"""

from __future__ import annotations

_PREFIX = "azureml:"


def asset_id(workspace: str, kind: str, reference: str) -> str:
    """`azureml:NAME:VERSION` in the workspace, as its id; a registry's address, a URI and a binding stay what they are.

    `kind` is the collection: `components`, `data` or `models`. `workspace` is its resource id.
    """
    if not reference.startswith(_PREFIX) or reference.startswith(f"{_PREFIX}//"):
        return reference
    short = reference.removeprefix(_PREFIX)
    if short.startswith("/"):
        return short
    name, _, version = short.partition(":")
    return f"{workspace}/{kind}/{name}/versions/{version}"


def place_id(workspace: str, kind: str, reference: str) -> str:
    """`azureml:NAME`, or `serverless`, as the id of a compute or a datastore (`kind`: `computes`, `datastores`)."""
    short = reference.removeprefix(_PREFIX)
    return short if short.startswith("/") else f"{workspace}/{kind}/{short}"
