"""Inputs, outputs and identities of a job or of one of its steps, as Azure ML's API writes them.

The API speaks two dialects: a job's own fields are in camel case, those of its steps in snake case. What is sent is
what azure-ai-ml sends; the tests compare with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from retrigger.handlers.adapters.azureml.resources import asset_id
from retrigger.triggers.azure_jobs import IDENTITIES, INPUT_MODES, OUTPUT_MODES, is_binding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Json

# An author's document: read as far as needed, once `azure_jobs.faults` has found nothing in it.
Document = dict[str, Any]
Dialect = Literal["job", "step"]

_INPUT_TYPE: Final[Mapping[Dialect, str]] = {"job": "jobInputType", "step": "job_input_type"}
_OUTPUT_TYPE: Final[Mapping[Dialect, str]] = {"job": "jobOutputType", "step": "job_output_type"}
_OUTPUT_ASSET: Final[Mapping[Dialect, tuple[str, str]]] = {
    "job": ("assetName", "assetVersion"),
    "step": ("name", "version"),
}
_IDENTITY: Final[Mapping[Dialect, Mapping[str, str]]] = {
    "job": {"client_id": "clientId", "object_id": "objectId"},
    "step": {"client_id": "client_id", "object_id": "object_id"},
}


def literal(value: Json, dialect: Dialect) -> Document:
    """A text, number or boolean; the API takes each as text, as Python writes it."""
    return {"value": str(value), _INPUT_TYPE[dialect]: "literal"}


def data(declared: Document, path: str, dialect: Dialect, workspace: str) -> Document:
    """Data at a place, of a registered asset, or of another step."""
    mode = {"mode": INPUT_MODES[declared["mode"]]} if "mode" in declared else {}
    if is_binding(path):
        return {**literal(path, dialect), **mode}
    kind = declared.get("type", "uri_folder")
    collection = "models" if kind.endswith("model") else "data"
    return {"uri": asset_id(workspace, collection, path), **mode, _INPUT_TYPE[dialect]: kind}


def output(declared: Document | str | None, dialect: Dialect) -> Document:
    """Where a result goes: a binding to an output of the pipeline, or a place and perhaps a name to register it by."""
    if isinstance(declared, str):
        return {"value": declared, "type": "literal"}
    about = declared or {}
    sent = {_OUTPUT_TYPE[dialect]: about.get("type", "uri_folder")}
    if "path" in about:
        sent["uri"] = about["path"]
    if "mode" in about:
        sent["mode"] = OUTPUT_MODES[about["mode"]]
    for key, name in zip(("name", "version"), _OUTPUT_ASSET[dialect], strict=True):
        if key in about:
            sent[name] = str(about[key])
    return sent


def identity(declared: Document, dialect: Dialect) -> Document:
    """As whom the steps run."""
    names = _IDENTITY[dialect]
    sent = {name: declared[key] for key, name in names.items() if key in declared}
    return {**sent, "identityType" if dialect == "job" else "identity_type": IDENTITIES[declared["type"]]}
