"""Pipeline jobs of the local Azure ML: accepted as Azure ML accepts them, run for real, shown as Azure ML shows them.

Source: https://learn.microsoft.com/rest/api/azureml/jobs. Its answer to a job's name that is there already is what
azure-ai-ml is told; whether each field is one that may change was not tried against the service.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from retrigger.local_emulator.planes.azureml.arm import Answer, key, page, shown, stored
from retrigger.local_emulator.planes.resources import AlreadyExists, Body, Invalid, NotFound, Precondition
from retrigger.local_emulator.runners.azureml.pipelines import PipelineRequest
from retrigger.local_emulator.runners.record import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from retrigger.local_emulator.planes.azureml.arm import Call, Workspace
    from retrigger.local_emulator.planes.azureml.resolving import Resolver
    from retrigger.local_emulator.planes.resources import Resource, Resources
    from retrigger.local_emulator.runners.azureml.pipelines import Given, Kept, Pipeline
    from retrigger.local_emulator.runners.process import JobProcesses

STATES: Final[Mapping[str, str]] = {
    JobState.PENDING: "NotStarted",
    JobState.RUNNING: "Running",
    JobState.SUCCEEDED: "Completed",
    JobState.FAILED: "Failed",
    JobState.CANCELLING: "CancelRequested",
    JobState.CANCELLED: "Canceled",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
_CHANGEABLE = frozenset({"tags", "properties", "displayName", "description", "isArchived"})
_EXPERIMENT = "Default"


Work: TypeAlias = "tuple[Pipeline, Mapping[str, Given], Mapping[str, Kept]]"
"""A pipeline, and what it is given and gives."""


class Jobs:
    """Put, get, list, cancel, delete. `resolver` is one for a workspace, `clock` the file of the clock.

    `ended` is told of each job that has ended, with its state (see `runners.record`), at least once.
    """

    def __init__(
        self,
        resources: Resources,
        processes: JobProcesses,
        now: Callable[[], datetime],
        *,
        resolver: Callable[[Workspace], Resolver],
        ended: Callable[[Body, Mapping[str, Any]], None],
        clock: Path,
    ) -> None:
        self._resources = resources
        self._processes = processes
        self._now = now
        self._resolver = resolver
        self._ended = ended
        self._clock = clock
        processes.on_end(self._end)

    def recover(self) -> None:
        """After a start: let the runner look at what it knows, hand it what never reached it, tell of what ended."""
        self._processes.recover()
        for collection in self._resources.collections("jobs"):
            for resource in self._resources.all(collection):
                if not self._processes.knows(resource.body["key"]):
                    self._submit(resource.body)
                else:
                    self._tell(resource.name)

    def put(self, call: Call) -> Answer:
        """The same job again is the same job; another one under its name is refused."""
        name = _checked(call.path[1])
        given = call.properties
        if given.get("jobType") != "Pipeline":
            raise Invalid(f"A job of the type {str(given.get('jobType'))[:40]!r} is not emulated: pipelines are.")
        try:
            return self._change(call, self._resources.get(call.key), given)
        except NotFound:
            body = stored(name, given, self._now(), key=_key(call.key), workspace=call.workspace.id)
            body["request"] = self._request(call.workspace, body)
        try:
            self._resources.create(call.key, body)
        except AlreadyExists:  # in this moment, by another request
            return self._change(call, self._resources.get(call.key), given)
        self._submit(body)
        return Answer(self._view(call, body), 201)

    def add(self, call: Call, name: str, properties: Body, work: Work, **more: str) -> Body:
        """Run what was not submitted as a pipeline; `more` is kept with it. Errors: Invalid, AlreadyExists."""
        place = key(call.workspace, "jobs", _checked(name))
        body = stored(name, properties, self._now(), key=_key(place), workspace=call.workspace.id, **more)
        body["request"] = self._made(call.workspace, body, work)
        self._resources.create(place, body)
        self._submit(body)
        return self._view(call, body)

    def find(self, call: Call, name: str) -> tuple[Body, Body]:
        """What is kept of a job, and how it is shown. Errors: NotFound."""
        body = self._named(call.workspace, name).body
        return body, self._view(call, body)

    def get(self, call: Call) -> Answer:
        return Answer(self.find(call, call.path[1])[1])

    def list_all(self, call: Call) -> Answer:
        """Those with the tag `tag` (`NAME` or `NAME=VALUE`), archived or not as `listViewType` asks."""
        bodies = [item.body for item in self._resources.all(call.key)]
        view, tag = call.query.get("listViewType", "ActiveOnly"), call.query.get("tag", "")
        wanted = [body for body in bodies if view == "All" or _archived(body) is (view == "ArchivedOnly")]
        return page(call, [self._view(call, body) for body in wanted if not tag or _tagged(body, tag)])

    def cancel(self, call: Call) -> Answer:
        """Ask the job to end; a finished job stays as it is."""
        self._processes.cancel(self._found(call).body["key"])
        return Answer(None)

    def delete(self, call: Call) -> Answer:
        body = self._found(call).body
        if not JobState(self._state(body)["state"]).terminal:
            raise Precondition(f"The job {body['name']} has not ended; cancel it, and delete it then.")
        self._resources.delete(call.key)
        for note in self._resources.all(call.key):
            self._resources.delete(note.name)
        self._processes.delete(body["key"])
        return Answer(None)

    def page(self, workspace: Workspace, name: str) -> str:
        """What has become of a job and of its steps, for people: Azure ML has its studio for that."""
        body = self._named(workspace, name).body
        state, folder = self._state(body), self._processes.folder(body["key"])
        lines = [f"{body['name']}: {STATES[state['state']]}", state.get("error", "")]
        for step in state["tasks"]:
            log = folder / "tasks" / step["folder"] / "log.txt"
            lines += [
                f"\n{step['path']}: {step['state'].lower()}",
                step["error"],
                str(log) if log.exists() else "",
            ]
        return "\n".join(line for line in lines if line) + "\n"

    def _found(self, call: Call) -> Resource:
        return self._named(call.workspace, call.path[1])

    def _named(self, workspace: Workspace, name: str) -> Resource:
        try:
            return self._resources.get(key(workspace, "jobs", name))
        except NotFound as error:
            raise NotFound(f"The job {name[:80]!r} was not found in the workspace {workspace.name[:80]}.") from error

    def _change(self, call: Call, before: Resource, given: Body) -> Answer:
        """What describes a job may change, what it does may not."""
        old = before.body["properties"]
        fixed = [name for name in sorted(old.keys() | given.keys()) if name not in _CHANGEABLE]
        if changed := [name for name in fixed if old.get(name) != given.get(name)]:
            raise Invalid(
                "A job with this name already exists. If you are trying to create a new job, use a different name. If "
                f"you are trying to update an existing job, the existing job's {', '.join(changed)} cannot be changed."
            )
        body = {**before.body, "properties": given, "modifiedAt": self._now().isoformat()}
        self._resources.update(before.name, body, before.etag)
        return Answer(self._view(call, body))

    def _request(self, workspace: Workspace, body: Body) -> Body:
        """Everything that the job refers to, as it is registered now. Errors: Invalid."""
        properties, resolver = body["properties"], self._resolver(workspace)
        pipeline = resolver.pipeline(body["name"], properties)
        work = pipeline, resolver.given(properties.get("inputs")), resolver.kept(properties.get("outputs"))
        return self._made(workspace, body, work)

    def _made(self, workspace: Workspace, body: Body, work: Work) -> Body:
        pipeline, inputs, outputs = work
        request = PipelineRequest(
            name=f"{workspace.id}/jobs/{body['name']}",
            experiment=str(body["properties"].get("experimentName") or _EXPERIMENT),
            pipeline=pipeline,
            inputs=inputs,
            outputs=outputs,
            store=self._resolver(workspace).addresses.store,
            clock=str(self._clock),
        )
        return request.as_json()

    def _submit(self, body: Body) -> None:
        self._processes.submit(body["key"], PipelineRequest.from_json(body["request"]))

    def _end(self, key: str) -> None:
        self._tell(_name(PipelineRequest.read(self._processes.folder(key))))

    def _tell(self, name: str) -> None:
        """Tell that a job has ended: once too often rather than never, so the note of it comes last."""
        try:
            body = self._resources.get(name).body
        except NotFound:  # deleted as soon as it had ended
            return
        state = self._state(body)
        if JobState(state["state"]).terminal and not self._resources.all(name):
            self._ended(body, state)
            with suppress(AlreadyExists):  # another end of the same, told in this moment
                self._resources.create(f"{name}/told", {})

    def _state(self, body: Body) -> dict[str, Any]:
        try:
            return self._processes.state(body["key"])
        except FileNotFoundError:  # accepted in this moment, by another thread
            return {"state": JobState.PENDING, "tasks": []}

    def _view(self, call: Call, body: Body) -> Body:
        state = self._state(body)
        studio = f"{call.origin}/retrigger/azureml{body['workspace']}/jobs/{body['name']}"
        properties = {
            "experimentName": _EXPERIMENT,
            **body["properties"],
            "status": STATES[state["state"]],
            "services": {
                "Tracking": {"endpoint": f"azureml://{body['name']}", "jobServiceType": "Tracking"},
                "Studio": {"endpoint": studio, "jobServiceType": "Studio"},
            },
        }
        return shown(call, ("jobs", body["name"]), body, properties)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Invalid(f"The job name {name[:80]!r} is not one: a letter or digit, then up to 254 of A-Z a-z 0-9 _ -.")
    return name


def _name(request: PipelineRequest) -> str:
    """The name in `Resources` of a job that runs."""
    return request.name.lower().lstrip("/")


def _key(name: str) -> str:
    """The folder of a job: readable, and one for each workspace's."""
    return f"{name.rsplit('/', 1)[-1][:100]}.{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _archived(body: Body) -> bool:
    return bool(body["properties"].get("isArchived"))


def _tagged(body: Body, tag: str) -> bool:
    name, equals, value = tag.partition("=")
    tags = body["properties"].get("tags") or {}
    return name in tags and (not equals or str(tags[name]) == value)
