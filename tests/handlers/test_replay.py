"""What an operator has done once more, and what is left alone. Racing operators, and those that die, make one run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import pytest

from retrigger.handlers.control import cancel, pause, resume
from retrigger.handlers.jobs import JobStatus
from retrigger.handlers.letters import letters
from retrigger.handlers.replay import Plan, Replay
from retrigger.triggers.errors import Refused, Unavailable
from retrigger.triggers.spec import Column, Concurrency, MessageSource, ObjectCheck, ObjectSource, OnFailure, WindowRule
from tests.handlers.protocol.bench import BAD, MINUTE, Bench
from tests.handlers.protocol.scenes import JUDGE, trigger

if TYPE_CHECKING:
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Trigger

AT_ONCE = WindowRule(key="match.k")
HOUR = 60 * MINUTE
DEAD = OnFailure(then="dead")


def replay(bench: Bench, target: str, *, again: bool = False) -> list[Plan]:
    """Ask for it; what was planned."""
    operator = Replay(bench.ledger, again=again)
    plans = operator.of(target)
    for plan in plans:
        operator.ask(plan)
    return plans


def told(plans: list[Plan]) -> list[tuple[str, str]]:
    return [(plan.action, plan.reason) for plan in plans]


def outcomes(bench: Bench) -> list[str]:
    return [run.phase for run in bench.runs()]


# runs


def test_hole_05_a_failed_direct_run_is_done_once_more_under_an_id_of_its_own() -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=DEAD))
    bench.publish("m")
    bench.finish("failed")
    [failed] = bench.runs()
    [plan] = replay(bench, failed.id)
    assert (plan.action, plan.reason) == ("launch", f"run {failed.id} failed")
    bench.advance(2 * MINUTE)
    [old, new] = bench.runs()
    assert (old.phase, new.id, new.phase, new.parameters) == ("failed", plan.run, "launched", old.parameters)
    assert (new.labels["retrigger-run"], new.replay_of) == (new.id, old.id)
    assert list(bench.platform.jobs) == [old.id, new.id]


@pytest.mark.parametrize("when_busy", ["skip", "replace"])
def test_a_replay_waits_where_its_trigger_would_skip_or_replace(when_busy: Literal["skip", "replace"]) -> None:
    """An operator asked for it: it is not let go, and it stops nothing."""
    bench = Bench(trigger(AT_ONCE, on_failure=DEAD, concurrency=Concurrency(when_busy=when_busy)))
    bench.publish("first")
    bench.finish("failed")
    bench.publish("second")
    replay(bench, bench.runs()[0].id)
    bench.advance(5 * MINUTE)
    assert outcomes(bench) == ["failed", "launched"]
    bench.finish()
    bench.advance(2 * MINUTE)
    assert outcomes(bench) == ["failed", "succeeded", "launched"]


def test_a_rejected_message_passes_its_validators_when_it_is_replayed() -> None:
    bench = Bench(trigger(AT_ONCE, validators=(JUDGE,)))
    assert bench.publish("bad1") == "rejected"
    [event] = bench.journal.events()
    assert told(replay(bench, event.id))[0][0] == "decide"
    bench.advance(2 * MINUTE)
    assert ([it.result for it in bench.journal.events()], bench.runs()) == (["rejected"], [])


def test_an_event_shows_the_run_that_did_it_last() -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=DEAD))
    bench.publish("m")
    bench.finish("failed")
    [event] = bench.journal.events()
    replay(bench, event.id)
    [waiting] = bench.journal.events()
    bench.advance(2 * MINUTE)
    [again] = bench.journal.events()
    assert (waiting.result, again.result, again.run) == ("deferred", "launched", bench.runs()[1].id)
    for run in bench.runs():
        chain = bench.journal.why(run.id)
        assert chain is not None
        assert {it.id for it in chain["runs"]} == {it.id for it in bench.runs()}
        assert chain["events"] == [again]


@pytest.mark.parametrize("again", [False, True])
def test_what_succeeded_is_done_once_more_only_when_asked_for(again: bool) -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.publish("m")
    bench.drop("a/1.csv")
    bench.finish()
    bench.finish()
    for run in bench.runs():
        [plan] = replay(bench, run.id, again=again)
        assert plan.action == ("launch" if again else "leave")
    bench.advance(2 * MINUTE)
    if again:
        bench.finish()
    assert len(bench.platform.jobs) == (4 if again else 2)


def test_what_waits_or_runs_is_left_alone_and_said() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.publish("m0")
    bench.publish("m1")
    [first, second] = bench.journal.events()
    assert told(replay(bench, first.id)) == [("leave", f"it runs, as {first.run}")]
    assert told(replay(bench, second.id)) == [("leave", f"it waits for a slot, as run {second.run}")]


def test_a_replay_takes_a_slot_like_any_other_run_and_is_held_by_a_pause() -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=DEAD))
    bench.drop("a/1.csv")
    bench.finish("failed")
    bench.publish("busy")
    replay(bench, bench.runs()[0].id)
    bench.advance(5 * MINUTE)
    assert len(bench.platform.jobs) == 2
    pause(bench.ledger, "t", reason="x", by="ann")
    bench.finish()
    bench.advance(5 * MINUTE)
    assert len(bench.platform.jobs) == 2
    resume(bench.ledger, "t", by="ann")
    bench.advance(5 * MINUTE)
    assert len(bench.platform.jobs) == 3
    bench.finish()
    bench.advance(2 * HOUR)
    assert [key for gate in bench.ledger.gates.list() for key in gate.value.holds] == []
    assert list(bench.records.list("due/")) == []


def test_a_windows_run_is_done_once_more_with_its_own_manifest() -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=DEAD))
    bench.drop("a/1.csv")
    bench.finish("failed")
    bench.drop("a/2.csv")
    bench.finish()
    [plan] = replay(bench, "gs://landing/a/1.csv")
    assert (plan.action, plan.members) == ("launch", 1)
    bench.advance(2 * MINUTE)
    bench.finish()
    [old, _, new] = bench.runs()
    assert (new.id, new.phase, new.window, new.members) == (plan.run, "succeeded", old.window, 1)
    assert new.parameters == old.parameters
    assert told(replay(bench, old.id)) == [("leave", f"run {new.id} succeeded: --new-run does it once more")]


def test_members_that_were_carried_over_are_left_to_the_run_that_has_them() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.drop("a/1.csv")
    bench.finish("failed")
    [failed] = bench.runs()
    assert told(replay(bench, failed.id)) == [("leave", "its members were carried over into a later window")]
    bench.drop("a/2.csv")
    [event] = [it for it in bench.journal.events() if it.subject.endswith("1.csv")]
    assert told(replay(bench, event.id)) == [("leave", f"it runs, as {event.run}")]


def test_of_a_run_whose_members_were_carried_over_only_the_exhausted_are_done_once_more() -> None:
    bench = Bench(trigger(WindowRule(key="match.k", quiet=MINUTE)))
    bench.drop("a/poison.csv")
    for number in range(4):
        bench.drop(f"a/{number}.csv")
        bench.advance(3 * MINUTE)
        bench.finish("failed")
    last = bench.runs()[-1]
    [plan] = replay(bench, last.id)
    assert (last.members, plan.action, plan.members) == (5, "launch", 2)
    bench.advance(2 * MINUTE)
    [run] = [run for run in bench.runs() if run.replay_of]
    assert (run.id, run.members) == (plan.run, 2)


def test_a_replay_that_fails_is_a_dead_letter_again_and_joins_no_window() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.drop("a/1.csv")
    bench.platform.finish(bench.runs()[0].job, JobStatus(state="lost"))
    bench.advance(11 * MINUTE)
    replay(bench, bench.runs()[0].id)
    bench.advance(2 * MINUTE)
    bench.finish("failed")
    bench.advance(2 * HOUR)
    assert outcomes(bench) == ["lost", "failed"]
    assert [(it.kind, it.state) for it in letters(bench.ledger)] == [("run", "replayed"), ("member", "dead")]
    [plan] = replay(bench, letters(bench.ledger)[1].id)
    assert (plan.action, plan.after) == ("launch", bench.runs()[1].id)


def test_a_run_that_the_platform_refused_is_sent_as_it_was() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.platform.before = [Refused("403 actAs", code="permission_denied")]
    bench.drop("a/1.csv")
    [letter] = letters(bench.ledger)
    assert (letter.kind, letter.code, letter.attempts, letter.state) == ("run", "permission_denied", 1, "dead")
    [plan] = replay(bench, letter.id)
    assert plan.reason == f"run {letter.run} could not be launched"
    bench.advance(2 * MINUTE)
    assert (outcomes(bench), letters(bench.ledger)[0].state) == (["dead", "launched"], "replayed")


# two at once, and one that dies


@pytest.mark.parametrize("moment", ["c/", "due/"])
def test_hole_20_two_operators_at_once_make_one_run_of_an_event(moment: str) -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=DEAD, concurrency=Concurrency(limit=9)))
    bench.publish("m")
    bench.finish("failed")
    target = bench.runs()[0].id
    operation = "swap" if moment == "c/" else "create"
    bench.records.meanwhile(operation, moment, lambda: replay(bench, target))  # type: ignore[arg-type]
    replay(bench, target)
    bench.advance(5 * MINUTE)
    assert outcomes(bench) == ["failed", "launched"]


def test_hole_20_two_operators_at_once_make_one_run_of_a_window() -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=DEAD, concurrency=Concurrency(limit=9)))
    bench.drop("a/1.csv")
    bench.finish("failed")
    target = bench.runs()[0].id
    bench.records.meanwhile("create", "due/", lambda: replay(bench, target, again=True))
    replay(bench, target)
    assert told(replay(bench, target))[0][0] == "leave"
    bench.advance(5 * MINUTE)
    assert outcomes(bench) == ["failed", "launched"]


def test_an_operator_who_judged_long_ago_makes_no_second_run() -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=DEAD, concurrency=Concurrency(limit=9)))
    bench.publish("m")
    bench.finish("failed")
    slow = Replay(bench.ledger)
    plans = slow.of(bench.runs()[0].id)
    replay(bench, bench.runs()[0].id)
    bench.advance(2 * MINUTE)
    bench.finish("failed")
    for plan in plans:
        slow.ask(plan)
    bench.advance(5 * MINUTE)
    assert outcomes(bench) == ["failed", "failed"]


class _Killed(BaseException):
    """The operator's process died: nothing after this line ran."""


