"""Payloads that were saved without their envelope: `parse` reads them where no route says that they are a delivery."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Message, Object
from retrigger.triggers.formats import parse, pubsub, storage

if TYPE_CHECKING:
    from retrigger.triggers.event import Json

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
RESOURCE: dict[str, Json] = {
    "kind": "storage#object",
    "id": "landing/a b.csv/17",
    "bucket": "landing",
    "name": "a b.csv",
    "generation": "17",
    "size": "3",
    "updated": "2026-03-02T08:00:00Z",
}
ATTRIBUTES: dict[str, Json] = {
    "eventType": "OBJECT_FINALIZE",
    "bucketId": "landing",
    "objectId": " a.csv",
    "objectGeneration": "17",
    "eventTime": "2026-03-02T08:00:00Z",
}
MESSAGE: dict[str, Json] = {"messageId": "7", "data": "e30=", "publishTime": "2026-03-02T08:00:00Z"}
STORED = Object(
    store="gcs",
    account=None,
    bucket="landing",
    name="a b.csv",
    version="17",
    sequencer="17",
    size=3,
    uri="gs://landing/a b.csv",
)
RETRAIN = Event(
    id="7",
    source=pubsub.channel_source("unknown"),
    type=pubsub.TYPE,
    time=datetime(2026, 3, 2, 8, tzinfo=UTC),
    subject=None,
    payload=Message(channel="unknown", id="7", body=b"{}", json={}, published=datetime(2026, 3, 2, 8, tzinfo=UTC)),
)


def saved(value: Json) -> Event:
    parsed = parse({}, json.dumps(value).encode(), now=NOW)
    assert isinstance(parsed, list)
    (event,) = parsed
    assert isinstance(event, Event)
    return event


def test_an_object_alone_was_written() -> None:
    assert saved(RESOURCE) == Event(
        id="landing/a b.csv/17",
        source=storage.source("landing"),
        type="google.cloud.storage.object.v1.finalized",
        time=datetime(2026, 3, 2, 8, tzinfo=UTC),
        subject=storage.subject("a b.csv"),
        payload=STORED,
        notes=("change_assumed",),
    )


def test_an_object_that_says_when_it_was_deleted_was_deleted() -> None:
    event = saved({**RESOURCE, "timeDeleted": "2026-03-02T08:30:00Z"})
    assert (event.type, event.time) == (
        "google.cloud.storage.object.v1.deleted",
        datetime(2026, 3, 2, 8, 30, tzinfo=UTC),
    )
    assert event.payload == replace(STORED, change="deleted")


@pytest.mark.parametrize("value", [{"message": MESSAGE, "ackId": "x"}, {"message": MESSAGE}, {**MESSAGE}])
def test_a_message_alone_has_an_unknown_channel(value: Json) -> None:
    assert saved(value) == RETRAIN


def test_a_notification_alone_is_named_by_what_it_announces() -> None:
    event = saved({"attributes": ATTRIBUTES})
    assert (event.id, event.payload) == (
        "landing/ a.csv/17",
        replace(STORED, name=" a.csv", size=None, uri="gs://landing/ a.csv"),
    )


@pytest.mark.parametrize(
    "value", [RESOURCE, {"message": MESSAGE}, MESSAGE, {"attributes": ATTRIBUTES}, {"PopReceipt": "r", "Id": "1"}]
)
def test_no_delivery_may_lack_its_envelope(value: Json) -> None:
    with pytest.raises(Malformed) as caught:
        parse({}, json.dumps(value).encode(), "events", now=NOW)
    assert caught.value.code in {"malformed_envelope", "missing_field"}
