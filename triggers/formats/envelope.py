"""What every format is read into first, and what a request's headers say before anything of it is read.

Names of headers are in lower case.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING, Final, TypeAlias

from retrigger.triggers.formats.wire import count
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retrigger.triggers.errors import Malformed
    from retrigger.triggers.event import Json

KIND: Final = "aeg-event-type"
ATTEMPTS: Final = "aeg-delivery-count"
MESSAGE_ID: Final = "x-goog-pubsub-message-id"
_MARKS: Final = frozenset({"ce-specversion", "ce-id", "ce-type", "ce-cloudeventsversion"})
NOTIFICATIONS: Final = ("OBJECT_FINALIZE", "OBJECT_DELETE", "OBJECT_ARCHIVE", "OBJECT_METADATA_UPDATE")
"""What Cloud Storage calls changes where Pub/Sub carries them; `storage` has the events, in this order."""
_TRACEPARENT: Final = r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A CloudEvent before its data is understood: `data` is JSON, or bytes where the content type is not JSON's.

    `others` are the attributes that no platform's event is read by, unchecked and as they came: of a binary event
    still percent-encoded (`encoded`), but for the content type.
    """

    id: str
    source: str
    type: str
    time: datetime | None
    subject: str | None
    traceparent: str | None
    data: Json | bytes
    others: Mapping[str, Json] = field(default_factory=dict, compare=False)
    encoded: bool = field(default=False, compare=False)
    notes: tuple[str, ...] = ()


Batch: TypeAlias = "list[Envelope | Malformed]"


def is_cloudevent(headers: Mapping[str, str]) -> bool:
    """Whether they declare a CloudEvent, of whatever version."""
    return not _MARKS.isdisjoint(headers) or media_type(headers).startswith("application/cloudevents")


def is_unwrapped(headers: Mapping[str, str]) -> bool:
    """Whether they carry what the envelope of a Pub/Sub push would."""
    return MESSAGE_ID in headers


def is_goodbye(headers: Mapping[str, str]) -> bool:
    """Whether the request only says that a subscription is gone (older topics do): there is no event in it."""
    return headers.get(KIND, "").lower() == "unsubscribe"


def attempt(headers: Mapping[str, str]) -> int:
    """Which delivery this is: Event Grid counts those before it."""
    return (count(headers, ATTEMPTS, "The header") or 0) + 1


def is_notification(attributes: Mapping[str, str]) -> bool:
    """Whether a message's attributes are those of a storage notification."""
    return attributes.get("eventType") in NOTIFICATIONS and {"bucketId", "objectId"} <= attributes.keys()


def traceparent(value: str | None) -> str | None:
    """A W3C trace context, or None for anything else: a broken trace never costs the event."""
    return value if value is not None and re.fullmatch(_TRACEPARENT, value) else None


def media_type(headers: Mapping[str, str]) -> str:
    return media(headers.get("content-type", ""))


def media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
