"""Pub/Sub pushes without their envelope: the body is the message's data, and headers say the rest.

Source: https://cloud.google.com/pubsub/docs/payload-unwrapping. The subscription must write metadata: without it
nothing tells one message from the next. The message's id, time and ordering key are then X-Goog-PubSub-* headers, and
each attribute is a header of its own name. HTTP does not keep how that name was spelled, so attributes come in lower
case (note `attributes_lower_case`), but for those of a storage notification, which are known.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

from retrigger.triggers.event import Message
from retrigger.triggers.formats import pubsub, storage
from retrigger.triggers.formats.wire import whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Event, Json
    from retrigger.triggers.formats.wire import Request

_METADATA = "x-goog-pubsub-"
_SPELLED = {name.lower(): name for name in storage.ATTRIBUTES}
# What clients, proxies and Cloud Run add is no attribute; least of all what proves who calls.
_OF_THE_WAY = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "authorization", "cache-control", "connection"),
        *("content-encoding", "content-length", "content-type", "cookie", "expect", "forwarded", "from"),
        *("function-execution-id", "host", "keep-alive", "pragma", "proxy-authorization", "te", "trailer"),
        *("traceparent", "tracestate", "transfer-encoding", "upgrade", "user-agent", "via"),
    }
)
_OF_THE_WAY_TOO = ("x-appengine-", "x-b3-", "x-cloud-", "x-envoy-", "x-forwarded-", "x-goog-", "x-serverless-")


def is_unwrapped(headers: Mapping[str, str]) -> bool:
    """Whether the headers (names in lower case) carry what the envelope would."""
    return f"{_METADATA}message-id" in headers


def read(request: Request) -> Event:
    """The event of the same push in its envelope. The channel is the route's, or else the subscription."""
    headers = request.headers
    attributes = {
        _SPELLED.get(name) or _text(name): _text(value)
        for name, value in headers.items()
        if name not in _OF_THE_WAY and not name.startswith(_OF_THE_WAY_TOO)
    }
    message: dict[str, Json] = {
        "messageId": _text(headers[f"{_METADATA}message-id"]),
        "publishTime": headers.get(f"{_METADATA}publish-time"),
        "orderingKey": _text(headers.get(f"{_METADATA}ordering-key", "")),
        "attributes": dict(attributes),
        "data": base64.b64encode(request.body).decode("ascii"),
    }
    event = pubsub.from_push(
        {"message": message, "subscription": _text(headers.get(f"{_METADATA}subscription-name", ""))}, request
    )
    if isinstance(event.payload, Message) and attributes:
        return replace(event, notes=(*event.notes, "attributes_lower_case"))
    return event


def _text(value: str) -> str:
    """A header as UTF-8: a WSGI server hands its bytes on as Latin-1 (PEP 3333)."""
    try:
        return value if value.isascii() else value.encode("latin-1").decode()
    except UnicodeError:
        return whole(value, "A header")
