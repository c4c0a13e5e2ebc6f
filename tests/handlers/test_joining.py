"""Objects that a message names: as if their own events had arrived, once each, wherever a worker dies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.ledger import Claim
from retrigger.handlers.ports import ObjectStat
from retrigger.triggers.errors import Refused, Unavailable
from retrigger.triggers.event import Event, Message, Object
from retrigger.triggers.spec import Concurrency, MessageSource, ObjectSource, Store, WindowRule
from tests.handlers.protocol.bench import BAD, MINUTE, Bench
from tests.handlers.protocol.scenes import environment, trigger
from tests.handlers.protocol.world import START

if TYPE_CHECKING:
    from retrigger.handlers.outcome import Outcome
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Environment, Trigger

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