@pytest.mark.parametrize(("operation", "prefix"), [("swap", "c/"), ("get", "c/"), ("delete", "")])
def test_an_operator_who_dies_has_asked_and_the_tick_does_it(operation: str, prefix: str) -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=DEAD))
    bench.publish("m")
    bench.finish("failed")
    operator = Replay(bench.ledger)
    [plan] = operator.of(bench.runs()[0].id)

    def kill() -> None:
        raise _Killed

    bench.records.meanwhile(operation, prefix, kill)  # type: ignore[arg-type]
    with pytest.raises(_Killed):
        operator.ask(plan)
    bench.advance(3 * MINUTE)
    assert outcomes(bench) == ["failed", "launched"]


# events that were turned away


def test_hole_18_a_rejected_event_is_never_revived_by_coming_again() -> None:
    bench = Bench(trigger(AT_ONCE, gated=True))
    event = bench.landed("a/1.csv", BAD)
    assert (bench.send(event), bench.send(event)) == ("rejected", "duplicate")
    bench.now += timedelta(days=1_000)
    assert (bench.send(event, process=1), bench.runs()) == ("duplicate", [])


def test_a_rejected_file_is_looked_at_again_by_the_trigger_of_now() -> None:
    strict = trigger(AT_ONCE, gated=True)
    bench = Bench(strict)
    assert bench.drop("a/1.csv", BAD) == "rejected"
    uri = "gs://landing/a/1.csv"
    assert [plan.action for plan in replay(bench, uri)] == ["decide"]
    bench.advance(2 * MINUTE)
    assert [event.result for event in bench.journal.events()] == ["rejected"]
    bench.deploy(replace(strict, object_check=ObjectCheck(columns={"n": Column(type="str")})))
    replay(bench, uri)
    bench.advance(2 * MINUTE)
    assert ([event.result for event in bench.journal.events()], bench.members()) == (["launched"], [["a/1.csv"]])
    [claim] = bench.ledger.claims.list()
    assert [it["state"] for it in claim.value.replays] == ["rejected", "rejected"]


