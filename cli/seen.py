"""The values that an expression saw: short enough to read, and never a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Final

from retrigger.triggers.event import rfc3339
from retrigger.triggers.expression_text import paths, tokens

_LENGTH: Final = 80
_ITEMS: Final = 8
_DEPTH: Final = 3
_JUDGED: Final = 4_096
_ABSENT: Final = object()


def values_seen(rule: str, scope: Mapping[str, object]) -> dict[str, str]:
    """Each name that the expression reads -> its value in short, `absent` where the event has none.

    A value that has the name or the form of a secret is `(withheld)`, on its own or inside another value.
    """
    return {".".join(path.names): _told(path.names[-1], _value(scope, path.names)) for path in paths(tokens(rule))}


def _value(scope: object, names: tuple[str, ...]) -> object:
    for name in names:
        if not isinstance(scope, Mapping) or name not in scope:
            return _ABSENT
        scope = scope[name]
    return scope


def _told(name: str, value: object) -> str:
    if value is _ABSENT:
        return "absent"
    text = json.dumps(_readable(name, value), ensure_ascii=False)
    return text if len(text) <= _LENGTH else f"{text[:_LENGTH]}…"


def _readable(name: str, value: object, depth: int = 0) -> object:
    """A part of the value that is enough to be cut: a stranger's may be megabytes."""
    from retrigger.triggers.authoring.checks.secrets import secret  # the rules of `check`, which import much

    match value:
        case Mapping() | list() | tuple() if depth == _DEPTH:
            return "…"
        case Mapping():
            return {str(key): _readable(str(key), item, depth + 1) for key, item in islice(value.items(), _ITEMS)}
        case list() | tuple():
            return [_readable(name, item, depth + 1) for item in value[:_ITEMS]]
        case bytes():
            return f"({len(value)} bytes)"
        case datetime():
            return rfc3339(value)
        case None | bool():
            return value
        case _ if secret(name, str(value)[:_JUDGED]):
            return "(withheld)"
        case str():
            return value[: _LENGTH + 1]
        case _:
            return value
