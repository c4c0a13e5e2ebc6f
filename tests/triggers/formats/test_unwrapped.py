from __future__ import annotations

from datetime import UTC, datetime

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Message, Object
from retrigger.triggers.formats import parse, schedule, unwrapped
from retrigger.triggers.formats.wire import Request

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SUBSCRIPTION = "projects/p/subscriptions/s"
METADATA = {"X-Goog-PubSub-Message-Id": "1", "X-Goog-PubSub-Subscription-Name": SUBSCRIPTION}
# As a push arrives at Cloud Run.
WAY = {
    "Host": "churn.a.run.app",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate, br",
    "Authorization": "Bearer secret",
    "Content-Length": "2",
    "Content-Type": "application/json",
    "Forwarded": 'for="10.0.0.1";proto=https',
    "From": "noreply@google.com",
    "Traceparent": "00-4f0c8a1be29d47f3a6512bd0c7e9f813-7a1c04e5d92b6f38-01",
    "User-Agent": "CloudPubSub-Google",
    "X-Cloud-Trace-Context": "105445aa/1",
    "X-Forwarded-For": "10.0.0.1",
    "X-Goog-PubSub-Schema-Name": "s",
    "X-Serverless-Authorization": "Bearer secret",
}


def pushed(body: bytes = b"{}", route: str | None = None, **attributes: str) -> Event:
    (event,) = parse({**METADATA, **WAY, **attributes}, body, route, now=NOW)  # type: ignore[misc]  # no handshake
    assert isinstance(event, Event)
    return event


def test_the_least_that_a_push_needs() -> None:
    read = unwrapped.read(Request(headers={name.lower(): value for name, value in METADATA.items()}, body=b"", now=NOW))
    assert read == Event(
        id="1",
        source=f"//pubsub.googleapis.com/{SUBSCRIPTION}",
        type="google.cloud.pubsub.topic.v1.messagePublished",
        time=NOW,
        subject=None,
        payload=Message(channel=SUBSCRIPTION, id="1"),
    )


def test_headers_of_the_way_are_no_attributes() -> None:
    assert pushed().payload == Message(channel=SUBSCRIPTION, id="1", body=b"{}", json={})
    assert pushed().notes == ()
    assert pushed().traceparent == WAY["Traceparent"]


def test_attributes_come_in_lower_case_and_say_so() -> None:
    event = pushed(requestOrigin="notebook", accepted="no")
    assert isinstance(event.payload, Message)
    assert event.payload.attributes == {"requestorigin": "notebook", "accepted": "no"}
    assert event.notes == ("attributes_lower_case",)


@pytest.mark.parametrize("raw", ["é", "\u00c3\u00a9"])
def test_an_attribute_is_utf_8_whoever_decoded_it(raw: str) -> None:
    payload = pushed(origin=raw).payload
    assert isinstance(payload, Message)
    assert payload.attributes == {"origin": "é"}


def test_any_bytes_are_a_body() -> None:
    payload = pushed(b"\x00\xff").payload
    assert isinstance(payload, Message)
    assert (payload.body, payload.json) == (b"\x00\xff", None)


def test_a_body_that_looks_like_an_envelope_is_the_data() -> None:
    payload = pushed(b'{"message": {"messageId": "2"}}').payload
    assert isinstance(payload, Message)
    assert payload.id == "1"


def test_the_route_names_the_channel_better_than_the_subscription() -> None:
    assert pushed(route="pubsub/projects/p/topics/t").payload == Message(
        channel="projects/p/topics/t", id="1", body=b"{}", json={}
    )


def test_a_notification_is_an_object_event_with_its_exact_name() -> None:
    attributes = {"eventType": "OBJECT_FINALIZE", "bucketId": "landing", "objectId": " a%2F+é", "objectGeneration": "7"}
    at_wsgi = {name: value.encode().decode("latin-1") for name, value in attributes.items()}
    for route in (None, "storage", "pubsub"):
        event = pushed(b"", route, **at_wsgi)
        assert event.payload == Object(
            store="gcs",
            account=None,
            bucket="landing",
            name=" a%2F+é",
            version="7",
            sequencer="7",
            uri="gs://landing/ a%2F+é",
        )
        assert event.notes == ()


def test_a_cloudevent_that_pubsub_carried_is_a_cloudevent_on_the_route_events() -> None:
    attributes = {"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/acme", "ce-type": "com.acme.retrain"}
    assert pushed(**attributes).source == "/acme"
    assert pushed(route="pubsub", **attributes).source == f"//pubsub.googleapis.com/{SUBSCRIPTION}"


def test_a_push_knocks_for_the_trigger_that_its_route_names() -> None:
    assert pushed(route="schedule/weekly") == schedule.due("weekly", NOW, traceparent=WAY["Traceparent"])


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({**METADATA, "X-Goog-PubSub-Message-Id": ""}, "missing_field"),
        ({**METADATA, "X-Goog-PubSub-Subscription-Name": ""}, "missing_field"),
        ({**METADATA, "X-Goog-PubSub-Publish-Time": "soon"}, "bad_time"),
        ({**METADATA, "\udc80": "a"}, "malformed_utf8"),
        ({**METADATA, "a": "\udc80"}, "malformed_utf8"),
        ({**METADATA, "X-Goog-PubSub-Ordering-Key": "\udc80"}, "malformed_utf8"),
        ({}, "malformed_envelope"),
    ],
)
def test_what_names_no_message_is_refused(headers: dict[str, str], code: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(headers, b"{}", "pubsub", now=NOW)
    assert caught.value.code == code
