"""What the Azure Functions host hands to a function: a payload, and beside it the trigger's metadata.

Sources: https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger, and the pages of
the Service Bus, Blob and timer triggers. A request's headers are the metadata, names in lower case, values as text
(objects as JSON); its body is the payload. The host's own times have fewer digits than RFC 3339 asks for, or no zone.

A queue's message may carry Event Grid's events or CloudEvents instead of being one: see `Carried`.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import field
from datetime import UTC
from typing import TYPE_CHECKING

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Message, rfc3339
from retrigger.triggers.formats import blob, blob_place, schedule, sniff
from retrigger.triggers.formats.envelope import traceparent
from retrigger.triggers.formats.pubsub import body_json
from retrigger.triggers.formats.times import azure_instant, occurred
from retrigger.triggers.formats.wire import (
    Request,
    base64_bytes,
    count,
    json_bytes,
    json_value,
    mapping,
    required,
    text,
    whole,
)
from retrigger.triggers.frozen import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retrigger.triggers.event import Json

QUEUE = "dev.retrigger.storagequeue.message.v1"
BUS = "dev.retrigger.servicebus.message.v1"
_NAMED = {"content_type": "ContentType", "correlation_id": "CorrelationId", "subject": "Subject"}
"""Service Bus's own properties that an event's attributes show beside the sender's."""


@dataclass(frozen=True, slots=True)
class Carried:
    """The JSON of events that a message carries, one or an array, and which delivery of the message this is.

    `attributes`: what Service Bus tells beside it.
    """

    value: Json
    attempt: int
    attributes: Mapping[str, str] = field(default_factory=dict)


def queue(request: Request) -> Event | Carried:
    """A Storage Queue's message on the channel `request.place`. Base64 of a JSON object or array is undone."""
    where = "The queue message's"
    body, value = _unwrapped(request.body)
    attempt = count(request.headers, "dequeuecount", where) or 1
    if sniff.is_event(value):
        return Carried(value, attempt)
    published, notes = _time(request.headers, "insertiontime", where)
    message = Message(
        channel=request.place, id=_required(request.headers, "id", where), body=body, json=value, published=published
    )
    return _event(QUEUE, message, request, attempt, notes)


def service_bus(request: Request) -> Event | Carried:
    """A Service Bus message on the channel `request.place`. Attributes: the application's, and Service Bus's own.

    A sender may leave the message id out; the sequence number is the broker's.
    """
    where = "The Service Bus message's"
    attempt = count(request.headers, "deliverycount", where) or 1
    value, attributes = body_json(request.body), _attributes(request.headers, where)
    if sniff.is_event(value):
        return Carried(value, attempt, attributes)
    published, notes = _time(request.headers, "enqueuedtimeutc", where)
    message = Message(
        channel=request.place,
        id=_optional(request.headers, "messageid", where) or _required(request.headers, "sequencenumber", where),
        attributes=attributes,
        body=request.body,
        json=value,
        ordering_key=_optional(request.headers, "sessionid", where),
        published=published,
    )
    return _event(BUS, message, request, attempt, notes)


def blob_found(request: Request) -> Event:
    """A blob trigger: what Event Grid would have announced. The blob's content is not read, `body` may be empty.

    `request.place` stands in for a missing BlobTrigger (`container/name`, exact).
    """
    where = "The blob trigger's"
    path = _optional(request.headers, "blobtrigger", where) or request.place
    container, _, name = path.partition("/")
    properties = {name.lower(): value for name, value in _object(request.headers, "properties", where).items()}
    subject = blob_place.subject(container, name)
    place, notes = blob_place.read("", subject, _optional(request.headers, "uri", where))
    modified, loose = _time(properties, "lastmodified", where)
    payload = blob.stored(
        place,
        version=required(properties, "etag", where).strip('"'),
        size=count(properties, "contentlength", where),
        content_type=text(properties, "contenttype", where),
    )
    return Event(
        id=f"{place.container}/{place.name}@{payload.version}",
        source=blob_place.endpoint(place.account, place.suffix),
        type=blob.CREATED,
        time=occurred(modified, request.now),
        subject=blob_place.subject(place.container, place.name),
        payload=payload,
        traceparent=traceparent(request.headers.get("traceparent")),
        notes=notes + loose,
    )


def timer(request: Request) -> Event:
    """A timer's wake-up for the trigger `request.place`, of the minute in which it is received."""
    where = "The timer's"
    past_due = mapping(json_value(request.body, f"{where} body"), f"{where} body").get("IsPastDue", False)
    if not isinstance(past_due, bool):
        raise Malformed(f"{where} IsPastDue is no boolean; correct the sender.", code="bad_field")
    minute = occurred(request.now).astimezone(UTC).replace(second=0, microsecond=0)
    trace = traceparent(request.headers.get("traceparent"))
    return schedule.due(request.place, minute, past_due=past_due, traceparent=trace)


