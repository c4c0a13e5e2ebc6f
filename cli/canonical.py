"""Canonical events in files, as `decode --format json` prints them: anybody may have written those."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from retrigger.triggers.authoring.scope import EVENT_VARIABLES
from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event

_TYPES: Final[Mapping[str, type]] = {
    "string": str,
    "int": int,
    "bool": bool,
    "timestamp": datetime,
    "map": Mapping,
    "bytes": bytes,
    "dyn": object,
}
_OPTIONAL: Final = {
    "subject",
    *(f"object.{name}" for name in ("account", "sequencer", "size", "content_type", "checksum")),
    *(f"message.{name}" for name in ("json", "ordering_key", "published")),
    *(f"lifecycle.{name}" for name in ("version", "status")),
}
_YEARS: Final = range(1970, 9999)
"""What calendars can be computed with: around it, time zones and schedules have nowhere to go."""


def is_canonical(value: object) -> bool:
    """Whether JSON says of itself that it is such an event: no payload of a platform has both keys."""
    return isinstance(value, dict) and value.keys() >= {"identity", "kind"}


def read_event(value: object) -> Event:
    """A canonical event. Raises Malformed for what is none: a file can hold anything."""
    try:
        event = Event.from_json(_mapping(value))
        fields, scope = EVENT_VARIABLES[event.kind], event.scope()
        for name, type_ in fields.items():
            _check(name, scope, _TYPES[type_])
    except KeyError as error:
        raise Malformed(f"it is no canonical event: {error} is missing or unknown", code="bad_event") from error
    except (TypeError, ValueError) as error:
        raise Malformed(f"it is no canonical event: {error}", code="bad_event") from error
    return event


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str) or not isinstance(value.get("id"), str):
        raise TypeError("an object with `kind` and `id` is wanted")
    if not isinstance(value.get(value["kind"]), dict):
        raise TypeError(f"`{value['kind']}` is no object")
    return value


def _check(name: str, scope: Mapping[str, Any], type_: type) -> None:
    """One field of it, by the types that expressions are checked against."""
    name = name.removeprefix("event.")
    *parents, last = name.split(".")
    for parent in parents:
        scope = scope[parent]
    match scope.get(last):
        case None if name not in _OPTIONAL:
            raise TypeError(f"`{name}` is missing")
        case None:
            return
        case datetime() as time if time.tzinfo is None or time.year not in _YEARS:
            raise ValueError(f"`{name}` has no zone, or is out of range")
        case value if not isinstance(value, type_):
            raise TypeError(f"`{name}` is of another type")
