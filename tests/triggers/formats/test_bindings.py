from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Message, Object
from retrigger.triggers.formats import bindings, parse, schedule

NOW = datetime(2026, 3, 2, 9, 0, 41, 5, tzinfo=UTC)
QUEUE = "https://acme.queue.core.windows.net/retrain"
BUS = "sb://acme.servicebus.windows.net/retrain"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CREATED = {
    "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/acme",
    "subject": "/blobServices/default/containers/c/blobs/n",
    "eventType": "Microsoft.Storage.BlobCreated",
    "eventTime": "2026-03-01T22:15:07Z",
    "id": "1",
    "data": {"api": "PutBlob", "eTag": "0x8D", "contentLength": 3},
}


def parsed(route: str, body: bytes, metadata: dict[str, str] | None = None, now: datetime | None = NOW) -> list[Any]:
    found = parse(metadata or {}, body, route, now=now)
    assert isinstance(found, list)
    return found


def queued(body: bytes, **metadata: str) -> Event:
    (event,) = parsed(f"queue/{QUEUE}", body, {"Id": "m-1", **metadata})
    assert isinstance(event, Event)
    return event


def message(event: Event) -> Message:
    assert isinstance(event.payload, Message)
    return event.payload


def wrapped(value: object) -> bytes:
    return base64.b64encode(json.dumps(value).encode())


def test_a_queues_message() -> None:
    metadata = {"DequeueCount": "3", "InsertionTime": "2026-03-01T22:15:07+00:00", "traceparent": TRACE}
    published = datetime(2026, 3, 1, 22, 15, 7, tzinfo=UTC)
    assert queued(b'{"as_of": "2026-03-01"}', **metadata) == Event(
        id="m-1",
        source=QUEUE,
        type=bindings.QUEUE,
        time=published,
        subject=None,
        payload=Message(
            channel=QUEUE,
            id="m-1",
            body=b'{"as_of": "2026-03-01"}',
            json={"as_of": "2026-03-01"},
            published=published,
        ),
        attempt=3,
        traceparent=TRACE,
    )


@pytest.mark.parametrize(
    ("body", "kept", "value"),
    [
        (b"test", b"test", None),
        (b"1234", b"1234", 1234),
        (b"", b"", None),
        (b"\xff\x00", b"\xff\x00", None),
        (base64.b64encode(b"plain text"), base64.b64encode(b"plain text"), None),
        (base64.b64encode(b"7"), base64.b64encode(b"7"), None),
        (wrapped({"a": 1}), b'{"a": 1}', {"a": 1}),
        (wrapped([1]), b"[1]", [1]),
    ],
)
def test_only_base64_of_a_json_object_or_array_is_undone(body: bytes, kept: bytes, value: object) -> None:
    it = message(queued(body))
    assert (it.body, it.json) == (kept, value)


@pytest.mark.parametrize(
    ("text", "time", "notes"),
    [
        ("2026-1-2T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), ()),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), ("time_without_zone",)),
        ("2026-1-2 3:04:05.1234567", datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC), ("time_without_zone",)),
        ("2026-01-02T03:04:05.5+02:00", datetime(2026, 1, 2, 1, 4, 5, 500000, tzinfo=UTC), ()),
    ],
)
def test_the_hosts_times_may_be_sloppy(text: str, time: datetime, notes: tuple[str, ...]) -> None:
    event = queued(b"x", InsertionTime=text)
    assert (event.time, event.notes) == (time, notes)


def test_a_message_without_a_time_is_of_its_receipt() -> None:
    event = queued(b"x")
    assert (event.time, message(event).published) == (NOW, None)


@pytest.mark.parametrize("body", [json.dumps(CREATED).encode(), wrapped(CREATED), wrapped([CREATED])])
def test_a_queues_message_may_carry_events(body: bytes) -> None:
    event = queued(body, DequeueCount="4")
    assert isinstance(event.payload, Object)
    assert (event.id, event.attempt, event.payload.name) == ("1", 4, "n")


