"""Schedules without a scheduler: a timer's minute becomes the wake-ups of the triggers that were due in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from retrigger.triggers.formats import schedule
from retrigger.triggers.spec import ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.compiled import Compiled
    from retrigger.triggers.event import Event

# The host's clock says when the timer struck, the ledger's what is due: each time is looked at twice, lest none does.
_OVERLAP = timedelta(minutes=1)


def wake_ups(project: Compiled, since: datetime, now: datetime) -> list[Event]:
    """A wake-up for each trigger that was due at a time t with since < t <= now: its cursor finds all of them."""
    from retrigger.triggers.schedule import times  # only a project with schedules pays for time zones

    woken = []
    for name in project.names:
        trigger = project.trigger(name)
        sources = [source for source in trigger.sources if isinstance(source, ScheduleSource)] if trigger else []
        firsts = [next(times(source.cron, source.timezone, since, now), None) for source in sources]
        if due := [first for first in firsts if first is not None]:
            woken.append(schedule.due(name, min(due)))
    return woken


def since(status: Mapping[str, object], now: datetime) -> datetime:
    """When the timer struck before, from its ScheduleStatus. `Last` is of the year 1 where this is the first time."""
    last = status.get("Last")
    struck = datetime.fromisoformat(last) if isinstance(last, str) and not last.startswith("0001-") else now
    return min(struck if struck.tzinfo else struck.replace(tzinfo=UTC), now) - _OVERLAP
