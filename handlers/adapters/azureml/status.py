"""A job as Azure ML describes it -> what the ledger keeps of it: its state, and where its error can be read.

States: https://learn.microsoft.com/rest/api/azureml/jobs/get#jobstatus. Resource Manager tells neither why a job failed
nor what its steps are and measure; the studio does, so its address is what an error says.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from retrigger.handlers.jobs import JobState, JobStatus
from retrigger.handlers.transport.api import first_line, object_in
from retrigger.triggers.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATES: Final[Mapping[str, JobState]] = {
    "NotStarted": "running",
    "Starting": "running",
    "Provisioning": "running",
    "Preparing": "running",
    "Queued": "running",
    "Running": "running",
    "Finalizing": "running",
    "CancelRequested": "running",
    "NotResponding": "running",  # it may come back: the platform says so of no other state
    "Paused": "running",
    "Scheduled": "running",
    "Unknown": "running",
    "Completed": "succeeded",
    "Failed": "failed",
    "Canceled": "cancelled",
}

_MOST_TAGS: Final = 100
_LONGEST_TAG: Final = 1000

# The platform's JSON, of which only the fields named below are looked at.
Document = dict[str, Any]


def job_status(job: Document) -> JobStatus:
    """Raises Unavailable for a state that is not known here: neither running nor ended may be claimed of it."""
    properties = object_in(job, "properties")
    name = str(properties.get("status", "Unknown"))
    state = _STATES.get(name)
    if state is None:
        told = f"Azure ML reports the state {first_line(name)!r}; a newer retrigger may know it"
        raise Unavailable(told, code="unknown_state")
    return JobStatus(state=state, error=_error(properties) if state == "failed" else None, tags=_tags(properties))


def _tags(properties: Document) -> dict[str, str]:
    """What a run learns, it can tag its job with: nothing else of it is told here."""
    tags = object_in(properties, "tags")
    return {name: tag[:_LONGEST_TAG] for name, tag in islice(tags.items(), _MOST_TAGS) if isinstance(tag, str)}


def _error(properties: Document) -> str:
    match properties:
        case {"services": {"Studio": {"endpoint": str(address)}}} if address:
            return f"Azure ML says why at {first_line(address)}"
        case _:
            return "Azure ML says why in its studio"
