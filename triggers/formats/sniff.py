"""The last resort: telling a format by its body, where neither the route nor the headers name it.

The only place that does. A saved payload comes here (`retrigger decode FILE`), or a push to a bare URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from retrigger.triggers.errors import Malformed

if TYPE_CHECKING:
    from retrigger.triggers.event import Json

Shape = Literal["audit", "background", "batch", "cloudevent", "push"]
_JOB_DATA = ({"customData"}, {"custom_data"})


def shape(value: Json) -> Shape:
    """Which format the JSON value looks like, by the keys that only that format has."""
    if isinstance(value, list):
        return "batch"
    if isinstance(value, dict):
        if "specversion" in value or "cloudEventsVersion" in value:
            return "cloudevent"
        if "message" in value:
            return "push"
        if isinstance(value.get("protoPayload"), dict):
            return "audit"
        context = value.get("context", value)
        if isinstance(context, dict) and "eventId" in context and "eventType" in context:
            return "background"
        if value.keys() in _JOB_DATA:
            message = "Cloud Scheduler's data names no job and no time: send it with the headers ce-source and ce-time."
            raise Malformed(message, code="missing_field")
    message = "The body's format is not known by its keys, and no header or route names it; send it with its headers."
    raise Malformed(message, code="malformed_envelope")
