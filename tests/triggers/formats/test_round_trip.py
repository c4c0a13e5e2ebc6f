"""`parse` gives back what `encode` wrote, for every form and every event that the form can carry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrigger.triggers.event import Event, Lifecycle, Message, Object, Payload, Schedule
from retrigger.triggers.formats import encode, parse, pubsub, schedule, storage

TEXT = st.text(min_size=1)
TIMES = st.datetimes(timezones=st.just(UTC))
TRACES = st.none() | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", fullmatch=True)
ATTEMPTS = st.integers(1, 2**63 - 1)
NAMES = st.text(min_size=1, max_size=256) | st.sampled_from(["a%2Fb #1+1 é🚀", "../x", " ", "dt=1/", "é" * 512])


@st.composite
def object_events(draw: st.DrawFn) -> Event:
    bucket, name, size = draw(st.text("az09-_.", min_size=1)), draw(NAMES), draw(st.none() | st.integers(0, 2**63 - 1))
    generation = str(draw(st.integers(0, 2**63 - 1)))
    event_type = draw(st.sampled_from(sorted(storage.CHANGES)))
    payload = Object(
        store="gcs",
        account=None,
        bucket=bucket,
        name=name,
        version=generation,
        sequencer=generation,
        size=size,
        content_type=draw(st.none() | TEXT),
        checksum=draw(st.sampled_from([None, "crc32c:yZRlqg==", "md5:rL0Y20zC+Fzt72VPzMSk2A=="])),
        change=storage.CHANGES[event_type],
        complete=not (name.endswith("/") and not size),
        uri=f"gs://{bucket}/{name}",
    )
    return Event(
        id=draw(TEXT),
        source=draw(TEXT),
        type=event_type,
        time=draw(TIMES),
        subject=draw(st.none() | TEXT),
        payload=payload,
        traceparent=draw(TRACES),
    )


@st.composite
def message_events(draw: st.DrawFn) -> Event:
    body = draw(st.binary() | st.sampled_from([b'{"as_of": "2026-03-01"}', b"[1.5]", b"\xef\xbb\xbf{}"]))
    payload = Message(
        channel=draw(TEXT),
        id=draw(TEXT),
        attributes=draw(st.dictionaries(st.text(), st.text())),
        body=body,
        json=pubsub.body_json(body),
        ordering_key=draw(st.none() | TEXT),
        published=draw(TIMES),
    )
    return Event(
        id=draw(TEXT),
        source=pubsub.channel_source(payload.channel),
        type=pubsub.TYPE,
        time=draw(TIMES),
        subject=draw(st.none() | TEXT),
        payload=payload,
        attempt=draw(ATTEMPTS),
        traceparent=draw(TRACES),
    )


@st.composite
def schedule_events(draw: st.DrawFn) -> Event:
    event = schedule.due(draw(TEXT), draw(TIMES), past_due=draw(st.booleans()), traceparent=draw(TRACES))
    return replace(event, id=draw(TEXT), time=draw(TIMES))


@given(object_events() | message_events() | schedule_events(), st.sampled_from([None, "events"]))
def test_cloudevents(event: Event, route: str | None) -> None:
    assert parse(*encode(event, "cloudevent-binary"), route) == [event]
    assert parse(*encode(event, "cloudevent-structured"), route) == [event]


@given(message_events(), st.sampled_from([None, "pubsub"]))
def test_pubsub_push(event: Event, route: str | None) -> None:
    assert isinstance(event.payload, Message)
    assert event.payload.published is not None
    event = replace(event, id=event.payload.id, subject=None, time=event.payload.published)
    assert parse(*encode(event, "pubsub-push"), route) == [event]


@given(object_events(), ATTEMPTS, st.sampled_from([None, "pubsub", "storage"]))
def test_storage_notification(event: Event, attempt: int, route: str | None) -> None:
    assert isinstance(event.payload, Object)
    source, subject = storage.source(event.payload.bucket), storage.subject(event.payload.name)
    event = replace(event, source=source, subject=subject, attempt=attempt)
    assert parse(*encode(event, "storage-notification"), route) == [event]


@given(object_events() | message_events() | schedule_events())
def test_encoded_headers_are_visible_ascii(event: Event) -> None:
    headers, _ = encode(event, "cloudevent-binary")
    assert all(0x21 <= ord(char) <= 0x7E for value in headers.values() for char in value)


BLOB = Object(
    store="blob", account="a", bucket="b", name="n", version="0x8D", uri="https://a.blob.core.windows.net/b/n"
)
LIFECYCLE = Lifecycle(platform="vertex", resource="r", name="n")


@pytest.mark.parametrize(
    ("form", "payload"),
    [
        ("pubsub-push", Schedule(name="n", scheduled_for=datetime(2026, 3, 2, tzinfo=UTC))),
        ("storage-notification", Message(channel="c", id="1")),
        ("cloudevent-binary", LIFECYCLE),
        ("cloudevent-structured", LIFECYCLE),
        ("cloudevent-structured", BLOB),
        ("storage-notification", BLOB),
    ],
)
def test_a_form_refuses_what_it_cannot_carry(form: str, payload: Payload) -> None:
    event = Event(id="1", source="s", type="t", time=datetime(2026, 3, 2, tzinfo=UTC), subject=None, payload=payload)
    with pytest.raises(ValueError, match="carries no"):
        encode(event, form)  # type: ignore[arg-type]  # one of the forms
