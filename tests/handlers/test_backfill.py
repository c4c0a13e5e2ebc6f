"""Objects and times whose event never came are taken in as if it had; what came is a duplicate."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from retrigger.handlers.backfill import Backfill, version_of
from retrigger.handlers.control import pause, resume
from retrigger.triggers.environment import Store
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.spec import Concurrency, ObjectSource, ScheduleSource, WindowRule
from tests.handlers.protocol.bench import MINUTE, Bench
from tests.handlers.protocol.scenes import environment, trigger
from tests.handlers.protocol.world import START

AT_ONCE = WindowRule(key="match.k")
MARKED = WindowRule(key="match.k", until="{k}/_DONE", max_wait=2 * 60 * MINUTE)
HOUR = 60 * MINUTE


def take(bench: Bench, under: str | None = None) -> list[str]:
    backfill, only = Backfill(bench.cores[0]), bench.cores[0].catalog.trigger("t")
    assert only is not None
    return [backfill.take(arrival).result for arrival in backfill.objects(only, under)]


def missing(bench: Bench, until: datetime = START + 9 * HOUR) -> list[str]:
    backfill, only = Backfill(bench.cores[0]), bench.cores[0].catalog.trigger("t")
    assert only is not None
    return [version_of(arrival)[0] for arrival in backfill.missing(only, until=until)]


def test_what_lies_there_is_taken_in_and_what_was_announced_is_a_duplicate() -> None:
    bench = Bench(trigger(WindowRule(key="match.k", quiet=MINUTE)))
    bench.drop("a/announced.csv")
    for name in ("a/1.csv", "a/2.csv", "a/other.txt", "deeper/a/3.csv"):
        bench.landed(name)
    assert sorted(take(bench)) == ["deferred", "deferred", "duplicate"]
    assert take(bench) == ["duplicate"] * 3
    bench.advance(3 * MINUTE)
    assert bench.members() == [["a/1.csv", "a/2.csv", "a/announced.csv"]]


def test_an_event_that_comes_after_its_backfill_is_a_duplicate() -> None:
    bench = Bench(trigger(AT_ONCE))
    event = bench.landed("a/1.csv")
    assert (take(bench), bench.send(event)) == (["launched"], "duplicate")


def test_markers_come_after_their_members_so_that_one_run_has_them_all() -> None:
    bench = Bench(trigger(MARKED))
    for name in ("a/_DONE", "a/1.csv", "a/zz.csv", "b/1.csv"):
        bench.landed(name)
    take(bench)
    assert bench.members() == [["a/1.csv", "a/zz.csv"]]


def test_only_what_lies_under_the_prefix_is_taken_in() -> None:
    bench = Bench(trigger(AT_ONCE, concurrency=Concurrency(limit=9)))
    for name in ("a/1.csv", "a/2.csv", "b/1.csv"):
        bench.landed(name)
    assert [len(take(bench, f"gs://{under}")) for under in ("landing/a/1", "landing/b/", "landing/c/", "other/")] == [
        1,
        1,
        0,
        0,
    ]
    assert len(take(bench, "gs://land")) == 3


def test_filters_and_folder_markers_are_passed_over() -> None:
    source = ObjectSource(store="landing", match="{k}/**", filter="event.object.size > 3")
    bench = Bench(replace(trigger(AT_ONCE), sources=(source,)))
    for name, data in (("a/", b""), ("a/small.csv", b"x"), ("a/1.csv", b"n\n1\n")):
        bench.landed(name, data)
    assert missing(bench) == ["gs://landing/a/1.csv"]


def test_places_are_listed_once_where_sources_overlap_and_prefixes_of_stores_count() -> None:
    stores = {
        "landing": Store(kind="gcs", bucket="landing", prefix="in/"),
        "all": Store(kind="gcs", bucket="landing"),
        "blob": Store(kind="blob", account="acme", bucket="c"),
    }
    sources = (
        ObjectSource(store="landing", match="a/{k}/*.csv"),
        ObjectSource(store="all", match="in/a/b/{k}.csv"),
        ObjectSource(store="blob", match="x y/{k}.csv"),
    )
    bench = Bench(replace(trigger(AT_ONCE), sources=sources), replace(environment(), stores=stores))
    only = bench.cores[0].catalog.trigger("t")
    assert only is not None
    backfill = Backfill(bench.cores[0])
    assert [(store.bucket, prefix) for store, prefix in backfill.places(only)] == [("landing", "in/a/"), ("c", "x y/")]
    under = "https://acme.blob.core.windows.net/c/x%20y/1"
    assert [(store.bucket, prefix) for store, prefix in backfill.places(only, under)] == [("c", "x y/1")]


def test_an_object_whose_event_may_still_come_is_not_missing() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.drop("a/came.csv")
    bench.landed("a/never.csv")
    assert missing(bench) == ["gs://landing/a/never.csv"]
    listed = bench.objects.list

    def stamped(bucket: str, prefix: str):  # type: ignore[no-untyped-def]  # noqa: ANN202  # as the method it wraps
        return (replace(stat, written=START + HOUR) for stat in listed(bucket, prefix))

    bench.objects.list = stamped  # type: ignore[method-assign]
    assert missing(bench, START + HOUR - MINUTE) == []
    assert missing(bench, START + HOUR) == ["gs://landing/a/never.csv"]


def test_a_backfill_that_breaks_off_is_run_again() -> None:
    bench = Bench(trigger(WindowRule(key="match.k", quiet=HOUR)))
    for number in range(5):
        bench.landed(f"a/{number}.csv")

    def away() -> None:
        raise Unavailable("the store is away", code="ledger_unavailable")

    bench.records.meanwhile("create", "m/", away)
    with pytest.raises(Unavailable):
        take(bench)
    assert sorted(take(bench)) == ["deferred"] * 5
    bench.advance(3 * HOUR)
    assert bench.members() == [[f"a/{number}.csv" for number in range(5)]]


# schedules


def test_times_of_a_schedule_are_fired_once_each_and_none_of_the_future() -> None:
    source = ScheduleSource(cron="0 * * * *", parameters={"what": "${{ string(event.schedule.scheduled_for) }}"})
    only = replace(trigger(AT_ONCE, concurrency=Concurrency(limit=9)), sources=(source,))
    bench = Bench(only)
    bench.now = START + timedelta(hours=2, minutes=30)
    backfill = Backfill(bench.cores[0])
    since, until = datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
    due = list(backfill.times(source, since, until))
    assert [time.hour for time in due] == [23, 0, 1, 2]
    assert [backfill.fire(only, source, time).result for time in due] == ["launched"] * 4
    assert [backfill.fire(only, source, time).result for time in due] == ["duplicate"] * 4
    assert len(bench.platform.jobs) == 4


def test_times_that_a_pause_swallowed_can_be_taken_in() -> None:
    source = ScheduleSource(cron="0 * * * *", parameters={"what": "x"})
    only = replace(trigger(AT_ONCE, concurrency=Concurrency(limit=9)), sources=(source,))
    bench = Bench(only)
    pause(bench.ledger, "t", reason="x", by="ann")
    bench.now += 3 * HOUR
    resume(bench.ledger, "t", by="ann")
    backfill = Backfill(bench.cores[0])
    for time in backfill.times(source, START + MINUTE, bench.now):
        backfill.fire(only, source, time)
    assert len(bench.platform.jobs) == 3
