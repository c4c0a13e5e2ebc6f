"""A source that no event can reach: its filter is never true, or nothing is left of its glob."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from retrigger.triggers import expression_text, glob
from retrigger.triggers.authoring.globs import Names, covers
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.expressions import load_expression
from retrigger.triggers.glob import Wild
from retrigger.triggers.spec import ObjectSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.environment import Environment, Store
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Source

_ADDRESS: Final = re.compile(
    r"(gs|s3|abfss?|wasbs?|azureml)://|https://([^/]+\.(blob|dfs)\.core\.|storage\.googleapis\.com/)"
)
_LONGEST_NAME: Final = 1024
"""Bytes of an object's name, in both clouds."""


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    for one in project.authored:
        before: list[ObjectSource] = []
        for at, source in one.sources:
            yield from _never_true(one, at, source)
            store = environment.stores.get(source.store) if isinstance(source, ObjectSource) else None
            if isinstance(source, ObjectSource) and store:
                reason = unseen(source.match, store) or _all_markers(one, source) or _repeated(before, source)
                before.append(source)
                if reason:
                    told = f"No event reaches this source: {reason}."
                    yield one.document.problem((*at, "match"), "unreachable_source", told)


def unseen(match: str, store: Store) -> str | None:
    """Why no object of the store can have a name that `match` fits."""
    if _ADDRESS.match(match):
        return "a glob is held against names within the store: leave the store's address out"
    if match.endswith("/"):
        return f"only markers of folders end in `/`, and they are no data; write `{match}**`"
    if _shortest(match, store) > _LONGEST_NAME:
        return f"no object has a name of more than {_LONGEST_NAME} bytes, which its store's folder is part of"
    return None


def _shortest(match: str, store: Store) -> int:
    """Bytes of the shortest name in the bucket."""
    segments = list(glob.parse(match).segments)
    while (Wild.DEEP,) in segments[:-1]:
        segments.remove((Wild.DEEP,))  # `**/` may stand for nothing
    parts = [part for segment in segments for part in (*segment, "/") if part is not Wild.STAR][:-1]
    return len(store.prefix.encode()) + sum(len(part.encode()) if isinstance(part, str) else 1 for part in parts)


def _all_markers(one: Authored, source: ObjectSource) -> str | None:
    until = one.trigger.window.until
    if until is None or not covers(Names("", until), Names("", source.match)):
        return None
    return f"each of its objects is a marker of the window (`until` is `{until}`), and a marker is never a member"


def _repeated(before: list[ObjectSource], source: ObjectSource) -> str | None:
    for earlier in before:
        wider = earlier.filter in (None, source.filter) and set(source.change) <= set(earlier.change)
        same = (earlier.store, earlier.key) == (source.store, source.key)
        if same and wider and covers(Names("", earlier.match), Names("", source.match)):
            return f"an earlier one, `{earlier.match}`, takes all of its objects"
    return None


def _never_true(one: Authored, at: At, source: Source) -> Iterator[Problem]:
    for place, text in (((*at, "filter"), source.filter), (("filter",), one.trigger.filter)):
        if text is not None and all(_is_false(text, event) for event in _known(str(at[2]), source)):
            told = f"`filter` is never true for source {at[1]} ({at[2]}), so no event reaches it: correct it."
            yield one.document.problem(place, "unreachable_source", told)


def _known(kind: str, source: Source) -> list[dict[str, Json]]:
    """What is known of every event that the source hears, in each of the forms that it may have."""
    if isinstance(source, ObjectSource):
        return [{"kind": kind, "object": {"change": change}} for change in source.change]
    return [{"kind": kind}]


def _is_false(text: str, event: dict[str, Json]) -> bool:
    """Whether the filter reads only what is known, and is false."""
    try:
        return all(_is_known(names, event) for names in expression_text.reads(text)) and (
            load_expression(text).evaluate({"event": event}) is False
        )
    except ExpressionError:
        return False  # told by the rule for expressions


def _is_known(names: tuple[str, ...], event: dict[str, Json]) -> bool:
    match names:
        case ("event", name):
            return name != "object" and name in event
        case ("event", "object", "change"):
            return "object" in event
        case _:
            return False
