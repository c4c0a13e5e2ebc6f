"""Fields of a message's body that its schema does not allow: they would be absent from every message that passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.triggers import expression_text
from retrigger.triggers.authoring.wording import closest, said_of
from retrigger.triggers.authoring.yaml import texts
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.spec import MessageSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.errors import Problem
    from retrigger.triggers.event import Json

_BODY: Final = ("event", "message", "json")
_MAX_REFERENCES: Final = 16


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
    if source.members is not None:
        return
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
        if path.names[:3] != _BODY:
            continue
        inner, column = schema, path.start
        for name in path.names[:3]:
            column = expression.index(name, column) + len(name)
        for name in path.names[3:]:
            column = expression.index(name, column)
            known, closed = fields_of(inner, schema)
            if name not in known:
                if closed:
                    yield name, column + 1, list(known)
                break
            inner, column = known[name], column + len(name)


def fields_of(schema: Json, root: Json) -> tuple[Mapping[str, Json], bool]:
    """The fields that a schema names, each with its own schema, and whether there can be no others."""
    for _ in range(_MAX_REFERENCES):
        match schema:
            case {"$ref": str(reference)}:
                schema = _referred(root, reference)
            case _:
                break
    if not isinstance(schema, dict) or "$ref" in schema:
        return {}, False
    if schema.get("type") in ("string", "number", "integer", "boolean", "null", "array"):
        return {}, True
    properties = schema.get("properties")
    closed = schema.get("additionalProperties") is False and not schema.get("patternProperties")
    return properties if isinstance(properties, dict) else {}, closed


def _referred(root: Json, reference: str) -> Json:
    """What `#/$defs/x` points to; None if it is no such pointer."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    found = root
    for part in reference.split("/")[1:]:
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found
