"""The three keys, and the names derived from them. Never random: a second worker derives the same."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Event, Json

_CONTENT = ("size", "checksum", "body", "attributes")


def digest(*parts: str) -> str:
    """32 hexadecimal characters (128 bits of BLAKE2b) over the parts, unambiguous whatever they contain."""
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def identity(event: Event, override: Json) -> str:
    """What makes two deliveries the same occurrence: the source's own key where it has one, else the event's."""
    return event.identity if override is None else json.dumps(["key", override])


def fingerprint(request: Mapping[str, Json]) -> str:
    """16 hexadecimal characters over a request: fits a label, tells two requests of one id apart."""
    text = json.dumps(request, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def content(event: Mapping[str, Any]) -> dict[str, Json]:
    """What two canonical events of one identity must have in common: size and checksum, or body and attributes.

    What is not known is left out.
    """
    payload = event[event["kind"]]
    return {name: payload[name] for name in _CONTENT if payload.get(name) is not None}


def hashed(content: Mapping[str, Json]) -> dict[str, Json]:
    """The same, to be compared with its like when the content itself is not kept."""
    return {name: digest(json.dumps(value, sort_keys=True)) for name, value in content.items()}


def conflict(one: Mapping[str, Json], other: Mapping[str, Json]) -> bool:
    """Whether two contents differ.

    What one of them does not know is no difference: a notification may come without the object's metadata.
    """
    return any(name in other and other[name] != value for name, value in one.items())


def captures_in(expression: str, captures: Mapping[str, str]) -> dict[str, str]:
    """Those captures that an expression fixes by naming them as `match.NAME`."""
    named = set(re.findall(r"\bmatch\.(\w+)", expression))
    return {name: value for name, value in captures.items() if name in named}


def successor(run: str) -> str:
    """The id of the run that does once more what `run` did: derived, so that two who ask for it ask for the same."""
    return f"{run.rpartition('-')[0]}-{digest(run)}"


def run_id(environment: str, trigger: str, *parts: str) -> str:
    """A job id valid on every platform, and as a label (63 characters): a name for people, a hash for truth."""
    readable = "".join(char if char.isalnum() and char.isascii() else "-" for char in trigger.lower()).strip("-")
    prefix = readable[:30] if readable[:1].isalpha() else f"t-{readable[:28]}"
    return f"{prefix}-{digest(environment, trigger, *parts)}"
