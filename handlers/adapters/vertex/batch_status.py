"""A batch prediction as Vertex AI describes it -> what the ledger keeps: state, error, counts.

The resource: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from retrigger.handlers.adapters.vertex.resources import error_in
from retrigger.handlers.jobs import JobState, JobStatus
from retrigger.handlers.transport.api import object_in
from retrigger.triggers.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STATES: Final[Mapping[str, JobState]] = {
    "JOB_STATE_UNSPECIFIED": "running",
    "JOB_STATE_QUEUED": "running",
    "JOB_STATE_PENDING": "running",
    "JOB_STATE_RUNNING": "running",
    "JOB_STATE_PAUSED": "running",
    "JOB_STATE_UPDATING": "running",
    "JOB_STATE_CANCELLING": "running",
    "JOB_STATE_SUCCEEDED": "succeeded",
    "JOB_STATE_PARTIALLY_SUCCEEDED": "failed",  # some of what was asked for is not there
    "JOB_STATE_FAILED": "failed",
    "JOB_STATE_EXPIRED": "failed",
    "JOB_STATE_CANCELLED": "cancelled",
}
_COUNTS: Final = {
    "successfulCount": "successful_count",
    "failedCount": "failed_count",
    "incompleteCount": "incomplete_count",
}

# The platform's JSON, of which only the fields named below are looked at.
Document = dict[str, Any]


def batch_status(job: Document) -> JobStatus:
    """Raises Unavailable for a state that is not known here: neither running nor ended may be claimed of it."""
    name = job.get("state", "JOB_STATE_UNSPECIFIED")
    state = _STATES.get(str(name))
    if state is None:
        raise Unavailable(f"Vertex AI reports the state {name!r}; a newer retrigger may know it", code="unknown_state")
    error = error_in(job)
    match job.get("partialFailures"):
        case [first, *_] if error is None:
            error = error_in({"error": first})
    if error is None and name in {"JOB_STATE_PARTIALLY_SUCCEEDED", "JOB_STATE_EXPIRED"}:
        error = name.removeprefix("JOB_STATE_").lower().replace("_", " ")
    return JobStatus(state=state, error=error, metrics=dict(_metrics(job)))


def _metrics(job: Document) -> Iterator[tuple[str, float]]:
    """Counts of instances, which the API writes as text, -1 where it does not know; and what it cost."""
    stats = object_in(job, "completionStats")
    told = {name: stats.get(field) for field, name in _COUNTS.items()}
    for name, value in {**told, "replica_hours": object_in(job, "resourcesConsumed").get("replicaHours")}.items():
        number = _number(value)
        if number is not None:
            yield name, number


def _number(value: object) -> float | None:
    """None for what is no number, or no amount."""
    try:
        number = float(value) if isinstance(value, str | int | float) else -1.0
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
