"""PipelineJobs of the local Vertex AI: accepted as Vertex AI accepts them, run for real, shown as Vertex AI shows them.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

from retrigger.local_emulator.planes.resources import Body, Invalid, Precondition, Resources, camel
from retrigger.local_emulator.planes.rest import Call, page
from retrigger.local_emulator.planes.vertex import operations
from retrigger.local_emulator.planes.vertex.operations import Operations
from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.record import JobState, timestamp
from retrigger.local_emulator.runners.request import JobRequest
from retrigger.local_emulator.runners.specs import validate
from retrigger.local_emulator.runners.values import bind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from retrigger.local_emulator.planes.vertex.artifacts import Artifacts
    from retrigger.local_emulator.runners.process import JobProcesses

_ID = re.compile(r"[a-z][-a-z0-9]{0,126}")
_PLACE = re.compile(r"[a-z0-9][-a-z0-9.:]{0,99}")
_FAIL_FAST = ("PIPELINE_FAILURE_POLICY_FAIL_FAST", 2)
_OLD_VALUES = ("intValue", "doubleValue", "stringValue")
_ROOT_TASK = 1
_EXECUTION_STATES = {"SUCCEEDED": "COMPLETE", "SKIPPED": "CACHED", "FAILED": "FAILED", "CANCELLED": "CANCELLED"}


class PipelineJobs:
    """Create, get, list, cancel, delete. `cache` is the folder of tasks' results, `clock` the file of the clock."""

    def __init__(
        self,
        resources: Resources,
        processes: JobProcesses,
        artifacts: Artifacts,
        now: Callable[[], datetime],
        *,
        cache: Path,
        clock: Path,
    ) -> None:
        self._resources = resources
        self._artifacts = artifacts
        self._processes = processes
        self._now = now
        self._operations = Operations(resources, now)
        self._cache = cache
        self._clock = clock

    def recover(self) -> None:
        """After a start: let the runner look at what it knows, then hand it what was accepted but never reached it."""
        self._processes.recover()
        for collection in self._resources.collections("pipelineJobs"):
            for resource in self._resources.all(collection):
                if not self._processes.knows(_key(resource.name)):
                    self._processes.submit(_key(resource.name), self._request(resource.name, resource.body))

    def create(self, call: Call) -> Body:
        """`pipelineJobId` makes a repeated create an ALREADY_EXISTS; without it every create is a new job."""
        for part in (call.path["project"], call.path["location"]):
            if not _PLACE.fullmatch(part):
                raise Invalid(f"Invalid resource name: {part!r}.")
        spec = call.body.get("pipelineSpec")
        job_id = call.query.get("pipelineJobId") or _generated_id(spec)
        if not _ID.fullmatch(job_id):
            raise Invalid(f"Invalid pipeline_job_id {job_id[:150]!r}: it must match [a-z][-a-z0-9]{{0,126}}.")
        name = f"{call.parent}/pipelineJobs/{job_id}"
        request = self._request(name, call.body)
        created = {**call.body, "name": name, "createTime": timestamp(self._now())}
        self._resources.create(name, created)
        self._processes.submit(_key(name), request)
        return self._view(created)

    def get(self, call: Call) -> Body:
        return self._view(self._resources.get(_name(call)).body)

    def list_all(self, call: Call) -> Body:
        views = [self._view(item.body) for item in self._resources.all(f"{call.parent}/pipelineJobs")]
        found = page(call, views, "create_time desc")
        mask = [path.strip() for path in call.query.get("readMask", "").split(",") if path.strip() not in ("", "*")]
        shown = [_masked(view, mask) if mask else view for view in found.items]
        return {"pipelineJobs": shown, "nextPageToken": found.next_token}

    def cancel(self, call: Call) -> Body:
        """Ask the job to end; like Vertex AI's it answers before it has ended, and a finished job stays as it is."""
        self._resources.get(_name(call))
        self._processes.cancel(_key(_name(call)))
        return {}

    def delete(self, call: Call) -> Body:
        """Errors: Precondition while the job runs."""
        name = _name(call)
        state = self._view(self._resources.get(name).body)["state"]
        if not JobState(state).terminal:
            raise Precondition(f"{name} is in state {state}; cancel it, and delete it when it has ended.")
        self._resources.delete(name)
        self._processes.delete(_key(name))
        return self._operations.done(call.parent, operations.DELETE, {})

    def _request(self, name: str, body: Mapping[str, Any]) -> JobRequest:
        spec, config = body.get("pipelineSpec"), body.get("runtimeConfig", {})
        if not isinstance(spec, dict) or not isinstance(config, dict):
            raise Invalid("pipeline_spec is required: templates are not fetched by template_uri here, so embed it.")
        root = config.get("gcsOutputDirectory")
        if not isinstance(root, str) or not root.startswith("gs://"):
            raise Invalid("runtime_config.gcs_output_directory is required and must be a gs:// URI.")
        try:
            validate(spec)
            parameters = bind(spec, _given_parameters(config))
        except PipelineError as error:
            raise Invalid(f"{error}.") from error
        artifacts = self._artifacts.inputs(name.rsplit("/pipelineJobs/", 1)[0], spec, config.get("inputArtifacts"))
        fail_fast = config.get("failurePolicy") in _FAIL_FAST
        return JobRequest(name, spec, root, parameters, artifacts, fail_fast, str(self._cache), str(self._clock))

    def _view(self, body: Body) -> Body:
        """Show a job: the request as it was accepted, and what has become of it."""
        try:
            state = self._processes.state(_key(body["name"]))
        except FileNotFoundError:  # accepted in this moment, by another thread
            state = {"state": JobState.PENDING, "tasks": []}
        times = {key: state[key] for key in ("startTime", "endTime") if state.get(key)}
        view = {
            "displayName": body["name"].rsplit("/", 1)[-1],
            **body,
            **times,
            "updateTime": state.get("endTime") or state.get("startTime") or body["createTime"],
            "state": state["state"],
            "jobDetail": {"taskDetails": _task_details(body, state)},
        }
        if state.get("error"):
            cancelled = state["state"] == JobState.CANCELLED
            view["error"] = {"code": 1 if cancelled else 9, "message": state["error"]}
        return view


