"""A time of the day that some day does not have: where clocks are set forward, the schedule would not fire.

Told only where that day's firing is lost: `0 * * * *` has no 02:00 then, and fires at 03:00, the same moment.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from retrigger.triggers import schedule, zones
from retrigger.triggers.spec import ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project

_FIRST: Final = datetime(2038, 1, 1, tzinfo=UTC)
"""From here on a zone follows the rules that are known today; a check must not depend on the day it is made."""
_YEARS: Final = 28
"""In which every date falls on every day of the week."""
_WEEK: Final = timedelta(days=7)
"""No zone sets its clocks twice in less."""
_MINUTE: Final = timedelta(minutes=1)


class Gap(NamedTuple):
    """Wall-clock times that are left out: from `start`, before `end`."""

    start: datetime
    end: datetime


def check(project: Project) -> Iterator[Problem]:
    for one in project.authored:
        for at, source in one.sources:
            if not isinstance(source, ScheduleSource):
                continue
            lost = _lost(source.cron, source.timezone)
            if lost:
                time, gap = lost
                told = (
                    f"`cron`: in {source.timezone} there is no {time:%H:%M} on the day when clocks go from "
                    f"{gap.start:%H:%M} to {gap.end:%H:%M}, so it would not fire that day: choose another time."
                )
                yield one.document.problem((*at, "cron"), "dst_gap", told)


@lru_cache(maxsize=4096)
def _lost(cron: str, timezone: str) -> tuple[datetime, Gap] | None:
    """The first firing that falls into a gap, with no firing at the same moment of the new time."""
    try:
        for gap in gaps(timezone):
            times = schedule.wall_times(cron, gap.start - _MINUTE)
            for time in takewhile(lambda time, end=gap.end: time < end, times):  # type: ignore[misc]
                moved = time + (gap.end - gap.start)
                if next(schedule.wall_times(cron, moved - _MINUTE), None) != moved:
                    return time, gap
    except ValueError:
        return None  # told by the rule for cron
    return None


@lru_cache(maxsize=256)
def gaps(timezone: str) -> tuple[Gap, ...]:
    """The zone's gaps by the rules known today. Raise ValueError if there is no such zone."""
    zone = zones.zone(timezone)
    weeks = [_FIRST + _WEEK * number for number in range(53 * _YEARS)]
    offsets = [week.astimezone(zone).utcoffset() or timedelta() for week in weeks]
    grown = [at for at in range(1, len(weeks)) if offsets[at] > offsets[at - 1]]
    return tuple(_gap(zone, weeks[at - 1], offsets[at] - offsets[at - 1]) for at in grown)


def _gap(zone: ZoneInfo, week: datetime, size: timedelta) -> Gap:
    """The gap in the week that begins at `week`, found by halving."""
    before = week.astimezone(zone).utcoffset()
    low, high = 0, _WEEK // _MINUTE
    while high - low > 1:
        middle = (low + high) // 2
        if (week + _MINUTE * middle).astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    end = (week + _MINUTE * high).astimezone(zone).replace(tzinfo=None)
    return Gap(end - size, end)
