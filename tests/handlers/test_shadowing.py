"""What one environment did is done in another one: read there, written here, launched by the tick of here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.control import pause
from retrigger.handlers.forget import forget
from retrigger.handlers.jobs import PipelineJob
from retrigger.handlers.letters import letters
from retrigger.handlers.replay import Replay
from retrigger.handlers.requests import resolved_again
from retrigger.handlers.shadowing import Shadowing
from retrigger.triggers.environment import Channel, Pipeline, Store
from retrigger.triggers.errors import Refused, Unavailable
from retrigger.triggers.event import FIRED, Event, Schedule
from retrigger.triggers.launches import PipelineLaunch
from retrigger.triggers.match import Index
from retrigger.triggers.spec import Concurrency, OnFailure, ScheduleSource, WindowRule
from tests.handlers.protocol.bench import BAD, MINUTE, Bench
from tests.handlers.protocol.scenes import JUDGE, environment, naming, trigger
from tests.handlers.protocol.world import START, OneTrigger

if TYPE_CHECKING:
    from retrigger.handlers.shadowing import Shadow
    from retrigger.triggers.spec import Trigger

AT_ONCE = WindowRule(key="match.k")
PROD = replace(
    environment(),
    name="prod",
    vars={"table": "prod.table"},
    stores={"landing": Store(kind="gcs", bucket="prod-landing")},
    channels={
        "requests": Channel(address="topics/prod-requests"),
        "announcements": Channel(address="topics/prod-announcements"),
    },
    pipelines={
        "train": Pipeline(template="sha", root="gs://prod-root", service_account="a@prod", labels={"team": "x"})
    },
)
CHANNELS = {"topics/requests": "topics/prod-requests", "topics/announcements": "topics/prod-announcements"}


class Both:
    """Two environments of the same trigger, and the shadows of one in the other."""

    def __init__(self, made: Trigger, there: Trigger | None = None) -> None:
        self.dev = Bench(made)
        self.prod = Bench(there or made, PROD)
        catalog = OneTrigger(PROD, there or made)
        index = Index.build([there or made], PROD)
        self.shadowing = Shadowing(self.dev.ledger, self.prod.ledger, catalog, index, CHANNELS)

    def shadow(self, target: str) -> list[Shadow]:
        found = self.shadowing.of(target)
        for one in found:
            self.shadowing.ask(one)
        self.prod.advance(2 * MINUTE)
        return found

    def wrote(self) -> dict[str, object]:
        """All that the ledger that is read holds."""
        found = [self.dev.records.get(entry.key) for entry in self.dev.records.list("")]
        return {it.key: it.body for it in found if it is not None}


def test_a_run_is_resolved_again_with_the_same_values_for_the_platform_of_here() -> None:
    both = Both(trigger(AT_ONCE))
    both.dev.publish("m")
    both.dev.finish()
    [ran] = both.dev.runs()
    before = both.wrote()
    [shadow] = both.shadow(ran.id)
    [job] = both.prod.platform.jobs.values()
    assert both.wrote() == before
    assert (shadow.plan.action, shadow.plan.run, shadow.plan.reason) == ("launch", job.id, "as sim did")
    assert job.id != ran.id
    assert (job.parameters, job.root, job.service_account) == (ran.parameters, "gs://prod-root", "a@prod")
    assert job.labels == {
        "team": "x",
        "retrigger-environment": "prod",
        "retrigger-event": ran.labels["retrigger-event"],
        "retrigger-run": job.id,
        "retrigger-trigger": "t",
    }


def test_a_windows_run_is_done_with_the_uris_that_it_had() -> None:
    made = replace(
        trigger(AT_ONCE), launch=PipelineLaunch(pipeline="train", parameters={"what": "${{ window.folder }}"})
    )
    both = Both(made)
    both.dev.drop("a/1.csv")
    [shadow] = both.shadow("gs://landing/a/1.csv")
    [run] = both.prod.runs()
    assert (run.id, run.parameters, run.window) == (shadow.plan.run, {"what": "gs://landing/a/"}, None)
    both.prod.finish()
    [run] = both.prod.runs()
    assert (run.state, list(both.prod.records.list("m/"))) == ("succeeded", [])
    assert both.prod.slots() == {}


def test_the_dataset_of_a_windows_run_is_registered_here_too_unless_the_clouds_differ() -> None:
    launch = PipelineLaunch(pipeline="train", register="dataset", parameters={"what": "${{ window.dataset }}"})
    made = replace(trigger(AT_ONCE), launch=launch)
    both = Both(made)
    both.dev.drop("a/1.csv")
    [ran] = both.dev.platform.jobs.values()
    assert isinstance(ran, PipelineJob)
    both.shadow(ran.id)
    [job] = both.prod.platform.jobs.values()
    assert isinstance(job, PipelineJob)
    assert job.dataset is not None
    assert (job.dataset, job.dataset.id, job.parameters) == (ran.dataset, ran.id, {"what": ran.id})
    stored = both.dev.ledger.runs.get(ran.id)
    assert stored is not None
    assert stored.value.job is not None
    azure = replace(PROD, cloud="azure")
    with pytest.raises(Refused, match="the other cloud"):
        resolved_again(OneTrigger(azure, made), made, "r-0", stored.value.job)


def test_it_is_found_there_by_the_run_that_it_is_a_shadow_of() -> None:
    both = Both(trigger(AT_ONCE))
    both.dev.publish("m")
    [ran] = both.dev.runs()
    both.shadow(ran.id)
    chain = both.prod.journal.why(ran.id)
    assert chain is not None
    [event] = chain["events"]
    assert (event.kind, event.subject, event.id) == ("replay", f"run {ran.id} of sim", ran.id)
    assert [run.id for run in chain["runs"]] == [event.run]


def test_twice_or_after_a_crash_it_is_one_run_and_there_it_can_be_replayed() -> None:
    both = Both(trigger(AT_ONCE, on_failure=OnFailure(then="dead")))
    both.dev.publish("m")
    [ran] = both.dev.runs()

    def away() -> None:
        raise Unavailable("killed", code="ledger_unavailable")

    both.prod.records.meanwhile("create", "due/", away)
    with pytest.raises(Unavailable):
        both.shadow(ran.id)
    both.shadow(ran.id)
    [shadow] = both.shadow(ran.id)
    assert (shadow.plan.action, shadow.claim) == ("leave", None)
    [run] = both.prod.runs()
    assert shadow.plan.reason == f"it came to prod before, as run {run.id}: replay it there"
    both.prod.finish("failed")
    replay = Replay(both.prod.ledger)
    [plan] = replay.of(run.id)
    replay.ask(plan)
    both.prod.advance(2 * MINUTE)
    assert [it.replay_of for it in both.prod.runs()] == [None, run.id]


def test_it_takes_a_slot_is_held_by_a_pause_and_can_be_forgotten() -> None:
    both = Both(trigger(AT_ONCE, concurrency=Concurrency(limit=1)))
    both.dev.publish("m")
    pause(both.prod.ledger, "t", reason="x", by="ann")
    [shadow] = both.shadow(both.dev.runs()[0].id)
    assert both.prod.platform.jobs == {}
    both.prod.pause(on=False)
    both.prod.advance(5 * MINUTE)
    assert list(both.prod.slots()) == [shadow.plan.run]
    both.prod.finish()
    [told] = forget(both.prod.ledger, both.dev.runs()[0].id)
    assert (told.records, told.why_not) == (2, None)


def test_what_only_observes_there_launches_nothing() -> None:
    made = trigger(AT_ONCE)
    both = Both(made, replace(made, mode="observe"))
    both.dev.publish("m")
    both.shadow(both.dev.runs()[0].id)
    assert both.prod.platform.jobs == {}


def test_a_message_that_was_turned_away_is_decided_on_by_the_trigger_of_there() -> None:
    both = Both(trigger(AT_ONCE, validators=(JUDGE,)), trigger(AT_ONCE))
    assert both.dev.publish("bad1") == "rejected"
    [event] = both.dev.journal.events()
    [shadow] = both.shadow(event.id)
    assert shadow.plan.action == "decide"
    [run] = both.prod.runs()
    assert run.parameters == {"what": "bad1"}
    [there] = both.prod.journal.events()
    assert (there.subject, there.result) == ("topics/prod-requests", "launched")
    assert [it.plan.action for it in both.shadow(event.id)] == ["leave"]


def test_a_time_of_a_schedule_is_decided_on_anew() -> None:
    """It launched nothing, since a parameter had no value where it came."""
    source = ScheduleSource(cron="0 3 * * *", parameters={"what": "${{ vars.table }}"})
    made = replace(trigger(AT_ONCE), sources=(source,))
    both = Both(made)
    struck = Event(
        id="t/3",
        source="//retrigger/schedules/t",
        type=FIRED,
        time=START,
        subject="t",
        payload=Schedule(name="t", scheduled_for=START),
    )
    assert both.dev.send(struck) == "rejected"
    [shadow] = both.shadow("t/3")
    assert shadow.plan.action == "decide"
    assert [run.parameters for run in both.prod.runs()] == [{"what": "prod.table"}]


def test_what_a_message_names_is_looked_for_where_the_trigger_of_there_listens() -> None:
    both = Both(trigger(AT_ONCE))
    assert both.dev.send(naming("n", ["a/1.csv"])) == "rejected"  # it is not there
    [shadow] = both.shadow("n")
    [there] = both.prod.journal.events()
    assert (shadow.plan.action, there.result) == ("decide", "rejected")
    assert there.verdicts[-1]["reason"] == "object 1 lies in no store of this trigger's object sources"


def test_a_dead_letter_is_named_by_its_id() -> None:
    both = Both(trigger(AT_ONCE, on_failure=OnFailure(then="dead")))
    both.dev.publish("m")
    both.dev.finish("failed")
    [letter] = letters(both.dev.ledger)
    [shadow] = both.shadow(letter.id)
    assert [run.id for run in both.prod.runs()] == [shadow.plan.run]


def test_what_cannot_be_done_elsewhere_says_why() -> None:
    made = trigger(AT_ONCE, gated=True)
    both = Both(made)
    both.dev.drop("a/1.csv", BAD)
    both.dev.publish("m")
    [ran] = both.dev.runs()

    def reason(shadowing: Shadowing, target: str) -> tuple[str, str | None]:
        [one] = shadowing.of(target)
        assert one.claim is None
        return one.plan.reason, one.plan.code

    def into(there: Trigger, where: object = PROD) -> Shadowing:
        catalog = OneTrigger(where, there)  # type: ignore[arg-type]
        return Shadowing(both.dev.ledger, both.prod.ledger, catalog, Index.build([there], PROD), CHANNELS)

    assert reason(both.shadowing, "gs://landing/a/1.csv") == (
        "what it is about is not in prod: put it there, and it has an event",
        None,
    )
    assert reason(into(replace(made, name="u")), ran.id) == ("prod has no trigger `t`", None)
    other = replace(made, launch=PipelineLaunch(pipeline="other", parameters={}))
    assert reason(into(other), ran.id) == ("t launches no pipeline `train` in prod", "no_such_pipeline")
    assert both.shadowing.of("nobody") == []
    both.dev.finish()
    list(forget(both.dev.ledger, str(ran.event)))
    assert reason(both.shadowing, ran.id) == ("it was forgotten: its parameters are gone", None)


def test_what_waits_in_a_window_has_no_run_yet() -> None:
    both = Both(trigger(WindowRule(key="match.k", quiet=5 * MINUTE)))
    both.dev.drop("a/1.csv")
    [shadow] = both.shadow("gs://landing/a/1.csv")
    assert shadow.plan.reason == "it is being decided on, or waits in a window: it has no run yet"


def test_what_is_being_judged_is_not_done_elsewhere() -> None:
    both = Both(trigger(AT_ONCE, validators=(JUDGE,)))
    both.dev.publish("broken1")
    [event] = both.dev.journal.events()
    [shadow] = both.shadow(event.id)
    assert (shadow.plan.action, shadow.plan.reason.startswith("it is being decided on")) == ("leave", True)


def test_of_what_was_not_kept_nothing_is_decided() -> None:
    both = Both(trigger(AT_ONCE, validators=(JUDGE,), archive="none"))
    both.dev.publish("bad1")
    [event] = both.dev.journal.events()
    [shadow] = both.shadow(event.id)
    assert (shadow.plan.action, shadow.plan.code) == ("leave", "event_not_kept")
