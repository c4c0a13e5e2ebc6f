from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats import background, storage
from retrigger.triggers.formats.wire import Request

if TYPE_CHECKING:
    from retrigger.triggers.event import Event, Json

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
TOPIC = "projects/p/topics/t"
OBJECT: dict[str, Json] = {"bucket": "landing", "name": "a#1", "generation": "17", "metageneration": "1"}
CHANGED = "providers/cloud.storage/eventTypes/object.change"


def read(event_type: Json, data: Json, resource: Json = TOPIC, **context: Json) -> Event:
    known: dict[str, Json] = {"eventId": "1", "timestamp": "2026-03-02T07:00:00.000001Z", "eventType": event_type}
    request = Request(headers={}, body=b"", now=NOW)
    return background.from_json({"context": {**known, "resource": resource, **context}, "data": data}, request)


def refusal(event_type: Json, data: Json, resource: Json = TOPIC, **context: Json) -> str:
    with pytest.raises(Malformed) as caught:
        read(event_type, data, resource, **context)
    return caught.value.code


def test_both_shapes_and_both_resources_are_one_event() -> None:
    resources: list[Json] = [TOPIC, {"service": "pubsub.googleapis.com", "name": TOPIC}]
    context: dict[str, Json] = {"eventId": "1", "eventType": "google.pubsub.topic.publish", "timestamp": None}
    shapes: list[Json] = [
        shape
        for resource in resources
        for shape in (
            {"context": {**context, "resource": resource}, "data": {"data": "e30="}},
            {**context, "resource": resource, "data": {"data": "e30="}},
        )
    ]
    request = Request(headers={}, body=b"", now=NOW)
    first, *others = [background.from_json(shape, request) for shape in shapes]
    assert others == [first] * 3


@pytest.mark.parametrize(
    ("event_type", "means"),
    [
        ("google.storage.object.finalize", storage.FINALIZED),
        ("google.storage.object.delete", storage.DELETED),
        ("google.storage.object.archive", storage.ARCHIVED),
        ("google.storage.object.metadataUpdate", storage.METADATA_UPDATED),
    ],
)
def test_a_change_of_an_object_is_todays_cloudevent(event_type: str, means: str) -> None:
    event = read(event_type, OBJECT)
    assert (event.type, event.source, event.subject, event.time.microsecond) == (
        means,
        "//storage.googleapis.com/projects/_/buckets/landing",
        "objects/a#1",
        1,
    )


@pytest.mark.parametrize(
    ("state", "metageneration", "means"),
    [
        ("exists", "1", storage.FINALIZED),
        ("exists", None, storage.FINALIZED),
        ("exists", "2", storage.METADATA_UPDATED),
        ("not_exists", "1", storage.DELETED),
        ("not_exists", "2", storage.DELETED),
    ],
)
def test_the_oldest_type_means_what_the_resource_state_says(state: str, metageneration: Json, means: str) -> None:
    data = {**OBJECT, "resourceState": state, "metageneration": metageneration}
    assert read(CHANGED, data, resource="projects/_/buckets/landing/objects/a#1#17").type == means


@pytest.mark.parametrize(
    ("event_type", "data", "code"),
    [
        (CHANGED, OBJECT, "bad_field"),
        (CHANGED, {**OBJECT, "resourceState": "sync"}, "bad_field"),
        ("google.storage.object.finalize", {}, "missing_field"),
        ("google.storage.object.finalize", {**OBJECT, "generation": None}, "missing_field"),
        ("google.pubsub.topic.publish", {"data": "10"}, "malformed_base64"),
        ("google.pubsub.topic.publish", None, "malformed_envelope"),
        ("providers/firebase.auth/eventTypes/user.create", {}, "unsupported_type"),
        (None, {}, "missing_field"),
        (7, {}, "bad_field"),
    ],
)
def test_other_events_are_refused(event_type: Json, data: Json, code: str) -> None:
    assert refusal(event_type, data) == code


@pytest.mark.parametrize("resource", [None, "", {}, {"name": None}])
def test_a_message_of_no_topic_is_refused(resource: Json) -> None:
    assert refusal("google.pubsub.topic.publish", {}, resource) == "missing_field"


@pytest.mark.parametrize(("context", "code"), [({"eventId": None}, "missing_field"), ({"timestamp": "x"}, "bad_time")])
def test_an_event_of_no_id_or_a_wrong_time_is_refused(context: dict[str, Json], code: str) -> None:
    assert refusal("google.pubsub.topic.publish", {}, **context) == code
    assert refusal("google.storage.object.finalize", OBJECT, **context) == code


@pytest.mark.parametrize("value", [None, [], {"context": 1, "data": {}}, {"context": {}}])
def test_what_is_no_background_event_is_refused(value: Json) -> None:
    with pytest.raises(Malformed) as caught:
        background.from_json(value, Request(headers={}, body=b"", now=NOW))
    assert caught.value.code == "malformed_envelope"
