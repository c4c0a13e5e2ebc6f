"""What was sent is forgotten, and stays a duplicate."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from retrigger.handlers.forget import forget
from retrigger.handlers.letters import letters
from retrigger.handlers.replay import Replay
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.launches import BatchPrediction
from retrigger.triggers.spec import OnFailure, WindowRule
from tests.handlers.protocol.bench import BAD, Bench
from tests.handlers.protocol.scenes import trigger

AT_ONCE = WindowRule(key="match.k")
SECRET = "ada@example.org"


def everything(bench: Bench) -> str:
    """All that the ledger holds, members and manifests of windows aside."""
    bodies = [record for entry in bench.records.list("") if (record := bench.records.get(entry.key))]
    return json.dumps([record.body for record in bodies if record.key[:2] not in {"m/", "f/", "q/"}])


def test_a_message_is_forgotten_in_claim_run_and_dead_letter_and_stays_a_duplicate() -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=OnFailure(then="dead")))
    bench.publish("m", {"what": SECRET})
    bench.finish("failed")
    assert SECRET in everything(bench)
    [event] = bench.journal.events()
    [told] = forget(bench.ledger, event.id)
    assert (told.records, told.why_not, SECRET in everything(bench)) == (3, None, False)
    assert (bench.publish("m", {"what": SECRET}), len(bench.platform.jobs)) == ("duplicate", 1)
    [letter] = letters(bench.ledger)
    assert [plan.action for plan in Replay(bench.ledger).of(letter.id)] == ["leave"]
    [event] = bench.journal.events()
    assert (event.result, event.id == event.subject) == ("launched", True)
    assert [it.records for it in forget(bench.ledger, event.id)] == [3]


def test_of_a_batch_prediction_input_and_output_are_forgotten_and_the_run_can_still_be_read() -> None:
    what = "${{ event.message.json.what }}"
    launch = BatchPrediction(model="churn", input=f"gs://b/{what}.csv", output=f"gs://out/{what}")
    bench = Bench(replace(trigger(AT_ONCE), launch=launch))
    bench.publish("m", {"what": SECRET})
    bench.finish()
    [event] = bench.journal.events()
    [told] = forget(bench.ledger, event.id)
    [run] = bench.runs()
    assert (told.records, SECRET in everything(bench)) == (2, False)
    assert (run.parameters, bench.journal.job(run.id).labels) == ({"input": [], "output": ""}, run.labels)


def test_a_dry_run_forgets_nothing() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.publish("m", {"what": SECRET})
    bench.finish()
    [told] = forget(bench.ledger, bench.journal.events()[0].id, dry_run=True)
    assert (told.records, SECRET in everything(bench)) == (2, True)


def test_what_still_waits_or_runs_is_not_forgotten_and_says_so() -> None:
    bench = Bench(trigger(WindowRule(key="match.k", quiet=AT_ONCE.max_wait)))
    bench.publish("runs")
    bench.publish("waits")
    bench.drop("a/1.csv")
    said = {next(forget(bench.ledger, event.id)).why_not for event in bench.journal.events()}
    [window] = {event.window for event in bench.journal.events() if event.window}
    assert said == {
        f"run {bench.runs()[0].id} has not ended: cancel it, or wait",
        "it is not settled: cancel its run, or wait",
        f"it waits in window {window}",
    }


def test_forgetting_that_was_broken_off_is_done_again_under_the_same_name() -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=OnFailure(then="dead")))
    bench.publish("m", {"what": SECRET})
    bench.finish("failed")
    [event] = bench.journal.events()

    def away() -> None:
        raise Unavailable("the store is away", code="ledger_unavailable")

    bench.records.meanwhile("swap", "c/", away)
    with pytest.raises(Unavailable):
        list(forget(bench.ledger, event.id))
    assert [it.records for it in forget(bench.ledger, event.id)] == [3]
    assert SECRET not in everything(bench)


def test_a_rejected_object_is_forgotten_and_what_lies_elsewhere_is_named() -> None:
    bench = Bench(trigger(AT_ONCE, gated=True))
    event = bench.landed(f"a/{SECRET}.csv", BAD)
    bench.send(event)
    [told] = forget(bench.ledger, f"gs://landing/a/{SECRET}.csv")
    assert (SECRET in everything(bench), "the object itself" in told.left) == (False, True)
    assert bench.send(event) == "duplicate"


def test_a_conflict_is_forgotten_with_the_event_that_it_met() -> None:
    bench = Bench(trigger(AT_ONCE))
    event = replace(bench.landed("a/1.csv"), id=SECRET)
    bench.send(event)
    bench.finish()
    bench.send(replace(event, payload=replace(event.payload, size=99)))  # type: ignore[type-var]
    [told] = forget(bench.ledger, SECRET)
    assert (told.records, SECRET in everything(bench)) == (2, False)
    assert any(place.startswith("the manifest of window") for place in told.left)
