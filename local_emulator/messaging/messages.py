"""A message as it is published and as it is pushed, and what Pub/Sub refuses.

Limits: https://cloud.google.com/pubsub/quotas#resource_limits; push shape: https://cloud.google.com/pubsub/docs/push.

QueueError
├── InvalidArgument  400  the request says something that cannot be
├── NotFound         404  no such topic or subscription
├── AlreadyExists    409  the name is taken
└── NotEmulated      501  Pub/Sub has it, this emulator has not
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from retrigger.triggers.event import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

MAX_PUBLISH_BYTES = 10_000_000
MAX_MESSAGES = 1000
_MAX_ATTRIBUTES = 100
_MAX_KEY_BYTES = 256
_MAX_VALUE_BYTES = 1024


class QueueError(Exception):
    """One sentence of what is wrong; `reason` is the word in Google's error body."""

    status: ClassVar[int]
    reason: ClassVar[str]


class InvalidArgument(QueueError):
    status = 400
    reason = "INVALID_ARGUMENT"


class NotFound(QueueError):
    status = 404
    reason = "NOT_FOUND"


class AlreadyExists(QueueError):
    status = 409
    reason = "ALREADY_EXISTS"


class NotEmulated(QueueError):
    status = 501
    reason = "UNIMPLEMENTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message before it has an id. Errors: InvalidArgument for one that Pub/Sub would not take."""

    data: bytes = b""
    attributes: Mapping[str, str] = field(default_factory=dict)
    ordering_key: str = ""

    def __post_init__(self) -> None:
        if not self.data and not self.attributes:
            raise InvalidArgument("A message needs data or at least one attribute.")
        if len(self.attributes) > _MAX_ATTRIBUTES:
            raise InvalidArgument(f"A message may have at most {_MAX_ATTRIBUTES} attributes.")
        if len(_encoded(self.ordering_key)) > _MAX_VALUE_BYTES:
            raise InvalidArgument(f"An ordering key may have at most {_MAX_VALUE_BYTES} bytes.")
        for key, value in self.attributes.items():
            if not key or len(_encoded(key)) > _MAX_KEY_BYTES or key.startswith("goog"):
                raise InvalidArgument(
                    f"An attribute's key has 1 to {_MAX_KEY_BYTES} bytes and does not begin with goog: {key[:40]!r}."
                )
            if len(_encoded(value)) > _MAX_VALUE_BYTES:
                raise InvalidArgument(f"Attribute {key[:40]!r} is longer than {_MAX_VALUE_BYTES} bytes.")


def push_body(draft: Draft, message_id: str, published: datetime, subscription: str) -> bytes:
    """The wrapped message of a push, with both spellings that Pub/Sub writes; `with_attempt` completes it."""
    message: dict[str, object] = {
        "messageId": message_id,
        "message_id": message_id,
        "publishTime": rfc3339(published),
        "publish_time": rfc3339(published),
    }
    if draft.data:
        message["data"] = base64.b64encode(draft.data).decode("ascii")
    if draft.attributes:
        message["attributes"] = dict(draft.attributes)
    if draft.ordering_key:
        message["orderingKey"] = draft.ordering_key
    return json.dumps({"message": message, "subscription": subscription}).encode()


def with_attempt(body: bytes, attempt: int) -> bytes:
    """Say in a wrapped message which delivery this is, without reading it again."""
    return b'%s, "deliveryAttempt": %d}' % (body[:-1], attempt)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument("Attributes and ordering keys are UTF-8: a lone surrogate is none.") from error
