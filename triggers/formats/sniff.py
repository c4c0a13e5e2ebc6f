"""The last resort: telling a format by its body, where neither the route nor the headers name it.

The only place that does. A saved payload comes here (`retrigger decode FILE`), or a push to a bare URL. `bare_shape` is
for saved payloads alone: no function takes what has lost its envelope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from retrigger.triggers.errors import Malformed

if TYPE_CHECKING:
    from retrigger.triggers.event import Json

Shape = Literal["audit", "background", "batch", "cloudevent", "event-grid", "push"]
BareShape = Literal["message", "pulled", "queue", "resource", "servicebus"]
_JOB_DATA = ({"customData"}, {"custom_data"})
_CLOUDEVENT = frozenset({"specversion", "id", "source", "type"})
_EVENT_GRID = frozenset({"eventType", "id", "topic"})
_BUS_MESSAGE = frozenset({"SequenceNumber", "LockToken"})
_MESSAGE = frozenset({"@type", "attributes", "data", "messageId", "message_id", "orderingKey", "publishTime"})
_RESOURCE = frozenset({"bucket", "generation", "name"})


def shape(value: Json) -> Shape:
    """Which format the JSON value looks like, by the keys that only that format has."""
    if isinstance(value, list):
        # A wrong first member must not have the others read as what they are not.
        known = (one for one in value if isinstance(one, dict) and (_is_cloudevent(one) or "eventType" in one))
        return "event-grid" if _is_event_grid(next(known, {})) else "batch"
    if isinstance(value, dict):
        if _is_cloudevent(value):
            return "cloudevent"
        context = value.get("context", value)
        if isinstance(context, dict) and "eventId" in context and "eventType" in context:
            return "background"
        if _is_event_grid(value):
            return "event-grid"
        if "message" in value:
            return "push"
        if isinstance(value.get("protoPayload"), dict):
            return "audit"
        if value.keys() in _JOB_DATA:
            message = "Cloud Scheduler's data names no job and no time: send it with the headers ce-source and ce-time."
            raise Malformed(message, code="missing_field")
    message = "The body's format is not known by its keys, and no header or route names it; send it with its headers."
    raise Malformed(message, code="malformed_envelope")


def bare_shape(value: Json) -> BareShape | None:
    """What is left of a payload whose envelope was not saved; None where nothing is missing, or nothing known left.

    Messages of a queue and of Service Bus as the Functions host shows them, of Pub/Sub as `pull` or a client library
    does, and a storage object without the headers that say what happened to it.
    """
    if not isinstance(value, dict) or _is_cloudevent(value):
        return None
    if "PopReceipt" in value:
        return "queue"
    if value.keys() >= _BUS_MESSAGE:
        return "servicebus"
    if "message" in value and "subscription" not in value:
        return "pulled"
    if value.keys() & {"attributes", "messageId"} and value.keys() <= _MESSAGE:
        return "message"
    return "resource" if value.keys() >= _RESOURCE else None


def is_event(value: Json) -> bool:
    """Whether a message's body is an event in itself, or an array of events: no message has all of their keys."""
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, dict) and (first.keys() >= _CLOUDEVENT or first.keys() >= _EVENT_GRID)


def _is_cloudevent(value: dict[str, Json]) -> bool:
    return "specversion" in value or "cloudEventsVersion" in value


def _is_event_grid(value: dict[str, Json]) -> bool:
    return "eventType" in value and "eventId" not in value and not _is_cloudevent(value)
