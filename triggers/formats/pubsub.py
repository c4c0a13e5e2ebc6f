"""Pub/Sub messages: pushed in their envelope, or as Eventarc's CloudEvent around the same envelope.

Sources: https://cloud.google.com/pubsub/docs/push, and google.events.cloud.pubsub.v1 of
https://github.com/googleapis/google-cloudevents. Of names that are sent in two spellings the camel-case one is read. A
push without its envelope is read by `unwrapped`.

A message whose attributes are those of a storage notification is an object event.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Message, rfc3339
from retrigger.triggers.formats.envelope import Envelope, is_notification, traceparent
from retrigger.triggers.formats.times import occurred, optional_instant
from retrigger.triggers.formats.wire import base64_bytes, count, json_body, json_value, mapping, required, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retrigger.triggers.event import Json
    from retrigger.triggers.formats.wire import Request

TYPE = "google.cloud.pubsub.topic.v1.messagePublished"
_HOST = "//pubsub.googleapis.com/"


def read(request: Request) -> Event:
    """A push. `request.place` is the channel, if the route names it."""
    return from_push(json_body(request), request)


def from_push(value: Json, request: Request) -> Event:
    """`{"message": {…}, "subscription": …, "deliveryAttempt": …}`, read as the CloudEvent that Eventarc makes of it.

    It does not say which topic the message came from: unless the route does, the channel is the subscription.
    """
    return from_cloudevent(pushed(value, request), request.now)


def pushed(value: Json, request: Request, notes: tuple[str, ...] = ()) -> Envelope:
    """The CloudEvent that Eventarc makes of a push, with `notes` for its event."""
    fields = mapping(value, "The push")
    message = mapping(fields.get("message"), "The push's message")
    channel = request.place or text(fields, "subscription", "The push's")
    return Envelope(
        id=required(message, "messageId", "The push's message"),
        source=channel_source(channel or ""),
        type=TYPE,
        time=None,
        subject=None,
        traceparent=traceparent(request.headers.get("traceparent")),
        data=fields,
        notes=notes,
    )


def from_cloudevent(envelope: Envelope, now: datetime | None, body: bytes | None = None) -> Event:
    """A message event, or the object event that the message announces. The channel is the topic that the source names.

    `body`: the message's, where it did not come in the envelope. `Message.json` is None for a body that is not JSON,
    nests too deep or holds no Unicode text: to Pub/Sub a body is bytes, and whether it had to be JSON is for the
    trigger's schema to say.
    """
    where = "The Pub/Sub event's"
    fields = mapping(envelope.data, "The Pub/Sub event's data")
    message = mapping(fields.get("message"), "The Pub/Sub event's message")
    message_id = text(message, "messageId", where) or envelope.id
    attributes = _attributes(message)
    if body is None:
        body = base64_bytes(text(message, "data", where) or "", "The Pub/Sub event's data")
    published = optional_instant(message, "publishTime", where)
    attempt = count(fields, "deliveryAttempt", where) or 1
    if is_notification(attributes):
        from retrigger.triggers.formats import storage

        return storage.from_notification(
            attributes,
            body,
            message_id=message_id,
            announced=published or envelope.time or now,
            attempt=attempt,
            traceparent=envelope.traceparent,
        )
    topic = envelope.source.removeprefix(_HOST) if envelope.source.startswith(_HOST) else ""
    return Event(
        id=envelope.id,
        source=envelope.source,
        type=envelope.type,
        time=occurred(envelope.time, published, now),
        subject=envelope.subject,
        payload=Message(
            channel=topic or required(fields, "subscription", where),
            id=message_id,
            attributes=attributes,
            body=body,
            json=body_json(body),
            ordering_key=text(message, "orderingKey", where),
            published=published,
        ),
        attempt=attempt,
        traceparent=envelope.traceparent,
        notes=envelope.notes,
    )


def body_json(body: bytes) -> Json:
    """The body as JSON, or None where it is none that can be read."""
    try:
        return json_value(body, "The body")
    except Malformed:
        return None


def channel_source(channel: str) -> str:
    """The CloudEvent source of a channel's messages; `channel` is projects/P/topics/T or projects/P/subscriptions/S."""
    return _HOST + channel


def push(
    *,
    message_id: str,
    attributes: Mapping[str, str],
    body: bytes,
    published: datetime,
    ordering_key: str | None = None,
    subscription: str | None = None,
    attempt: int = 1,
) -> dict[str, Json]:
    """The envelope that Pub/Sub pushes, and that Eventarc puts into a CloudEvent's data."""
    message: dict[str, Json] = {"messageId": message_id, "publishTime": rfc3339(published)}
    if attributes:
        message["attributes"] = dict(attributes)
    if body:
        message["data"] = base64.b64encode(body).decode("ascii")
    if ordering_key is not None:
        message["orderingKey"] = ordering_key
    fields: dict[str, Json] = {"message": message}
    if subscription is not None:
        fields["subscription"] = subscription
    if attempt > 1:
        fields["deliveryAttempt"] = attempt
    return fields


def _attributes(message: Mapping[str, Json]) -> dict[str, str]:
    values = message.get("attributes")
    if values is None:
        return {}
    sent = mapping(values, "The message's attributes")
    attributes = {name: value for name, value in sent.items() if isinstance(value, str)}
    if len(attributes) < len(sent):
        raise Malformed("An attribute of the message is not a string; correct the sender.", code="bad_field")
    return attributes