@pytest.mark.parametrize("check", [None, ObjectCheck(max_bytes=1)])
def test_a_check_that_was_taken_away_or_made_stricter_counts_too(check: ObjectCheck | None) -> None:
    strict = trigger(AT_ONCE, gated=True)
    bench = Bench(strict)
    bench.drop("a/1.csv", BAD)
    bench.deploy(replace(strict, object_check=check))
    replay(bench, "gs://landing/a/1.csv")
    bench.advance(2 * MINUTE)
    assert [event.result for event in bench.journal.events()] == ["launched" if check is None else "rejected"]


def of_message(parameter: str, **source: str) -> Trigger:
    spoken = MessageSource(channel="requests", parameters={"what": parameter}, **source)  # type: ignore[arg-type]
    return replace(trigger(AT_ONCE), sources=(spoken,))


def test_a_rejected_message_launches_once_its_trigger_is_mended() -> None:
    bench = Bench(of_message("${{ event.message.json.wat }}"))
    assert bench.publish("m") == "rejected"
    bench.deploy(of_message("${{ event.message.json.what }}"))
    assert bench.publish("m") == "duplicate"
    [event] = bench.journal.events()
    replay(bench, event.id)
    bench.advance(3 * MINUTE)
    [run] = bench.runs()
    assert (run.phase, run.parameters) == ("launched", {"what": "m"})
    assert [it.result for it in bench.journal.events()] == ["launched"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (of_message("${{ event.message.json.wat }}"), "bad_parameters"),
        (of_message("x", filter="event.message.id == 'other'"), "filter_false"),
        (of_message("x", key="event.message.json.what"), "identity_changed"),
    ],
)
def test_an_event_that_is_decided_anew_never_stays_open(changed: Trigger, code: str) -> None:
    bench = Bench(of_message("${{ event.message.json.wat }}"))
    bench.publish("m")
    bench.deploy(changed)
    replay(bench, bench.journal.events()[0].id)
    bench.advance(3 * MINUTE)
    [event] = [it for it in bench.journal.events() if it.verdicts]
    assert (event.result, [it["code"] for it in event.verdicts]) == ("rejected", [code])
    assert len(bench.runs()) == (code == "identity_changed")


