from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrigger.triggers import schedule


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def between(cron: str, timezone: str, since: str, until: str) -> list[datetime]:
    return list(schedule.times(cron, timezone, at(since), at(until)))


def test_since_is_excluded_and_until_included() -> None:
    assert between("0 3 * * *", "UTC", "2026-01-01T03:00", "2026-01-03T03:00") == [
        at("2026-01-02T03:00"),
        at("2026-01-03T03:00"),
    ]


def test_times_are_wall_clock_times_of_the_zone() -> None:
    assert between("0 3 * * MON", "Europe/Paris", "2026-03-22T00:00", "2026-04-01T00:00") == [
        at("2026-03-23T02:00"),
        at("2026-03-30T01:00"),
    ]


def test_a_local_time_that_does_not_exist_is_skipped() -> None:
    assert between("30 2 * * *", "America/New_York", "2026-03-07T00:00", "2026-03-09T23:00") == [
        at("2026-03-07T07:30"),
        at("2026-03-09T06:30"),
    ]


@pytest.mark.parametrize("cron", ["30 1 * * *", "30 * * * *", "*/30 1 * * *"])
def test_a_local_time_that_occurs_twice_fires_once(cron: str) -> None:
    fired = between(cron, "America/New_York", "2026-11-01T05:15", "2026-11-01T06:45")
    assert fired == [at("2026-11-01T05:30")]


def test_a_half_hour_gap_loses_only_its_own_times() -> None:
    assert between("0,15,45 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", "2026-10-03T18:00") == [
        at("2026-10-03T15:45")
    ]


def test_starting_inside_the_repeated_hour_gives_nothing_earlier() -> None:
    assert between("*/15 * * * *", "America/New_York", "2026-11-01T06:10", "2026-11-01T07:15") == [
        at("2026-11-01T07:00"),
        at("2026-11-01T07:15"),
    ]


def test_parts_of_a_second_do_not_repeat_a_time() -> None:
    assert between("* * * * *", "UTC", "2026-01-01T00:00:00.500", "2026-01-01T00:01:00") == [at("2026-01-01T00:01")]


def test_the_next_time() -> None:
    assert schedule.next_time("0 0 29 2 *", "UTC", at("2026-01-01T00:00")) == at("2028-02-29T00:00")


def test_day_of_month_or_day_of_week() -> None:
    assert between("0 0 13 * FRI", "UTC", "2026-01-08T00:00", "2026-01-16T00:00") == [
        at("2026-01-09T00:00"),
        at("2026-01-13T00:00"),
        at("2026-01-16T00:00"),
    ]


@pytest.mark.parametrize(
    ("cron", "timezone", "reason"),
    [
        ("* * * *", "UTC", "write minute, hour, day of month, month, day of week"),
        ("* * * * * *", "UTC", "write minute, hour, day of month, month, day of week"),
        ("@daily", "UTC", "write minute, hour, day of month, month, day of week"),
        ("", "UTC", "write minute, hour, day of month, month, day of week"),
        ("1," * 200 + "1 * * * *", "UTC", "write minute, hour, day of month, month, day of week"),
        ("60 * * * *", "UTC", "'60 * * * *' is no cron expression: bad minute"),
        ("* * * * 8", "UTC", "bad day-of-week"),
        ("*/0 * * * *", "UTC", "bad minute"),
        ("٣ * * * *", "UTC", "bad minute"),
        ("0 0 30 2 *", "UTC", "bad day-of-month"),
        ("0 0 */31 * MON#2", "UTC", "'0 0 */31 * MON#2' never fires"),
        ("0 0 * 2 MON#5", "Europe/Pariss", "there is no time zone 'Europe/Pariss'"),
        ("0 0 * * *", "Europe", "there is no time zone 'Europe'"),
        ("0 0 * * *", "../../etc/passwd", "there is no time zone"),
        ("0 0 * * *", "", "there is no time zone"),
        ("0 0 * * *", "a\0b", "there is no time zone"),
    ],
)
def test_what_is_wrong_is_said(cron: str, timezone: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        schedule.validate(cron, timezone)


def test_a_cron_that_never_fires_ends() -> None:
    assert between("0 0 */31 * MON#2", "UTC", "2026-01-01T00:00", "2076-01-01T00:00") == []
    with pytest.raises(ValueError, match="does not fire within 50 years"):
        schedule.next_time("0 0 */31 * MON#2", "UTC", at("2026-01-01T00:00"))


fields = st.text(alphabet="0123456789*/,-#LWF MON", max_size=12)


@given(st.lists(fields, min_size=5, max_size=5).map(" ".join), st.text(max_size=20))
def test_any_text_is_validated_or_refused_with_a_reason(cron: str, timezone: str) -> None:
    try:
        schedule.validate(cron, timezone)
    except ValueError as refused:
        assert str(refused)  # noqa: PT017  # only the kind of error matters


zones = st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
crons = st.sampled_from(["*/20 * * * *", "30 2 * * *", "15 1,3 * * *", "0 0 1 * MON"])
moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(crons, zones, moments, st.integers(0, 48), st.integers(0, 48))
def test_two_adjoining_spans_give_what_the_whole_gives(cron: str, zone: str, start: datetime, a: int, b: int) -> None:
    middle, end = start + timedelta(hours=a), start + timedelta(hours=a + b)
    whole = list(schedule.times(cron, zone, start, end))
    assert [*schedule.times(cron, zone, start, middle), *schedule.times(cron, zone, middle, end)] == whole
    assert whole == sorted(set(whole))


def test_times_are_made_one_by_one() -> None:
    far = schedule.times("* * * * *", "UTC", at("2026-01-01T00:00"), at("9000-01-01T00:00"))
    assert list(islice(far, 2)) == [at("2026-01-01T00:01"), at("2026-01-01T00:02")]
