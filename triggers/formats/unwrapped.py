"""Pub/Sub pushes without their envelope: the body is the message's data, and headers say the rest.

Source: https://cloud.google.com/pubsub/docs/payload-unwrapping. The subscription must write metadata: without it
nothing tells one message from the next. The message's id, time and ordering key are then X-Goog-PubSub-* headers, and
each attribute is a header of its own name. HTTP does not keep how that name was spelled, so attributes come in lower
case (note `attributes_lower_case`), but for those of a storage notification, which are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.formats import pubsub, storage
from retrigger.triggers.formats.envelope import MESSAGE_ID
from retrigger.triggers.formats.wire import whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Event, Json
    from retrigger.triggers.formats.wire import Request

_PUBLISH_TIME = "x-goog-pubsub-publish-time"
_ORDERING_KEY = "x-goog-pubsub-ordering-key"
_SUBSCRIPTION = "x-goog-pubsub-subscription-name"
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


def read(request: Request) -> Event:
    """The event of the same push in its envelope. The channel is the route's, or else the subscription."""
    headers = request.headers
    attributes = _attributes(headers)
    message: dict[str, Json] = {
        "messageId": _text(headers[MESSAGE_ID]),
        "publishTime": headers.get(_PUBLISH_TIME),
        "orderingKey": _text(headers.get(_ORDERING_KEY, "")),
        "attributes": {**attributes},
    }
    push: dict[str, Json] = {"message": message, "subscription": _text(headers.get(_SUBSCRIPTION, ""))}
    notes = ("attributes_lower_case",) if attributes else ()
    return pubsub.from_cloudevent(pubsub.pushed(push, request, notes), request.now, request.body)


def _attributes(headers: Mapping[str, str]) -> dict[str, str]:
    sent = {
        _SPELLED.get(name, name): value
        for name, value in headers.items()
        if name not in _OF_THE_WAY and not name.startswith(_OF_THE_WAY_TOO)
    }
    if all(map(str.isascii, sent)) and all(map(str.isascii, sent.values())):
        return sent
    return {_text(name): _text(value) for name, value in sent.items()}


def _text(value: str) -> str:
    """A header as UTF-8: a WSGI server hands its bytes on as Latin-1 (PEP 3333)."""
    try:
        return value if value.isascii() else value.encode("latin-1").decode()
    except UnicodeError:
        return whole(value, "A header")
