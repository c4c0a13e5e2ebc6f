"""Validators at work in the core: what becomes of events that they judge, and of those that break them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from retrigger.handlers.outcome import Outcome, Verdict
from retrigger.handlers.records import MAX_TRIES
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.event import Event, Schedule
from retrigger.triggers.launches import PipelineLaunch
from retrigger.triggers.spec import PlugIn, ScheduleSource, WindowRule
from tests.handlers.protocol.bench import BAD, MINUTE, Bench
from tests.handlers.protocol.scenes import JUDGE, message, trigger
from tests.handlers.protocol.world import OneTrigger

if TYPE_CHECKING:
    import pytest

    from retrigger.handlers.validate.reader import ObjectReader
    from retrigger.handlers.validate.validators import Validator

JUDGED = trigger(WindowRule(key="match.k"), validators=(JUDGE,))
NEVER = PlugIn(name="never", target="tests.handlers.test_gate:never", package="tests==1")
MISSING = PlugIn(name="missing", target="tests.handlers.absent:it", package="acme==1")


def never() -> Validator:
    def judge(event: Event, data: ObjectReader | None) -> str | None:
        del event, data
        return "never"

    return judge


def test_a_message_that_fits_is_launched_with_what_was_said_of_it() -> None:
    bench = Bench(JUDGED)
    outcome = bench.outcome(message("m1"))
    assert (outcome.result, outcome.verdicts) == ("launched", (Verdict("gate", "pass", "ok", "judge: it fits"),))
    assert [run.parameters for run in bench.runs()] == [{"what": "m1"}]


def test_a_message_that_does_not_is_turned_away_once() -> None:
    bench = Bench(JUDGED)
    said = (Verdict("gate", "stop", "bad_event", "judge: the message is bad"),)
    claim = bench.ledger.claim_name("t", message("bad1").identity)
    assert [bench.outcome(message("bad1")) for _ in range(2)] == [
        Outcome(event="bad1", trigger="t", result="rejected", verdicts=said, claim=claim),
        Outcome(event="bad1", trigger="t", result="duplicate", stored="rejected", verdicts=said, claim=claim),
    ]
    bench.advance(3 * MINUTE)
    assert (bench.runs(), bench.dead()) == ([], [])


def test_a_message_is_judged_once_however_often_it_comes(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(JUDGED)
    assert [bench.publish("m1") for _ in range(3)] == ["launched", "duplicate", "duplicate"]
    assert [bench.publish("broken1") for _ in range(3)] == ["deferred"] * 3
    assert len([it for it in caplog.records if it.message == "validator_failed"]) == 3


def test_what_breaks_its_validator_is_a_dead_letter_that_names_the_exception() -> None:
    bench = Bench(JUDGED)
    outcome = bench.outcome(message("broken1"))
    told = "the validator judge (tests==1) raised KeyError; its log says where"
    assert outcome.verdicts == (Verdict("gate", "wait", "validator_failed", told),)
    bench.advance((MAX_TRIES + 1) * MINUTE)
    [event] = bench.journal.events()
    assert bench.dead() == [f"gave up after {MAX_TRIES} tries: {told}"]
    assert (event.result, [verdict["code"] for verdict in event.verdicts]) == ("dead", ["tries_exhausted"])
    assert (bench.send(message("broken1")), bench.runs()) == ("duplicate", [])


def test_one_that_is_not_there_is_told_and_another_event_does_not_wait_for_it() -> None:
    bench = Bench(replace(JUDGED, validators=(MISSING,)))
    assert [bench.publish("m1"), bench.drop("a/1.csv")] == ["deferred", "deferred"]
    bench.advance((MAX_TRIES + 2) * MINUTE)
    assert len(bench.dead()) == 2
    assert all("install acme==1" in reason for reason in bench.dead())


def test_one_that_comes_back_launches_what_waited() -> None:
    bench = Bench(replace(JUDGED, validators=(MISSING,)))
    bench.publish("m1")
    for core in bench.cores:
        core.catalog = OneTrigger(core.catalog.environment, JUDGED)  # the next deployment has it
    bench.advance()
    assert [run.phase for run in bench.runs()] == ["launched"]


def test_an_object_that_does_not_fit_is_no_member() -> None:
    bench = Bench(JUDGED)
    assert [bench.drop("a/1.csv", BAD), bench.drop("a/2.csv")] == ["rejected", "launched"]
    assert bench.members() == [["a/2.csv"]]


def test_a_bad_object_spoils_its_window_where_the_trigger_says_so() -> None:
    rule = WindowRule(key="match.k", until="{k}/_DONE", bad_member="reject")
    bench = Bench(trigger(rule, validators=(JUDGE,)))
    bench.drop("a/1.csv")
    bench.drop("a/2.csv", BAD)
    bench.drop("a/_DONE")
    assert [(run.phase, run.members) for run in bench.runs()] == []
    [window] = {event.window for event in bench.journal.events()}
    assert window is not None
    assert bench.journal.window(window)["state"] == "rejected"


def test_the_data_gate_speaks_first_and_both_are_kept() -> None:
    both = Bench(trigger(WindowRule(key="match.k"), gated=True, validators=(JUDGE, NEVER)))
    said = both.outcome(both.landed("a/1.csv")).verdicts
    assert [(verdict.says, verdict.reason) for verdict in said] == [
        ("pass", "2 rows fit"),
        ("pass", "judge: it fits"),
        ("stop", "never: never"),
    ]
    assert [it.code for it in both.outcome(both.landed("a/2.csv", BAD)).verdicts] == ["bad_data"]


def test_an_outage_of_the_store_is_no_try() -> None:
    bench = Bench(JUDGED)

    def away() -> None:
        raise Unavailable("the store is away", code="store_away")

    bench.objects.while_reading = away
    assert bench.drop("a/1.csv") == "deferred"
    bench.advance((MAX_TRIES + 5) * MINUTE)
    bench.objects.while_reading = lambda: None
    bench.advance(2 * MINUTE)
    assert (bench.members(), bench.dead()) == ([["a/1.csv"]], [])


def test_a_schedule_s_time_that_is_turned_away_is_told_as_that() -> None:
    source = ScheduleSource(cron="* * * * *")
    scheduled = replace(
        JUDGED,
        sources=(source,),
        launch=PipelineLaunch(pipeline="train", parameters={"what": "a"}),
        validators=(NEVER,),
    )
    bench = Bench(scheduled)
    bench.now += timedelta(minutes=5)
    wake_up = Event(
        id="1",
        source="//clock",
        type="due",
        time=bench.now,
        subject=None,
        payload=Schedule(name="t", scheduled_for=bench.now),
    )
    assert (bench.outcome(wake_up).result, bench.runs()) == ("rejected", [])
