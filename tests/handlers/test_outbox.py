"""What leaves through the outbox: each outcome and each end of a run, at least once, whatever the channel does."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.testing import Sandbox
from retrigger.triggers.errors import Refused, Unavailable
from tests.projects import template, write_files

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-dev-retrigger
    stores: {landing: gs://landing}
    channels: {requests: projects/acme-dev/topics/requests, told: projects/acme-dev/topics/told}
    pipelines: {train: {template: pipelines/train.json, root: gs://runs/train}}
    outbox: told
"""
TRIGGER = """\
name: churn
source:
  - object: {in: landing, match: "*.csv", parameters: {data: "${{ window.uri }}"}}
  - message:
      in: requests
      filter: has(event.message.json.data)
      parameters: {data: "${{ event.message.json.data }}"}
admit: {window: {max_members: 1}}
launch: {pipeline: train}
"""


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    train = template("train", data="STRING")
    write_files(tmp_path, {"retrigger.yaml": PROJECT, "triggers/churn.yaml": TRIGGER, "pipelines/train.json": train})
    return Sandbox(tmp_path, "dev")


def told(sandbox: Sandbox) -> list[tuple[str, Any]]:
    """(type, result or outcome) of what left."""
    bodies = [(attributes["ce-type"], json.loads(data)) for data, attributes in sandbox.outbox.sent]
    return [(kind, body.get("result", body.get("outcome"))) for kind, body in bodies]


def test_an_outcome_leaves_as_a_cloud_event(sandbox: Sandbox) -> None:
    [outcome] = sandbox.publish("requests", {"data": "gs://x"}, message_id="7")
    [(data, attributes)] = sandbox.outbox.sent
    assert json.loads(data) == {
        "event": outcome.event,
        "trigger": "churn",
        "result": "launched",
        "run": outcome.run,
        "window": None,
        "verdicts": [],
    }
    assert attributes | {"ce-id": "?"} == {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": "?",
        "ce-source": "//retrigger/environments/dev",
        "ce-type": "retrigger.outcome",
        "ce-subject": "churn",
        "ce-time": "2026-01-05T09:00:00Z",
    }


def test_the_end_of_a_run_leaves_once(sandbox: Sandbox) -> None:
    [outcome] = sandbox.drop("gs://landing/a.csv", b"x")
    assert outcome.run is not None
    sandbox.finish(outcome.run, metrics={"auc": 0.9})
    sandbox.advance(timedelta(hours=2))
    assert told(sandbox) == [("retrigger.outcome", "launched"), ("retrigger.run.ended", "succeeded")]
    ended = json.loads(sandbox.outbox.sent[-1][0])
    assert (ended["run"], ended["metrics"], ended["pipeline"]) == (outcome.run, {"auc": 0.9}, "train")


def test_what_a_filter_ignored_does_not_leave(sandbox: Sandbox) -> None:
    sandbox.publish("requests", {"nothing": 1})
    assert sandbox.outbox.sent == []


def test_a_redelivery_tells_the_same_under_the_same_id(sandbox: Sandbox) -> None:
    """The delivery before it may have died before it told."""
    for _ in range(2):
        sandbox.publish("requests", {"data": "gs://x"}, message_id="7")
    first, second = (attributes["ce-id"] for _, attributes in sandbox.outbox.sent)
    assert (told(sandbox), first == second) == ([("retrigger.outcome", "launched")] * 2, True)


def test_what_the_channel_did_not_take_is_told_later(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Unavailable("the channel does not answer", code="unavailable")

    with monkeypatch.context() as outage:
        outage.setattr(sandbox.outbox, "publish", refuse)
        [outcome] = sandbox.publish("requests", {"data": "gs://x"})
        assert outcome.run is not None
        sandbox.finish(outcome.run)
        assert (told(sandbox), [run.state for run in sandbox.runs()]) == ([], ["succeeded"])
    sandbox.advance(timedelta(minutes=11))
    assert sorted(told(sandbox)) == [("retrigger.outcome", "launched"), ("retrigger.run.ended", "succeeded")]
    sandbox.advance(timedelta(hours=2))
    assert len(sandbox.outbox.sent) == 2


def test_a_channel_that_refuses_the_end_of_a_run_is_asked_again_every_ten_minutes(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def refuse(*message: object) -> None:
        asked.append(message)
        raise Refused("there is no such topic", code="not_found")

    [outcome] = sandbox.publish("requests", {"data": "gs://x"})
    assert outcome.run is not None
    with monkeypatch.context() as outage:
        outage.setattr(sandbox.outbox, "publish", refuse)
        sandbox.finish(outcome.run)
        asked.clear()
        sandbox.advance(timedelta(hours=1))
        assert len(asked) == 6
    sandbox.advance(timedelta(minutes=11))
    assert told(sandbox) == [("retrigger.outcome", "launched"), ("retrigger.run.ended", "succeeded")]


def test_a_channel_that_does_not_answer_is_left_alone_for_a_minute(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def hang(*message: object) -> None:
        asked.append(message)
        raise Unavailable("the channel does not answer", code="timeout")

    with monkeypatch.context() as outage:
        outage.setattr(sandbox.outbox, "publish", hang)
        results = [sandbox.publish("requests", {"data": f"gs://x/{number}"})[0].result for number in range(50)]
    assert (len(asked), set(results)) == (1, {"launched", "deferred"})
    sandbox.advance(timedelta(minutes=11))
    assert len(told(sandbox)) == 50


def test_of_a_message_that_names_objects_its_own_outcome_leaves_and_that_of_each(tmp_path: Path) -> None:
    joining = TRIGGER.replace(
        "  - message:\n",
        "  - message: {in: requests, joins: window, members: event.message.json.files}\n  - message:\n",
    )
    train = template("train", data="STRING")
    write_files(tmp_path, {"retrigger.yaml": PROJECT, "triggers/churn.yaml": joining, "pipelines/train.json": train})
    sandbox = Sandbox(tmp_path, "dev")
    for name in ("a.csv", "b.csv"):
        sandbox.objects.put("landing", name, b"x")
    named = {"files": ["gs://landing/a.csv", "gs://landing/b.csv"]}
    sandbox.publish("requests", named, message_id="7")
    assert told(sandbox) == [("retrigger.outcome", "deferred")] * 2 + [("retrigger.outcome", "launched")]
    sandbox.publish("requests", named, message_id="7")  # whoever sent it may have died before it told
    assert told(sandbox)[3:] == [("retrigger.outcome", "deferred")]


def test_a_window_that_closes_without_a_run_is_told_as_a_run_that_never_was(tmp_path: Path) -> None:
    """Nobody sends the marker: the members' events were deferred, and this is the end of it."""
    trigger = TRIGGER.replace(
        "admit: {window: {max_members: 1}}", "admit: {window: {until: {object: DONE}, max_wait: 1h}}"
    )
    trigger = trigger.replace("window.uri }", "window.folder }")
    train = template("train", data="STRING")
    write_files(tmp_path, {"retrigger.yaml": PROJECT, "triggers/churn.yaml": trigger, "pipelines/train.json": train})
    sandbox = Sandbox(tmp_path, "dev")
    sandbox.drop("gs://landing/a.csv", b"x")
    sandbox.advance(timedelta(hours=2))
    assert told(sandbox) == [("retrigger.outcome", "deferred"), ("retrigger.run.ended", "rejected")]
