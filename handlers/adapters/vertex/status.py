"""A pipeline job as Vertex AI describes it -> what the ledger keeps: state, error, tasks, metrics.

The resource: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs#PipelineJobDetail
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from retrigger.handlers.adapters.vertex.resources import error_in
from retrigger.handlers.jobs import JobState, JobStatus
from retrigger.handlers.transport.api import object_in
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STATES: Final[Mapping[str, JobState]] = {
    "PIPELINE_STATE_UNSPECIFIED": "running",
    "PIPELINE_STATE_QUEUED": "running",
    "PIPELINE_STATE_PENDING": "running",
    "PIPELINE_STATE_RUNNING": "running",
    "PIPELINE_STATE_PAUSED": "running",
    "PIPELINE_STATE_CANCELLING": "running",
    "PIPELINE_STATE_SUCCEEDED": "succeeded",
    "PIPELINE_STATE_FAILED": "failed",
    "PIPELINE_STATE_CANCELLED": "cancelled",
}
_TASK_STATES: Final[Mapping[str, str]] = {
    "STATE_UNSPECIFIED": "pending",
    "CANCEL_PENDING": "running",
    "CANCELLING": "running",
}
_MODEL: Final = "google.VertexModel"
_METRICS: Final = frozenset({"system.Metrics", "system.ClassificationMetrics"})

# The platform's JSON, of which only the fields named below are looked at.
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Metric:
    """One number, with every name that may tell it from its namesakes: shortest first."""

    names: tuple[str, str, str]
    value: float


def job_status(job: Document) -> JobStatus:
    """Raises Unavailable for a state that is not known here: neither running nor ended may be claimed of it."""
    name = job.get("state", "PIPELINE_STATE_UNSPECIFIED")
    state = _STATES.get(str(name))
    if state is None:
        raise Unavailable(f"Vertex AI reports the state {name!r}; a newer retrigger may know it", code="unknown_state")
    tasks = _named(_objects(object_in(job, "jobDetail").get("taskDetails")))
    return JobStatus(
        state=state,
        error=error_in(job),
        metrics=_shortest_names(list(_metrics(tasks))),
        models=dict(_models(tasks)),
        tasks={name: _task_state(str(task.get("state", "STATE_UNSPECIFIED"))) for name, task in tasks.items()},
    )


def _named(details: list[Document]) -> dict[str, Document]:
    """Iterations of a loop share their task's name: the second is `name#2`."""
    seen: Counter[str] = Counter()
    tasks = {}
    for task in details:
        name = str(task.get("taskName") or task.get("taskId", "task"))
        seen[name] += 1
        tasks[name if seen[name] == 1 else f"{name}#{seen[name]}"] = task
    return tasks


def _task_state(state: str) -> str:
    return _TASK_STATES.get(state, state.lower())


def _metrics(tasks: Mapping[str, Document]) -> Iterator[_Metric]:
    """Numbers in the metadata of metric artifacts. A graph hands on its tasks' artifacts: each counts once."""
    seen = set()
    for task, output, artifact in _artifacts(tasks):
        resource = str(artifact.get("name") or "")
        if str(artifact.get("schemaTitle")) not in _METRICS or resource in seen:
            continue
        if resource:
            seen.add(resource)
        for name, value in object_in(artifact, "metadata").items():
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                yield _Metric((name, f"{task}.{name}", f"{task}.{output}.{name}"), float(value))


def _models(tasks: Mapping[str, Document]) -> Iterator[tuple[str, str]]:
    """Resource and version of each registered model among the tasks' outputs, where its artifact says the version."""
    for _, _, artifact in _artifacts(tasks):
        resource, _, version = str(object_in(artifact, "metadata").get("resourceName", "")).partition("@")
        if artifact.get("schemaTitle") == _MODEL and version:
            yield resource, version


def _artifacts(tasks: Mapping[str, Document]) -> Iterator[tuple[str, str, Document]]:
    """Task, output and artifact. What is of another shape is left out: how a job ended does not hang on it."""
    for task, detail in tasks.items():
        outputs = object_in(detail, "outputs")
        for output in outputs:
            for artifact in _objects(object_in(outputs, output).get("artifacts")):
                yield task, output, artifact


def _objects(value: object) -> list[Document]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _shortest_names(metrics: list[_Metric]) -> dict[str, float]:
    """Each metric under the first of its names that no other has."""
    uses = Counter(name for metric in metrics for name in metric.names)
    return {
        next((name for name in metric.names if uses[name] == 1), metric.names[-1]): metric.value for metric in metrics
    }
