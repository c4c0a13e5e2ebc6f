"""Fields of a message's body that its schema does not allow: they would be absent from every message that passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers import expression_text
from retrigger.triggers.authoring.bodies import BODY, fields
from retrigger.triggers.authoring.wording import closest, said_of
from retrigger.triggers.authoring.yaml import texts
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.spec import MessageSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Source


def check(project: Project) -> Iterator[Problem]:
    for one in project.authored:
        for at, source in one.sources:
            if isinstance(source, MessageSource) and isinstance(source.schema, dict):
                for place, text, start, expression in _expressions(one, at, source):
                    for field, column, known in _lacking(expression, source.schema):
                        told = f"the message's schema has no `{field}`{closest(field, known)}"
                        reason = said_of(_key(place), told)
                        yield one.document.problem_within(place, text, start + column, "unknown_field", reason)


def _key(at: At) -> str | int:
    """What the expression gives: a parameter's name, `filter`, `key` or `members`."""
    return at[at.index("parameters") + 1] if "parameters" in at else at[-1]


def _expressions(one: Authored, at: At, source: MessageSource) -> Iterator[tuple[At, str, int, str]]:
    """Every expression that reads the source's events: its place, the text there, where it starts, and its own text."""
    trigger = one.trigger
    own = [((*at, "filter"), source.filter), ((*at, "key"), source.key), ((*at, "members"), source.members)]
    own.append((("filter",), trigger.filter))
    if source.members is None:  # it launches
        own.append((("admit", "concurrency", "key"), trigger.concurrency.key))
    for place, text in own:
        if text is not None:
            yield place, text, 0, text
    if source.members is None:
        yield from asked(one, at, source)


def asked(one: Authored, at: At, source: Source) -> Iterator[tuple[At, str, int, str]]:
    """The same, of those in what the source's events ask the pipeline for."""
    for standing, value in one.asked(at, source).values():
        for place, text in texts(standing, value):
            for hole in _holes(text):
                yield place, text, hole.at, hole.source


def _holes(text: str) -> Iterator[expression_text.Hole]:
    try:
        yield from (part for part in expression_text.template(text) if isinstance(part, expression_text.Hole))
    except ExpressionError:
        return  # told by the rule for parameters


def _lacking(expression: str, schema: Json) -> Iterator[tuple[str, int, list[str]]]:
    """Each field that cannot be there, its 1-based column, and the fields that can."""
    try:
        found = expression_text.paths(expression_text.tokens(expression))
    except ExpressionError:
        return  # told by the rule for expressions
    for path in found:
        if path.names[:3] != BODY:
            continue
        inner, column = schema, path.start
        for name in path.names[:3]:
            column = expression.index(name, column) + len(name)
        for name in path.names[3:]:
            column = expression.index(name, column)
            known, closed = fields(inner, schema)
            if name not in known:
                if closed:
                    yield name, column + 1, list(known)
                break
            inner, column = known[name], column + len(name)
