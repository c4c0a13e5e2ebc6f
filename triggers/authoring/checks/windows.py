"""A window must be able to close, and to give what its launch asks of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from retrigger.triggers import expression_text
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.interpolation import expressions_in
from retrigger.triggers.spec import MessageSource, ObjectSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.event import Json

_WINDOW: At = ("admit", "window")
_ONE_URI = re.compile(r"\bwindow\.uri\b")


def check(project: Project) -> Iterator[Problem]:
    for one in project.authored:
        yield from _joining_nothing(one)
        yield from _shared_keys(one)
        if any(isinstance(source, ObjectSource) for source in one.trigger.sources):
            yield from _closing(one)
            yield from _one_uri(one)
        else:
            yield from _without_objects(one)


def _closing(one: Authored) -> Iterator[Problem]:
    rule, document = one.trigger.window, one.document
    quiet: At = (*_WINDOW, "quiet")
    if (rule.until is not None or rule.until_count is not None) and quiet in document.values:
        told = "A window with `until` is completed by that: leave `quiet` out."
        yield document.problem(quiet, "quiet_with_until", told, on="key")
    elif rule.quiet > rule.max_wait:
        told = f"`quiet` ({rule.quiet}) is longer than `max_wait` ({rule.max_wait}): it would never be waited for."
        yield document.problem(quiet, "quiet_beyond_max_wait", told)
    settle: At = (*_WINDOW, "settle")
    if settle not in document.values:
        return
    if rule.until is None or rule.until_lists:
        told = "`settle` is for a window with `until: {object}`: leave it out."
        yield document.problem(settle, "unused_key", told, on="key")
    elif rule.settle > rule.max_wait:
        told = f"`settle` ({rule.settle}) is longer than `max_wait` ({rule.max_wait}): shorten it, or wait longer."
        yield document.problem(settle, "settle_beyond_max_wait", told)


def _one_uri(one: Authored) -> Iterator[Problem]:
    if one.trigger.window.max_members == 1 or one.trigger.concurrency.when_busy == "queue":
        return
    asked: list[tuple[At, Json]] = [(one.asked_at(name), value) for name, value in one.trigger.launch.values.items()]
    for at, source in one.sources:
        if isinstance(source, ObjectSource):
            asked += [((*at, "parameters", name), value) for name, value in source.parameters.items()]
    for at, value in asked:
        if _uses_one_uri(value):
            told = "`window.uri` is for a run of one object: set `max_members: 1` or `when_busy: queue`, "
            told += "or use `window.folder`."
            yield one.document.problem(at, "many_members", told)


def _uses_one_uri(value: Json) -> bool:
    try:
        return any(_ONE_URI.search(hole.source) for hole in expressions_in(value))
    except ExpressionError:
        return False  # told by the rule for parameters


def _joining_nothing(one: Authored) -> Iterator[Problem]:
    """What a message names joins as an object that was created, through an object source of the same trigger."""
    objects = [source for source in one.trigger.sources if isinstance(source, ObjectSource)]
    if any("created" in source.change for source in objects):
        return
    for at, source in one.sources:
        if isinstance(source, MessageSource) and source.members is not None:
            told = "What the message names joins through an object source for `created`, and there is none: add one."
            yield one.document.problem((*at, "joins"), "joins_nothing", told, on="key")


def _shared_keys(one: Authored) -> Iterator[Problem]:
    """Of objects that one message names `event.id` and `event.time` are the same: the message's."""
    if not any(isinstance(source, MessageSource) and source.members is not None for _, source in one.sources):
        return
    for at, source in one.sources:
        if isinstance(source, ObjectSource) and source.key is not None and not _tells_objects_apart(source.key):
            told = (
                "All objects that one message names would have this `key`, and one would count: use `event.object.*`."
            )
            yield one.document.problem((*at, "key"), "shared_key", told)


def _tells_objects_apart(key: str) -> bool:
    try:
        read = expression_text.reads(key)
    except ExpressionError:
        return True  # told by the rule for expressions
    return any(names[0] == "match" or names[:2] == ("event", "object") for names in read)


def _without_objects(one: Authored) -> Iterator[Problem]:
    for at in (_WINDOW, ("validate", "window"), ("validate", "object")):
        if at in one.document.keys:
            told = f"Only object events wait in a window and are read: leave `{at[-1]}` out, or add an object source."
            yield one.document.problem(at, "unused_key", told, on="key")
