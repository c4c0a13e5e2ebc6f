"""What an operator may do to the ledger, and what comes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from retrigger.handlers.control import pause, resume
from retrigger.handlers.records import ALL_TRIGGERS
from retrigger.triggers.event import Event, Schedule
from retrigger.triggers.spec import Concurrency, ScheduleSource, WindowRule
from tests.handlers.protocol.bench import MINUTE, Bench
from tests.handlers.protocol.scenes import trigger
from tests.handlers.protocol.world import START

AT_ONCE = WindowRule(key="match.k")
HOUR = 60 * MINUTE


def wake_up(bench: Bench) -> str:
    payload = Schedule(name="t", scheduled_for=bench.now)
    return bench.send(Event(id="wake", source="//s", type="wake", time=bench.now, subject="t", payload=payload))


def hourly(missed: str = "all") -> Bench:
    source = ScheduleSource(cron="0 * * * *", missed=missed, parameters={"what": "x"})  # type: ignore[arg-type]
    return Bench(replace(trigger(AT_ONCE, concurrency=Concurrency(limit=9)), sources=(source,)))


def test_of_two_who_pause_the_first_is_on_record() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.records.meanwhile("swap", "p/", lambda: pause(bench.ledger, "t", reason="first", by="ann"))
    assert not pause(bench.ledger, "t", reason="second", by="bob")
    assert [(it.by, it.reason) for it in bench.journal.pauses()] == [("ann", "first")]


def test_a_pause_of_all_and_one_of_the_trigger_hold_until_both_are_lifted() -> None:
    bench = Bench(trigger(AT_ONCE))
    for name in ("t", ALL_TRIGGERS):
        pause(bench.ledger, name, reason="x", by="ann")
    bench.drop("a/1.csv")
    for name in (ALL_TRIGGERS, "t"):
        bench.advance(HOUR)
        assert bench.runs() == []
        assert resume(bench.ledger, name, by="ann")
    bench.advance(2 * MINUTE)
    assert bench.members() == [["a/1.csv"]]


def test_times_that_pass_during_a_pause_do_not_fire_whether_they_were_announced_or_not() -> None:
    bench = hourly()
    wake_up(bench)
    pause(bench.ledger, "t", reason="x", by="ann")
    bench.advance(HOUR)
    assert wake_up(bench) == "duplicate"
    bench.advance(3 * HOUR)
    resume(bench.ledger, "t", by="ann")
    bench.advance(5 * MINUTE)
    assert (wake_up(bench), len(bench.platform.jobs)) == ("duplicate", 1)
    bench.advance(HOUR)
    assert (wake_up(bench), len(bench.platform.jobs)) == ("launched", 2)
    assert bench.now == START + timedelta(hours=5, minutes=5)


def test_a_time_that_was_due_before_the_pause_is_held_and_not_forgotten() -> None:
    bench = hourly()
    bench.records.meanwhile("create", "c/", lambda: pause(bench.ledger, "t", reason="x", by="ann"))
    assert wake_up(bench) == "deferred"
    resume(bench.ledger, "t", by="ann")
    bench.advance(2 * MINUTE)
    assert len(bench.platform.jobs) == 1
