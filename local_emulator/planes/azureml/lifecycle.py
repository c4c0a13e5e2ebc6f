"""What follows from the end of a job: its named outputs are registered, and Event Grid tells of it and of new models.

Shapes: https://learn.microsoft.com/azure/event-grid/event-schema-machine-learning. RunCompleted tells of a run that
completed, RunStatusChanged of one that failed; of a run that was cancelled Azure ML tells nothing.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from retrigger.local_emulator.planes.azureml.arm import PROVIDER, Workspace, parted
from retrigger.local_emulator.runners.record import JobState, TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from retrigger.local_emulator.planes.azureml.assets import Assets
    from retrigger.local_emulator.planes.resources import Body
    from retrigger.triggers.event import Json

_ENDS: Final = {JobState.SUCCEEDED: ("RunCompleted", "Completed"), JobState.FAILED: ("RunStatusChanged", "Failed")}
_EXPERIMENT: Final = "Default"


class Endings:
    """`tell` gives an event, in Event Grid's schema, to whoever listens; the same one again has the same id."""

    def __init__(self, assets: Assets, tell: Callable[[Mapping[str, Json]], None]) -> None:
        self._assets = assets
        self._tell = tell

    def ended(self, job: Body, state: Mapping[str, Any]) -> None:
        found = parted(job["workspace"])
        assert found is not None
        workspace = found[0]
        for output in _named(state):
            self._register(workspace, job["name"], output)
        if (event := run_ended(workspace, job, state)) is not None:
            self._tell(event)

    def _register(self, workspace: Workspace, job: str, output: Mapping[str, Any]) -> None:
        """Once, however often the end is told: what the job has registered already knows its place."""
        name, version, type_ = output["metadata"]["asset"], output["metadata"]["version"], output["schemaTitle"]
        kind, address = ("models", "modelUri") if type_.endswith("_model") else ("data", "dataUri")
        if any(
            body["properties"].get(address) == output["uri"] for body in self._assets.versions(workspace, kind, name)
        ):
            return
        properties = {address: output["uri"], f"{kind.removesuffix('s')}Type": type_, "jobName": job}
        if version:
            self._assets.register(workspace, kind, name, version, properties)
        else:
            self._assets.register_next(workspace, kind, name, properties)


def run_ended(workspace: Workspace, job: Body, state: Mapping[str, Any]) -> dict[str, Json] | None:
    """The event that a run has ended, None if none is told."""
    if JobState(state["state"]) not in _ENDS:
        return None
    kind, status = _ENDS[JobState(state["state"])]
    properties, run = job["properties"], str(job["name"])
    experiment = str(properties.get("experimentName") or _EXPERIMENT)
    experiment_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{workspace.key}/{experiment}"))
    data: dict[str, Json] = {
        "experimentId": experiment_id,
        "experimentName": experiment,
        "runId": run,
        "runType": "azureml.PipelineRun",
        "runStatus": status,
        "runTags": dict(properties.get("tags") or {}),
        "runProperties": dict(properties.get("properties") or {}),
    }
    return _event(workspace, kind, f"experiments/{experiment_id}/runs/{run}", data, str(state["endTime"]))


def model_registered(workspace: Workspace, name: str, body: Body) -> dict[str, Json]:
    """The event that a version of a model was registered."""
    properties = body["properties"]
    data: dict[str, Json] = {
        "modelName": name,
        "modelVersion": body["name"],
        "modelTags": dict(properties.get("tags") or {}),
        "modelProperties": dict(properties.get("properties") or {}),
    }
    return _event(workspace, "ModelRegistered", f"models/{name}:{body['name']}", data, body["createdAt"])


def _event(workspace: Workspace, kind: str, subject: str, data: dict[str, Json], time: str) -> dict[str, Json]:
    return {
        "topic": workspace.id,
        "subject": subject,
        "eventType": f"{PROVIDER}.{kind}",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{workspace.key}/{subject}/{kind}/{time}")),
        "data": data,
        "dataVersion": "1.0",
        "metadataVersion": "1",
        "eventTime": time,
    }


def _named(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The outputs that are to be registered: of steps that succeeded, and of a job that did."""
    done = [task["outputs"] for task in state["tasks"] if task["state"] == TaskState.SUCCEEDED]
    if state["state"] == JobState.SUCCEEDED:
        done.append(state["outputs"])
    for outputs in done:
        for items in outputs["artifacts"].values():
            yield from (item for item in items if item["metadata"].get("asset"))
