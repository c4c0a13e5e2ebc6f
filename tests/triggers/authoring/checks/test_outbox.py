"""What the outbox can be, and what a trigger that follows it must say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]

TOPIC = "projects/acme-dev/topics/told"
BUS = "sb://acme.servicebus.windows.net/told"
QUEUE = "https://acme.queue.core.windows.net/told"
GRID = "/subscriptions/1/resourceGroups/g/providers/Microsoft.EventGrid/topics/told"
ENDED = "filter: event.type == 'retrigger.run.ended'"
TRIGGER = "{name: churn, source: [{message: {in: told, MORE}}], launch: {pipeline: train, parameters: {data: IT}}}"


def written(write: Write, channels: Mapping[str, Any], more: str, outbox: str = "told") -> Path:
    """A project whose one trigger listens to the channel `told`."""
    google = {"cloud": "gcp", "project": "acme-dev", "location": "europe-west4", "ledger": "gs://acme-ledger"}
    workspace = "/subscriptions/1/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
    azure = {"cloud": "azure", "workspace": workspace, "ledger": "https://acme.blob.core.windows.net/ledger"}
    on_google = str(channels["told"]).startswith("projects/")
    roots = {"root": "gs://acme-runs", "service_account": "default"} if on_google else {}
    pipelines = {"train": {"template": "train.yaml", **roots}}
    kfp = {
        "pipelineInfo": {"name": "train"},
        "schemaVersion": "2.1.0",
        "root": {"dag": {"tasks": {}}, "inputDefinitions": {"parameters": {"data": {"parameterType": "STRING"}}}},
    }
    job = kfp if on_google else {"type": "pipeline", "inputs": {"data": {"type": "string"}}, "jobs": {}}
    project = {**(google if on_google else azure), "channels": channels, "outbox": outbox, "pipelines": pipelines}
    return write(
        {
            "retrigger.yaml": json.dumps({"environments": {"it": project}}),
            "train.yaml": json.dumps(job),
            "triggers/churn.yaml": TRIGGER.replace("MORE", more).replace("IT", "'${{ event.id }}'"),
        }
    )


@pytest.mark.parametrize(
    ("address", "more", "expected"),
    [
        (TOPIC, "filter: event.message.json.trigger == 'a', key: \"event.message.attributes['ce-id']\"", set()),
        (TOPIC, "filter: event.message.json.trigger == 'a'", {"outbox_key"}),
        (TOPIC, "key: event.message.json.run", {"loop"}),
        (TOPIC, "key: event.message.json.run, filter: true == true", {"loop"}),
        (BUS, ENDED, set()),
        (BUS, "filter: \"event.message.attributes['ce-type'] == 'retrigger.run.ended'\"", set()),
        (BUS, "key: event.message.json.run", {"loop"}),
        (QUEUE, ENDED, set()),
        (QUEUE, "filter: \"event.message.attributes['ce-type'] == 'retrigger.run.ended'\"", {"outbox_attributes"}),
        (QUEUE, f"{ENDED}, key: \"event.message.attributes['ce-id']\"", {"outbox_attributes"}),
    ],
)
def test_what_follows_the_outbox_says_what_its_channel_needs(
    write: Write, address: str, more: str, expected: set[str]
) -> None:
    assert {it.code for it in compiling.check(written(write, {"told": address}, more))} == expected


def test_a_channel_of_the_same_address_is_the_outbox_too(write: Write) -> None:
    root = written(write, {"told": BUS, "leaves": BUS}, "key: event.id", outbox="leaves")
    assert {it.code for it in compiling.check(root)} == {"loop"}


@pytest.mark.parametrize(
    ("address", "outbox", "expected"),
    [
        (GRID, "told", {"outbox_channel"}),
        (f"{BUS}/subscriptions/s", "told", {"outbox_channel"}),
        (TOPIC.replace("topics", "subscriptions"), "told", {"outbox_channel", "outbox_key"}),
        (BUS, "nowhere", {"unknown_channel"}),
        (BUS, "tolt", {"unknown_channel"}),
    ],
)
def test_the_outbox_is_a_channel_that_takes_messages(
    write: Write, address: str, outbox: str, expected: set[str]
) -> None:
    found = compiling.check(written(write, {"told": address}, ENDED, outbox=outbox))
    assert {it.code for it in found} - {"outbox_key"} == expected - {"outbox_key"}
    assert all(it.path == "retrigger.yaml" for it in found)


def test_a_trigger_that_listens_where_no_channel_is_does_not_stop_the_rule(write: Write) -> None:
    root = written(write, {"other": BUS, "told": BUS}, ENDED, outbox="other")
    text = (root / "triggers" / "churn.yaml").read_text()
    (root / "triggers" / "churn.yaml").write_text(text.replace("in: told", "in: nowhere"))
    assert "unknown_channel" in {it.code for it in compiling.check(root)}