def test_a_message_that_named_a_missing_object_joins_once_it_is_there() -> None:
    named = replace(
        trigger(AT_ONCE),
        sources=(
            ObjectSource(store="landing", match="{k}/*.csv"),
            MessageSource(channel="requests", members="event.message.json.files"),
        ),
    )
    bench = Bench(named)
    body: Json = {"files": ["gs://landing/a/1.csv", "gs://landing/a/2.csv"]}
    bench.landed("a/1.csv")
    assert bench.publish("m", body) == "rejected"
    bench.landed("a/2.csv")
    assert bench.publish("m", body) == "duplicate"
    [event] = bench.journal.events()
    assert [plan.action for plan in replay(bench, event.id)] == ["decide"]
    bench.advance(3 * MINUTE)
    assert bench.members() == [["a/1.csv", "a/2.csv"]]
    [plan] = [plan for plan in replay(bench, event.id) if plan.subject == "topics/requests"]
    assert (plan.action, "the objects that it names joined" in plan.reason) == ("leave", True)


def test_an_event_whose_trigger_is_gone_is_a_dead_letter_and_can_be_tried_again() -> None:
    bench = Bench(of_message("${{ event.message.json.wat }}"))
    bench.publish("m")
    bench.deploy(replace(of_message("x"), name="another"))
    replay(bench, bench.journal.events()[0].id)
    bench.advance(3 * MINUTE)
    [letter] = letters(bench.ledger)
    assert (letter.kind, letter.code, letter.state) == ("event", "no_longer_matches", "dead")
    bench.deploy(of_message("x"))
    replay(bench, letter.id)
    bench.advance(3 * MINUTE)
    assert (outcomes(bench), letters(bench.ledger)[0].state) == (["launched"], "replayed")


