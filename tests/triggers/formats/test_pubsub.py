from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Message
from retrigger.triggers.formats import pubsub
from retrigger.triggers.formats.wire import Request

if TYPE_CHECKING:
    from retrigger.triggers.event import Json

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SUBSCRIPTION = "projects/p/subscriptions/s"


def pushed(message: Json, place: str = "", now: datetime | None = NOW, **fields: Json) -> Event:
    body = json.dumps({"message": message, "subscription": SUBSCRIPTION, **fields}).encode()
    return pubsub.read(Request(headers={}, body=body, place=place, now=now))


def refusal(message: Json, now: datetime | None = NOW, **fields: Json) -> str:
    with pytest.raises(Malformed) as caught:
        pushed(message, now=now, **fields)
    return caught.value.code


def test_the_least_that_a_push_needs() -> None:
    assert pushed({"messageId": "1"}) == Event(
        id="1",
        source=f"//pubsub.googleapis.com/{SUBSCRIPTION}",
        type="google.cloud.pubsub.topic.v1.messagePublished",
        time=NOW,
        subject=None,
        payload=Message(channel=SUBSCRIPTION, id="1"),
    )


def test_the_route_names_the_channel_better_than_the_subscription() -> None:
    event = pushed({"messageId": "1"}, place="projects/p/topics/t")
    assert event.payload == Message(channel="projects/p/topics/t", id="1")


def test_the_time_of_publishing_is_the_time() -> None:
    event = pushed({"messageId": "1", "publishTime": "2026-03-02T07:00:00.5Z"})
    assert event.time == datetime(2026, 3, 2, 7, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(("field", "attempt"), [(None, 1), (0, 1), (1, 1), (37, 37), ("5", 5)])
def test_the_delivery_attempt_counts_from_one(field: Json, attempt: int) -> None:
    assert pushed({"messageId": "1"}, deliveryAttempt=field).attempt == attempt


@pytest.mark.parametrize(
    "body",
    [b"", b"plain", b"\xff\xfe", b"{", b"[1e999]", b"[" * 65 + b"]" * 65, b'"\\ud800"', b"null"],
    ids=lambda body: repr(body[:8]),
)
def test_a_body_that_is_no_readable_json_is_only_bytes(body: bytes) -> None:
    envelope = pubsub.push(message_id="1", attributes={}, body=body, published=NOW)
    assert pushed(envelope["message"]).payload == Message(channel=SUBSCRIPTION, id="1", body=body, published=NOW)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (True, "malformed_envelope"),
        (None, "malformed_envelope"),
        ({}, "missing_field"),
        ({"message_id": "1"}, "missing_field"),
        ({"messageId": 1}, "bad_field"),
        ({"messageId": "1", "data": "10"}, "malformed_base64"),
        ({"messageId": "1", "data": {"a": 1}}, "bad_field"),
        ({"messageId": "1", "attributes": []}, "malformed_envelope"),
        ({"messageId": "1", "attributes": {"n": 1}}, "bad_field"),
        ({"messageId": "1", "publishTime": "yesterday"}, "bad_time"),
    ],
)
def test_a_wrong_message_is_refused(message: Json, code: str) -> None:
    assert refusal(message) == code


def test_a_push_without_subscription_has_no_channel() -> None:
    assert refusal({"messageId": "1"}, subscription=None) == "missing_field"


def test_without_any_time_a_push_is_refused() -> None:
    assert refusal({"messageId": "1"}, now=None) == "missing_field"
