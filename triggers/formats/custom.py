"""A CloudEvent of a sender's own type: a message, on the channel that its source (or the route) names.

Teams publish such events on Event Grid topics and Eventarc channels ("retrain, please"); a trigger listens to them as
to any message. What the specification asks is asked here: no platform bends its rules in these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.event import Event, Message
from retrigger.triggers.formats.cloudevents import attributes_of, is_json
from retrigger.triggers.formats.times import occurred
from retrigger.triggers.formats.wire import json_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retrigger.triggers.event import Json
    from retrigger.triggers.formats.envelope import Envelope


def from_cloudevent(envelope: Envelope, now: datetime | None, channel: str | None = None) -> Event:
    """Body: the data, text and bytes as they are, JSON as compact JSON. Attributes: those of no meaning to CloudEvents.

    `channel`: where the route says that it came from; else it is the event's source.
    """
    return message(envelope, attributes_of(envelope), now, channel)


def message(
    envelope: Envelope, attributes: Mapping[str, str], now: datetime | None, channel: str | None = None
) -> Event:
    """The same, of an envelope whose attributes are known."""
    body, json = _body(envelope.data, attributes.get("datacontenttype", "").partition(";")[0].strip().lower())
    return Event(
        id=envelope.id,
        source=envelope.source,
        type=envelope.type,
        time=occurred(envelope.time, now),
        subject=envelope.subject,
        payload=Message(
            channel=channel or envelope.source,
            id=envelope.id,
            attributes=attributes,
            body=body,
            json=json,
            published=envelope.time,
        ),
        traceparent=envelope.traceparent,
        notes=envelope.notes,
    )


def _body(data: Json | bytes, media: str) -> tuple[bytes, Json]:
    match data:
        case None:
            return b"", None
        case bytes():
            return data, None
        case str() if not is_json(media):
            return data.encode(), None
        case _:
            return json_bytes(data), data
