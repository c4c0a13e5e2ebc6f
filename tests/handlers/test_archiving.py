"""What a ledger keeps of an event once it is settled; and that letting go of the rest loses and doubles nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import pytest

from retrigger.handlers.control import cancel
from retrigger.handlers.forget import forget
from retrigger.handlers.letters import letters
from retrigger.handlers.replay import Replay
from retrigger.handlers.slots import own_gate
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.launches import PipelineLaunch
from retrigger.triggers.spec import Archive, Concurrency, MessageSource, ObjectSource, WindowRule
from tests.handlers.protocol.bench import BAD, MINUTE, Bench
from tests.handlers.protocol.scenes import JUDGE, trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.triggers.event import Event
    from retrigger.triggers.spec import Trigger

AT_ONCE = WindowRule(key="match.k")
SECRET = "ada@example.org"
KEYED = Concurrency(key="event.message.json.who")


def mute(rule: WindowRule = AT_ONCE, **parts: Any) -> Trigger:
    """A trigger of which no parameter comes from a message."""
    made = trigger(rule, **parts)
    sources = (
        ObjectSource(store="landing", match="{k}/*.csv"),
        MessageSource(channel="requests", parameters={"what": "ever"}),
        MessageSource(channel="announcements", members="event.message.json.files"),
    )
    return replace(made, sources=sources, launch=PipelineLaunch(pipeline="train", parameters={"what": "ever"}))


def message(bench: Bench, message_id: str, who: str = SECRET) -> Event:
    value = {"who": who, "id": message_id}
    event = bench.message(message_id, value)  # type: ignore[arg-type]
    return replace(event, payload=replace(event.payload, body=json.dumps(value).encode()))  # type: ignore[type-var]


def naming(bench: Bench, *names: str) -> Event:
    files = [bench.landed(name).payload.uri for name in names]  # type: ignore[union-attr]
    event = bench.message("announcement", {"files": files})  # type: ignore[dict-item]
    return replace(event, payload=replace(event.payload, channel="topics/announcements"))  # type: ignore[type-var]


def claims_and_letters(bench: Bench) -> str:
    found = [bench.records.get(entry.key) for entry in bench.records.list("")]
    return json.dumps([it.body for it in found if it is not None and it.key[:2] in {"c/", "d/", "g/"}])


@pytest.mark.parametrize(
    ("archive", "redact"), [("metadata", ()), ("none", ()), ("full", ("/message/json/who",))], ids=str
)
def test_a_message_is_whole_while_it_waits_and_no_longer(archive: Archive, redact: tuple[str, ...]) -> None:
    bench = Bench(mute(archive=archive, redact=redact, concurrency=Concurrency()))
    bench.publish("busy")
    bench.send(message(bench, "m"))
    assert SECRET in claims_and_letters(bench)
    bench.finish()
    bench.advance(2 * MINUTE)
    assert SECRET not in claims_and_letters(bench)
    assert bench.send(message(bench, "m")) == "duplicate"
    assert len(bench.platform.jobs) == 2


def test_an_event_costs_as_many_operations_whatever_is_kept_of_it() -> None:
    """But for what joins a window after it was looked into: one more get and swap, where no name may stay."""
    costs: dict[str, list[int]] = {}
    for archive in get_args(Archive):
        for gated in (False, True):
            bench = Bench(mute(WindowRule(key="match.k", quiet=MINUTE), archive=archive, gated=gated))
            for event in (message(bench, "m"), bench.landed("a/1.csv"), bench.landed("a/2.csv")):
                before = bench.records.counted.total()
                bench.send(event)
                costs.setdefault(archive, []).append(bench.records.counted.total() - before)
    assert costs["metadata"] == costs["full"]
    assert costs["none"] == [cost + more for cost, more in zip(costs["full"], (0, 0, 0, 0, 2, 2), strict=True)]


@pytest.mark.parametrize("archive", ["metadata", "none"])
def test_other_content_under_the_same_identity_is_judged_by_what_was_sent(archive: Archive) -> None:
    bench = Bench(mute(archive=archive))
    bench.send(message(bench, "m"))
    assert bench.send(message(bench, "m")) == "duplicate"
    assert bench.send(message(bench, "m", "eve@example.org")) == "rejected"
    [letter] = letters(bench.ledger)
    assert (letter.kind, letter.code) == ("conflict", "identity_conflict")
    assert "@example.org" not in claims_and_letters(bench)
    assert len(bench.platform.jobs) == 1


def test_redacted_content_is_no_difference_but_another_value_in_its_place_is() -> None:
    bench = Bench(mute(redact=("/message/json/who",)))
    bench.send(message(bench, "m"))
    assert bench.send(message(bench, "m", "[redacted]")) == "rejected"
    assert bench.send(message(bench, "m")) == "duplicate"


@pytest.mark.parametrize("archive", ["full", "metadata", "none"])
def test_slots_are_those_of_the_key_that_the_event_had(archive: Archive) -> None:
    bench = Bench(mute(archive=archive, concurrency=KEYED))
    sent = [bench.outcome(message(bench, name, who)) for name, who in [("1", "ada"), ("2", "ada"), ("3", "bob")]]
    assert [it.result for it in sent] == ["launched", "deferred", "launched"]
    bench.finish(run=[run.id for run in bench.runs()].index(str(sent[0].run)))
    bench.advance(2 * MINUTE)
    assert len(bench.platform.jobs) == 3
    held = {bench.ledger.gates.name(it) for it in bench.ledger.gates.list() if it.value.holds}
    assert held == {own_gate("t", "ada"), own_gate("t", "bob")}


def test_a_key_that_gives_nothing_turns_the_event_away() -> None:
    bench = Bench(mute(concurrency=Concurrency(key="event.message.json.nobody")))
    assert bench.send(message(bench, "m")) == "rejected"


def test_a_claim_of_an_older_version_finds_its_gate_by_its_event() -> None:
    bench = Bench(mute(concurrency=KEYED))
    bench.send(message(bench, "1", "ada"))
    bench.send(message(bench, "2", "ada"))
    new = {"own_gate", "archive", "redact", "content"}
    for entry in list(bench.records.list("c/")):
        record = bench.records.get(entry.key)
        assert record is not None
        bench.records.swap(record, {name: value for name, value in record.body.items() if name not in new})
    bench.finish()
    bench.advance(2 * MINUTE)
    assert len(bench.platform.jobs) == 2
    assert bench.send(message(bench, "1", "eve")) == "rejected"


# what is turned away


@pytest.mark.parametrize("archive", ["metadata", "none"])
def test_a_rejected_message_is_not_replayed_and_it_is_said_why(archive: Archive) -> None:
    bench = Bench(mute(archive=archive, validators=(JUDGE,)))
    assert bench.send(message(bench, "bad1")) == "rejected"
    assert SECRET not in claims_and_letters(bench)
    [event] = bench.journal.events()
    [plan] = Replay(bench.ledger).of(event.id)
    assert (plan.action, plan.code) == ("leave", "event_not_kept")
    assert plan.reason.endswith("send it again, under an identity of its own")


def test_a_rejected_object_is_replayed_where_only_metadata_is_kept() -> None:
    bench = Bench(mute(archive="metadata", gated=True))
    assert bench.drop("a/1.csv", BAD) == "rejected"
    [plan] = Replay(bench.ledger).of("gs://landing/a/1.csv")
    assert (plan.action, plan.code) == ("decide", None)


def test_a_dead_letter_has_what_its_claim_has() -> None:
    bench = Bench(mute(archive="metadata", validators=(JUDGE,)))
    bench.send(message(bench, "broken1"))
    bench.advance(20 * MINUTE)
    [letter] = letters(bench.ledger)
    assert (letter.kind, letter.code) == ("event", "tries_exhausted")
    assert letter.event is not None
    assert (letter.event["archived"], SECRET in claims_and_letters(bench)) == ("metadata", False)


def test_a_failed_run_is_replayed_with_the_request_that_it_had_whatever_is_kept() -> None:
    bench = Bench(mute(archive="none"))
    bench.send(message(bench, "m"))
    bench.finish("failed")
    [old] = bench.runs()
    replay = Replay(bench.ledger)
    [plan] = replay.of(old.id)
    replay.ask(plan)
    bench.advance(2 * MINUTE)
    assert [run.replay_of for run in bench.runs()] == [None, old.id]
    bench.finish()
    [event] = bench.journal.events()
    assert (event.id.startswith("event:"), event.run, event.result) == (True, plan.run, "launched")


def test_a_waiting_run_that_is_cancelled_lets_go_too() -> None:
    bench = Bench(mute(archive="none", concurrency=Concurrency()))
    bench.publish("busy")
    bench.send(message(bench, "m"))
    [_, waiting] = bench.journal.events()
    assert waiting.run is not None
    cancel(bench.ledger, bench.platform, waiting.run)
    bench.advance(2 * MINUTE)
    assert SECRET not in claims_and_letters(bench)


def test_what_was_forgotten_is_forgotten_with_its_hashes() -> None:
    bench = Bench(mute(archive="metadata"))
    bench.send(message(bench, "m"))
    bench.finish()
    [event] = bench.journal.events()
    assert [it.records for it in forget(bench.ledger, event.id)] == [2]
    assert [claim.value.content for claim in bench.ledger.claims.list()] == [None]
    assert bench.send(message(bench, "m", "eve")) == "duplicate"


def test_what_is_being_judged_is_not_forgotten() -> None:
    bench = Bench(mute(validators=(JUDGE,)))
    event = message(bench, "broken1")
    bench.send(event)
    [told] = forget(bench.ledger, event.id)
    assert told.why_not == "it is not settled: cancel its run, or wait"


def test_a_replay_that_was_asked_for_leaves_what_was_forgotten_meanwhile() -> None:
    bench = Bench(mute(gated=True))
    bench.drop("a/1.csv", BAD)
    replay = Replay(bench.ledger)
    [plan] = replay.of("gs://landing/a/1.csv")
    bench.records.meanwhile("swap", "c/", lambda: list(forget(bench.ledger, "gs://landing/a/1.csv")))
    replay.ask(plan)
    bench.advance(2 * MINUTE)
    assert [claim.value.state for claim in bench.ledger.claims.list()] == ["rejected"]
    assert list(bench.records.list("due/")) == []


# objects


def test_of_an_object_only_its_window_knows_the_name() -> None:
    bench = Bench(mute(archive="none", gated=True))
    bench.drop("a/1.csv")
    bench.drop("a/2.csv", BAD)
    assert "landing/a/" not in claims_and_letters(bench)
    assert bench.members() == [["a/1.csv"]]
    results = {event.result: event.id for event in bench.journal.events()}
    assert set(results) == {"launched", "rejected"}
    [plan] = Replay(bench.ledger).of(results["rejected"])
    assert plan.code == "event_not_kept"


def test_who_looked_may_die_before_it_joined_when_all_others_were_acknowledged() -> None:
    """The other delivery was acknowledged on the strength of its note: no more than the ledger knows goes on."""
    bench = Bench(mute(archive="none", gated=True))
    event = bench.landed("a/1.csv")

    def dies() -> None:
        raise Unavailable("killed", code="ledger_unavailable")

    def another() -> None:
        bench.objects.while_reading = dies
        assert bench.send(event, process=1) == "deferred"
        bench.objects.while_reading = lambda: None

    bench.objects.while_reading = another
    bench.records.meanwhile("create", "m/", dies)
    with pytest.raises(Unavailable):
        bench.send(event)
    bench.advance(5 * MINUTE)
    assert bench.members() == [["a/1.csv"]]
    assert "landing/a/" not in claims_and_letters(bench)


# whoever dies where

SCENES: dict[str, tuple[Callable[[Archive], Trigger], Callable[[Bench], list[Event]]]] = {
    "a message": (
        lambda archive: mute(archive=archive, concurrency=KEYED),
        lambda bench: [message(bench, "m")],
    ),
    "a judged message": (
        lambda archive: mute(archive=archive, validators=(JUDGE,)),
        lambda bench: [message(bench, "m")],
    ),
    "an object": (lambda archive: mute(archive=archive), lambda bench: [bench.landed("a/1.csv")]),
    "a gated object": (lambda archive: mute(archive=archive, gated=True), lambda bench: [bench.landed("a/1.csv")]),
    "a marker": (
        lambda archive: mute(WindowRule(key="match.k", until="{k}/*_DONE"), archive=archive, gated=True),
        lambda bench: [bench.landed("a/1.csv"), bench.landed("a/1_DONE", b"")],
    ),
    "a marker that lists": (
        lambda archive: mute(WindowRule(key="match.k", until="{k}/*_DONE", until_lists=True), archive=archive),
        lambda bench: [bench.landed("a/1.csv"), bench.landed("a/1_DONE", b"gs://landing/a/1.csv\n")],
    ),
    "a message that names an object": (
        lambda archive: mute(archive=archive, gated=True),
        lambda bench: [naming(bench, "a/1.csv")],
    ),
}


@pytest.mark.parametrize("archive", ["metadata", "none"])
@pytest.mark.parametrize("scene", SCENES)
def test_whoever_dies_at_whatever_step_one_run_comes_of_it_and_nothing_stays(scene: str, archive: Archive) -> None:
    """Killed before each operation in turn, then delivered again and followed by ticks."""
    make, events = SCENES[scene]
    step, killed = 0, True
    while killed:
        bench = Bench(make(archive))
        killed = _deliver(bench, events(bench), dies_at=step)
        bench.advance(5 * MINUTE)
        assert len(bench.platform.jobs) == 1, step
        bench.finish()
        bench.advance(120 * MINUTE)
        assert list(bench.records.list("due/")) == [], step
        left = claims_and_letters(bench)
        assert SECRET not in left, step
        assert archive == "metadata" or "landing/a/" not in left, step
        step += 1
    assert step > 5


def _deliver(bench: Bench, events: list[Event], dies_at: int) -> bool:
    """Each until it is acknowledged. -> whether somebody died on the way."""
    began = bench.records.counted.total()

    def step() -> None:
        if bench.records.counted.total() - began == dies_at + 1:
            raise Unavailable("killed", code="ledger_unavailable")

    bench.records.before_each = step
    for event in events:
        for process in (0, 1):
            try:
                bench.send(event, process)
            except Unavailable:
                continue
            break
    bench.records.before_each = lambda: None
    return bench.records.counted.total() - began > dies_at
