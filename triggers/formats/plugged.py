"""Formats of plug-ins: whatever one does with a request, what leaves here is an event that the core can take.

Its mistakes are Malformed, as those of a sender are: the delivery lies among the dead letters, and is not sent again.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import ENDED, Event, Lifecycle, Message, Object, Schedule
from retrigger.triggers.formats.cloudevents import MAX_BATCH
from retrigger.triggers.formats.wire import json_value, mapping
from retrigger.triggers.plugins import load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from retrigger.triggers.formats.wire import Request
    from retrigger.triggers.spec import PlugIn

_Fields: TypeAlias = "Mapping[str, type | tuple[type, ...]]"
_LOG = logging.getLogger(__name__)
_LONGEST: Final = 500
_MAYBE: Final = (str, NoneType)
# What no round trip through JSON would tell: names are texts, and those that must be there are.
_ENVELOPE: Final[_Fields] = {
    "id": str,
    "source": str,
    "type": str,
    "time": datetime,
    "subject": _MAYBE,
    "attempt": int,
    "traceparent": _MAYBE,
    "notes": tuple,
}
_PAYLOADS: Final[Mapping[type, _Fields]] = {
    Object: {"account": _MAYBE, "bucket": str, "name": str, "version": str, "size": (int, NoneType), "uri": str},
    Message: {"channel": str, "id": str, "body": bytes},
    Schedule: {"name": str, "scheduled_for": datetime, "past_due": bool},
    Lifecycle: {"resource": str, "name": str, "version": _MAYBE, "status": _MAYBE},
}
_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "store": ("gcs", "blob"),
    "change": ("created", "deleted", "archived", "metadata", "renamed"),
    "platform": ("azureml", "vertex", "bigquery"),
}


def read(plugin: PlugIn, request: Request) -> list[Event | Malformed]:
    """The events of a request. Raises Malformed (`format_failed`: the plug-in broke), or as `plugins.load` does."""
    if request.place:
        raise Malformed("This route ends with its format's name; send to that.", code="unknown_route")
    parse = load(plugin)
    try:
        found: object = parse(request.headers, request.body, request.now)
    except Malformed as error:
        raise _bounded(error) from error
    except Exception as error:  # noqa: BLE001  # it is others' code; its own log line has the traceback
        _LOG.exception("format_failed", extra={"fields": {"format": plugin.name, "package": plugin.package}})
        _fail(plugin, f"raised {type(error).__name__}; its log says where", error)
    if not isinstance(found, list):
        _fail(plugin, f"gave a {type(found).__name__}, and no list of events")
    if len(found) > MAX_BATCH:
        message = f"The request holds {len(found)} events; send at most {MAX_BATCH} at once."
        raise Malformed(message, code="too_large")
    return [_member(plugin, each) for each in found]


def _member(plugin: PlugIn, found: object) -> Event | Malformed:
    if isinstance(found, Malformed):
        return _bounded(found)
    try:
        return _sound(plugin, found)
    except Malformed as error:
        return error


def _sound(plugin: PlugIn, found: Any) -> Event:
    """The event, if all of it is of its declared types and the ledger would give it back as it was."""
    if not isinstance(found, Event):
        _fail(plugin, f"gave a {type(found).__name__} where an event was expected")
    if type(found.payload) not in _PAYLOADS:
        _fail(plugin, f"gave an event whose payload is a {type(found.payload).__name__}")
    if found.type == ENDED:
        _fail(plugin, "gave the end of a run of ours, which no sender may announce")
    _check_types(plugin, found, _ENVELOPE)
    _check_types(plugin, found.payload, _PAYLOADS[type(found.payload)])
    try:
        kept = json.dumps(found.to_json(), ensure_ascii=False, allow_nan=False).encode()
        again = Event.from_json(mapping(json_value(kept, f"An event of the format {plugin.name}"), "It"))
    except (TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        _fail(plugin, f"gave an event that is no JSON: {type(error).__name__}", error)
    if (again.payload, again.time) != (found.payload, found.time):
        _fail(plugin, "gave an event that the ledger would not give back as it was; do its times have a zone?")
    return found


def _check_types(plugin: PlugIn, value: Any, fields: _Fields) -> None:
    for name, kind in fields.items():
        if not isinstance(getattr(value, name), kind):
            _fail(plugin, f"gave an event whose `{name}` is a {type(getattr(value, name)).__name__}")
    for name in _VALUES.keys() & set(value.__slots__):
        if getattr(value, name) not in _VALUES[name]:
            _fail(plugin, f"gave an event whose `{name}` is none of {', '.join(_VALUES[name])}")


def _bounded(error: Malformed) -> Malformed:
    return Malformed(str(error)[:_LONGEST], code=str(error.code)[:60])


def _fail(plugin: PlugIn, what: str, error: Exception | None = None) -> NoReturn:
    message = f"The format {plugin.name} ({plugin.package}) {what}; mend the plug-in, then send it again."
    raise Malformed(message, code="format_failed") from error
