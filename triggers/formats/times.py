"""Times on the wire: RFC 3339, and what Azure writes in its place."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats.wire import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Json

# fromisoformat also takes dates alone, week dates and times without a zone: none of them names an instant.
# Looked at as texts: to compile a pattern takes as long as reading ten events.
_SHAPES: Final = frozenset(
    f"0000-00-00{mark}00:00:00{fraction}{zone}"
    for mark in "Tt"
    for fraction in ("", *("." + "0" * digits for digits in range(1, 10)))
    for zone in ("Z", "z", "+00:00", "-00:00")
)
_ZEROS: Final = str.maketrans("123456789", "000000000")
_NEARLY: Final = r"(?a)(\d{4})-(\d\d?)-(\d\d?)[T ](\d\d?)(:\d\d:\d\d(?:\.\d{1,9})?)(Z|[+-]\d\d:\d\d)?"


def instant(value: str, where: str) -> datetime:
    """An RFC 3339 time as aware UTC. Digits beyond the microsecond are cut off."""
    if _is_rfc3339(value):
        try:
            moment = datetime.fromisoformat(value.upper())
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        except (ValueError, OverflowError):  # 31 February, an offset of 25 hours, a zone east of the year 1
            pass
    raise Malformed(f"{where} is no RFC 3339 time with a zone, like 2026-01-31T08:00:00Z.", code="bad_time")


def optional_instant(fields: Mapping[str, Json], name: str, where: str) -> datetime | None:
    """The RFC 3339 time under `name`; None if it is absent, null or empty."""
    value = text(fields, name, where)
    return None if value is None else instant(value, f"{where} {name}")


def azure_instant(value: str, where: str) -> tuple[datetime, tuple[str, ...]]:
    """A time as Azure writes it, and notes: RFC 3339, or single digits (2026-1-31), or no zone, which then is UTC."""
    found = None if _is_rfc3339(value) else re.fullmatch(_NEARLY, value)
    if found is None:
        return instant(value, where), ()
    year, month, day, hour, rest, zone = found.groups()
    moment = instant(f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}{rest}{zone or 'Z'}", where)
    return moment, () if zone else ("time_without_zone",)


def event_time(
    fields: Mapping[str, Json], name: str, event_type: str, where: str
) -> tuple[datetime | None, tuple[str, ...]]:
    """The event's own time under `name`, and notes: Azure does not hold its own events (`Microsoft.*`) to RFC 3339."""
    value = text(fields, name, where)
    if value is None:
        return None, ()
    if event_type.startswith("Microsoft."):
        return azure_instant(value, f"{where} {name}")
    return instant(value, f"{where} {name}"), ()


def occurred(*times: datetime | None) -> datetime:
    """The first time that is known: the event's own first, that of receipt last."""
    for time in times:
        if time is not None:
            return time
    raise Malformed("The event carries no time; send it with one, or give the time of receipt.", code="missing_field")


def _is_rfc3339(value: str) -> bool:
    """Whether it has the shape, with a fraction of at most nine digits. Not whether there is such a day."""
    return value.translate(_ZEROS) in _SHAPES