def test_a_window_that_was_rejected_without_its_marker_runs_when_it_is_replayed() -> None:
    rule = WindowRule(key="match.k", until="{k}/_DONE", max_wait=HOUR, at_max_wait="reject")
    bench = Bench(trigger(rule))
    bench.drop("a/1.csv")
    bench.drop("a/2.csv")
    bench.advance(2 * HOUR)
    assert bench.runs() == []
    [plan] = replay(bench, "gs://landing/a/1.csv")
    assert (plan.action, plan.members) == ("launch", 2)
    bench.advance(2 * MINUTE)
    assert [(run.phase, run.members) for run in bench.runs()] == [("launched", 2)]


def test_a_window_that_a_bad_member_spoiled_is_left_alone() -> None:
    rule = WindowRule(key="match.k", until="{k}/_DONE", max_wait=HOUR, bad_member="reject")
    bench = Bench(trigger(rule, gated=True))
    for name, data in (("1.csv", BAD), ("_DONE", b"")):
        bench.drop(f"a/{name}", data)
    [plan] = replay(bench, "gs://landing/a/1.csv")
    assert plan.reason == "one of its members was rejected: put a good version of it in its place"


# many


def test_every_failed_run_and_dead_letter_of_a_trigger_since_a_time_but_nothing_that_was_cancelled() -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=DEAD))
    for state in ("failed", "cancelled", "succeeded", "failed"):
        bench.publish(f"{state} {bench.now}")
        bench.finish(state)  # type: ignore[arg-type]
    ids = [run.id for run in bench.runs()]
    operator = Replay(bench.ledger)
    everything = operator.every(trigger="t", since_ms=0)
    assert {plan.reason for plan in everything} == {f"run {ids[0]} failed", f"run {ids[3]} failed"}
    since_ms = bench.ledger.now_ms() - 12 * 60_000
    plans = list(operator.every(trigger=None, since_ms=since_ms))
    assert [plan.reason for plan in plans] == [f"run {ids[3]} failed"]
    assert list(operator.every(trigger="another", since_ms=0)) == []
    operator.ask(plans[0])
    assert [plan.reason for plan in Replay(bench.ledger).every(trigger="t", since_ms=since_ms)] == []


# dead letters


def test_a_letter_says_how_often_it_was_tried_and_since_when() -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=OnFailure(retry=1, then="dead")))
    bench.publish("m")
    bench.finish("failed")
    bench.finish("failed")
    [letter] = letters(bench.ledger)
    assert (letter.kind, letter.trigger, letter.code, letter.attempts) == ("run", "t", "run_failed", 2)
    assert letter.first == letter.last


def test_letters_of_another_day_about_the_same_thing_are_one() -> None:
    bench = Bench(trigger(AT_ONCE))
    for _ in range(2):
        bench.ledger.bury("malformed:1", "no JSON", {"code": "bad_json", "raw": "e30="})
        bench.now += timedelta(days=1)
    [letter] = letters(bench.ledger)
    assert (letter.kind, letter.state, letter.code) == ("malformed", "kept", "bad_json")
    assert (letter.first, letter.last) == ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
    assert told(replay(bench, letter.id))[0][0] == "leave"


