"""The Event Grid schema: one event or an array of them, in the body of a webhook's request or of a message.

Sources: https://learn.microsoft.com/azure/event-grid/event-schema, and .../delivery-properties for the headers. Every
event is read into the same envelope as a CloudEvent is: topic is its source, eventType its type, eventTime its time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import rfc3339
from retrigger.triggers.formats.cloudevents import batch
from retrigger.triggers.formats.envelope import ATTEMPTS, KIND, Batch, Envelope, traceparent
from retrigger.triggers.formats.times import event_time
from retrigger.triggers.formats.wire import Handshake, json_bytes, mapping, required, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Event, Json

VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
_CODE: Final = r"(?a)[0-9A-Za-z_.-]{1,128}"


def handshake(value: Json, headers: Mapping[str, str]) -> Handshake | None:
    """What the validation event asks for, if the request is one. Its validationUrl is never called.

    A validation event stands alone: an array that holds anything else beside it is malformed as a whole.
    """
    members = value if isinstance(value, list) else [value]
    found = [member for member in members if isinstance(member, dict) and member.get("eventType") == VALIDATION]
    if not found and headers.get(KIND, "").lower() != "subscriptionvalidation":
        return None
    if len(found) != 1 or len(members) != 1:
        message = "A subscription's validation is one event alone; send nothing beside it."
        raise Malformed(message, code="malformed_envelope")
    where = "The validation event's"
    code = required(mapping(found[0].get("data"), f"{where} data"), "validationCode", where)
    if re.fullmatch(_CODE, code) is None:
        raise Malformed(f"{where} validationCode is no code of Event Grid's; correct the sender.", code="bad_field")
    return Handshake(code)


def read(value: Json, headers: Mapping[str, str]) -> Envelope | Batch:
    """One event, or of an array the outcome of each."""
    return batch(value, headers, _one) if isinstance(value, list) else _one(value, headers, "The Event Grid event")


def fields(event: Event, data: Json) -> dict[str, Json]:
    """The event as JSON. The schema has no empty subject, and a dataVersion that nobody reads."""
    return {
        "id": event.id,
        "topic": event.source,
        "subject": event.subject or "",
        "eventType": event.type,
        "eventTime": rfc3339(event.time),
        "data": data,
        "dataVersion": "",
        "metadataVersion": "1",
    }


def write(event: Event, data: Json) -> tuple[dict[str, str], bytes]:
    """The request that Event Grid sends to a webhook: always an array."""
    headers = {"content-type": "application/json", KIND: "Notification", ATTEMPTS: str(event.attempt - 1)}
    if event.traceparent is not None:
        headers["traceparent"] = event.traceparent
    return headers, json_bytes([fields(event, data)])


def _one(value: Json, headers: Mapping[str, str], where: str) -> Envelope:
    found = mapping(value, where)
    event_type = required(found, "eventType", where)
    time, notes = event_time(found, "eventTime", event_type, where)
    return Envelope(
        id=required(found, "id", where),
        source=required(found, "topic", where),
        type=event_type,
        time=time,
        subject=text(found, "subject", where),
        traceparent=traceparent(headers.get("traceparent")),
        data=found.get("data"),
        notes=notes,
    )
