"""Each hole that the ledger's protocol closes, as a story of its own; the numbers are those of the protocol's page.

Not here, because no feature of this release meets them: rollouts (14), two clouds (21). Platforms without ids (1) are
in `tests/handlers/test_sent_once.py`, replay (20) in `test_replay.py` beside it; `replace` and `skip` (9, 11),
schedules (12) and a ledger that is away (19) in `test_promises.py`, hosts' clocks (13) in `test_mutants.py`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.control import cancel
from retrigger.handlers.jobs import JobStatus
from retrigger.handlers.records import MAX_TRIES
from retrigger.triggers.errors import Refused, Unavailable, Unknown
from retrigger.triggers.spec import Concurrency, OnFailure, WindowRule
from tests.handlers.protocol.bench import MINUTE, Bench
from tests.handlers.protocol.scenes import environment, trigger

if TYPE_CHECKING:
    from retrigger.triggers.event import Event

AT_ONCE = WindowRule(key="match.k")
HOUR = 60 * MINUTE


def marked(**rule: object) -> WindowRule:
    return WindowRule(key="match.k", until="{k}/_DONE", max_wait=2 * HOUR, **rule)  # type: ignore[arg-type]


def test_hole_02_a_lost_response_is_adopted_not_launched_again() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.platform.after = [Unknown("the answer was lost", code="response_lost")]
    assert bench.drop("a/1.csv") == "deferred"
    bench.advance(2 * MINUTE)
    [run] = bench.runs()
    assert (run.phase, list(bench.platform.jobs)) == ("launched", [run.job])


def test_hole_02_a_refusal_for_now_keeps_the_slot_and_launches_once() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.platform.before = [Unavailable("503", code="platform_unavailable")] * 2
    assert [bench.drop("a/1.csv"), bench.drop("b/1.csv")] == ["deferred", "deferred"]
    bench.advance(10 * MINUTE)
    [run] = bench.runs()
    assert (run.phase, run.parameters, list(bench.platform.jobs)) == ("launched", {"what": "a"}, [run.job])


def test_hole_02_a_refusal_for_good_is_a_dead_letter_and_frees_the_slot() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.platform.before = [Refused("403 actAs", code="permission_denied")]
    assert bench.drop("a/1.csv") == "deferred"
    assert bench.dead() == ["403 actAs"]
    assert bench.drop("b/1.csv") == "launched"


def test_hole_02_a_failed_answer_to_a_retry_is_waited_for_as_long_as_to_a_first_try() -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=OnFailure(retry=1)))
    bench.drop("a/1.csv")
    bench.advance(30 * HOUR)  # it trains for more than a day
    bench.platform.before = [Unavailable("503", code="platform_unavailable")] * 3
    bench.finish("failed")
    bench.advance(HOUR)
    assert ([run.phase for run in bench.runs()], bench.dead()) == (["launched"], [])


def test_hole_03_a_claim_that_is_being_decided_is_noted_and_acknowledged() -> None:
    bench = Bench(trigger(AT_ONCE, gated=True))
    event = bench.landed("a/1.csv")
    results = []
    bench.records.meanwhile("swap", "c/", lambda: results.append(bench.send(event, process=1)))
    results.append(bench.send(event))
    bench.advance(3 * MINUTE)
    assert (results, bench.members()) == (["launched", "duplicate"], [["a/1.csv"]])


@pytest.mark.parametrize("moment", ["c/", "m/"])
def test_hole_04_a_member_that_comes_while_its_window_closes_is_in_one_manifest(moment: str) -> None:
    bench = Bench(trigger(AT_ONCE))
    late = bench.landed("a/late.csv")
    bench.send(bench.landed("a/0.csv"), process=1)  # both processes know the key's window by now
    bench.records.meanwhile("create", moment, lambda: bench.drop("a/1.csv"))
    bench.send(late, process=1)
    for _ in range(3):
        bench.finish()
    assert sorted(name for names in bench.members() for name in names) == ["a/0.csv", "a/1.csv", "a/late.csv"]


def test_hole_05_another_environments_job_of_the_same_id_is_a_conflict() -> None:
    ours, theirs = Bench(trigger(AT_ONCE)), Bench(trigger(AT_ONCE))
    theirs.publish("m")
    [(name, job)] = theirs.platform.jobs.items()
    ours.platform.submit(replace(job, fingerprint="0" * 16), {})
    ours.publish("m")
    [run] = ours.runs()
    assert (run.id, run.phase) == (name, "dead")
    assert "run_id_conflict" in ours.dead()[0]


def test_hole_05_environments_never_share_a_run_id() -> None:
    benches = [Bench(trigger(AT_ONCE), replace(environment(), name=name)) for name in ("dev", "prod")]
    for bench in benches:
        bench.publish("m")
    assert len({run.id for bench in benches for run in bench.runs()}) == 2


def test_hole_06_a_slot_whose_holder_died_before_freeing_it_is_taken_over() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.drop("a/1.csv")
    [run] = list(bench.ledger.runs.list())
    bench.ledger.runs.swap(run, replace(run.value, state="ended", outcome="succeeded"))
    assert bench.drop("b/1.csv") == "launched"


def test_hole_07_what_came_while_the_slot_was_freed_is_not_forgotten() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.drop("a/1.csv")
    bench.platform.finish(bench.runs()[0].job, JobStatus(state="succeeded"))
    bench.records.meanwhile("swap", "g/", lambda: bench.send(bench.landed("a/2.csv"), process=1))
    bench.advance(3 * MINUTE)
    assert bench.members() == [["a/1.csv"], ["a/2.csv"]]


def test_hole_08_a_slot_granted_to_a_run_that_ended_meanwhile_is_given_back() -> None:
    bench = Bench(trigger(AT_ONCE))
    event = bench.landed("a/1.csv")

    def another_launches_and_it_ends() -> None:
        bench.send(event, process=1)
        bench.tick(process=1)
        bench.finish()

    bench.records.meanwhile("swap", "g/", another_launches_and_it_ends)
    bench.send(event)
    assert [(run.phase, run.state) for run in bench.runs()] == [("succeeded", "succeeded")]
    assert bench.drop("b/1.csv") == "launched"


def test_hole_08_a_job_that_the_platform_lost_frees_its_slot() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.drop("a/1.csv")
    bench.platform.finish(bench.runs()[0].job, JobStatus(state="lost"))
    bench.advance(11 * MINUTE)
    assert ([run.state for run in bench.runs()], bench.drop("b/1.csv")) == (["lost"], "launched")


def test_hole_10_racing_deliveries_agree_on_the_first_verdict() -> None:
    bench = Bench(trigger(AT_ONCE, gated=True))
    event = bench.landed("a/1.csv")
    again = [event, event]
    results: list[str] = []

    def another_reads_too() -> None:
        if again:
            results.append(bench.send(again.pop(), process=1))

    bench.objects.while_reading = another_reads_too
    results.append(bench.send(event))
    assert (sorted(results), bench.members()) == (["duplicate", "duplicate", "launched"], [["a/1.csv"]])


def test_hole_10_a_burst_of_deliveries_does_not_give_a_healthy_file_up() -> None:
    bench = Bench(trigger(AT_ONCE, gated=True))
    event = bench.landed("a/1.csv")
    again = [event] * (3 * MAX_TRIES)  # all of them come while the first still reads

    def another_reads_too() -> None:
        if again:
            bench.send(again.pop(), process=1)

    bench.objects.while_reading = another_reads_too
    bench.send(event)
    bench.advance(5 * MINUTE)
    assert (bench.members(), bench.dead()) == ([["a/1.csv"]], [])


class _Killed(BaseException):
    """The process died: nothing after this line ran."""


def _dies(bench: Bench, event: Event | None) -> None:
    def kill() -> None:
        raise _Killed

    bench.objects.while_reading = kill
    with pytest.raises(_Killed):
        bench.send(event) if event else bench.tick()


def test_hole_10_a_file_that_kills_its_readers_ends_as_a_dead_letter() -> None:
    bench = Bench(trigger(AT_ONCE, gated=True))
    event = bench.landed("a/1.csv")
    for _ in range(MAX_TRIES):
        _dies(bench, event)
    assert bench.send(event) == "deferred"
    bench.advance(2 * MINUTE)
    assert bench.dead() == [f"gave up after {MAX_TRIES} tries: each ended without an answer"]
    assert bench.send(event) == "duplicate"


def test_hole_15_members_over_the_maximum_become_several_runs_with_a_slot_each() -> None:
    bench = Bench(trigger(marked(max_members=2), concurrency=Concurrency(limit=2)))
    for number in range(5):
        bench.drop(f"a/{number}.csv")
    bench.drop("a/_DONE")
    assert [run.members for run in bench.runs()] == [2, 2]
    bench.finish()
    assert sorted(run.members for run in bench.runs()) == [1, 2, 2]


def test_hole_16_of_a_name_that_was_written_twice_the_newest_version_runs_once() -> None:
    bench = Bench(trigger(marked()))
    older = bench.landed("a/1.csv")
    assert [bench.drop("a/1.csv", b"n\n3\n"), bench.send(older), bench.drop("a/_DONE")] == [
        "deferred",
        "deferred",
        "launched",
    ]
    [manifest] = [stored.value for stored in bench.ledger.manifests.list()]
    assert [entry["version"] for entry in manifest.entries.values()] == ["2"]


def test_hole_17_the_same_identity_with_other_content_is_recorded_and_not_launched() -> None:
    bench = Bench(trigger(AT_ONCE))
    assert [bench.publish("m", {"what": "x"}), bench.publish("m", {"what": "x"})] == ["launched", "duplicate"]
    event = bench.landed("a/1.csv")
    bench.send(event)
    assert bench.send(replace(event, payload=replace(event.payload, size=99))) == "rejected"  # type: ignore[type-var]
    assert bench.dead() == ["the same identity came before with other content: recorded, not launched"]


def test_hole_18_an_event_that_comes_again_after_years_is_a_duplicate() -> None:
    bench = Bench(trigger(AT_ONCE))
    event = bench.landed("a/1.csv")
    bench.send(event)
    bench.finish()
    bench.now += timedelta(days=1_000)
    bench.tick()
    assert (bench.send(event, process=1), len(bench.runs())) == ("duplicate", 1)


def test_hole_22_fields_that_a_newer_version_wrote_are_kept() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.drop("a/1.csv")
    [run] = list(bench.ledger.runs.list())
    bench.records.swap(run.record, {**run.record.body, "of_the_future": [1]})
    bench.finish()
    [run] = list(bench.ledger.runs.list())
    assert (run.value.outcome, run.record.body["of_the_future"]) == ("succeeded", [1])


def test_a_cancelled_run_that_fails_meanwhile_is_not_tried_again() -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=OnFailure(retry=1)))
    bench.drop("a/1.csv")
    [run] = bench.runs()
    bench.platform.finish(run.job, JobStatus(state="failed"))
    assert cancel(bench.ledger, bench.platform, run.id) == "cancelling"
    bench.advance(15 * MINUTE)
    assert ([it.state for it in bench.runs()], list(bench.platform.jobs)) == (["cancelled"], [run.job])


def test_a_cancel_whose_sender_died_is_asked_for_by_the_tick() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.drop("a/1.csv")
    [run] = list(bench.ledger.runs.list())
    bench.ledger.runs.swap(run, replace(run.value, state="cancelling"))  # and died before the platform was asked
    bench.advance(30 * MINUTE)
    assert [it.state for it in bench.runs()] == ["cancelled"]
