"""Background events: how the first Cloud Functions were called, before CloudEvents. Each is read as today's CloudEvent.

Two shapes, of which the second is the older: `{"context": {"eventId", "timestamp", "eventType", "resource"}, "data"}`,
and the same without `context`. `resource` is an object with a `name`, or that name alone. Sources:
https://cloud.google.com/functions/1stgendocs/writing/write-event-driven-functions, and the rules by which
https://github.com/GoogleCloudPlatform/functions-framework-conformance has them converted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats import pubsub, storage
from retrigger.triggers.formats.envelope import Envelope, traceparent
from retrigger.triggers.formats.times import optional_instant
from retrigger.triggers.formats.wire import count, mapping, required, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from retrigger.triggers.event import Event, Json
    from retrigger.triggers.formats.wire import Request

_WHERE = "The background event's"
_MESSAGES = frozenset({"google.pubsub.topic.publish", "providers/cloud.pubsub/eventTypes/topic.publish"})
_OBJECTS: Mapping[str, str] = {
    "google.storage.object.finalize": storage.FINALIZED,
    "google.storage.object.delete": storage.DELETED,
    "google.storage.object.archive": storage.ARCHIVED,
    "google.storage.object.metadataUpdate": storage.METADATA_UPDATED,
}
_OBJECT_CHANGE = "providers/cloud.storage/eventTypes/object.change"


def from_json(value: Json, request: Request) -> Event:
    """The event that Eventarc would have sent for the same occurrence."""
    fields = mapping(value, "The background event")
    context = mapping(fields.get("context", fields), f"{_WHERE} context")
    data = mapping(fields.get("data"), f"{_WHERE} data")
    event_type = required(context, "eventType", _WHERE)
    read: Callable[[Envelope, datetime | None], Event]
    if event_type in _MESSAGES:
        read, subject = pubsub.from_cloudevent, None
        event_type, source = pubsub.TYPE, pubsub.channel_source(_resource(context))
        own = {"messageId": context.get("eventId"), "publishTime": context.get("timestamp")}
        data = {"message": {**data, **own}}
    elif event_type in _OBJECTS or event_type == _OBJECT_CHANGE:
        read, subject = storage.from_cloudevent, storage.subject(required(data, "name", f"{_WHERE} data"))
        event_type = _OBJECTS.get(event_type) or _changed(data)
        source = storage.source(required(data, "bucket", f"{_WHERE} data"))
    else:
        message = f"Background events of type {event_type[:80]!r} are not read; only those of objects and messages are."
        raise Malformed(message, code="unsupported_type")
    envelope = Envelope(
        id=required(context, "eventId", _WHERE),
        source=source,
        type=event_type,
        time=optional_instant(context, "timestamp", _WHERE),
        subject=subject,
        traceparent=traceparent(request.headers.get("traceparent")),
        data=data,
    )
    return read(envelope, request.now)


def _resource(context: Mapping[str, Json]) -> str:
    resource = context.get("resource")
    return required(resource if isinstance(resource, dict) else {"name": resource}, "name", f"{_WHERE} resource")


def _changed(data: Mapping[str, Json]) -> str:
    """What the one type of the oldest events means: https://cloud.google.com/storage/docs/object-change-notification.

    An object that exists, and whose metadata has changed since it was written, was not written now.
    """
    match text(data, "resourceState", f"{_WHERE} data"):
        case "exists":
            return storage.METADATA_UPDATED if (count(data, "metageneration", _WHERE) or 1) > 1 else storage.FINALIZED
        case "not_exists":
            return storage.DELETED
        case _:
            raise Malformed(f"{_WHERE} resourceState is neither exists nor not_exists.", code="bad_field")
