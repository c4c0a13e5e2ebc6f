"""Which names an expression may use where, and their types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from retrigger.triggers import glob
from retrigger.triggers.spec import LifecycleSource, MessageSource, ObjectSource, ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Source, WindowRule

_COMMON: dict[str, str] = {
    "event.id": "string",
    "event.source": "string",
    "event.type": "string",
    "event.time": "timestamp",
    "event.subject": "string",
    "event.kind": "string",
    "event.attempt": "int",
}
_FIELDS: dict[str, dict[str, str]] = {
    "object": {
        **dict.fromkeys(("store", "account", "bucket", "name", "version", "sequencer"), "string"),
        "size": "int",
        **dict.fromkeys(("content_type", "checksum", "change"), "string"),
        "complete": "bool",
        "uri": "string",
    },
    "message": {
        "channel": "string",
        "id": "string",
        "attributes": "map",
        "body": "bytes",
        "json": "dyn",
        "ordering_key": "string",
        "published": "timestamp",
    },
    "schedule": {"name": "string", "scheduled_for": "timestamp", "past_due": "bool"},
    "lifecycle": {
        **dict.fromkeys(("platform", "resource", "name", "version", "status"), "string"),
        "tags": "map",
        "properties": "map",
    },
}
EVENT_VARIABLES: Final[Mapping[str, Mapping[str, str]]] = {
    kind: {**_COMMON, **{f"event.{kind}.{name}": type_ for name, type_ in fields.items()}}
    for kind, fields in _FIELDS.items()
}
"""Kind of event -> dotted name -> type: what an expression may read of it."""
WINDOW_VARIABLES = {
    "window.uri": "string",
    "window.folder": "string",
    "window.uris": "list",
    "window.manifest": "string",
    "window.dataset": "string",
    "window.since": "timestamp",
    "window.until": "timestamp",
    "window.rows": "int",
}
# Captures hold no `/`: joined by a text with one they can be told apart again.
_JOINED = re.compile(r"""\s*match\.\w+\s*(\+\s*(?:'[^'"]*/[^'"]*'|"[^'"]*/[^'"]*")\s*\+\s*match\.\w+\s*)*""")
_LISTED = re.compile(r"\s*\[\s*match\.\w+\s*(,\s*match\.\w+\s*)*\]\s*")


def of_event(source: Source, environment: Environment) -> dict[str, str]:
    """For a filter, a key, and the parameters of a direct launch."""
    match source:
        case ObjectSource():
            captures = glob.parse(source.match).captures
            return {**EVENT_VARIABLES["object"], **_captures(captures), **of_vars(environment)}
        case MessageSource():
            return {**EVENT_VARIABLES["message"], **of_vars(environment)}
        case ScheduleSource():
            return {**EVENT_VARIABLES["schedule"], **of_vars(environment)}
        case LifecycleSource():
            return {**EVENT_VARIABLES["lifecycle"], **of_vars(environment)}


def of_window(rule: WindowRule, source: ObjectSource, environment: Environment) -> dict[str, str]:
    """For the parameters of a windowed launch: only what is the same for all of its members."""
    return {**of_key(rule, source, environment), **WINDOW_VARIABLES}


def of_key(rule: WindowRule, source: ObjectSource, environment: Environment) -> dict[str, str]:
    """For the concurrency key of windows: what is known of one before its members are."""
    captures = fixed(rule.key).intersection(glob.parse(source.match).captures)
    return {**_captures(captures), **of_vars(environment)}


def of_marker(until: str, environment: Environment) -> dict[str, str]:
    """For the key of a window that a marker completes: the marker's captures must give it too."""
    return {**_captures(glob.parse(until).captures), **of_vars(environment)}


def of_vars(environment: Environment) -> dict[str, str]:
    return {f"vars.{name}": _type(value) for name, value in environment.vars.items()}


def fixed(key: str | None) -> frozenset[str]:
    """The captures that are equal for all objects of equal key.

    Told from the key's form: `match.a`, `[match.a, match.b]`, or `match.a + "/" + match.b`.
    """
    if key is None or not (_JOINED.fullmatch(key) or _LISTED.fullmatch(key)):
        return frozenset()
    return frozenset(re.findall(r"match\.(\w+)", key))


def _captures(names: Iterable[str]) -> Mapping[str, str]:
    return {f"match.{name}": "string" for name in names}


def _type(value: Json) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case int():
            return "int"
        case float():
            return "double"
        case list():
            return "list"
        case dict():
            return "map"
        case _:
            return "dyn"
