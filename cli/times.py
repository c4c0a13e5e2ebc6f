"""Moments and spans on the command line: `2d` ago, a day, a moment, `A..B`."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from datetime import tzinfo


def duration(text: str) -> timedelta:
    """`30m`, `6h`, `1d12h`. Raises UsageError."""
    from pydantic_core import PydanticCustomError

    from retrigger.triggers.authoring.fields import duration as read

    try:
        return read(text)
    except PydanticCustomError as error:
        raise click.UsageError(f"`{text}` {error.message()}.") from error


def moment(text: str, zone: tzinfo, *, ends: bool = False) -> datetime:
    """A day or a moment, in `zone` where it names none. A day is its first moment, or its last if a span `ends` there.

    Raises UsageError.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"`{text}` is no time: write 2026-11-20 or 2026-11-20T06:00:00Z.") from error
    if ends and "T" not in text and " " not in text:
        found = datetime.combine(found.date(), time.max)
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def since(text: str, now: datetime) -> datetime:
    """A moment, or how long before now. Raises UsageError."""
    return moment(text, UTC) if "-" in text else now - duration(text)


def span(text: str) -> tuple[str, str]:
    """`A..B`. Raises UsageError."""
    first, dots, last = text.partition("..")
    if not (first and dots and last):
        raise click.UsageError(f"`{text}` is no span: write A..B, as in 2026-11-01..2026-11-20.")
    return first, last