def test_every_event_that_a_message_carries_has_its_outcome() -> None:
    first, second = parsed(
        f"servicebus/{BUS}", json.dumps([CREATED, {**CREATED, "id": ""}]).encode(), {"MessageId": "m"}
    )
    assert first.id == "1"
    assert isinstance(second, Malformed)


@pytest.mark.parametrize("body", [{"eventType": "x"}, {"specversion": "1.0"}, {"id": "1", "type": "t"}, [], [{}]])
def test_a_message_that_only_resembles_an_event_is_a_message(body: object) -> None:
    assert message(queued(json.dumps(body).encode())).json == body


def test_a_service_bus_message() -> None:
    metadata = {
        "MessageId": "m-1",
        "DeliveryCount": "2",
        "EnqueuedTimeUtc": "2026-03-01T22:15:07.5",
        "SessionId": "customers",
        "ContentType": "application/json",
        "CorrelationId": "c-1",
        "Label": "churn",
        "UserProperties": '{"team": "growth", "tries": 1}',
        "ApplicationProperties": '{"tries": 2, "none": null}',
    }
    published = datetime(2026, 3, 1, 22, 15, 7, 500000, tzinfo=UTC)
    assert parsed(f"servicebus/{BUS}", b"[1]", metadata) == [
        Event(
            id="m-1",
            source=BUS,
            type=bindings.BUS,
            time=published,
            subject=None,
            payload=Message(
                channel=BUS,
                id="m-1",
                attributes={
                    "team": "growth",
                    "tries": "2",
                    "content_type": "application/json",
                    "correlation_id": "c-1",
                    "subject": "churn",
                },
                body=b"[1]",
                json=[1],
                ordering_key="customers",
                published=published,
            ),
            attempt=2,
        )
    ]


def test_an_event_of_a_senders_type_has_the_attributes_of_the_message_that_carries_it() -> None:
    """A trigger may then read the same attributes whether Service Bus brought the event, or Pub/Sub."""
    told = {
        "specversion": "1.0",
        "id": "7",
        "source": "//s",
        "type": "retrigger.outcome",
        "data": {"a": 1},
        "team": "x",
    }
    metadata = {"MessageId": "7", "ApplicationProperties": '{"ce-id": "7", "team": "y"}', "Subject": "churn"}
    (event,) = parsed(f"servicebus/{BUS}", json.dumps(told).encode(), metadata)
    assert isinstance(event, Event)
    assert isinstance(event.payload, Message)
    assert (event.id, event.type, event.payload.channel, event.payload.json) == ("7", told["type"], BUS, {"a": 1})
    assert event.payload.attributes == {"ce-id": "7", "team": "x", "subject": "churn"}


def test_a_message_without_an_id_of_its_senders_has_the_brokers_number() -> None:
    (event,) = parsed(f"servicebus/{BUS}", b"x", {"SequenceNumber": "38"})
    assert event.id == "38"


@pytest.mark.parametrize(
    ("route", "metadata", "code"),
    [
        ("queue/q", {}, "missing_field"),
        ("queue/q", {"Id": "\udc80"}, "malformed_utf8"),
        ("queue/q", {"Id": "1", "DequeueCount": "often"}, "bad_field"),
        ("queue/q", {"Id": "1", "InsertionTime": "yesterday"}, "bad_time"),
        ("servicebus/q", {}, "missing_field"),
        ("servicebus/q", {"MessageId": "1", "ApplicationProperties": "[]"}, "malformed_envelope"),
        ("servicebus/q", {"MessageId": "1", "ApplicationProperties": "{"}, "malformed_json"),
        ("servicebus/q", {"MessageId": "1", "EnqueuedTimeUtc": "2026-13-01T00:00:00"}, "bad_time"),
        ("queue", {"Id": "1"}, "unknown_route"),
        ("servicebus", {"MessageId": "1"}, "unknown_route"),
        ("timer", {}, "unknown_route"),
    ],
)
def test_wrong_metadata_are_refused(route: str, metadata: dict[str, str], code: str) -> None:
    with pytest.raises(Malformed) as caught:
        parsed(route, b"{}", metadata)
    assert caught.value.code == code


