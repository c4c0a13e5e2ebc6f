"""What a plug-in needs of retrigger: validators, launchers and formats are written with these names alone.

A validator is a `Validator`, made by a function that takes its options. A launcher is a `Launcher`, made by a function
that takes an `Environment`. A format is a `Format` itself. docs/plugins.md has an example of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from retrigger.handlers.jobs import Job, JobStatus, PipelineJob, Request
from retrigger.handlers.ports import Launcher
from retrigger.handlers.validate.reader import ObjectReader
from retrigger.handlers.validate.validators import Validator
from retrigger.triggers.environment import Environment
from retrigger.triggers.errors import Malformed, Refused, Unavailable, Unknown
from retrigger.triggers.event import Event, Lifecycle, Message, Object, Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = [
    "Environment",
    "Event",
    "Format",
    "Job",
    "JobStatus",
    "Launcher",
    "Lifecycle",
    "Malformed",
    "Message",
    "Object",
    "ObjectReader",
    "PipelineJob",
    "Refused",
    "Request",
    "Schedule",
    "Unavailable",
    "Unknown",
    "Validator",
]


class Format(Protocol):
    """Reads the requests of a route: of a batch, each member's event or what is wrong with it, at most 5,000.

    Header names are in lower case; the body is inflated, and at most 14 MiB; `now` is the time of receipt (aware UTC).
    Raises Malformed where the request as a whole cannot be read.
    """

    def __call__(self, headers: Mapping[str, str], body: bytes, now: datetime | None) -> list[Event | Malformed]: ...