def _given_parameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameter values by name; schema 2.0.0 wraps each in its type and sends 64-bit integers as strings."""
    given = config.get("parameterValues") or {}
    old = config.get("parameters") or {}
    if not isinstance(given, dict) or not isinstance(old, dict):
        raise Invalid("runtime_config.parameter_values must be an object.")
    unwrapped = {}
    for name, wrapped in old.items():
        match wrapped:
            case {"intValue": str() as digits} if re.fullmatch(r"-?\d{1,19}", digits):
                unwrapped[name] = int(digits)
            case dict() if len(wrapped) == 1 and next(iter(wrapped)) in _OLD_VALUES:
                unwrapped[name] = next(iter(wrapped.values()))
            case _:
                raise Invalid(f"runtime_config.parameters.{name} must hold one of {', '.join(_OLD_VALUES)}.")
    return {**unwrapped, **given}


def _generated_id(spec: Any) -> str:
    named = spec.get("pipelineInfo") if isinstance(spec, dict) else None
    base = str(named.get("name", "")) if isinstance(named, dict) else ""
    plain = re.sub(r"[^-a-z0-9]", "-", base.lower()).lstrip("-0123456789")[:80] or "pipeline"
    return f"{plain}-{secrets.randbits(62)}"


def _name(call: Call) -> str:
    return f"{call.parent}/pipelineJobs/{call.path['job']}"


def _key(name: str) -> str:
    """Return the folder of a job: neither a location nor a job id holds a dot, so no two jobs share one."""
    _, project, _, location, _, job_id = name.split("/")
    return f"{project}.{location}.{job_id}"


def _task_details(body: Body, state: Mapping[str, Any]) -> list[Body]:
    """Show the tasks; the first is the pipeline itself, the parent of those of its outermost graph."""
    if not state["tasks"] and "startTime" not in state:
        return []
    ended = state["state"].removeprefix("PIPELINE_STATE_")
    root = {
        "taskId": "0",
        "parentTaskId": "",
        "taskName": body["name"].rsplit("/", 1)[-1],
        "state": ended if JobState(state["state"]).terminal else "RUNNING",
        "createTime": body["createTime"],
        "startTime": state.get("startTime", ""),
        "endTime": state.get("endTime", ""),
        "error": state.get("error", ""),
        "inputs": {"parameters": {}, "artifacts": {}},
        "outputs": state.get("outputs", {"parameters": {}, "artifacts": {}}),
    }
    parent = body["name"].rsplit("/pipelineJobs/", 1)[0]
    return [_task_detail(parent, task) for task in (root, *state["tasks"])]


def _task_detail(parent: str, task: Mapping[str, Any]) -> Body:
    is_root = task["taskId"] == "0"
    detail: Body = {
        "taskId": str(int(task["taskId"]) + _ROOT_TASK),
        "taskName": task["taskName"],
        "state": task["state"],
        "inputs": {name: {"artifacts": items} for name, items in task["inputs"]["artifacts"].items()},
        "outputs": {name: {"artifacts": items} for name, items in task["outputs"]["artifacts"].items()},
    }
    if not is_root:
        detail["parentTaskId"] = str(int(task["parentTaskId"] or 0) + _ROOT_TASK)
    detail |= {key: task[key] for key in ("createTime", "startTime", "endTime") if task[key]}
    if task["error"]:
        detail["error"] = {"code": 9, "message": task["error"]}
    if task["state"] not in ("PENDING", "NOT_TRIGGERED"):
        detail["execution"] = {
            "name": f"{parent}/metadataStores/default/executions/{detail['taskId']}",
            "displayName": task["taskName"],
            "state": _EXECUTION_STATES.get(task["state"], "RUNNING"),
            "schemaTitle": "system.Run" if is_root else "system.ContainerExecution",
            "metadata": {
                f"{side}:{name}": value
                for side in ("input", "output")
                for name, value in task[f"{side}s"]["parameters"].items()
            },
        }
    return detail


def _masked(view: Body, paths: list[str]) -> Body:
    """Keep the fields of a mask: `name,job_detail.task_details`, in snake or camel case."""
    kept: Body = {}
    for path in paths:
        source, target = view, kept
        *outer, last = [camel(part) for part in path.split(".")]
        for part in outer:
            below = source.get(part)
            if not isinstance(below, dict):
                break
            source, target = below, target.setdefault(part, {})
        else:
            if last in source:
                target[last] = source[last]
    return kept
