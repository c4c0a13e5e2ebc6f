"""Random scenes: what producers do, from single files to many batches with early, late and missing markers."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, get_args

from retrigger.triggers.environment import Channel, Endpoint, Environment, Limits, Pipeline, Store
from retrigger.triggers.event import Event, Message
from retrigger.triggers.launches import Approval, BatchPrediction, Mirror, OnlineDeployment, PipelineLaunch, Rollback
from retrigger.triggers.spec import (
    Column,
    Concurrency,
    LifecycleSource,
    MessageSource,
    ObjectCheck,
    ObjectSource,
    OnFailure,
    PlugIn,
    Throttle,
    Trigger,
    WindowRule,
)
from tests.handlers.protocol.world import BAD, GOOD, START, Operation, Scene, landed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrigger.triggers.event import Json

PREDICTION = BatchPrediction(model="churn", input="gs://landing/all.jsonl", output="gs://out")
JUDGE = PlugIn(name="judge", target="tests.handlers.protocol.judge:judge", package="tests==1")
FOLLOWER = Trigger(
    name="after",
    sources=(LifecycleSource(of="t", statuses=("succeeded", "failed", "cancelled")),),
    launch=PipelineLaunch(pipeline="train", parameters={"what": "${{ event.lifecycle.name }}"}),
)
Style = Literal[
    "mixed",
    "honest",
    "tight",
    "quiet",
    "late",
    "stormy",
    "named",
    "judged",
    "skip",
    "queue",
    "replace",
    "count",
    "listed",
    "operated",
    "archived",
    "once",
    "rollout",
    "chained",
]


def environment(*, running: int | None = None, health: Literal["probes", "platform"] = "probes") -> Environment:
    return Environment(
        name="sim",
        cloud="gcp",
        project="p",
        location="l",
        ledger="memory",
        stores={"landing": Store(kind="gcs", bucket="landing")},
        channels={
            "requests": Channel(address="topics/requests"),
            "announcements": Channel(address="topics/announcements"),
        },
        pipelines={"train": Pipeline(template="sha", root="gs://root")},
        endpoints={"churn": Endpoint(name="churn-online", health=health)},
        limits=Limits(running=running),
    )


def message(name: str) -> Event:
    payload = Message(channel="topics/requests", id=name, json={"what": name})
    return Event(id=name, source="//pubsub", type="message", time=START, subject=None, payload=payload)


def naming(name: str, objects: Sequence[str]) -> Event:
    files: list[Json] = [f"gs://landing/{it}" for it in objects]
    payload = Message(channel="topics/announcements", id=name, json={"files": files})
    return Event(id=name, source="//pubsub", type="message", time=START, subject=None, payload=payload)


def trigger(rule: WindowRule, *, gated: bool = False, **parts: object) -> Trigger:
    return Trigger(
        name="t",
        sources=(
            ObjectSource(store="landing", match="{k}/*.csv"),
            MessageSource(channel="requests", parameters={"what": "${{ event.message.json.what }}"}),
            MessageSource(channel="announcements", members="event.message.json.files"),
        ),
        launch=PipelineLaunch(pipeline="train", parameters={"what": "${{ match.k }}"}),
        window=rule,
        object_check=ObjectCheck(columns={"n": Column(type="int")}) if gated else None,
        **parts,  # type: ignore[arg-type]
    )


def scene(seed: int, style: Style) -> Scene:
    """A scene of a style.

    `honest`: batches land before their marker. `tight`: hard on carry-over. `quiet`: no markers. `late`: markers come
    just when patience ends. `stormy`: every file is looked into, and the ledger is often away. `named`: messages name
    the files of a batch, some of which the store announces too. `judged`: a validator looks into every file and
    message, and breaks on some. `skip`: what finds no slot, or no room under its throttle, is let go. `queue`: one run
    an event, and nobody dies in every other scene. `replace`: what is newer stops what runs. `count`: a few members
    complete a window. `listed`: markers list their batch, some before it has landed; some name what no source takes.
    `operated`: operators replay and cancel, several at once. `archived`: as judged, with a ledger that is often away
    and keeps little of events; operators replay what they can. `once`: batch predictions, which the platform does not
    know by our ids; an operator settles what is unsure.
    `rollout`: models go to an endpoint that is slow, that somebody else changes, and whose deployments fail; operators
    approve, pause, resume and turn back. In some of them no deployment can be asked that gets no traffic; in some the
    platform's figures judge, and come late; in some the traffic is mirrored first. `chained`: another
    trigger listens to every end of a run.
    """
    chance = random.Random(f"scene {seed}")
    rule = _rule(chance, style)
    judged = style in {"judged", "archived"}
    gated = style == "stormy" or judged or chance.random() < 0.5
    made = trigger(
        rule,
        gated=gated and not judged,
        validators=(JUDGE,) if judged else (),
        concurrency=Concurrency(
            limit=chance.choice([2, 3] if style == "tight" else [1, 1, 2]),
            when_busy=_when_busy(style, seed),
        ),
        throttle=_throttle(chance, style),
        on_failure=OnFailure(
            retry=0 if style == "tight" else chance.choice([0, 0, 1]),
            then="carry_over" if style == "tight" else chance.choice(["carry_over", "carry_over", "dead"]),
        ),
        archive=chance.choice(["metadata", "none"]) if style == "archived" else "full",
    )
    objects: dict[str, tuple[int, bytes]] = {}
    events: list[tuple[int, Event]] = []
    for key in ["a", "b"][: chance.choice([1, 1, 2])]:
        _batches(chance, style, key, objects, events, gated=gated, rule=rule)
    if judged:
        events += [
            (chance.randint(0, 200_000), message(f"{name}{number}"))
            for number in (1, 2)
            for name in ("m", "bad", "broken")
        ]
    elif style != "honest":
        count = chance.choice([0, 0, 1, 3] if style not in {"queue", "replace"} else [0, 4, 7])
        events += [(chance.randint(0, 200_000), message(f"m{number}")) for number in range(count)]
    if style == "once":
        made = replace(made, launch=PREDICTION)
    if style == "rollout":
        made = replace(made, launch=_rollout(chance, mirrored=seed // 8 % 2 == 1))
    return Scene(
        trigger=made,
        environment=environment(
            running=2 if chance.random() < 0.2 else None, health="platform" if seed // 4 % 2 else "probes"
        ),
        deliveries=_at_least_once(chance, events, slowest_ms=500 if style in {"late", "stormy"} else 40_000),
        objects=objects,
        pauses=_pauses(chance) if style in {"mixed", "operated"} and chance.random() < 0.3 else [],
        operators=_operators(chance) if style == "operated" or (style == "archived" and seed % 2) else [],
        follower=FOLLOWER if style == "chained" else None,
    )


def _rollout(chance: random.Random, *, mirrored: bool) -> OnlineDeployment:
    steps = chance.choice([(100,), (10, 100), (10, 50, 100)])
    asked = Approval(before=chance.choice(steps), within=timedelta(minutes=chance.choice([1, 10])))
    return OnlineDeployment(
        endpoint="churn",
        model="churn",
        version="7",
        smoke={"instances": [1]},
        mirror=Mirror(percent=10, lasts=timedelta(minutes=10)) if mirrored else None,
        steps=steps,
        bake=timedelta(minutes=chance.choice([0, 10])),
        rollback_if=Rollback(error_rate=0.01),
        approve=asked if chance.random() < 0.5 else None,
    )


def _when_busy(style: Style, seed: int) -> Literal["coalesce", "queue", "skip", "replace"]:
    if style in {"queue", "replace"}:
        return style
    return "skip" if style == "skip" and seed % 4 else "coalesce"


def _throttle(chance: random.Random, style: Style) -> Throttle | None:
    if chance.random() >= (0.6 if style == "skip" else 0.2):
        return None
    return Throttle(limit=2, per=timedelta(minutes=10), when_over="skip" if style == "skip" else "hold")


def _rule(chance: random.Random, style: Style) -> WindowRule:
    short = style == "tight"
    marked = style in {"honest", "late", "listed"} or (
        style not in {"quiet", "queue", "count"} and chance.random() < 0.7
    )
    return WindowRule(
        key="match.k",
        until="{k}/*_DONE" if marked else None,
        until_lists=style == "listed",
        until_count=chance.choice([1, 2, 3, 5]) if style == "count" else None,
        quiet=timedelta() if marked or style != "quiet" else timedelta(seconds=chance.choice([0, 20, 200])),
        max_wait=timedelta(
            seconds=36_000
            if style in {"honest", "listed"}
            else chance.choice([30, 150, 900 if short else 2_500] if style != "late" else [30])
        ),
        settle=timedelta(seconds=7_200 if style == "honest" else chance.choice([30, 300])),
        max_members=100 if style == "honest" else chance.choice([1, 2] if short else [1, 2, 100, 100]),
        at_max_wait="reject" if style in {"honest", "listed"} else chance.choice(["reject", "launch"]),
        bad_member="drop" if style == "honest" else chance.choice(["drop", "drop", "reject"]),
    )


def _batches(
    chance: random.Random,
    style: Style,
    key: str,
    objects: dict[str, tuple[int, bytes]],
    events: list[tuple[int, Event]],
    *,
    gated: bool,
    rule: WindowRule,
) -> None:
    now = chance.randint(0, 20_000)
    for batch in range({"honest": 1, "tight": 8, "rollout": 1}.get(style, chance.choice([1, 2, 3]))):
        first, landed_here = now, list[str]()
        for number in range(chance.randint(1 if style == "honest" else 0, {"late": 1, "tight": 2}.get(style, 4))):
            now += chance.randint(0, 3_000)
            name = f"{key}/{batch}-{number}.csv"
            objects[name] = (now, BAD if gated and chance.random() < 0.2 else GOOD)
            landed_here.append(name)
            if style != "named" or chance.random() < 0.4:
                events.append((now, landed(name, now)))
        if rule.until is not None and (style == "honest" or chance.random() < 0.8):
            at_ms = _marker_comes(chance, style, first, now, rule)
            name = f"{key}/{batch}_DONE"
            objects[name] = (at_ms, _list_of(chance, objects, f"{key}/{batch}-") if rule.until_lists else b"")
            events.append((at_ms, landed(name, at_ms)))
        if style == "named" and landed_here:
            events += _announcements(chance, f"{key}/{batch}", landed_here, now)
        now += chance.randint(0, {"tight": 120_000, "stormy": 10_000}.get(style, 300_000))


def _list_of(chance: random.Random, objects: Mapping[str, tuple[int, bytes]], batch: str) -> bytes:
    """The files of a batch, a URI a line; now and then a list that is wrong."""
    if chance.random() < 0.1:
        return b"gs://elsewhere/1.csv\n"
    return "".join(f"gs://landing/{name}\n" for name in objects if name.startswith(batch)).encode()


def _announcements(chance: random.Random, name: str, objects: list[str], now: int) -> list[tuple[int, Event]]:
    """All of them by one message, and some again by another."""
    again = chance.sample(objects, chance.randint(1, len(objects)))
    named = [objects, again] if chance.random() < 0.3 else [objects]
    return [(now + chance.randint(0, 3_000), naming(f"{name}-{at}", names)) for at, names in enumerate(named)]


def _marker_comes(chance: random.Random, style: Style, first: int, last: int, rule: WindowRule) -> int:
    """When the marker of a batch comes, whose files land from `first` to `last`; all in ms."""
    if style == "late":
        return last + int(rule.max_wait.total_seconds() * 1000) + chance.randint(0, 4_000)
    early = style != "honest" and chance.random() < 0.2
    return chance.randint(first, last) if early else last + chance.randint(0, 2_000)


def _at_least_once(
    chance: random.Random, events: Sequence[tuple[int, Event]], *, slowest_ms: int
) -> list[tuple[int, Event]]:
    return [
        (at_ms + chance.randint(0, chance.choice([500, slowest_ms])), event)
        for at_ms, event in events
        for _ in range(chance.choice([1, 1, 2, 3]))
    ]


def _pauses(chance: random.Random) -> list[tuple[int, bool]]:
    at_ms, pauses = chance.randint(0, 50_000), []
    for _ in range(chance.choice([1, 2])):
        pauses += [(at_ms, True), (at_ms + chance.randint(5_000, 200_000), False)]
        at_ms = pauses[-1][0] + chance.randint(1_000, 80_000)
    return pauses


def _operators(chance: random.Random) -> list[tuple[int, Operation]]:
    """Some come in pairs, and do the same at once."""
    found: list[tuple[int, Operation]] = []
    for _ in range(chance.choice([2, 4, 6])):
        at_ms = chance.randint(10_000, 3_000_000)
        operation = chance.choice(get_args(Operation)[:3])
        found += [(at_ms, operation)] * chance.choice([1, 2])
    return sorted(found)
