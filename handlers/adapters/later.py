"""The platform of Azure, as far as this version goes: nothing is launched, and nothing lost.

A launch is refused for good, so that it becomes a dead letter that can be replayed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from retrigger.triggers.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.ports import Job, JobStatus, Request
    from retrigger.triggers.event import Json


class LaterLauncher:
    """The port `Launcher`."""

    def request(self, job: Job, template: Mapping[str, Json] | None) -> Request:
        del template
        raise _refused(f"pipeline {job.pipeline} of Azure ML")

    def submit(self, job: Job, template: Mapping[str, Json] | None) -> Literal["created", "adopted", "conflict"]:
        del template
        raise _refused(f"pipeline {job.pipeline} of Azure ML")

    def status(self, job: Job) -> JobStatus:
        raise _refused(f"job {job.id} of Azure ML")

    def cancel(self, job: Job) -> None:
        raise _refused(f"job {job.id} of Azure ML")


def _refused(what: str) -> Refused:
    return Refused(f"{what}: not launchable yet by this version", code="not_supported_yet")
