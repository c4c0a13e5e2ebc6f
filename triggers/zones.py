"""IANA time zones by name."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone(name: str) -> ZoneInfo:
    """Raise ValueError where there is no such zone; zoneinfo alone raises four kinds of error."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValueError(f"there is no time zone {name[:64]!r}: use an IANA name such as Europe/Paris") from exc