def test_an_event_of_the_same_identity_with_other_content_is_kept_and_not_replayed() -> None:
    bench = Bench(trigger(AT_ONCE))
    event = bench.landed("a/1.csv")
    bench.send(event)
    bench.send(replace(event, payload=replace(event.payload, size=99)))  # type: ignore[type-var]
    [letter] = letters(bench.ledger)
    assert (letter.kind, letter.trigger, letter.subject) == ("conflict", "t", "gs://landing/a/1.csv")
    assert told(replay(bench, letter.id))[0][0] == "leave"


# cancelling what waits


def test_a_run_that_waits_for_a_slot_is_cancelled_for_good() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.publish("m0")
    bench.publish("m1")
    waiting = bench.journal.events()[1].run
    assert waiting is not None
    assert cancel(bench.ledger, bench.platform, waiting) == "cancelled"
    assert cancel(bench.ledger, bench.platform, waiting) == "ended"
    bench.finish()
    bench.advance(5 * MINUTE)
    assert (len(bench.platform.jobs), [event.result for event in bench.journal.events()]) == (
        1,
        ["launched", "skipped"],
    )
    assert list(bench.records.list("due/")) == []


@pytest.mark.parametrize("moment", [("create", "r/"), ("swap", "g/")])
def test_a_cancel_that_meets_a_launch_is_one_or_the_other(moment: tuple[str, str]) -> None:
    bench = Bench(trigger(AT_ONCE))
    said: list[str] = []

    def cancel_it() -> None:
        [event] = bench.journal.events()
        said.append(cancel(bench.ledger, bench.platform, str(event.run)))

    bench.records.meanwhile(*moment, cancel_it)  # type: ignore[arg-type]
    bench.publish("m")
    bench.advance(15 * MINUTE)
    assert (said, bench.platform.jobs, [run.phase for run in bench.runs()]) == (["cancelled"], {}, ["cancelled"])
    assert bench.publish("next") == "launched"


def test_a_run_that_is_being_sent_is_cancelled_on_the_platform_too() -> None:
    bench = Bench(trigger(AT_ONCE))
    said: list[str] = []

    def cancel_it() -> None:
        [run] = bench.runs()
        said.append(cancel(bench.ledger, bench.platform, run.id))

    bench.records.meanwhile("swap", "r/", cancel_it)  # the job is there; its record does not say so yet
    bench.publish("m")
    bench.advance(25 * MINUTE)
    [run] = bench.runs()
    assert (said, run.phase, bench.platform.status(bench.platform.jobs[run.job]).state) == (
        ["cancelling"],
        "cancelled",
        "cancelled",
    )


def test_a_run_that_waits_for_the_platform_is_cancelled_once_nothing_can_arrive_any_more() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.platform.before = [Unavailable("503", code="platform_unavailable")] * 9
    bench.publish("m")
    [run] = bench.runs()
    assert cancel(bench.ledger, bench.platform, run.id) == "cancelling"
    bench.advance(8 * MINUTE)
    assert [it.phase for it in bench.runs()] == ["cancelling"]
    bench.advance(4 * MINUTE)
    assert ([it.phase for it in bench.runs()], bench.platform.jobs) == (["cancelled"], {})
    assert bench.dead() == []


def test_a_replay_that_waits_is_cancelled_too() -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=DEAD))
    bench.drop("a/1.csv")
    bench.finish("failed")
    bench.publish("busy")
    [plan] = replay(bench, bench.runs()[0].id)
    bench.advance(2 * MINUTE)
    assert cancel(bench.ledger, bench.platform, str(plan.run)) == "cancelled"
    bench.finish(run=1)
    bench.advance(2 * HOUR)
    assert (len(bench.platform.jobs), list(bench.records.list("due/"))) == (2, [])
