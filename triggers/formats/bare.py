"""Saved payloads that lost their envelope, for `retrigger decode` and `explain`: no function reads them.

What the envelope would have told is assumed, and the event's `notes` say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.formats import bindings, pubsub, storage
from retrigger.triggers.formats.envelope import Envelope
from retrigger.triggers.formats.loose import at, text_at
from retrigger.triggers.formats.times import optional_instant
from retrigger.triggers.formats.wire import Request, mapping, required
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from datetime import datetime

    from retrigger.triggers.event import Event, Json
    from retrigger.triggers.formats.bindings import Carried
    from retrigger.triggers.formats.sniff import BareShape

UNKNOWN = "unknown"
"""The channel of a message of which nobody knows any more where it was published."""


def read(value: Json, shape: BareShape, request: Request) -> Event | Carried:
    """The event that the whole delivery would have given, as far as that can be known."""
    match shape:
        case "queue":
            return bindings.queue(bindings.saved(value, request))
        case "servicebus":
            return bindings.service_bus(bindings.saved(value, request))
        case "pulled":
            return pubsub.from_push(value, _unnamed(request))
        case "message":
            return pubsub.from_push({"message": _identified(value)}, _unnamed(request))
        case "resource":
            return _changed(value, request.now)


def _unnamed(request: Request) -> Request:
    return Request(headers=request.headers, body=request.body, place=UNKNOWN, now=request.now)


def _identified(value: Json) -> Json:
    """A notification without an id is named by what it announces."""
    message = mapping(value, "The message")
    attributes = message.get("attributes")
    if "messageId" in message or not text_at(attributes, "objectId"):
        return message
    words = [text_at(attributes, name) for name in ("bucketId", "objectId", "objectGeneration")]
    return {**message, "messageId": "/".join(words)}


def _changed(value: Json, now: datetime | None) -> Event:
    """An object that says when it was deleted was deleted; any other was written."""
    where = "The object's"
    resource = mapping(value, "The object")
    bucket, name = required(resource, "bucket", where), required(resource, "name", where)
    happened = "deleted" if at(resource, "timeDeleted") is not None else "finalized"
    envelope = Envelope(
        id=text_at(resource, "id") or f"{bucket}/{name}",
        source=storage.source(bucket),
        type=f"google.cloud.storage.object.v1.{happened}",
        time=optional_instant(resource, "timeDeleted" if happened == "deleted" else "updated", where),
        subject=storage.subject(name),
        traceparent=None,
        data=resource,
    )
    event = storage.from_cloudevent(envelope, now)
    return replace(event, notes=(*event.notes, "change_assumed"))
