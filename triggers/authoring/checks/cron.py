"""A schedule must be one that cron knows, in a time zone that exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers import schedule
from retrigger.triggers.authoring.wording import said_of
from retrigger.triggers.spec import ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project


def check(project: Project) -> Iterator[Problem]:
    for one in project.authored:
        for at, source in one.sources:
            if not isinstance(source, ScheduleSource):
                continue
            zone, cron = _reason("* * * * *", source.timezone), _reason(source.cron, "UTC")
            if zone:
                yield one.document.problem((*at, "timezone"), "bad_timezone", said_of("timezone", zone))
            if cron:
                yield one.document.problem((*at, "cron"), "bad_cron", said_of("cron", cron))


def _reason(cron: str, timezone: str) -> str | None:
    try:
        schedule.validate(cron, timezone)
    except ValueError as error:
        return str(error)
    return None
