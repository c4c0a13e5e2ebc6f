"""What a job has come to, as it stands in its folder: `state.json`, with Vertex AI's state names.

The emulator writes it before the job's process starts and after it has ended, that process in between.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from retrigger.local_emulator.runners.values import Values
from retrigger.local_emulator.state import write_atomically

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

_FILE = "state.json"
_FLUSH_EVERY_S = 0.05


class JobState(StrEnum):
    """The states of a PipelineJob that occur here."""

    PENDING = "PIPELINE_STATE_PENDING"
    RUNNING = "PIPELINE_STATE_RUNNING"
    SUCCEEDED = "PIPELINE_STATE_SUCCEEDED"
    FAILED = "PIPELINE_STATE_FAILED"
    CANCELLING = "PIPELINE_STATE_CANCELLING"
    CANCELLED = "PIPELINE_STATE_CANCELLED"

    @property
    def terminal(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class TaskState(StrEnum):
    """The states of a PipelineTaskDetail. SKIPPED is Vertex AI's word for a cache hit."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    NOT_TRIGGERED = "NOT_TRIGGERED"

    @property
    def succeeded(self) -> bool:
        return self in (TaskState.SUCCEEDED, TaskState.SKIPPED)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a task, or a whole DAG, ended."""

    state: TaskState
    outputs: Values = field(default_factory=Values)
    error: str = ""


@dataclass(slots=True)
class TaskRecord:
    """One task. `path` is its place in the DAG ("for-loop-1[0]/train"), `key` its folder's name; times are RFC 3339."""

    record: Record
    number: int
    parent: int
    name: str
    path: str
    key: str
    create_time: str
    state: TaskState = TaskState.PENDING
    start_time: str = ""
    end_time: str = ""
    error: str = ""
    attempts: int = 0
    inputs: Values = field(default_factory=Values)
    outputs: Values = field(default_factory=Values)

    def running(self, inputs: Values) -> None:
        self.state, self.inputs = TaskState.RUNNING, inputs
        self.attempts += 1
        self.start_time = self.start_time or self.record.timestamp()
        self.record.changed()

    def finish(self, finished: Finished) -> None:
        self.state, self.outputs, self.error = finished.state, finished.outputs, finished.error
        self.end_time = self.record.timestamp()
        if finished.state is TaskState.SKIPPED:
            self.start_time = self.end_time
        self.record.changed()

    def as_json(self) -> dict[str, Any]:
        return {
            "taskId": str(self.number),
            "parentTaskId": str(self.parent) if self.parent else "",
            "taskName": self.name,
            "path": self.path,
            "folder": self.key,
            "state": self.state,
            "createTime": self.create_time,
            "startTime": self.start_time,
            "endTime": self.end_time,
            "error": self.error,
            "attempts": self.attempts,
            "inputs": self.inputs.as_json(),
            "outputs": self.outputs.as_json(),
        }


class Record:
    """The state of a running job, written soon after each change and at once when it ends."""

    def __init__(self, folder: Path, now: Callable[[], datetime], loop: AbstractEventLoop) -> None:
        self._folder = folder
        self._now = now
        self._loop = loop
        self._job: dict[str, Any] = {"state": JobState.RUNNING, "startTime": self.timestamp()}
        self._tasks: list[TaskRecord] = []
        self._flush_due = False
        self.flush()

    def timestamp(self) -> str:
        return timestamp(self._now())

    def add(self, name: str, parent: TaskRecord | None) -> TaskRecord:
        """Begin the record of a task."""
        number = len(self._tasks) + 1
        path = f"{parent.path}/{name}" if parent else name
        key = f"{number:03}-" + "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name[:60])
        task = TaskRecord(self, number, parent.number if parent else 0, name, path, key, self.timestamp())
        self._tasks.append(task)
        self.changed()
        return task

    def cancelling(self) -> None:
        """Say so, unless the job has ended: the emulator may stop while its process is on its way out."""
        if not JobState(self._job["state"]).terminal:
            self._job["state"] = JobState.CANCELLING
            self.flush()

    def finish(self, state: JobState, outputs: Values, error: str) -> None:
        self._job |= {"state": state, "endTime": self.timestamp(), "outputs": outputs.as_json(), "error": error}
        self.flush()

    def changed(self) -> None:
        """Write soon: a loop of a thousand tasks must not write a thousand tasks a thousand times."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_later(_FLUSH_EVERY_S, self.flush)

    def flush(self) -> None:
        self._flush_due = False
        write_state(self._folder, {**self._job, "tasks": [task.as_json() for task in self._tasks]})


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds, as Vertex AI writes times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def write_state(folder: Path, state: Mapping[str, Any]) -> None:
    write_atomically(folder / _FILE, json.dumps(state))


def read_state(folder: Path) -> dict[str, Any]:
    """Return what `state.json` says. Errors: FileNotFoundError if the folder is of no job."""
    state: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    return state
