"""What the ledger keeps of an event: all of it, all but what was sent in it, or no more than that it came.

Over canonical events, as `Event.to_json` gives them. What lacks something says so in its field `archived`: it cannot be
decided on again.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any, Final

from retrigger.triggers import keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Archive

REDACTED: Final = "[redacted]"
_CALLED_BY: Final = {"object": "uri", "message": "channel"}
_INDEX: Final = r"(?a)0|[1-9][0-9]{0,9}"


def kept(event: Mapping[str, Any], archive: Archive, redact: Sequence[str] = ()) -> dict[str, Json]:
    """What stays of an event. `redact`: JSON pointers (RFC 6901) into it; they count where all of it is kept.

    Doing it again changes nothing.
    """
    if not is_whole(event):
        return dict(event)
    match archive:
        case "full":
            left, told = _redacted(event, redact), "redacted"
        case "metadata":
            left, told = _unsent(event), "metadata"
        case "none":
            left, told = stand_in(event, f"event:{keys.digest(event['identity'])}"), "none"
    return {**left, "archived": told} if left != event else left


def is_whole(event: Mapping[str, Any]) -> bool:
    """Whether an event is as it came: one that was archived or forgotten cannot be decided on again."""
    return not ("archived" in event or "forgotten" in event)


def stand_in(event: Mapping[str, Any], called: str) -> dict[str, Json]:
    """In the place of an event: its kind, its time, and a name for people to call it by."""
    kind = event["kind"]
    return {"id": called, "kind": kind, "time": event["time"], kind: {_CALLED_BY.get(kind, "name"): called}}


def steps(pointer: str) -> tuple[str, ...]:
    """The names that lead from an event to what a pointer means."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def _unsent(event: Mapping[str, Any]) -> dict[str, Json]:
    """Without what the sender wrote. Names of attributes, tags and properties stay, and the size of a body."""
    payload = event[event["kind"]]
    match event["kind"]:
        case "message":
            sent = {"body": "", "json": None, "ordering_key": None, "attributes": _unvalued(payload["attributes"])}
        case "lifecycle":
            sent = {name: _unvalued(payload[name]) for name in ("tags", "properties")}
        case _:
            return dict(event)
    left = {**payload, **sent}
    if left != payload and "body" in left:
        left["size"] = len(base64.b64decode(payload["body"]))
    return {**event, event["kind"]: left}


def _unvalued(values: Mapping[str, Json]) -> dict[str, Json]:
    return dict.fromkeys(values, REDACTED)


def _redacted(event: Mapping[str, Any], pointers: Sequence[str]) -> dict[str, Json]:
    """With a marker in each place. The body holds what `json` holds: it is written anew from it, or left out."""
    left: Any = dict(event)
    for names in map(steps, pointers):
        content = names[:2] == ("message", "body")
        left = _marked(left, ("message", "json") if content else names)
    if event["kind"] == "message" and any(steps(it)[1:2] in {("json",), ("body",)} for it in pointers):
        value = left["message"]["json"]
        body = b"" if value is None else json.dumps(value, separators=(",", ":")).encode()
        left = {**left, "message": {**left["message"], "body": base64.b64encode(body).decode()}}
    return left  # type: ignore[no-any-return]  # the outermost is an object, and stays one


def _marked(value: Json, way: Sequence[str]) -> Json:
    """`value` with a marker at the end of the way.

    Where the way ends early, at text, or at a list that has no such places, that is replaced: what was written in
    another form than was expected does not stay.
    """
    if value is None:
        return None
    match value, way:
        case dict(), [step, *rest]:
            return {**value, step: _marked(value[step], rest)} if step in value else value
        case list(), [step, *rest] if re.fullmatch(_INDEX, step):
            return [_marked(item, rest) if at == int(step) else item for at, item in enumerate(value)]
        case _:
            return REDACTED
