from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from retrigger.functions.azure.wake_ups import since, wake_ups
from retrigger.triggers import compiled
from retrigger.triggers.environment import Environment
from retrigger.triggers.formats import schedule
from retrigger.triggers.launches import PipelineLaunch
from retrigger.triggers.spec import MessageSource, ScheduleSource, Source, Trigger

DEV = Environment(name="dev", cloud="gcp", project="acme-dev", location="europe-west4", ledger="sqlite:x")


def at(time: str, day: int = 5) -> datetime:
    return datetime.fromisoformat(f"2026-01-{day:02}T{time}+00:00")


def project(**triggers: tuple[Source, ...]) -> compiled.Compiled:
    made = [
        Trigger(name=name, sources=sources, launch=PipelineLaunch(pipeline="p")) for name, sources in triggers.items()
    ]
    return compiled.load(compiled.dumps(DEV, made, {}, {}))


def test_every_trigger_that_was_due_is_woken_up_once() -> None:
    found = wake_ups(
        project(
            nightly=(ScheduleSource(cron="0 3 * * *", timezone="Europe/Paris"),),
            often=(ScheduleSource(cron="* * * * *"),),
            later=(ScheduleSource(cron="0 4 * * *"),),
            message=(MessageSource(channel="retrain"),),
        ),
        at("01:58:00"),
        at("02:00:01"),
    )
    assert found == [schedule.due("nightly", at("02:00:00")), schedule.due("often", at("01:59:00"))]


def test_of_a_trigger_with_two_schedules_the_earliest_time_is_announced() -> None:
    sources = (ScheduleSource(cron="0 3 * * *"), ScheduleSource(cron="30 2 * * *"))
    assert wake_ups(project(both=sources), at("02:00:00"), at("04:00:00")) == [schedule.due("both", at("02:30:00"))]


def test_a_time_is_due_from_its_own_instant_on() -> None:
    it = project(nightly=(ScheduleSource(cron="0 3 * * *"),))
    assert wake_ups(it, at("02:00:00"), at("02:59:59")) == []
    assert wake_ups(it, at("02:00:00"), at("03:00:00")) == [schedule.due("nightly", at("03:00:00"))]
    assert wake_ups(it, at("03:00:00"), at("03:59:59")) == []


def test_a_host_that_was_away_for_years_asks_for_one_wake_up_at_once() -> None:
    it = project(often=(ScheduleSource(cron="* * * * *"),))
    then = datetime(2006, 1, 1, tzinfo=UTC)
    assert wake_ups(it, then, at("09:00:00")) == [schedule.due("often", then + timedelta(minutes=1))]


@pytest.mark.parametrize(
    ("status", "looked_at_from"),
    [
        ({"Last": "2026-01-05T08:59:00.0012345+00:00"}, "08:58:00.001234"),
        ({"Last": "2026-01-05T09:59:00+01:00"}, "08:58:00"),
        ({"Last": "2026-01-05T08:59:00"}, "08:58:00"),
        ({"Last": "2026-01-05T09:59:00Z"}, "08:59:00"),  # the host's clock is ahead
        ({"Last": "0001-01-01T00:00:00"}, "08:59:00"),
        ({"Last": None}, "08:59:00"),
        ({}, "08:59:00"),
    ],
)
def test_the_last_strike_says_since_when_and_a_minute_more(status: dict[str, object], looked_at_from: str) -> None:
    assert since(status, at("09:00:00")) == at(looked_at_from)


def test_clocks_that_differ_by_less_than_a_minute_lose_no_time() -> None:
    """The ledger's clock lags: at the strike of 03:00 it says 02:59:30, and the next strike must still find 03:00."""
    it = project(nightly=(ScheduleSource(cron="0 3 * * *"),))
    first = wake_ups(it, since({"Last": "2026-01-05T02:59:00Z"}, at("02:59:30")), at("02:59:30"))
    second = wake_ups(it, since({"Last": "2026-01-05T03:00:00Z"}, at("03:00:30")), at("03:00:30"))
    assert (first, second) == ([], [schedule.due("nightly", at("03:00:00"))])
