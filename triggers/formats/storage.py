"""Cloud Storage objects: as Eventarc's CloudEvents, and as notifications that Pub/Sub carries.

Sources: google.events.cloud.storage.v1 of https://github.com/googleapis/google-cloudevents, and
https://cloud.google.com/storage/docs/pubsub-notifications for the attributes. Both describe one change, and give the
same payload: the resource is the JSON API's object, in which 64-bit integers are strings.

Notes: `customer_encrypted`, who reads it must bring the key; `gzip_encoded`, the stored bytes are gzip whatever the
content type says; `overwritten`, the version went because another took its place, and is announced by its own event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Object, rfc3339
from retrigger.triggers.formats.envelope import NOTIFICATIONS
from retrigger.triggers.formats.times import occurred, optional_instant
from retrigger.triggers.formats.wire import count, json_bytes, json_value, mapping, required, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retrigger.triggers.event import Change, Json
    from retrigger.triggers.formats.envelope import Envelope

FINALIZED = "google.cloud.storage.object.v1.finalized"
DELETED = "google.cloud.storage.object.v1.deleted"
ARCHIVED = "google.cloud.storage.object.v1.archived"
METADATA_UPDATED = "google.cloud.storage.object.v1.metadataUpdated"
CHANGES: Mapping[str, Change] = {
    FINALIZED: "created",
    DELETED: "deleted",
    ARCHIVED: "archived",
    METADATA_UPDATED: "metadata",
}
_NOTIFICATIONS: Mapping[str, str] = dict(zip(NOTIFICATIONS, CHANGES, strict=True))
ATTRIBUTES = (
    "eventType",
    "eventTime",
    "bucketId",
    "objectId",
    "objectGeneration",
    "payloadFormat",
    "notificationConfig",
    "overwroteGeneration",
    "overwrittenByGeneration",
)
"""The attributes that Cloud Storage gives a notification."""
_NOTIFIED_AS = {kind: event_type for event_type, kind in _NOTIFICATIONS.items()}
MAX_NAME = 1024  # bytes of UTF-8, the store's own limit


def from_cloudevent(envelope: Envelope, now: datetime | None) -> Event:
    """An object event that Eventarc sent. Bucket, name and generation come from the data, never from the subject."""
    resource = mapping(envelope.data, "The storage event's data")
    return Event(
        id=envelope.id,
        source=envelope.source,
        type=envelope.type,
        time=occurred(envelope.time, now),
        subject=envelope.subject,
        payload=_object(resource, CHANGES[envelope.type]),
        traceparent=envelope.traceparent,
        notes=_notes(resource),
    )


def from_notification(
    attributes: Mapping[str, str],
    body: bytes,
    *,
    message_id: str,
    announced: datetime | None,
    attempt: int,
    traceparent: str | None,
) -> Event:
    """The event that Eventarc would have sent for the same change.

    The attributes say which object; the body, where the payload format has one, adds its size, type and checksum.
    `announced` is when the message was published or received: the time of an event whose attributes have none.
    """
    resource = mapping(json_value(body, "The notification's data"), "The notification's data") if body else {}
    event_type = _NOTIFICATIONS[attributes["eventType"]]
    resource["bucket"], resource["name"] = attributes["bucketId"], attributes["objectId"]
    resource["generation"] = attributes.get("objectGeneration")
    payload = _object(resource, CHANGES[event_type])
    return Event(
        id=message_id,
        source=source(payload.bucket),
        type=event_type,
        time=occurred(optional_instant(attributes, "eventTime", "The notification's"), announced),
        subject=subject(payload.name),
        payload=payload,
        attempt=attempt,
        traceparent=traceparent,
        notes=_notes(resource) + (("overwritten",) if "overwrittenByGeneration" in attributes else ()),
    )


def source(bucket: str) -> str:
    """The CloudEvent source of a bucket's events."""
    return f"//storage.googleapis.com/projects/_/buckets/{bucket}"


def subject(name: str) -> str:
    """The CloudEvent subject of an object's events."""
    return f"objects/{name}"


def resource(payload: Object) -> dict[str, Json]:
    """The JSON API's object, as far as `payload` knows it."""
    algorithm, _, digest = (payload.checksum or "").partition(":")
    fields: dict[str, Json] = {
        "kind": "storage#object",
        "id": f"{payload.bucket}/{payload.name}/{payload.version}",
        "bucket": payload.bucket,
        "name": payload.name,
        "generation": payload.version,
        "size": None if payload.size is None else str(payload.size),
        "contentType": payload.content_type,
        "crc32c": digest if algorithm == "crc32c" else None,
        "md5Hash": digest if algorithm == "md5" else None,
        "metageneration": (payload.sequencer or "").partition(".")[2] or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def notification(event: Event, payload: Object) -> tuple[dict[str, str], bytes]:
    """The attributes and the body of the message that Cloud Storage publishes for `event`."""
    attributes = {
        "eventType": _NOTIFIED_AS[event.type],
        "eventTime": rfc3339(event.time),
        "bucketId": payload.bucket,
        "objectId": payload.name,
        "objectGeneration": payload.version,
        "payloadFormat": "JSON_API_V1",
    }
    return attributes, json_bytes(resource(payload))


def _object(resource: Mapping[str, Json], change: Change) -> Object:
    where = "The object's"
    bucket, name = required(resource, "bucket", where), required(resource, "name", where)
    generation = count(resource, "generation", where)
    if generation is None:
        raise Malformed("The object has no generation; send the event with it.", code="missing_field")
    if "/" in bucket or len(name.encode()) > MAX_NAME:
        raise Malformed("No bucket's name has a slash, no object's more than 1,024 bytes.", code="bad_field")
    size = count(resource, "size", where)
    return Object(
        store="gcs",
        account=None,
        bucket=bucket,
        name=name,
        version=str(generation),
        sequencer=_sequencer(resource, generation, change),
        size=size,
        content_type=text(resource, "contentType", where),
        checksum=_checksum(resource, where),
        change=change,
        complete=not (name.endswith("/") and not size),
        uri=f"gs://{bucket}/{name}",
    )


def _notes(resource: Mapping[str, Json]) -> tuple[str, ...]:
    """What a reader of the object will run into."""
    found: tuple[str, ...] = ()
    if resource.get("customerEncryption"):
        found += ("customer_encrypted",)
    if resource.get("contentEncoding") == "gzip":
        found += ("gzip_encoded",)
    return found


def _sequencer(resource: Mapping[str, Json], generation: int, change: Change) -> str:
    """The generation; of a change of metadata, which keeps it, the metageneration too."""
    counted = count(resource, "metageneration", "The object's") if change == "metadata" else None
    return str(generation) if counted is None else f"{generation}.{counted}"


def _checksum(resource: Mapping[str, Json], where: str) -> str | None:
    """CRC32C first: composed objects have no MD5."""
    for prefix, field in (("crc32c", "crc32c"), ("md5", "md5Hash")):
        value = text(resource, field, where)
        if value is not None:
            return f"{prefix}:{value}"
    return None
