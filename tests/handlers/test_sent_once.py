"""Hole 1 of the protocol: what a platform does not know by our id is sent at most once, and never by itself again."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.control import cancel
from retrigger.handlers.jobs import JobStatus
from retrigger.handlers.letters import letters
from retrigger.handlers.replay import Replay
from retrigger.triggers.errors import Refused, RetriggerError, Unavailable, Unknown
from retrigger.triggers.spec import OnFailure, WindowRule
from tests.handlers.protocol.bench import MINUTE, Bench
from tests.handlers.protocol.scenes import PREDICTION, trigger

if TYPE_CHECKING:
    from retrigger.handlers.jobs import BatchJob

LOST = Unknown("the answer was lost", code="timeout")
AT_ONCE = WindowRule(key="match.k")


@pytest.fixture
def bench() -> Bench:
    return Bench(replace(trigger(AT_ONCE), launch=PREDICTION))


def phases(bench: Bench) -> list[str]:
    return [run.phase for run in bench.runs()]


def never_sent(bench: Bench) -> str:
    """A run that nobody can find: it was never sent, and nobody can know that. -> its id"""
    bench.platform.before = [LOST]
    assert bench.publish("a") == "deferred"
    bench.advance(10 * MINUTE)
    [run] = bench.runs()
    return run.id


def test_it_is_sending_while_it_is_sent_and_launched_after(bench: Bench) -> None:
    seen, submit = [], bench.platform.submit

    def watched(job: BatchJob, template: None) -> str:
        seen.append(phases(bench))
        return submit(job, template)

    bench.platform.submit = watched  # type: ignore[method-assign, assignment]
    assert bench.publish("a") == "launched"
    assert (seen, phases(bench)) == ([["sending"]], ["launched"])


def test_a_lost_answer_is_looked_up_by_label_and_nothing_is_sent_again(bench: Bench) -> None:
    bench.platform.after = [LOST]
    assert bench.publish("a") == "deferred"
    assert [bench.publish("a"), phases(bench)] == ["duplicate", ["sending"]]
    bench.advance(4 * MINUTE)
    assert phases(bench) == ["sending"]
    bench.advance(2 * MINUTE)
    assert (phases(bench), len(bench.platform.jobs), bench.dead()) == (["launched"], 1, [])


def test_what_is_not_found_is_unsure_an_alarm_and_keeps_its_slot(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        run = never_sent(bench)
    assert bench.publish("b") == "deferred"
    bench.advance(60 * MINUTE)
    [view] = bench.runs()
    assert (view.state, view.phase, list(bench.slots()), bench.platform.jobs) == ("lost", "unsure", [run], {})
    assert [(record.message, record.fields["run"]) for record in caplog.records] == [("run_unsure", run)]  # type: ignore[attr-defined]
    assert [(letter.state, letter.code, letter.run) for letter in letters(bench.ledger)] == [("dead", "unsure", run)]


def test_one_that_arrives_late_is_followed_and_its_letter_needs_nobody(bench: Bench) -> None:
    name = never_sent(bench)
    bench.platform.submit(bench.journal.job(name), None)
    bench.advance(11 * MINUTE)
    assert (phases(bench), [letter.state for letter in letters(bench.ledger)]) == (["launched"], ["kept"])
    bench.finish("succeeded")
    assert (phases(bench), bench.slots()) == (["succeeded"], {})


def test_what_certainly_did_not_happen_is_tried_again(bench: Bench) -> None:
    bench.platform.before = [Unavailable("429", code="resource_exhausted")] * 2
    assert [bench.publish("a"), phases(bench)] == ["deferred", ["wait"]]
    bench.advance(10 * MINUTE)
    assert (phases(bench), len(bench.platform.jobs)) == (["launched"], 1)


def test_a_refusal_is_a_dead_letter_and_frees_the_slot(bench: Bench) -> None:
    bench.platform.before = [Refused("404 no such model", code="not_found")]
    assert [bench.publish("a"), bench.dead(), bench.slots()] == ["deferred", ["404 no such model"], {}]


def test_a_retry_of_one_that_failed_is_another_job_sent_once() -> None:
    bench = Bench(replace(trigger(AT_ONCE, on_failure=OnFailure(retry=1)), launch=PREDICTION))
    bench.publish("a")
    bench.platform.after = [LOST]
    bench.finish("failed")
    bench.advance(10 * MINUTE)
    [run] = bench.runs()
    assert (run.phase, list(bench.platform.jobs)) == ("launched", [run.id, f"{run.id}-1"])


def test_what_was_launched_a_moment_ago_is_not_lost_because_a_list_is_behind(bench: Bench) -> None:
    bench.publish("a")
    [run] = bench.runs()
    bench.platform.finish(run.job, JobStatus(state="lost"))
    bench.advance(3 * MINUTE)
    assert phases(bench) == ["launched"]
    bench.advance(10 * MINUTE)
    assert phases(bench) == ["lost"]


def test_a_replay_leaves_an_unsure_run_alone_unless_a_new_run_is_asked_for(bench: Bench) -> None:
    name = never_sent(bench)
    [left] = Replay(bench.ledger).of(name)
    told = f"run {name} may have been sent: look at the platform; --new-run gives it up and does it once more"
    assert (left.action, left.reason) == ("leave", told)
    assert list(Replay(bench.ledger).every(trigger=None, since_ms=0)) == []
    again = Replay(bench.ledger, again=True)
    for plan in again.of(name):
        again.ask(plan)
    bench.advance(3 * MINUTE)
    [old, new] = bench.runs()
    assert (old.phase, new.phase, new.replay_of, list(bench.slots())) == ("lost", "launched", name, [new.id])
    assert [letter.state for letter in letters(bench.ledger)] == ["replayed"]


def test_of_a_window_s_run_a_new_one_gets_the_same_members(bench: Bench) -> None:
    bench.platform.before = [LOST]
    assert bench.drop("a/1.csv") == "deferred"
    bench.advance(10 * MINUTE)
    again = Replay(bench.ledger, again=True)
    [plan] = again.of("gs://landing/a/1.csv")
    again.ask(plan)
    bench.advance(3 * MINUTE)
    assert (plan.members, phases(bench), bench.members()) == (1, ["lost", "launched"], [["a/1.csv"], ["a/1.csv"]])


def test_one_that_is_found_while_an_operator_thinks_is_not_done_once_more(bench: Bench) -> None:
    name = never_sent(bench)
    again = Replay(bench.ledger, again=True)
    [plan] = again.of(name)
    bench.platform.submit(bench.journal.job(name), None)
    bench.advance(11 * MINUTE)
    with pytest.raises(RetriggerError, match="changed at this moment") as raised:
        again.ask(plan)
    bench.advance(5 * MINUTE)
    assert (raised.value.code, phases(bench), len(bench.platform.jobs)) == ("changed", ["launched"], 1)


@pytest.mark.parametrize("after", [0, 10])
def test_a_cancel_settles_what_is_being_sent_or_unsure(bench: Bench, after: int) -> None:
    bench.platform.before = [LOST]
    bench.publish("a")
    bench.advance(after * MINUTE)
    [run] = bench.runs()
    assert cancel(bench.ledger, bench.platform, run.id) == "cancelling"
    assert list(bench.slots()) == [run.id]
    bench.advance(25 * MINUTE)
    assert (phases(bench), bench.slots(), bench.platform.jobs) == (["cancelled"], {}, {})


def test_a_cancel_of_one_whose_answer_was_lost_stops_it_on_the_platform(bench: Bench) -> None:
    bench.platform.after = [LOST]
    bench.publish("a")
    [run] = bench.runs()
    cancel(bench.ledger, bench.platform, run.id)
    bench.advance(11 * MINUTE)
    [job] = bench.platform.jobs.values()
    assert (phases(bench), bench.platform.status(job).state) == (["cancelled"], "cancelled")


class Killed(BaseException):
    """The worker's process is gone."""


def test_a_worker_that_dies_before_it_sends_leaves_what_nobody_else_sends(bench: Bench) -> None:
    killed: Any = Killed()
    bench.platform.before = [killed]
    with pytest.raises(Killed):
        bench.publish("a")
    assert bench.publish("a") == "duplicate"
    bench.advance(30 * MINUTE)
    assert (phases(bench), bench.platform.jobs) == (["unsure"], {})


def test_one_that_arrives_late_and_fails_is_a_dead_letter_again(bench: Bench) -> None:
    name = never_sent(bench)
    bench.platform.submit(bench.journal.job(name), None)
    bench.advance(11 * MINUTE)
    bench.finish("failed")
    assert (phases(bench), [letter.state for letter in letters(bench.ledger)]) == (["failed"], ["dead"])


def test_a_retry_that_nobody_can_find_is_a_dead_letter_though_the_first_try_was_launched() -> None:
    bench = Bench(replace(trigger(AT_ONCE, on_failure=OnFailure(retry=1)), launch=PREDICTION))
    bench.publish("a")
    bench.platform.before = [LOST]
    bench.finish("failed")
    bench.advance(10 * MINUTE)
    assert (phases(bench), [letter.state for letter in letters(bench.ledger)]) == (["unsure"], ["dead"])
