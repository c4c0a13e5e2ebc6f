"""Audit logs: what was done in Google Cloud, as Eventarc's CloudEvent around a log entry, or the entry alone.

What happened to a job or table of BigQuery, or to a job or model of Vertex AI, is a lifecycle event (`audit_bigquery`,
`audit_vertex`). Every other entry is a message on the channel that its source names: the body is the whole entry.

Sources: google.events.cloud.audit.v1 of https://github.com/googleapis/google-cloudevents, and
https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry. Who did it (`authenticationInfo`) becomes no
property.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.event import Event
from retrigger.triggers.formats import audit_bigquery, audit_vertex, custom
from retrigger.triggers.formats.cloudevents import decode_header
from retrigger.triggers.formats.envelope import Envelope, traceparent
from retrigger.triggers.formats.loose import known, text_at
from retrigger.triggers.formats.times import occurred, optional_instant
from retrigger.triggers.formats.wire import mapping, required
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from retrigger.triggers.event import Json, Lifecycle
    from retrigger.triggers.formats.wire import Request

TYPE = "google.cloud.audit.log.v1.written"
_SAID = ("serviceName", "methodName", "resourceName")
_AUDIT_LOGS = "/logs/cloudaudit.googleapis.com%2F"
_SERVICES: Mapping[str, Callable[[dict[str, Json], Mapping[str, Json]], Lifecycle | None]] = {
    "bigquery.googleapis.com": audit_bigquery.lifecycle,
    "aiplatform.googleapis.com": audit_vertex.lifecycle,
    "ml.googleapis.com": audit_vertex.lifecycle,
}


def from_entry(value: Json, request: Request) -> Event:
    """The event that Eventarc would have sent. Its id is what makes a log entry unique: log, insert id and time."""
    where = "The log entry"
    entry = mapping(value, where)
    log, insert_id = required(entry, "logName", where), required(entry, "insertId", where)
    said = entry.get("protoPayload")
    envelope = Envelope(
        id=f"{log}/{insert_id}/{text_at(entry, 'timestamp')}",
        source=f"//cloudaudit.googleapis.com/{log.replace(_AUDIT_LOGS, '/logs/')}",
        type=TYPE,
        time=None,
        subject=f"{text_at(said, 'serviceName')}/{text_at(said, 'resourceName')}",
        traceparent=traceparent(request.headers.get("traceparent")),
        data=entry,
    )
    return from_cloudevent(envelope, request.now)


def from_cloudevent(envelope: Envelope, now: datetime | None) -> Event:
    """A lifecycle event, or a message. Both say `serviceName`, `methodName`, `resourceName` and `insertId`."""
    entry = envelope.data if isinstance(envelope.data, dict) else {}
    words = _words(envelope, entry)
    time = envelope.time or optional_instant(entry, "timestamp", "The log entry's")
    read = _SERVICES.get(str(words.get("serviceName")))
    payload = None if read is None else read(entry, words)
    if payload is None:
        attributes = {name: str(word) for name, word in words.items()}
        return custom.message(envelope if envelope.time else replace(envelope, time=time), attributes, now)
    return Event(
        id=envelope.id,
        source=envelope.source,
        type=envelope.type,
        time=occurred(time, now),
        subject=envelope.subject,
        payload=payload,
        traceparent=envelope.traceparent,
    )


def _words(envelope: Envelope, entry: dict[str, Json]) -> dict[str, Json]:
    """What the entry says of the call, or else the event's attributes, whose case varies by sender."""
    said = entry.get("protoPayload")
    words = {name: text_at(said, name) or _attribute(envelope, name.lower()) for name in _SAID}
    words["insertId"] = text_at(entry, "insertId")
    return known(words)


def _attribute(envelope: Envelope, lower: str) -> str:
    for name, value in envelope.others.items():
        if name.lower() == lower and isinstance(value, str):
            return decode_header(value, f"ce-{name}") if envelope.encoded else value
    return ""
