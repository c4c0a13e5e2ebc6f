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
_MAY_ADD: Final = ("$dynamicRef", "$recursiveRef", "allOf", "anyOf", "dependentSchemas", "else", "if", "oneOf", "then")
"""Keywords that may bring further fields in, in ways that are not followed here."""
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
    """What the expression gives: a parameter's name, `filter` or `key`."""
    return at[at.index("parameters") + 1] if "parameters" in at else at[-1]


def _expressions(one: Authored, at: At, source: MessageSource) -> Iterator[tuple[At, str, int, str]]:
    """Every expression that reads the source's events: its place, the text there, where it starts, and its own text."""
    trigger = one.trigger
    own = (((*at, "filter"), source.filter), ((*at, "key"), source.key))
    for place, text in (
        *own,
        (("filter",), trigger.filter),
        (("admit", "concurrency", "key"), trigger.concurrency.key),
    ):
        if text is not None:
            yield place, text, 0, text
    for standing, value in one.parameters(at, source).values():
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
            fields = _fields(inner, schema)
            if fields is None:
                break
            if name not in fields:
                yield name, column + 1, list(fields)
                break
            inner, column = fields[name], column + len(name)


def _fields(schema: Json, root: Json) -> Mapping[str, Json] | None:
    """The only fields that what fits `schema` may have, each with its own schema; None if others are possible."""
    for _ in range(_MAX_REFERENCES):
        match schema:
            case {"$ref": str(reference), **beside} if not any(keyword in beside for keyword in _MAY_ADD):
                schema = _referred(root, reference)
            case _:
                break
    if not isinstance(schema, dict) or any(keyword in schema for keyword in ("$ref", *_MAY_ADD)):
        return None
    if schema.get("type") in ("string", "number", "integer", "boolean", "null", "array"):
        return {}
    closed = schema.get("additionalProperties") is False and not schema.get("patternProperties")
    properties = schema.get("properties") or {}
    return properties if closed and isinstance(properties, dict) else None


def _referred(root: Json, reference: str) -> Json:
    """What `#/$defs/x` points to; None if it is no such pointer."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    found = root
    for part in reference.split("/")[1:]:
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found
