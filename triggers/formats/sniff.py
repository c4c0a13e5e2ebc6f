"""The last resort: telling a format by its body, where neither the route nor the headers name it.

The only place that does. A saved payload comes here (`retrigger decode FILE`), or a push to a bare URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from retrigger.triggers.errors import Malformed

if TYPE_CHECKING:
    from retrigger.triggers.event import Json

Shape = Literal["batch", "cloudevent", "push"]


def shape(value: Json) -> Shape:
    """Which format the JSON value looks like, by the keys that only that format has."""
    if isinstance(value, list):
        return "batch"
    if isinstance(value, dict):
        if "specversion" in value or "cloudEventsVersion" in value:
            return "cloudevent"
        if "message" in value:
            return "push"
    message = "The body is no CloudEvent and no Pub/Sub push, and no header names its format; send it with its headers."
    raise Malformed(message, code="malformed_envelope")
