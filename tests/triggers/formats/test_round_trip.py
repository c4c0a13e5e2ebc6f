"""`parse` gives back what `encode` wrote, for every form and every event that the form can carry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from retrigger.triggers.event import Event, Lifecycle, Message, Object, Payload, Schedule
from retrigger.triggers.formats import bindings, blob, blob_place, parse, pubsub, schedule, sniff, storage
from retrigger.triggers.formats.encoding import Form, encode

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


ACCOUNTS = st.from_regex(r"[a-z0-9]{3,24}", fullmatch=True)
CONTAINERS = st.from_regex(r"[a-z0-9](-?[a-z0-9]){2,20}", fullmatch=True) | st.just("$web")
RESOURCES = st.builds("/subscriptions/s/resourceGroups/g/providers/Microsoft.{}/{}".format, TEXT, TEXT)


@st.composite
def blob_events(draw: st.DrawFn) -> Event:
    event_type = draw(st.sampled_from(sorted(blob.CHANGES)))
    folder, created = "Directory" in event_type, event_type == blob.CREATED
    name, size = draw(NAMES), draw(st.none() | st.integers(0, 2**63 - 1))
    place = blob_place.Place(draw(ACCOUNTS), draw(CONTAINERS), f"{name.rstrip('/')}d/" if folder else name)
    payload = Object(
        store="blob",
        account=place.account,
        bucket=place.container,
        name=place.name,
        version=draw(st.from_regex(r"0x[0-9A-F]{15}", fullmatch=True)),
        sequencer=draw(st.none() | st.from_regex(r"[0-9A-Fa-f]{48}", fullmatch=True)),
        size=size,
        content_type=draw(st.none() | TEXT),
        checksum=draw(st.sampled_from([None, "md5:rL0Y20zC+Fzt72VPzMSk2A=="])),
        change=blob.CHANGES[event_type],
        complete=not folder and not (place.name.endswith("/") and not size) and (not created or draw(st.booleans())),
        uri=blob_place.uri(place),
    )
    return Event(
        id=draw(TEXT),
        source=f"/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/{place.account}",
        type=event_type,
        time=draw(TIMES),
        subject=blob_place.subject(place.container, place.name.removesuffix("/") if folder else place.name),
        payload=payload,
        traceparent=draw(TRACES),
    )


@st.composite
def run_events(draw: st.DrawFn) -> Event:
    source, run, status = draw(RESOURCES), draw(TEXT), draw(st.sampled_from(["Failed", "Completed"]))
    tags = draw(st.dictionaries(st.text(), st.text()))
    payload = Lifecycle(
        platform="azureml",
        resource=f"{source}/runs/{run}",
        name=run,
        status=status.lower(),
        tags=tags,
        properties={"runId": run, "runStatus": status, "runTags": {**tags}, "runProperties": {"spec": '{"a": 1}'}},
    )
    return _lifecycle(draw, "RunStatusChanged", source, payload)


@st.composite
def deployment_events(draw: st.DrawFn) -> Event:
    source, endpoint, event_id = draw(RESOURCES), draw(TEXT), draw(TEXT)
    models = draw(st.lists(st.from_regex(r"[a-z]{1,9}:[0-9]{1,3}", fullmatch=True)))
    payload = Lifecycle(
        platform="azureml",
        resource=f"{source}/endpoints/{endpoint}#{event_id}",
        name=endpoint,
        status="deployed",
        properties={"serviceName": endpoint, "modelIds": [*models]},
    )
    return replace(_lifecycle(draw, "ModelDeployed", source, payload), id=event_id)


def _lifecycle(draw: st.DrawFn, name: str, source: str, payload: Lifecycle) -> Event:
    return Event(
        id=draw(TEXT),
        source=source,
        type=f"Microsoft.MachineLearningServices.{name}",
        time=draw(TIMES),
        subject=None,
        payload=payload,
        traceparent=draw(TRACES),
    )


AZURE = blob_events() | run_events() | deployment_events()


@st.composite
def queued_messages(draw: st.DrawFn) -> Event:
    """Bodies that are themselves events, or base64 of JSON, come back as what they hold."""
    message = draw(message_events())
    assert isinstance(message.payload, Message)
    assume(not sniff.is_event(message.payload.json))
    assume(bindings._unwrapped(message.payload.body)[0] == message.payload.body)
    published = draw(TIMES)
    payload = replace(message.payload, id=message.id, published=published)
    return replace(message, source=payload.channel, subject=None, time=published, payload=payload)


@given(AZURE, ATTEMPTS, st.sampled_from([None, "events", "eventgrid"]))
def test_event_grid(event: Event, attempt: int, route: str | None) -> None:
    event = replace(event, attempt=attempt)
    assert parse(*encode(event, "event-grid"), route) == [event]


@given(AZURE, ATTEMPTS)
def test_events_that_messages_carry(event: Event, attempt: int) -> None:
    event = replace(event, attempt=attempt)
    assert parse(*encode(event, "storage-queue"), "queue/q") == [event]
    assert parse(*encode(event, "service-bus"), "servicebus/q") == [event]


@given(queued_messages())
def test_storage_queue_message(event: Event) -> None:
    assert isinstance(event.payload, Message)
    payload = replace(event.payload, attributes={}, ordering_key=None)
    event = replace(event, type=bindings.QUEUE, payload=payload)
    assert parse(*encode(event, "storage-queue"), f"queue/{payload.channel}") == [event]


@given(queued_messages(), st.dictionaries(st.sampled_from(["content_type", "correlation_id", "subject"]), TEXT))
def test_service_bus_message(event: Event, own: dict[str, str]) -> None:
    assert isinstance(event.payload, Message)
    sent = {name: value for name, value in event.payload.attributes.items() if name not in own}
    event = replace(event, type=bindings.BUS, payload=replace(event.payload, attributes={**sent, **own}))
    assert parse(*encode(event, "service-bus"), f"servicebus/{event.source}") == [event]


@given(object_events() | message_events() | schedule_events() | AZURE, st.sampled_from([None, "events"]))
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
        ("event-grid", BLOB),
        ("event-grid", Message(channel="c", id="1")),
        ("storage-queue", LIFECYCLE),
        ("service-bus", Schedule(name="n", scheduled_for=datetime(2026, 3, 2, tzinfo=UTC))),
    ],
)
def test_a_form_refuses_what_it_cannot_carry(form: Form, payload: Payload) -> None:
    event = Event(id="1", source="s", type="t", time=datetime(2026, 3, 2, tzinfo=UTC), subject=None, payload=payload)
    with pytest.raises(ValueError, match="carries no"):
        encode(event, form)
