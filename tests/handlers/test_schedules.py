"""Which slots of a schedule still fire when it is looked at late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from retrigger.handlers.ledger import to_ms
from retrigger.handlers.schedules import due_times
from retrigger.triggers.spec import ScheduleSource

NOW = datetime(2026, 3, 2, 3, 0, 30, tzinfo=UTC)


def due(
    cron: str, since: datetime, missed: Literal["last", "all", "none"] = "last", late: timedelta | None = None
) -> list[datetime]:
    source = ScheduleSource(cron=cron, missed=missed, late_at_most=late)
    found = due_times(source, to_ms(since), to_ms(NOW))
    return [datetime.fromtimestamp(at_ms / 1000, UTC) for at_ms in found]


def at(hour: int, minute: int = 0, day: int = 2) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def test_the_slot_that_just_struck_fires_once() -> None:
    assert due("0 3 * * *", at(2, 59)) == [at(3)]
    assert due("0 3 * * *", at(3)) == []


@pytest.mark.parametrize(("missed", "expected"), [("all", [at(1), at(2), at(3)]), ("last", [at(3)]), ("none", [at(3)])])
def test_missed_slots_fire_as_the_trigger_says(
    missed: Literal["last", "all", "none"], expected: list[datetime]
) -> None:
    assert due("0 * * * *", at(0, 30), missed) == expected


def test_none_lets_a_late_slot_go() -> None:
    assert due("0 2 * * *", at(1), "none") == []


def test_what_is_later_than_late_at_most_is_let_go() -> None:
    assert due("0 * * * *", at(0, 30), "all", timedelta(hours=1, minutes=30)) == [at(2), at(3)]
    assert due("0 3 * * *", at(2), "all", timedelta(seconds=30)) == [at(3)]


def test_a_cursor_that_rested_for_years_gives_the_last_hundred_at_no_more_cost() -> None:
    found = due("* * * * *", datetime(1990, 1, 1, tzinfo=UTC), "all")
    assert found == [at(3) - timedelta(minutes=minutes) for minutes in range(99, -1, -1)]


def test_a_rare_slot_is_found_however_long_ago() -> None:
    assert due("0 0 29 2 *", datetime(2020, 1, 1, tzinfo=UTC)) == [datetime(2024, 2, 29, tzinfo=UTC)]
