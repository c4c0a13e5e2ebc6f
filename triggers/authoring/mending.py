"""A file whose shape is wrong, without its mistakes: the rules can judge the rest of it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from retrigger.triggers.authoring.yaml import texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.authoring.yaml import At, Document
    from retrigger.triggers.event import Json

_CAPTURED: Final = re.compile(r"\bmatch\.([A-Za-z_][A-Za-z0-9_]*)")
_T = TypeVar("_T")


def mend(data: Json, document: Document, at: At, kind: str, optional: frozenset[str]) -> bool:
    """Take the wrong part out of `data`, or put a stand-in there; false where the rules need what it should be.

    `kind` is the mistake's. A key that is missing takes the part that wants it along.
    """
    if kind == "missing":
        at = at[:-1]
    elif kind != "extra_forbidden" and (name := _stand_in(document, at)):
        return _put(data, at, name)
    match at:
        case ("mode" | "description" | "archive",):
            pass
        case ("source", int(), str(), "change" | "missed" | "late_at_most" | "timezone", *_):
            at = at[:4]
        case (str(first), _, *_) if first in optional:
            pass
        case _ if kind != "extra_forbidden":
            return False
    return _put(data, at, None)


def moved(document: Document, key: str, under: str) -> Document:
    """The document with a key of its top, and the places of all below it, inside of the part `under`."""
    data = document.data
    assert isinstance(data, dict), "only a mapping has keys"
    rest = {name: value for name, value in data.items() if name != key}
    inner = rest.get(under, {})
    assert isinstance(inner, dict), "only into a mapping is moved"
    added = {(under,): document.mark((key,), on="key")}
    return replace(
        document,
        data={**rest, under: {**inner, key: data[key]}},
        keys=added | _below(document.keys, key, under),
        values=added | _below(document.values, key, under),
        scalars=_below(document.scalars, key, under),
    )


def _below(places: Mapping[At, _T], key: str, under: str) -> dict[At, _T]:
    return {(under, *at) if at[:1] == (key,) else at: place for at, place in places.items()}


def _stand_in(document: Document, at: At) -> str | None:
    """A name that no other file has, so that no rule finds it; or a glob of it, with every capture that is read."""
    own = f"x{hashlib.sha256(f'{document.path} {at}'.encode()).hexdigest()[:16]}"
    match at:
        case ("name",) | ("launch", "pipeline") | ("source", int(), str(), "in"):
            return own
        case ("source", int(), "object", "match"):
            asked = {name for _, text in texts((), document.data) for name in _CAPTURED.findall(text)}
            return "/".join([own, *(f"{{{name}}}" for name in sorted(asked)), "*"])
        case _:
            return None


def _put(data: Json, at: At, value: str | None) -> bool:
    """Put the value there, or take out what stands there."""
    for part in at[:-1]:
        match data:
            case dict() if part in data:
                data = data[str(part)]
            case list() if isinstance(part, int):
                data = data[part]
            case _:
                return True  # left out with what held it
    if not isinstance(data, dict):
        return False
    data.pop(str(at[-1]), None)
    if value is not None:
        data[str(at[-1])] = value
    return True
