"""The steps of a pipeline job, as Azure ML's API takes them: registered components, with their inputs and outputs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from retrigger.handlers.adapters.azureml.resources import asset_id, place_id
from retrigger.handlers.adapters.azureml.values import data, identity, literal, output
from retrigger.triggers.azure_jobs import BATCH_SIZE, POLICIES

if TYPE_CHECKING:
    from retrigger.handlers.adapters.azureml.values import Document
    from retrigger.triggers.event import Json

# Sent as the author wrote them.
_AS_WRITTEN: Final = (
    "display_name", "tags", "properties", "comment", "resources", "environment_variables", "mini_batch_error_threshold",
    "error_threshold", "logging_level", "max_concurrency_per_instance", "retry_settings", "sampling_algorithm",
    "search_space", "objective",
)  # fmt: skip
_UNITS: Final = {"": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}


def step(name: str, declared: Document, workspace: str, omitted: frozenset[str]) -> Document:
    """`omitted` are the pipeline's inputs that have no value: what is bound to one of them is left out as well."""
    kind = declared.get("type", "command")
    reference = asset_id(workspace, "components", declared["trial" if kind == "sweep" else "component"])
    source = "REMOTE.REGISTRY" if reference.startswith("azureml://") else "REMOTE.WORKSPACE.COMPONENT"
    sent: Document = {"name": name, "type": kind, "_source": source}
    sent |= {key: declared[key] for key in _AS_WRITTEN if key in declared}
    sent |= {"trial": {"componentId": reference}} if kind == "sweep" else {"componentId": reference}
    if "compute" in declared:
        sent["computeId"] = place_id(workspace, "computes", declared["compute"])
    if "identity" in declared:
        sent["identity"] = identity(declared["identity"], "step")
    if "limits" in declared:
        sent["limits"] = _limits(kind, declared["limits"])
    if "early_termination" in declared:
        sent["early_termination"] = _policy(declared["early_termination"])
    if "mini_batch_size" in declared:
        sent["mini_batch_size"] = _batch(declared["mini_batch_size"])
    inputs = {key: _input(value, workspace) for key, value in (declared.get("inputs") or {}).items()}
    outputs = {
        key: output(value, "step") for key, value in (declared.get("outputs") or {}).items() if value is not None
    }
    bound = {f"${{{{parent.inputs.{key}}}}}" for key in omitted}
    inputs = {key: value for key, value in inputs.items() if value.get("value") not in bound}
    return sent | ({"inputs": inputs} if inputs else {}) | ({"outputs": outputs} if outputs else {})


def _input(value: Json, workspace: str) -> Document:
    return data(value, str(value["path"]), "step", workspace) if isinstance(value, dict) else literal(value, "step")


def _limits(kind: str, limits: Document) -> Document:
    """Of a command: its longest time, as a duration of ISO 8601. Of a sweep: as they are, in seconds."""
    if kind != "command":
        return limits
    minutes, seconds = divmod(int(limits["timeout"]), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    date = f"{days}D" if days else ""
    time = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)
    return {"timeout": f"P{date}{'T' if time else ''}{time}", "job_limits_type": "Command"}


def _policy(policy: Document) -> Document:
    """When the trials of a sweep are given up early."""
    told = {key: value for key, value in policy.items() if key != "type"}
    return {"delay_evaluation": 0, "evaluation_interval": 0, **told, "policy_type": POLICIES[policy["type"]]}


def _batch(size: Json) -> int:
    """So many files, or so many bytes: `10kb`."""
    found = re.fullmatch(BATCH_SIZE, str(size))
    assert found is not None, "azure_jobs.faults has looked at it"
    return int(found[1]) * _UNITS[(found[2] or "").lower()]
