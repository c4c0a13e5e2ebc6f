"""The end of a run is an event for the triggers that listen to it: once each, whatever ticks do."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.control import cancel, pause, resume
from retrigger.handlers.forget import forget
from retrigger.handlers.jobs import JobStatus
from retrigger.handlers.letters import letters
from retrigger.handlers.records import MAX_DEPTH
from retrigger.handlers.replay import Replay
from retrigger.handlers.shadowing import Shadowing
from retrigger.testing import Sandbox
from retrigger.triggers.event import ENDED, Event, Lifecycle, rfc3339
from tests.projects import template, write_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Literal

    from retrigger.triggers.event import Json

    Project = Callable[..., Sandbox]

PROJECT = """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    ledger: gs://acme-dev-retrigger
    stores: {landing: gs://landing}
    channels: {requests: projects/acme-dev/topics/requests}
    pipelines:
      train: {template: pipelines/train.json, root: gs://runs/train, service_account: default, labels: {team: growth}}
    endpoints: {churn: {name: churn-online}}
"""
TRAIN = """\
name: train
source:
  - message: {in: requests, parameters: {data: "${{ event.message.json.data }}"}}
  - object: {in: landing, match: "{day}/*.csv", parameters: {data: "${{ window.folder }}"}}
admit: {window: {key: match.day}, concurrency: {when_busy: queue}}
launch: {pipeline: train}
on_failure: {then: dead}
"""
SERVE = """\
name: serve
source:
  - lifecycle: {of: train}
filter: event.lifecycle.properties.metrics.accuracy > 0.9
launch:
  online_deployment:
    endpoint: churn
    model: {name: churn, version: "${{ int(event.lifecycle.properties.metrics.version) }}"}
    steps: [100]
"""
REPORT = """\
name: report
source:
  - lifecycle:
      of: OF
      status: [succeeded, failed, cancelled]
      parameters: {data: "${{ event.lifecycle.name + ' ' + event.lifecycle.status }}"}
launch: {pipeline: train}
"""
GOOD = {"accuracy": 0.93, "version": 7.0}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    def made(**triggers: str) -> Sandbox:
        files = {f"triggers/{name}.yaml": text for name, text in triggers.items()}
        train = template("train", data="STRING")
        write_files(tmp_path, {"retrigger.yaml": PROJECT, "pipelines/train.json": train, **files})
        return Sandbox(tmp_path, "dev")

    return made


def trained(sandbox: Sandbox, data: str = "gs://x", state: Literal["succeeded", "failed"] = "succeeded") -> str:
    """A run of `train` that has ended. -> its id."""
    [outcome] = sandbox.publish("requests", {"data": data})
    assert outcome.run is not None
    sandbox.finish(outcome.run, state, metrics=GOOD)
    return outcome.run


def ran(sandbox: Sandbox) -> list[tuple[str, Json]]:
    """(trigger, what it was given) of each run, oldest first."""
    return [(run.trigger, run.parameters.get("data", run.parameters.get("version"))) for run in sandbox.runs()]


def test_a_run_that_ends_well_launches_what_listens_to_it(project: Project) -> None:
    sandbox = project(train=TRAIN, serve=SERVE)
    run = trained(sandbox)
    sandbox.advance(timedelta(hours=2))
    assert ran(sandbox) == [("train", "gs://x"), ("serve", "7")]
    assert sandbox.runs()[1].state == "succeeded"
    assert sandbox.runs()[0].chained == [{"trigger": "serve", "result": "launched", "verdicts": []}]
    [event] = [event for event in sandbox.journal.events() if event.parent == run]
    assert (event.id, event.subject, event.result) == (f"{run}@succeeded", run, "launched")


def test_the_event_says_what_is_known_of_the_run(project: Project) -> None:
    sandbox = project(train=TRAIN, report=REPORT.replace("OF", "train"))
    run = trained(sandbox)
    [claim] = [claim.value for claim in sandbox.app.ledger.claims.list() if claim.value.parent == run]
    ended = sandbox.journal.run(run)
    assert ended is not None
    assert Event.from_json(claim.event) == Event(
        id=f"{run}@succeeded",
        source="//retrigger/environments/dev",
        type=ENDED,
        time=Event.from_json(claim.event).time,
        subject="train",
        payload=Lifecycle(
            platform="vertex",
            resource=run,
            name=run,
            status="succeeded",
            tags={**ended.labels},
            properties={
                "trigger": "train",
                "outcome": "succeeded",
                "launched": "pipeline",
                "pipeline": "train",
                "ended": ended.ended,
                "metrics": GOOD,
                "models": {},
                "parameters": {"data": "gs://x"},
                "depth": 1,
            },
        ),
    )
    assert rfc3339(Event.from_json(claim.event).time) == ended.ended
    assert (ended.labels["team"], claim.depth) == ("growth", 1)


def test_what_does_not_pass_the_filter_is_told_at_the_run(project: Project) -> None:
    sandbox = project(train=TRAIN, serve=SERVE.replace("> 0.9", "> 0.95"))
    run = trained(sandbox)
    assert ran(sandbox) == [("train", "gs://x")]
    chain = sandbox.journal.why(run)
    assert chain is not None
    [view] = chain["runs"]
    reason = "event.lifecycle.properties.metrics.accuracy > 0.95 is not true"
    verdict = {"stage": "filter", "says": "stop", "code": "filter_false", "reason": reason}
    assert view.chained == [{"trigger": "serve", "result": "ignored", "verdicts": [verdict]}]


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_any_end_may_be_waited_for(project: Project, state: Literal["failed", "cancelled"]) -> None:
    sandbox = project(train=TRAIN, serve=SERVE, report=REPORT.replace("OF", "train"))
    [outcome] = sandbox.publish("requests", {"data": "gs://x"})
    assert outcome.run is not None
    sandbox.finish(outcome.run, state)
    assert ran(sandbox) == [("train", "gs://x"), ("report", f"{outcome.run} {state}")]


def test_a_run_that_is_lost_has_failed(project: Project) -> None:
    sandbox = project(train=TRAIN, report=REPORT.replace("OF", "train"))
    [outcome] = sandbox.publish("requests", {"data": "gs://x"})
    assert outcome.run is not None
    sandbox.platform.finish(outcome.run, JobStatus(state="lost"))
    sandbox.advance(timedelta(minutes=30))
    assert ran(sandbox) == [("train", "gs://x"), ("report", f"{outcome.run} failed")]


def test_the_end_of_a_windows_run_and_of_a_rollout_are_events_too(project: Project) -> None:
    sandbox = project(train=TRAIN, serve=SERVE, report=REPORT.replace("OF", "serve"))
    sandbox.drop("gs://landing/monday/a.csv", b"1")
    [run] = sandbox.runs()
    sandbox.finish(run.id, metrics=GOOD)
    sandbox.advance(timedelta(hours=2))
    (_, served, _) = sandbox.runs()
    assert ran(sandbox) == [
        ("train", "gs://landing/monday/"),
        ("serve", "7"),
        ("report", f"{served.id} succeeded"),
    ]


def test_a_retry_is_the_same_run_and_a_replay_another(project: Project) -> None:
    sandbox = project(train=TRAIN.replace("then: dead", "retry: 1, then: dead"), report=REPORT.replace("OF", "train"))
    first = trained(sandbox, state="failed")
    assert ran(sandbox) == [("train", "gs://x")]  # it is tried again
    sandbox.finish(first, "failed")
    sandbox.finish(sandbox.runs()[-1].id)
    replay = Replay(sandbox.app.ledger)
    for plan in replay.of(first):
        replay.ask(plan)
    sandbox.advance(timedelta(minutes=2))
    second = sandbox.runs()[-1].id
    sandbox.finish(second)
    assert ran(sandbox) == [
        ("train", "gs://x"),
        ("report", f"{first} failed"),
        ("train", "gs://x"),
        ("report", f"{second} succeeded"),
    ]


def test_an_end_that_was_not_told_before_an_operator_had_the_run_done_once_more_is_told(project: Project) -> None:
    sandbox = project(train=TRAIN, report=REPORT.replace("OF", "train"))
    [outcome] = sandbox.publish("requests", {"data": "gs://x"})
    assert outcome.run is not None
    sandbox.platform.finish(outcome.run, JobStatus(state="failed"))
    sandbox.app.core.admission.following.follow_up(outcome.run)  # whoever saw it died here
    replay = Replay(sandbox.app.ledger)
    for plan in replay.of(outcome.run):
        replay.ask(plan)
    sandbox.advance(timedelta(minutes=2))
    second = next(run.id for run in sandbox.runs() if run.trigger == "train" and run.id != outcome.run)
    sandbox.finish(second)
    told = {event.id for event in sandbox.journal.events() if event.parent is not None}
    assert told == {f"{outcome.run}@failed", f"{second}@succeeded"}


def test_without_a_listener_an_end_costs_nothing(project: Project) -> None:
    """No claim is read, and the record is not swapped once more."""
    sandbox = project(train=TRAIN, report=REPORT.replace("OF", "train").replace("succeeded, ", ""))
    run = trained(sandbox)
    stored = sandbox.app.ledger.runs.get(run)
    assert stored is not None
    assert stored.value.chained is None


def test_two_listeners_hear_it_once_each(project: Project) -> None:
    other = REPORT.replace("OF", "train").replace("name: report", "name: other")
    sandbox = project(train=TRAIN, report=REPORT.replace("OF", "train"), other=other)
    run = trained(sandbox)
    sandbox.advance(timedelta(hours=2))
    assert sorted(ran(sandbox)[1:]) == [("other", f"{run} succeeded"), ("report", f"{run} succeeded")]


def test_a_trigger_that_only_observes_launches_nothing_on_it(project: Project) -> None:
    sandbox = project(train=TRAIN, report=REPORT.replace("OF", "train") + "mode: observe\n")
    run = trained(sandbox)
    assert [(run.trigger, run.phase) for run in sandbox.runs()] == [("train", "succeeded")]
    [event] = [event for event in sandbox.journal.events() if event.parent == run]
    assert event.result == "skipped"


def test_a_pause_holds_it_until_it_is_over(project: Project) -> None:
    sandbox = project(train=TRAIN, report=REPORT.replace("OF", "train"))
    pause(sandbox.app.ledger, "report", reason="", by="")
    run = trained(sandbox)
    sandbox.advance(timedelta(hours=2))
    assert ran(sandbox) == [("train", "gs://x")]
    resume(sandbox.app.ledger, "report", by="")
    sandbox.advance(timedelta(minutes=11))
    assert ran(sandbox) == [("train", "gs://x"), ("report", f"{run} succeeded")]


def test_what_waits_for_a_slot_and_is_cancelled_has_ended(project: Project) -> None:
    sandbox = project(train=TRAIN, report=REPORT.replace("OF", "train"))
    [first] = sandbox.publish("requests", {"data": "gs://x"})
    [second] = sandbox.publish("requests", {"data": "gs://y"})
    assert second.result == "deferred"
    [waiting] = [claim.value.run for claim in sandbox.app.ledger.claims.list() if claim.value.run != first.run]
    assert waiting is not None
    assert cancel(sandbox.app.ledger, sandbox.platform, waiting) == "cancelled"
    sandbox.advance(timedelta(minutes=11))
    assert ran(sandbox)[-1] == ("report", f"{waiting} cancelled")


def test_of_one_registered_model_the_event_has_the_version(project: Project) -> None:
    report = REPORT.replace("OF", "train").replace("event.lifecycle.status }}", "event.lifecycle.version }}")
    sandbox = project(train=TRAIN, report=report)
    [outcome] = sandbox.publish("requests", {"data": "gs://x"})
    assert outcome.run is not None
    sandbox.finish(outcome.run, models={"projects/1/locations/l/models/churn": "7"})
    assert ran(sandbox)[-1] == ("report", f"{outcome.run} 7")


def test_what_a_job_tags_itself_with_is_a_tag_of_the_event_and_changes_no_label(project: Project) -> None:
    tagged = SERVE.replace("metrics.accuracy > 0.9", "depth == 1 && double(event.lifecycle.tags.accuracy) > 0.9")
    tagged = tagged.replace("int(event.lifecycle.properties.metrics.version)", "event.lifecycle.tags.version")
    sandbox = project(train=TRAIN, serve=tagged)
    [outcome] = sandbox.publish("requests", {"data": "gs://x"})
    assert outcome.run is not None
    sandbox.finish(outcome.run, tags={"accuracy": "0.93", "version": "7", "team": "other"})
    assert ran(sandbox)[-1] == ("serve", "7")
    [claim] = [claim.value for claim in sandbox.app.ledger.claims.list() if claim.value.parent]
    tags = claim.event["lifecycle"]["tags"]
    assert (tags["team"], tags["accuracy"], tags["retrigger-trigger"]) == ("growth", "0.93", "train")


def test_long_parameters_are_left_out(project: Project) -> None:
    sandbox = project(train=TRAIN, report=REPORT.replace("OF", "train"))
    run = trained(sandbox, "x" * 5000)
    [claim] = [claim.value for claim in sandbox.app.ledger.claims.list() if claim.value.parent == run]
    assert claim.event["lifecycle"]["properties"]["parameters"] == {}


def test_a_chain_ends_in_a_dead_letter_when_it_grows_too_long(project: Project) -> None:
    names = [f"t{number}" for number in range(MAX_DEPTH + 2)]
    chain = {
        name: REPORT.replace("name: report", f"name: {name}").replace("OF", before) for before, name in pairwise(names)
    }
    sandbox = project(t0=TRAIN.replace("name: train", "name: t0"), **chain)
    [outcome] = sandbox.publish("requests", {"data": "gs://x"})
    assert outcome.run is not None
    sandbox.finish(outcome.run)
    for name in names[1:-1]:
        [run] = [run for run in sandbox.runs() if run.trigger == name]
        sandbox.finish(run.id)
    assert [run.trigger for run in sandbox.runs()] == names[:-1]
    [letter] = letters(sandbox.app.ledger)
    assert (letter.kind, letter.trigger, letter.code) == ("event", names[-1], "chain_too_deep")
    replay = Replay(sandbox.app.ledger)
    for plan in replay.of(letter.id):
        replay.ask(plan)
    sandbox.advance(timedelta(minutes=11))
    assert [run.trigger for run in sandbox.runs()] == names[:-1]


def test_what_another_environment_did_sets_nothing_in_motion_here(project: Project) -> None:
    triggers = {"train": TRAIN, "report": REPORT.replace("OF", "train")}
    there, here = project(**triggers), project(**triggers)
    [outcome] = there.publish("requests", {"data": "gs://x"})
    assert outcome.run is not None
    core = here.app.core
    shadowing = Shadowing(there.app.ledger, here.app.ledger, core.catalog, core.index, {})
    for shadow in shadowing.of(outcome.run):
        shadowing.ask(shadow)
    here.advance(timedelta(minutes=2))
    [run] = here.runs()
    here.finish(run.id)
    here.advance(timedelta(hours=2))
    assert ran(here) == [("train", "gs://x")]


def test_what_is_forgotten_of_a_run_names_the_events_of_its_end(project: Project) -> None:
    sandbox = project(train=TRAIN, report=REPORT.replace("OF", "train"))
    run = trained(sandbox, "ada@example.org")
    sandbox.finish(sandbox.runs()[-1].id)
    [first, _] = sandbox.journal.events()
    [told] = forget(sandbox.app.ledger, first.id)
    assert f"`retrigger forget {run}`" in told.left[1]
    [_] = forget(sandbox.app.ledger, run)
    kept = [claim.value.event for claim in sandbox.app.ledger.claims.list()]
    assert "ada@example.org" not in str(kept)


# lineage


def subjects(chain: dict[str, Any] | None) -> tuple[list[str], list[str], list[str]]:
    """Of what a target is told with: its events, its windows' states, its runs' triggers."""
    assert chain is not None
    events = [event.subject for event in chain["events"]]
    return events, [window["state"] for window in chain["windows"].values()], [run.trigger for run in chain["runs"]]


def test_why_shows_the_whole_chain_from_either_end(project: Project) -> None:
    sandbox = project(train=TRAIN, serve=SERVE, report=REPORT.replace("OF", "serve"))
    sandbox.drop("gs://landing/monday/a.csv", b"1")
    sandbox.finish(sandbox.runs()[0].id, metrics=GOOD)
    sandbox.advance(timedelta(hours=2))
    first, served, last = (run.id for run in sandbox.runs())
    triggers = ["train", "serve", "report"]
    assert subjects(sandbox.journal.why(first)) == (["gs://landing/monday/a.csv", first, served], ["frozen"], triggers)
    assert subjects(sandbox.journal.why("gs://landing/monday/a.csv")) == subjects(sandbox.journal.why(first))
    assert subjects(sandbox.journal.why(last)) == ([first, served], ["frozen"], triggers)
    assert subjects(sandbox.journal.why(f"{served}@succeeded")) == subjects(sandbox.journal.why(last))


def test_why_leaves_out_what_else_the_same_end_brought_about(project: Project) -> None:
    other = REPORT.replace("OF", "train").replace("name: report", "name: other")
    sandbox = project(train=TRAIN, report=REPORT.replace("OF", "train"), other=other)
    first = trained(sandbox)
    reports = {run.trigger: run.id for run in sandbox.runs()}
    _, _, triggers = subjects(sandbox.journal.why(reports["report"]))
    assert triggers == ["train", "report"]
    _, _, triggers = subjects(sandbox.journal.why(first))
    assert sorted(triggers) == ["other", "report", "train"]
