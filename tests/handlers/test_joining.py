"""Objects that a message names: as if their own events had arrived, once each, wherever a worker dies."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.admit import Admission
from retrigger.handlers.core import Core
from retrigger.triggers.environment import Store
from retrigger.triggers.errors import Refused, Unavailable
from retrigger.triggers.event import Event, Message
from retrigger.triggers.match import Index
from retrigger.triggers.spec import Concurrency, MessageSource, ObjectSource, WindowRule
from tests.handlers.protocol.bench import BAD, GOOD, MINUTE, Bench
from tests.handlers.protocol.scenes import environment, trigger
from tests.handlers.protocol.world import START, OneTrigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.handlers.outcome import Outcome
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Trigger

FILES = "event.message.json.files"
BY_K = WindowRule(key="match.k")


def joining(rule: WindowRule = BY_K, *, members: str = FILES, gated: bool = False, **parts: Any) -> Trigger:
    made = trigger(rule, gated=gated)
    sources = (ObjectSource(store="landing", match="{k}/*.csv"), MessageSource(channel="requests", members=members))
    return replace(made, **{"sources": sources, **parts})


def naming(*names: Json, message_id: str = "m", bucket: str = "landing") -> Event:
    files = [f"gs://{bucket}/{name}" if isinstance(name, str) else name for name in names]
    return message({"files": files}, message_id)


def message(body: Json, message_id: str = "m") -> Event:
    payload = Message(channel="topics/requests", id=message_id, json=body, body=str(body).encode())
    return Event(id=message_id, source="//pubsub", type="message", time=START, subject=None, payload=payload)


def land(bench: Bench, *names: str) -> None:
    for name in names:
        bench.landed(name)


def raising(error: BaseException) -> Callable[[], None]:
    def raises() -> None:
        raise error

    return raises


def told(outcome: Outcome) -> tuple[str, list[tuple[str, str]]]:
    return outcome.result, [(it.code, it.reason) for it in outcome.verdicts]


def states(bench: Bench) -> list[str]:
    return sorted(claim.value.state for claim in bench.ledger.claims.list())


# together


def test_the_objects_that_a_message_names_are_one_run() -> None:
    bench = Bench(joining())
    land(bench, "a/1.csv", "a/2.csv", "a/3.csv")
    outcome = bench.outcome(naming("a/1.csv", "a/2.csv", "a/3.csv"))
    [run] = bench.runs()
    assert told(outcome) == ("launched", [("joined", "of its objects: 3 taken")])
    assert (outcome.run, outcome.window, run.parameters) == (run.id, run.window, {"what": "a"})
    assert bench.members() == [["a/1.csv", "a/2.csv", "a/3.csv"]]


def test_a_window_that_waits_closes_when_it_is_due_and_not_before() -> None:
    bench = Bench(joining(WindowRule(key="match.k", quiet=5 * MINUTE)))
    land(bench, "a/1.csv", "a/2.csv")
    assert bench.send(naming("a/1.csv")) == "deferred"
    bench.advance(3 * MINUTE)
    assert bench.send(naming("a/2.csv", message_id="n")) == "deferred"
    bench.advance(4 * MINUTE)
    assert bench.members() == []
    bench.advance(2 * MINUTE)
    assert bench.members() == [["a/1.csv", "a/2.csv"]]


def test_one_message_can_fill_two_windows_each_by_the_captures_of_its_objects() -> None:
    bench = Bench(joining(concurrency=Concurrency(limit=2)))
    land(bench, "a/1.csv", "a/2.csv", "b/1.csv")
    assert bench.send(naming("a/1.csv", "b/1.csv", "a/2.csv")) == "launched"
    assert sorted(bench.members()) == [["a/1.csv", "a/2.csv"], ["b/1.csv"]]
    assert sorted(str(run.parameters["what"]) for run in bench.runs()) == ["a", "b"]


def test_a_marker_that_is_named_completes_the_window_of_what_is_named_with_it() -> None:
    bench = Bench(joining(WindowRule(key="match.k", until="{k}/_DONE", max_wait=120 * MINUTE)))
    land(bench, "a/_DONE", "a/1.csv", "a/2.csv")
    assert bench.send(naming("a/_DONE", "a/1.csv", "a/2.csv")) == "launched"
    assert bench.members() == [["a/1.csv", "a/2.csv"]]


def test_a_marker_that_came_before_waits_for_the_last_object_that_is_named() -> None:
    bench = Bench(joining(WindowRule(key="match.k", until="{k}/_DONE", max_wait=120 * MINUTE)))
    land(bench, "a/1.csv", "a/2.csv")
    assert bench.drop("a/_DONE") == "deferred"
    assert (bench.send(naming("a/1.csv")), bench.send(naming("a/2.csv", message_id="n"))) == ("deferred", "launched")
    assert bench.members() == [["a/1.csv", "a/2.csv"]]


def test_a_single_uri_is_a_list_of_one() -> None:
    bench = Bench(joining(members="event.message.json.file"))
    land(bench, "a/ü 1.csv")
    assert bench.send(message({"file": "gs://landing/a/ü 1.csv"})) == "launched"
    assert bench.members() == [["a/ü 1.csv"]]


def test_an_object_that_is_named_twice_joins_once() -> None:
    bench = Bench(joining())
    land(bench, "a/1.csv")
    assert told(bench.outcome(naming("a/1.csv", "a/1.csv"))) == ("launched", [("joined", "of its objects: 1 taken")])
    assert bench.members() == [["a/1.csv"]]


def test_thousand_objects_are_one_run() -> None:
    bench = Bench(joining())
    names = [f"a/{number}.csv" for number in range(1000)]
    land(bench, *names)
    assert bench.send(naming(*names)) == "launched"
    assert bench.members() == [sorted(names)]


# once


def test_a_message_that_comes_again_changes_nothing_and_looks_nothing_up() -> None:
    bench = Bench(joining())
    land(bench, "a/1.csv")
    bench.send(naming("a/1.csv"))
    bench.objects.while_looking = raising(AssertionError("something was looked up"))
    again = bench.outcome(naming("a/1.csv"))
    assert (again.result, again.stored, len(bench.runs())) == ("duplicate", "deferred", 1)


def test_a_notification_after_the_message_is_a_duplicate() -> None:
    bench = Bench(joining())
    event = bench.landed("a/1.csv")
    assert [bench.send(naming("a/1.csv")), bench.send(event)] == ["launched", "duplicate"]
    assert bench.members() == [["a/1.csv"]]


def test_a_message_after_the_notification_joins_nothing_anew() -> None:
    bench = Bench(joining())
    event = bench.landed("a/1.csv")
    assert [bench.send(event), bench.send(naming("a/1.csv"))] == ["launched", "deferred"]
    bench.finish()
    bench.advance(120 * MINUTE)
    assert (bench.members(), states(bench)) == ([["a/1.csv"]], ["joined", "member"])


def test_two_messages_that_name_the_same_object_join_it_once() -> None:
    bench = Bench(joining(WindowRule(key="match.k", quiet=5 * MINUTE)))
    land(bench, "a/1.csv", "a/2.csv")
    bench.send(naming("a/1.csv", "a/2.csv"))
    bench.send(naming("a/2.csv", message_id="n"))
    bench.advance(6 * MINUTE)
    assert bench.members() == [["a/1.csv", "a/2.csv"]]


def test_a_later_version_of_an_object_that_is_named_again_joins_the_next_window() -> None:
    bench = Bench(joining())
    land(bench, "a/1.csv")
    bench.send(naming("a/1.csv"))
    bench.finish()
    bench.landed("a/1.csv", b"n\n3\n")
    assert bench.send(naming("a/1.csv", message_id="n")) == "launched"
    assert bench.members() == [["a/1.csv"], ["a/1.csv"]]


def test_another_message_under_the_same_identity_is_recorded_and_joins_nothing() -> None:
    source = MessageSource(channel="requests", members=FILES, key="event.message.json.request")
    bench = Bench(joining(sources=(ObjectSource(store="landing", match="{k}/*.csv"), source)))
    land(bench, "a/1.csv", "b/1.csv")
    bench.send(message({"request": "r", "files": ["gs://landing/a/1.csv"]}, "m"))
    other = bench.outcome(message({"request": "r", "files": ["gs://landing/b/1.csv"]}, "n"))
    assert (other.result, other.verdicts[-1].code) == ("rejected", "identity_conflict")
    assert (bench.members(), states(bench)) == ([["a/1.csv"]], ["joined", "member"])


def test_the_objects_key_filter_and_gate_are_asked_as_of_its_own_event() -> None:
    objects = ObjectSource(
        store="landing", match="{k}/*.csv", key="event.object.name", filter="event.object.size > 2 && event.id != ''"
    )
    bench = Bench(joining(gated=True, sources=(objects, MessageSource(channel="requests", members=FILES))))
    land(bench, "a/1.csv")
    bench.landed("a/small.csv", b"n")
    bench.landed("a/bad.csv", BAD)
    outcome = bench.outcome(naming("a/1.csv", "a/small.csv", "a/bad.csv"))
    counted = "of its objects: 1 taken, 1 filtered out, 1 rejected"
    assert told(outcome) == ("launched", [("joined", counted)])
    newer = bench.landed("a/1.csv", b"n\n7\n8\n9\n")
    assert (bench.send(newer), bench.members()) == ("rejected", [["a/1.csv"]])  # its key: the name alone


def test_a_message_of_which_nothing_is_taken_is_rejected() -> None:
    bench = Bench(joining(gated=True))
    bench.landed("a/bad.csv", BAD)
    assert told(bench.outcome(naming("a/bad.csv"))) == ("rejected", [("none_joined", "of its objects: 1 rejected")])
    again = bench.outcome(naming("a/bad.csv"))
    assert (again.result, again.stored, states(bench)) == ("duplicate", "rejected", ["rejected", "rejected"])


def test_a_bad_object_that_is_named_spoils_its_window_where_the_window_says_so() -> None:
    bench = Bench(joining(WindowRule(key="match.k", bad_member="reject"), gated=True))
    land(bench, "a/1.csv")
    bench.landed("a/2.csv", BAD)
    assert bench.send(naming("a/1.csv", "a/2.csv")) == "deferred"
    assert (bench.runs(), [it.value.state for it in bench.ledger.manifests.list()]) == ([], ["rejected"])


def test_while_the_trigger_pauses_objects_that_are_named_gather() -> None:
    bench = Bench(joining())
    land(bench, "a/1.csv", "a/2.csv")
    bench.pause(on=True)
    assert bench.send(naming("a/1.csv", "a/2.csv")) == "deferred"
    bench.advance(5 * MINUTE)
    assert bench.runs() == []
    bench.pause(on=False)
    bench.advance(2 * MINUTE)
    assert bench.members() == [["a/1.csv", "a/2.csv"]]


def test_a_message_costs_four_operations_above_those_of_its_objects() -> None:
    bench = Bench(joining(WindowRule(key="match.k", quiet=5 * MINUTE)))
    bench.drop("a/0.csv")  # the window is open, and known to be
    land(bench, *(f"a/{number}.csv" for number in range(1, 4)))
    bench.records.counted.clear()
    bench.send(naming("a/1.csv", "a/2.csv", "a/3.csv"))
    assert bench.records.counted == {"get": 1 + 3, "create": 2 + 2 * 3, "swap": 1}


# turned away

FORM = "is no URI of an object: write gs://BUCKET/NAME or https://ACCOUNT.blob.core.windows.net/CONTAINER/NAME"
ELSEWHERE = "lies in no store of this trigger's object sources"
MATCHES_NOT = "has a name that no object source of this trigger matches"
NEITHER = f"{FILES} gives neither a URI nor a list of URIs"
ABSENT = "event.message.json.files: files is absent here: guard it with has(…)"
MANY = "the message names 1,001 objects; at most 1,000 are allowed: send several"


@pytest.mark.parametrize(
    ("files", "code", "reason"),
    [
        (["gs://landing/a/1.csv", "gs://other/a/1.csv"], "bad_members", f"object 2 {ELSEWHERE}"),
        (["gs://landing.other/a/1.csv"], "bad_members", f"object 1 {ELSEWHERE}"),
        (["https://landing.blob.core.windows.net/landing/a/1.csv"], "bad_members", f"object 1 {ELSEWHERE}"),
        (["gs://landing/1.csv"], "bad_members", f"object 1 {MATCHES_NOT}"),
        (["gs://landing/../landing/a/1.csv"], "bad_members", f"object 1 {MATCHES_NOT}"),
        (["gs://landing/a/%31.csv"], "members_missing", "object 1 is not there"),
        (["gs://landing/a/1.csv", "gs://landing/a/2.csv"], "members_missing", "object 2 is not there"),
        (
            ["gs://landing", "gs://", "gs:///a/1.csv"],
            "bad_members",
            "; ".join(f"object {at} {FORM}" for at in (1, 2, 3)),
        ),
        (
            ["", 1, None, {}, ["gs://landing/a/1.csv"]],
            "bad_members",
            "; ".join(f"object {at} {FORM}" for at in range(1, 6)),
        ),
        (["http://169.254.169.254/latest/a/1.csv"], "bad_members", f"object 1 {FORM}"),
        (["gs://landing/a/" + "x" * 1024 + ".csv"], "bad_members", f"object 1 {FORM}"),
        ([], "no_members", f"{FILES} names no object"),
        ({"a": "gs://landing/a/1.csv"}, "bad_members", NEITHER),
        (7, "bad_members", NEITHER),
        (["gs://landing/a/1.csv"] * 1001, "too_many_members", MANY),
    ],
)
def test_a_message_that_names_anything_else_is_turned_away_whole(files: Json, code: str, reason: str) -> None:
    bench = Bench(joining())
    land(bench, "a/1.csv")
    event = message({"files": files})
    assert told(bench.outcome(event)) == ("rejected", [(code, reason)])
    again = bench.outcome(event)
    assert (again.result, again.stored, states(bench), bench.runs()) == ("duplicate", "rejected", ["rejected"], [])


def test_an_expression_that_gives_nothing_turns_the_message_away() -> None:
    bench = Bench(joining())
    assert told(bench.outcome(message({}))) == ("rejected", [("expression_failed", ABSENT)])


def test_a_message_that_breaks_its_schema_is_turned_away() -> None:
    source = MessageSource(channel="requests", members=FILES, schema={"required": ["by"]})
    bench = Bench(joining(sources=(ObjectSource(store="landing", match="{k}/*.csv"), source)))
    land(bench, "a/1.csv")
    [verdict] = bench.outcome(naming("a/1.csv")).verdicts
    assert (verdict.code, states(bench)) == ("schema", ["rejected"])


def test_no_reason_shows_what_was_sent_and_many_are_told_in_short() -> None:
    bench = Bench(joining())
    secret = "https://acme.blob.core.windows.net/c/a/1.csv?sig=c2VjcmV0"
    [verdict] = bench.outcome(message({"files": [secret] * 40})).verdicts
    assert verdict.reason.count(ELSEWHERE) == 10
    assert verdict.reason.endswith("; and 30 more")
    assert "sig" not in verdict.reason


def test_what_was_turned_away_stays_so_though_its_object_comes_later() -> None:
    source = MessageSource(channel="requests", members=FILES, key="event.message.json.request")
    bench = Bench(joining(sources=(ObjectSource(store="landing", match="{k}/*.csv"), source)))
    event = message({"request": "r", "files": ["gs://landing/a/1.csv"]})
    assert bench.send(event) == "rejected"
    land(bench, "a/1.csv")
    assert (bench.send(event), bench.runs()) == ("duplicate", [])


def test_only_where_the_trigger_listens_is_anything_looked_up() -> None:
    bench = Bench(joining())
    bench.objects.while_looking = raising(AssertionError("something was looked up"))
    assert bench.send(message({"files": ["gs://other/a/1.csv", "gs://landing/no"]})) == "rejected"


def prefixed() -> Environment:
    stores = {
        "landing": Store(kind="gcs", bucket="landing", prefix="in/"),
        "blobs": Store(kind="blob", account="acme", bucket="landing", prefix=""),
    }
    return replace(environment(), stores=stores)


def test_names_are_held_against_the_folder_of_the_store() -> None:
    bench = Bench(joining(), prefixed())
    land(bench, "in/a/1.csv", "out/a/1.csv")
    assert bench.send(naming("out/a/1.csv", message_id="n")) == "rejected"
    assert (bench.send(naming("in/a/1.csv")), bench.members()) == ("launched", [["in/a/1.csv"]])


def test_a_blob_is_named_by_its_address_and_joins_under_the_name_that_its_events_have() -> None:
    sources = (ObjectSource(store="blobs", match="dt={k}/*.csv"), MessageSource(channel="requests", members=FILES))
    bench = Bench(joining(sources=sources), prefixed())
    bench.objects.put("acme/landing", "dt=1/a b.csv", GOOD)
    urls = ["https://acme.blob.core.windows.net/landing/dt%3D1/a%20b.csv?sig=c2VjcmV0"]
    assert (
        bench.send(message({"files": [*urls, "https://acme.blob.core.windows.net/landing/dt=1/a b.csv"]})) == "launched"
    )
    [run] = bench.runs()
    assert run.window is not None
    assert bench.journal.window(run.window)["uris"] == ["https://acme.blob.core.windows.net/landing/dt=1/a%20b.csv"]


# outages and deaths


def test_a_store_that_does_not_answer_leaves_nothing_and_the_message_comes_again() -> None:
    bench = Bench(joining())
    land(bench, "a/1.csv")
    bench.objects.while_looking = raising(Unavailable("503", code="storage_unavailable"))
    with pytest.raises(Unavailable):
        bench.send(naming("a/1.csv"))
    assert list(bench.records.list("")) == []
    bench.objects.while_looking = lambda: None
    assert bench.send(naming("a/1.csv")) == "launched"


def test_a_store_that_refuses_makes_a_dead_letter_to_be_replayed() -> None:
    bench = Bench(joining())
    bench.objects.while_looking = raising(Refused("403 storage.objects.get", code="http_403"))
    assert told(bench.outcome(naming("a/1.csv"))) == ("dead", [("http_403", "403 storage.objects.get")])
    assert bench.dead() == ["403 storage.objects.get"]


class _Killed(BaseException):
    """The process died: nothing after this line ran."""


def die_at(bench: Bench, at: int) -> None:
    """The process dies before its operation number `at` on the ledger, counted from now."""
    left = itertools.count(at - 1, -1)

    def step() -> None:
        if next(left) == 0:
            raise _Killed

    bench.records.before_each = step


def revive(bench: Bench) -> None:
    bench.records.before_each = lambda: None


@pytest.mark.parametrize("completed_by", ["redelivery", "tick"])
def test_wherever_a_worker_dies_every_object_joins_once(completed_by: str) -> None:
    names = ["a/1.csv", "a/2.csv", "b/1.csv"]
    at, died = 0, True
    while died:
        at += 1
        bench = Bench(joining(gated=True, concurrency=Concurrency(limit=9)))
        land(bench, *names)
        die_at(bench, at)
        try:
            bench.send(naming(*names))
            died = False
        except _Killed:
            pass
        revive(bench)
        noted = any(list(bench.records.list(f"due/{shard}/")) for shard in range(8))
        if completed_by == "redelivery" or not noted:
            bench.send(naming(*names))
        bench.advance(3 * MINUTE)
        assert sorted(name for window in bench.members() for name in window) == names, at
        assert [it.value.state for it in bench.ledger.claims.list() if it.value.joins] == ["joined"]
        assert bench.send(naming(*names)) == "duplicate"
    assert at > 20


def test_a_thousand_objects_go_on_where_the_last_worker_ran_out_of_time() -> None:
    bench = Bench(joining(WindowRule(key="match.k", quiet=5 * MINUTE)))
    names = [f"a/{number}.csv" for number in range(1000)]
    land(bench, *names)
    deliveries = 1
    while True:  # each worker has time for a fifth of the work
        die_at(bench, 800)
        try:
            bench.send(naming(*names))
            break
        except _Killed:
            revive(bench)
            deliveries += 1
    revive(bench)
    assert deliveries < 10
    bench.advance(6 * MINUTE)
    assert bench.members() == [sorted(names)]


@pytest.mark.parametrize("at", [60, 100, 300, 600])
def test_what_a_dead_worker_left_joins_before_the_tick_closes_the_window(at: int) -> None:
    bench = Bench(joining(concurrency=Concurrency(limit=9)))
    names = [f"a/{number}.csv" for number in range(200)]
    land(bench, *names)
    die_at(bench, at)
    with pytest.raises(_Killed):
        bench.send(naming(*names))
    revive(bench)
    bench.advance(3 * MINUTE)
    assert bench.members() == [sorted(names)]


def test_what_was_found_joins_though_it_is_gone_when_the_work_goes_on() -> None:
    bench = Bench(joining(WindowRule(key="match.k", quiet=5 * MINUTE)))
    land(bench, "a/1.csv", "a/2.csv")
    bench.records.meanwhile("create", "m/", raising(_Killed()))
    with pytest.raises(_Killed):
        bench.send(naming("a/1.csv", "a/2.csv"))
    for name in ("a/1.csv", "a/2.csv"):
        bench.objects.remove("landing", name)
    assert bench.send(naming("a/1.csv", "a/2.csv")) == "deferred"
    bench.advance(6 * MINUTE)
    assert bench.members() == [["a/1.csv", "a/2.csv"]]


def test_two_workers_at_one_message_join_every_object_once() -> None:
    bench = Bench(joining())
    names = [f"a/{number}.csv" for number in range(120)]
    land(bench, *names)
    results = []
    bench.records.meanwhile("swap", "c/", lambda: results.append(bench.send(naming(*names), process=1)))
    results.append(bench.send(naming(*names)))
    bench.advance(3 * MINUTE)
    assert (sorted(results), bench.members()) == (["deferred", "launched"], [sorted(names)])


def test_a_tick_while_a_worker_joins_closes_no_window_over_half_of_the_message() -> None:
    bench = Bench(joining(concurrency=Concurrency(limit=9)))
    names = [f"a/{number}.csv" for number in range(120)]
    land(bench, *names)
    bench.records.meanwhile("swap", "c/", bench.tick)
    bench.send(naming(*names))
    bench.advance(3 * MINUTE)
    assert bench.members() == [sorted(names)]


def test_a_trigger_that_listens_elsewhere_by_now_takes_what_is_left_as_ignored() -> None:
    before = joining()
    bench = Bench(before)
    land(bench, "a/1.csv")
    bench.records.meanwhile("create", "m/", raising(_Killed()))
    with pytest.raises(_Killed):
        bench.send(naming("a/1.csv"))
    sources = (ObjectSource(store="landing", match="{k}/*.tsv"), MessageSource(channel="requests"))
    changed = replace(before, sources=sources)
    admission = Admission(bench.ledger, OneTrigger(environment(), changed), bench.platform, bench.objects)
    [claim] = [it for it in bench.ledger.claims.list() if it.value.joins]
    core = Core(admission, Index.build([changed], environment()), lambda _: None)
    outcome = core.resume(bench.ledger.claims.name(claim))
    assert outcome is not None
    assert told(outcome) == ("rejected", [("none_joined", "of its objects: 1 filtered out")])