BLOB = {
    "BlobTrigger": "c/dt=1/a%2Fb.csv",
    "Uri": "https://acme.blob.core.windows.net/c/dt%3D1/a%252Fb.csv",
    "Properties": '{"ETag": "\\"0x8D\\"", "ContentLength": 3, "LastModified": "2026-03-01T22:15:07+00:00"}',
}


def test_a_blob_trigger_gives_the_object_that_event_grid_announces() -> None:
    (event,) = parsed("blob", b"", BLOB)
    created = {
        **CREATED,
        "subject": "/blobServices/default/containers/c/blobs/dt=1/a%2Fb.csv",
        "data": {"api": "PutBlob", "eTag": "0x8D", "contentLength": 3},
    }
    (announced,) = parsed("eventgrid", json.dumps(created).encode())
    assert event.payload == announced.payload
    assert (event.identity, event.type, event.time) == (announced.identity, announced.type, announced.time)


def test_a_blob_triggers_route_may_name_the_blob() -> None:
    metadata = {name: value for name, value in BLOB.items() if name != "BlobTrigger"}
    (event,) = parsed("blob/c/dt=1/a%2Fb.csv", b"content, unread", metadata)
    assert event.payload.name == "dt=1/a%2Fb.csv"


@pytest.mark.parametrize("lacking", ["Uri", "Properties"])
def test_a_blob_trigger_without_account_or_version_is_refused(lacking: str) -> None:
    with pytest.raises(Malformed) as caught:
        parsed("blob", b"", {name: value for name, value in BLOB.items() if name != lacking})
    assert caught.value.code == "missing_field"


@pytest.mark.parametrize(("body", "past_due"), [(b'{"IsPastDue": true}', True), (b"{}", False)])
def test_a_timer_wakes_its_trigger_for_the_minute(body: bytes, past_due: bool) -> None:
    minute = datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert parsed("timer/weekly", body) == [schedule.due("weekly", minute, past_due=past_due)]


@pytest.mark.parametrize(
    ("body", "now", "code"),
    [
        (b'{"IsPastDue": 1}', NOW, "bad_field"),
        (b"[]", NOW, "malformed_envelope"),
        (b"", NOW, "malformed_json"),
        (b"{}", None, "missing_field"),
    ],
)
def test_a_wrong_timer_is_refused(body: bytes, now: datetime | None, code: str) -> None:
    with pytest.raises(Malformed) as caught:
        parsed("timer/weekly", body, now=now)
    assert caught.value.code == code


def test_a_saved_message_is_told_by_its_keys() -> None:
    saved = {"Id": "m-1", "PopReceipt": "r", "DequeueCount": 3, "body": {"as_of": "2026-03-01"}}
    (event,) = parsed(None, json.dumps(saved).encode())
    assert (event.attempt, event.payload.channel, event.payload.json) == (3, "unknown", {"as_of": "2026-03-01"})


def test_what_a_saved_message_carries_comes_from_its_own_source() -> None:
    own = {"specversion": "1.0", "id": "1", "source": "/acme", "type": "Acme.Retrain", "time": "2026-03-01T22:15:07Z"}
    saved = {"SequenceNumber": 1, "LockToken": "t", "DeliveryCount": {"type": "int", "value": 2}, "body": own}
    (event,) = parsed(None, json.dumps(saved).encode())
    assert (event.attempt, event.payload.channel) == (2, "/acme")


@pytest.mark.parametrize("kind", ["dev.retrigger.schedule.due.v1", "dev.retrigger.schedule.fired.v1"])
def test_no_message_strikes_a_clock(kind: str) -> None:
    own = {"specversion": "1.0", "id": "1", "source": "/s", "type": kind, "time": "2026-03-01T22:15:07Z"}
    due = {**own, "data": {"name": "nightly", "scheduled_for": "0001-01-01T00:00:00Z"}}
    (found,) = parsed(f"queue/{QUEUE}", json.dumps(due).encode(), {"Id": "m-1"})
    assert isinstance(found, Malformed)
    assert found.code == "unsupported_type"
