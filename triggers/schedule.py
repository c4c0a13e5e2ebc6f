"""Cron: the times between two moments. Wall-clock times of a zone, given in UTC.

A local time that does not exist (a clock set forward) is skipped; one that occurs twice fires once, the first time. Day
of month and day of week are joined as Vixie cron joins them: either fits, unless one of them starts with `*`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from retrigger.triggers.zones import zone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

MAX_LENGTH: Final = 256
"""Characters of a cron expression."""
_ANY_DAY: Final = datetime(2024, 1, 1)  # noqa: DTZ001  # wall-clock time has no zone; from here each day of the year comes


def times(cron: str, timezone: str, since: datetime, until: datetime) -> Iterator[datetime]:
    """Every time t with since < t <= until, ascending. Raise ValueError as `validate` does."""
    place = zone(timezone)
    for local in wall_times(cron, since.astimezone(place).replace(tzinfo=None)):
        time = local.replace(tzinfo=place).astimezone(UTC)
        if time > until:
            return
        if time > since and _exists(local, time, place):
            yield time


def next_time(cron: str, timezone: str, after: datetime) -> datetime:
    """The first time after `after`. Raise ValueError if there is none within 50 years."""
    for time in times(cron, timezone, after, datetime.max.replace(tzinfo=UTC)):
        return time
    raise ValueError(f"{cron!r} does not fire within 50 years")


def validate(cron: str, timezone: str) -> None:
    """Raise ValueError with the reason if `cron` has not five fields, never fires, or there is no such zone."""
    zone(timezone)
    if next(wall_times(cron, _ANY_DAY), None) is None:
        raise ValueError(f"{cron!r} never fires")


def wall_times(cron: str, after: datetime) -> Iterator[datetime]:
    """Wall-clock times after `after`, whether a zone has them or not, while no more than 50 years lie between two.

    Raise ValueError if `cron` is no cron expression.
    """
    from cronsim import CronSim, CronSimError

    if len(cron) > MAX_LENGTH or len(cron.split()) != 5:
        raise ValueError(f"{cron[:64]!r} is no cron expression: write minute, hour, day of month, month, day of week")
    try:
        # Without a zone: cronsim's own treatment of clock changes moves and repeats times.
        simulation: Any = CronSim(cron, after)
    except CronSimError as exc:
        raise ValueError(f"{cron!r} is no cron expression: {str(exc)[0].lower()}{str(exc)[1:]}") from exc
    yield from simulation


def _exists(local: datetime, time: datetime, place: ZoneInfo) -> bool:
    return time.astimezone(place).replace(tzinfo=None) == local
