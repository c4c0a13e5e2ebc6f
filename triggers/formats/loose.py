"""Reading what may be there: a log is no contract, and what is missing or of another type is simply not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Json


def at(value: Json, *path: str) -> Json:
    """What lies under the names, one inside the other; None where any of them is missing."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def text_at(value: Json, name: str) -> str:
    """The text under the name, or the empty one."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def first(*texts: str) -> str:
    """The first that is not empty, or the empty one."""
    return next(filter(None, texts), "")


def known(texts: Mapping[str, str]) -> dict[str, Json]:
    """Those that are not empty."""
    return {name: text for name, text in texts.items() if text}
