from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrigger.triggers import filing, finding, glob
from retrigger.triggers.environment import Channel, Environment, Platform, Store
from retrigger.triggers.event import ENDED, Change, Event, Lifecycle, Message, Object, Payload, Schedule
from retrigger.triggers.launches import PipelineLaunch
from retrigger.triggers.match import Index, Match
from retrigger.triggers.spec import (
    LifecycleSource,
    MessageSource,
    ObjectSource,
    ScheduleSource,
    Source,
    Trigger,
    WindowRule,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

TOPIC = "projects/acme/topics/retrain"


def environment() -> Environment:
    return Environment(
        name="dev",
        cloud="gcp",
        project="acme",
        location="europe-west4",
        ledger="gs://ledger",
        stores={
            "landing": Store(kind="gcs", bucket="landing"),
            "raw": Store(kind="gcs", bucket="lake", prefix="raw/[*]/"),
            "lake": Store(kind="gcs", bucket="lake"),
            "a": Store(kind="gcs", bucket="lake", prefix="a/"),
            "blob": Store(kind="blob", account="acme", bucket="lake"),
            "theirs": Store(kind="blob", account="other", bucket="lake", prefix="a/b/"),
        },
        channels={"retrain": Channel(address=TOPIC)},
    )


def trigger(name: str, *sources: Source, until: str | None = None) -> Trigger:
    return Trigger(name=name, sources=sources, launch=PipelineLaunch(pipeline="p"), window=WindowRule(until=until))


def event(payload: Payload) -> Event:
    return Event(id="1", source="s", type="t", time=datetime(2026, 1, 1, tzinfo=UTC), subject=None, payload=payload)


def dropped(name: str, *, bucket: str = "landing", change: Change = "created") -> Event:
    uri = f"gs://{bucket}/{name}"
    return event(Object(store="gcs", account=None, bucket=bucket, name=name, version="1", change=change, uri=uri))


def source(name: str, at: int = 0, **captures: str) -> Match:
    return Match(name, "source", at, captures)


def index(*triggers: Trigger) -> Index:
    """As a function has it: written, read, loaded."""
    return Index.from_json(json.loads(json.dumps(Index.build(triggers, environment()).to_json())))


CHURN = trigger(
    "churn",
    ObjectSource(store="landing", match="churn/dt={dt}/*.csv"),
    MessageSource(channel="retrain"),
    ScheduleSource(cron="0 3 * * *"),
    until="churn/dt={dt}/_SUCCESS",
)


@pytest.mark.parametrize(
    ("met", "expected"),
    [
        (dropped("churn/dt=1/a.csv"), [source("churn", dt="1")]),
        (dropped("churn/dt=1/a.txt"), []),
        (dropped("churn/dt=1/a.csv", bucket="other"), []),
        (dropped("churn/dt=1/a.csv", change="deleted"), []),
        (dropped("churn/dt=1/_SUCCESS"), [Match("churn", "marker", -1, {"dt": "1"})]),
        (dropped("churn/dt=1/_SUCCESS", change="deleted"), []),
        (event(Message(channel=TOPIC, id="1")), [source("churn", 1)]),
        (event(Message(channel="projects/acme/topics/other", id="1")), []),
        (event(Schedule(name="churn", scheduled_for=datetime(2026, 1, 1, tzinfo=UTC))), [source("churn", 2)]),
        (event(Schedule(name="other", scheduled_for=datetime(2026, 1, 1, tzinfo=UTC))), []),
        (event(Lifecycle(platform="vertex", resource="r", name="n")), []),
    ],
)
def test_one_trigger_meets_its_events(met: Event, expected: list[Match]) -> None:
    assert index(CHURN).match(met) == expected


def test_no_triggers_match_nothing() -> None:
    assert index().match(dropped("a")) == []


def test_a_blob_container_of_the_same_name_is_another_place() -> None:
    blob = Object(store="blob", account="a", bucket="landing", name="churn/dt=1/a.csv", version="1", uri="https://…")
    assert index(CHURN).match(event(blob)) == []


def test_the_prefix_of_a_store_is_literal_and_no_part_of_the_glob() -> None:
    found = index(trigger("t", ObjectSource(store="raw", match="{table}/*.csv")))
    assert found.match(dropped("raw/[*]/users/1.csv", bucket="lake")) == [source("t", table="users")]
    assert found.match(dropped("raw/x/users/1.csv", bucket="lake")) == []
    assert found.match(dropped("users/1.csv", bucket="lake")) == []


def test_a_marker_is_never_a_member_of_its_own_trigger_whatever_the_change() -> None:
    both: tuple[Change, ...] = ("created", "deleted")
    own = trigger("own", ObjectSource(store="landing", match="**", change=both), until="{day}/_SUCCESS")
    other = trigger("other", ObjectSource(store="landing", match="**", change=both))
    found = index(own, other)
    assert found.match(dropped("mon/_SUCCESS")) == [source("other"), Match("own", "marker", -1, {"day": "mon"})]
    assert found.match(dropped("mon/_SUCCESS", change="deleted")) == [source("other")]


def test_two_sources_of_one_store_share_one_marker() -> None:
    two = trigger(
        "two",
        ObjectSource(store="landing", match="a/*"),
        ObjectSource(store="landing", match="**/*"),
        ObjectSource(store="lake", match="a/*"),
        until="_DONE",
    )
    found = index(two)
    assert found.match(dropped("_DONE")) == [Match("two", "marker", -1, {})]
    assert found.match(dropped("_DONE", bucket="lake")) == [Match("two", "marker", -1, {})]
    assert found.match(dropped("a/x")) == [source("two", 0), source("two", 1)]


def test_a_marker_that_two_stores_of_one_bucket_see_is_one_match() -> None:
    two = trigger("two", ObjectSource(store="lake", match="*"), ObjectSource(store="a", match="*"), until="**/_DONE")
    assert index(two).match(dropped("a/_DONE", bucket="lake")) == [Match("two", "marker", -1, {})]


def test_matches_come_by_trigger_and_source() -> None:
    found = index(
        trigger("b", ObjectSource(store="landing", match="*")),
        trigger("a", ObjectSource(store="landing", match="x"), ObjectSource(store="landing", match="*")),
    )
    assert found.match(dropped("x")) == [source("a", 0), source("a", 1), source("b", 0)]


def test_what_is_written_is_what_was_built() -> None:
    built = Index.build([CHURN], environment()).to_json()
    assert Index.from_json(built).to_json() == built


def test_a_store_that_the_environment_lacks_is_an_error() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        index(trigger("t", ObjectSource(store="nowhere", match="*")))


def naive(triggers: Iterable[Trigger], met: Event) -> list[Match]:
    """Every source of every trigger, one after another."""
    it = met.payload
    assert isinstance(it, Object)
    found = []
    for one in triggers:
        stores = [(at, each, environment().stores[each.store]) for at, each in enumerate(one.sources)
                  if isinstance(each, ObjectSource)]  # fmt: skip
        inside = [(at, each, it.name.removeprefix(store.prefix)) for at, each, store in stores
                  if (it.store, it.account, it.bucket) == (store.kind, store.account, store.bucket)
                  and it.name.startswith(store.prefix)]  # fmt: skip
        until = one.window.until
        markers = [] if until is None else [glob.parse(until).match(name) for _, _, name in inside]
        marker = next((captures for captures in markers if captures is not None), None)
        if marker is not None:
            found += [Match(one.name, "marker", -1, marker)] if it.change == "created" else []
            continue
        for at, each, name in inside:
            captures = glob.parse(each.match).match(name)
            if captures is not None and it.change in each.change:
                found.append(Match(one.name, "source", at, captures))
    return sorted(found, key=lambda match: (match.trigger, match.source))


STORES = ("landing", "lake", "a", "blob", "theirs")
pieces = st.sampled_from(
    ["a", "b", "*", "a*", "*b", "ab", "*a*", "{x}", "{y}b", "a{x}", "b*a", "a*a", "*ab*", "é*a b", "*%2F*"]
)
segments = st.one_of(pieces, st.just("**"))
globs = st.lists(segments, min_size=1, max_size=4, unique=True).map("/".join).filter(lambda text: text.count("{x}") < 2)
changes: st.SearchStrategy[tuple[Change, ...]] = st.sampled_from([("created",), ("deleted",), ("created", "deleted")])
object_sources = st.builds(ObjectSource, store=st.sampled_from(STORES), match=globs, change=changes)
triggers = st.lists(
    st.tuples(st.lists(object_sources, min_size=1, max_size=3), st.none() | globs), min_size=1, max_size=12
).map(lambda made: [trigger(f"t{at}", *sources, until=until) for at, (sources, until) in enumerate(made)])
odd = st.text(st.sampled_from("ab é%2F{}*\n\0\U0001f600"), max_size=6)
names = st.lists(st.text("ab", max_size=3) | odd, min_size=1, max_size=5).map("/".join)


@st.composite
def drops(draw: st.DrawFn) -> Event:
    place = environment().stores[draw(st.sampled_from(STORES))]
    name, change = draw(names), draw(st.sampled_from(["created", "deleted", "metadata"]))
    name = place.prefix + name
    where = Object(store=place.kind, account=place.account, bucket=place.bucket, name=name, version="1", uri="u://")
    return event(replace(where, change=change))


@given(triggers, st.lists(drops(), min_size=1, max_size=5))
def test_the_index_agrees_with_trying_every_source(made: list[Trigger], met: list[Event]) -> None:
    found = index(*made)
    for one in met:
        assert found.match(one) == naive(made, one)


def test_one_glob_of_many_triggers_is_tried_once() -> None:
    many = [trigger(f"t{number:03}", ObjectSource(store="landing", match="{a}/{b}")) for number in range(300)]
    (files,) = cast("dict[str, filing.Filed]", index(*many).to_json()["objects"]).values()
    assert len(finding.Files(files).candidates("x/y")) == 1
    assert index(*many).match(dropped("x/y")) == [source(f"t{number:03}", a="x", b="y") for number in range(300)]


def test_who_waits_for_another_change_is_not_tried() -> None:
    changes: tuple[Change, ...] = ("deleted", "archived", "metadata")
    many = [trigger(f"t{number:03}", ObjectSource(store="landing", match="*", change=changes)) for number in range(300)]
    one = trigger("one", ObjectSource(store="landing", match="*"))
    files = cast("dict[str, filing.Filed]", index(one, *many).to_json()["objects"])["created:gcs:landing"]
    assert [listeners for _, _, _, listeners in finding.Files(files).candidates("x")] == [(source("one"),)]
    assert index(one, *many).match(dropped("x")) == [source("one")]


WORKSPACE = "/subscriptions/1a/resourceGroups/ML/providers/Microsoft.MachineLearningServices/workspaces/ml"
REGISTERED, CHANGED = (f"Microsoft.MachineLearningServices.{name}" for name in ("ModelRegistered", "RunStatusChanged"))
AUDIT = "google.cloud.audit.log.v1.written"


def happened(kind: str, platform: Literal["azureml", "vertex", "bigquery"], resource: str) -> Event:
    return replace(event(Lifecycle(platform=platform, resource=resource, name="it")), type=kind)


LISTENING = {
    "models": LifecycleSource(platform="ml", types=(REGISTERED,)),
    "any": LifecycleSource(platform="ml", types=(REGISTERED, CHANGED)),
    "own": LifecycleSource(types=(AUDIT,)),
    "tables": LifecycleSource(platform="bq", types=(AUDIT,)),
}


@pytest.mark.parametrize(
    ("met", "expected"),
    [
        (happened(REGISTERED, "azureml", f"{WORKSPACE}/models/it:1"), ["any", "models"]),
        (happened(REGISTERED, "azureml", f"{WORKSPACE}/models/it:1".upper()), ["any", "models"]),
        (happened(CHANGED, "azureml", f"{WORKSPACE}/experiments/e/runs/it"), ["any"]),
        (happened(CHANGED, "azureml", WORKSPACE), ["any"]),
        (happened(CHANGED.upper(), "azureml", WORKSPACE), []),
        (happened(REGISTERED, "azureml", f"{WORKSPACE}2/models/it:1"), []),
        (happened(REGISTERED, "vertex", f"{WORKSPACE}/models/it:1"), []),
        (happened(AUDIT, "vertex", "projects/acme/locations/europe-west4/pipelineJobs/it"), ["own"]),
        (happened(AUDIT, "vertex", "projects/acme/locations/europe-west1/pipelineJobs/it"), []),
        (happened(AUDIT, "bigquery", "projects/acme/datasets/d/tables/it"), ["tables"]),
        (happened(AUDIT, "bigquery", "projects/acme-dev/datasets/d/tables/it"), []),
        (happened(AUDIT, "bigquery", ""), []),
        (happened(AUDIT, "bigquery", "a/" * 100_000), []),
    ],
)
def test_what_happens_on_a_platform_is_met_by_its_type_and_the_platforms_name(met: Event, expected: list[str]) -> None:
    dev = replace(
        environment(),
        platforms={
            "ml": Platform(kind="azureml", resource=WORKSPACE),
            "bq": Platform(kind="bigquery", resource="projects/acme"),
        },
    )
    made = [trigger(name, source) for name, source in LISTENING.items()]
    found = Index.from_json(json.loads(json.dumps(Index.build(made, dev).to_json()))).match(met)
    assert found == [Match(name, "source", 0, {}) for name in expected]


def test_a_platform_that_the_environment_lacks_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        index(trigger("t", LifecycleSource(platform="ml", types=(REGISTERED,))))


def test_a_message_is_met_under_each_address_of_its_channel() -> None:
    subscription = "sb://acme.servicebus.windows.net/retrain/subscriptions/all"
    channel = Channel(address="sb://acme.servicebus.windows.net/retrain", subscription=subscription)
    made = Index.build([trigger("t", MessageSource(channel="c"))], replace(environment(), channels={"c": channel}))
    for address in (*channel.addresses, subscription.upper()):
        assert made.match(event(Message(channel=address, id="1"))) == [Match("t", "source", 0, {})]


def ended(of: str, status: str, kind: str = ENDED) -> Event:
    payload = Lifecycle(platform="vertex", resource=f"{of}-1", name=f"{of}-1", status=status)
    return replace(event(payload), type=kind, subject=of)


def test_the_end_of_a_run_meets_who_listens_to_its_trigger_and_how_it_ended() -> None:
    made = [
        trigger("any", LifecycleSource(of="train", statuses=("succeeded", "failed", "cancelled"))),
        trigger("good", LifecycleSource(of="train", statuses=("succeeded",))),
        trigger("other", LifecycleSource(of="train-2", statuses=("succeeded",))),
        trigger("platform", LifecycleSource(types=(ENDED,))),
    ]
    index = Index.from_json(json.loads(json.dumps(Index.build(made, environment()).to_json())))
    assert [match.trigger for match in index.match(ended("train", "succeeded"))] == ["any", "good"]
    assert [match.trigger for match in index.match(ended("train", "failed"))] == ["any"]
    assert index.match(ended("train", "succeeded", "another.type")) == []
    assert [index.hears_end("train", it) for it in ("failed", "running")] == [True, False]
    assert not index.hears_end("any", "succeeded")
