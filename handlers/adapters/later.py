"""The platform and the stores of Azure, as far as this version goes: nothing is launched or read, and nothing lost.

A launch is refused for good, so that it becomes a dead letter that can be replayed. Objects are as if their store did
not answer: what needs them waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.handlers.ports import Job, JobStatus, ObjectStat, Request
    from retrigger.triggers.event import Json


class LaterLauncher:
    """The port `Launcher`."""

    def request(self, job: Job, template: Mapping[str, Json]) -> Request:
        del template
        raise _refused(f"pipeline {job.pipeline} of Azure ML")

    def submit(self, job: Job, template: Mapping[str, Json]) -> Literal["created", "adopted", "conflict"]:
        del template
        raise _refused(f"pipeline {job.pipeline} of Azure ML")

    def status(self, job_id: str) -> JobStatus:
        raise _refused(f"job {job_id} of Azure ML")

    def cancel(self, job_id: str) -> None:
        raise _refused(f"job {job_id} of Azure ML")


class LaterObjects:
    """The port `Objects`."""

    def read(
        self, bucket: str, name: str, *, version: str | None = None, start: int = 0, limit: int
    ) -> Iterator[bytes]:
        del name, version, start, limit
        raise _unavailable(bucket)

    def stat(self, bucket: str, name: str) -> ObjectStat | None:
        del name
        raise _unavailable(bucket)

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectStat]:
        del prefix
        raise _unavailable(bucket)

    def write(self, bucket: str, name: str, data: bytes) -> None:
        del name, data
        raise _unavailable(bucket)


def _refused(what: str) -> Refused:
    return Refused(f"{what}: not launchable yet by this version", code="not_supported_yet")


def _unavailable(container: str) -> Unavailable:
    return Unavailable(f"container {container}: Blob Storage is not read yet by this version", code="not_supported_yet")