def saved(value: Json, request: Request) -> Request:
    """The request that a message's metadata, saved as one JSON object, stands for; its `body` is the payload.

    Values may be the host's typed ones, `{"type": …, "value": …}`. The channel is `unknown` unless the route names it.
    """
    fields = {name.lower(): _untyped(field) for name, field in mapping(value, "The saved message").items()}
    body = fields.pop("body", None)
    headers = {name: _as_text(field) for name, field in fields.items() if field is not None}
    return replace(
        request,
        headers=headers,
        body=b"" if body is None else _as_text(body).encode(),
        place=request.place or "unknown",
    )


def write_queue(event: Event, body: bytes) -> tuple[dict[str, str], bytes]:
    """A Storage Queue's message: the host's metadata, and the body."""
    headers = {"Id": event.id, "DequeueCount": str(event.attempt), "InsertionTime": rfc3339(event.time)}
    return _traced(event, headers), body


def write_queue_event(event: Event, fields: Json) -> tuple[dict[str, str], bytes]:
    """The message that Event Grid puts into a Storage Queue: the event in base64."""
    return write_queue(event, base64.b64encode(json_bytes(fields)))


def write_bus(event: Event, body: bytes) -> tuple[dict[str, str], bytes]:
    """A Service Bus message: the host's metadata, and the body."""
    headers = {"MessageId": event.id, "DeliveryCount": str(event.attempt), "EnqueuedTimeUtc": rfc3339(event.time)}
    if isinstance(event.payload, Message):
        own = dict(event.payload.attributes)
        headers |= {theirs: own.pop(ours) for ours, theirs in _NAMED.items() if ours in own}
        headers["ApplicationProperties"] = json_bytes({**own}).decode()
        if event.payload.ordering_key is not None:
            headers["SessionId"] = event.payload.ordering_key
    return _traced(event, headers), body


def _event(event_type: str, message: Message, request: Request, attempt: int, notes: tuple[str, ...]) -> Event:
    return Event(
        id=message.id,
        source=message.channel,
        type=event_type,
        time=occurred(message.published, request.now),
        subject=None,
        payload=message,
        attempt=attempt,
        traceparent=traceparent(request.headers.get("traceparent")),
        notes=notes,
    )


def _unwrapped(body: bytes) -> tuple[bytes, Json]:
    """The body and its JSON. Event Grid writes base64, and so do many clients; the host may have undone it already."""
    value = body_json(body)
    if value is None:
        with suppress(Malformed, UnicodeDecodeError):
            inner = base64_bytes(body.decode("ascii"), "The body")
            wrapped = body_json(inner)
            if isinstance(wrapped, dict | list):
                return inner, wrapped
    return body, value


def _attributes(headers: Mapping[str, str], where: str) -> dict[str, str]:
    sent = _object(headers, "userproperties", where) | _object(headers, "applicationproperties", where)
    own = {ours: _optional(headers, theirs.lower(), where) for ours, theirs in _NAMED.items()}
    own["subject"] = own["subject"] or _optional(headers, "label", where)  # its name before 2021
    return {name: _as_text(value) for name, value in (sent | own).items() if value is not None}


def _object(headers: Mapping[str, str], name: str, where: str) -> dict[str, Json]:
    """The JSON object that the host writes under `name`; empty if there is none."""
    value = _optional(headers, name, where)
    if value is None:
        return {}
    return mapping(json_value(value.encode(), f"{where} {name}"), f"{where} {name}")


def _time(fields: Mapping[str, Json], name: str, where: str) -> tuple[datetime | None, tuple[str, ...]]:
    """The time under `name`, and notes. One that is UTC by its name needs no zone."""
    value = text(fields, name, where)
    if value is None:
        return None, ()
    time, notes = azure_instant(value, f"{where} {name}")
    return time, () if name.endswith("utc") else notes


def _optional(headers: Mapping[str, str], name: str, where: str) -> str | None:
    value = text(headers, name, where)
    return None if value is None else whole(value, f"{where} {name}")


def _required(headers: Mapping[str, str], name: str, where: str) -> str:
    return whole(required(headers, name, where), f"{where} {name}")


def _traced(event: Event, headers: dict[str, str]) -> dict[str, str]:
    return headers if event.traceparent is None else {**headers, "traceparent": event.traceparent}


def _untyped(value: Json) -> Json:
    typed = isinstance(value, dict) and value.keys() == {"type", "value"}
    return value["value"] if typed and isinstance(value, dict) else value


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else json_bytes(value).decode()
