"""What the JSON Schema of a message's body says of one of its fields: only what holds for every body that passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.triggers import expression_text
from retrigger.triggers.errors import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrigger.triggers.event import Json

BODY: Final = ("event", "message", "json")
_MAX_REFERENCES: Final = 16
_OF_EXPRESSION: Final = {
    "string": "string",
    "integer": "int",
    "number": "double",
    "boolean": "bool",
    "array": "list",
    "object": "map",
}
_NARROWING: Final = (
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "dependentSchemas",
    "dependencies",
    "$ref",
    "$dynamicRef",
    "patternProperties",
    "enum",
    "const",
)


def plain_field(expression: str) -> tuple[str, ...] | None:
    """The names below the body, if the expression is one field of it and nothing else."""
    try:
        found = expression_text.tokens(expression)
        paths = expression_text.paths(found)
    except ExpressionError:
        return None  # told by the rule for expressions
    match paths:
        case [path] if len(found) == 2 * len(path.names) - 1 and path.names[:3] == BODY:
            return path.names[3:]
        case _:
            return None


def fields(schema: Json, root: Json) -> tuple[Mapping[str, Json], bool]:
    """The fields that a schema names, each with its own schema, and whether there can be no others."""
    schema = _resolved(schema, root)
    if not isinstance(schema, dict) or "$ref" in schema:
        return {}, False
    if schema.get("type") in ("string", "number", "integer", "boolean", "null", "array"):
        return {}, True
    properties = schema.get("properties")
    closed = schema.get("additionalProperties") is False and not schema.get("patternProperties")
    return properties if isinstance(properties, dict) else {}, closed


def type_of(root: Json, names: Sequence[str]) -> str:
    """CEL's name of the one type that the field has; "dyn" if the schema allows several, or does not say."""
    field = _below(root, names)
    type_ = field.get("type") if isinstance(field, dict) else None
    return _OF_EXPRESSION.get(type_, "dyn") if isinstance(type_, str) else "dyn"


def values(root: Json, names: Sequence[str]) -> tuple[Json, ...] | None:
    """The only values that the field may have; None if the schema does not list them."""
    return _listed(_below(root, names), root)


def all_may_come(root: Json, names: Sequence[str]) -> bool:
    """Whether nothing else of the schema may forbid one of the `values`."""
    steps = [_resolved(root, root), *(_below(root, names[:end]) for end in range(1, len(names) + 1))]
    field = steps.pop()
    alternatives = isinstance(field, dict) and not {"enum", "const"} & set(field)
    plain = [step for step in steps if isinstance(step, dict) and not any(key in step for key in _NARROWING)]
    kept = {
        "enum",
        "const",
        "type",
        "title",
        "description",
        "default",
        "examples",
        *(["oneOf", "anyOf"] * alternatives),
    }
    return len(plain) == len(steps) and isinstance(field, dict) and set(field) <= kept


def _below(root: Json, names: Sequence[str]) -> Json:
    found = root
    for name in names:
        known, _ = fields(found, root)
        found = known.get(name)
    return _resolved(found, root)


def _listed(schema: Json, root: Json) -> tuple[Json, ...] | None:
    match schema:
        case {"const": value}:
            return (value,)
        case {"enum": list(several)}:
            return tuple(several)
        case {"oneOf": list(branches)} | {"anyOf": list(branches)}:
            listed = [_listed(_resolved(branch, root), root) for branch in branches]
            found = [value for one in listed if one is not None for value in one]
            return None if None in listed else tuple(found)
        case _:
            return None


def _resolved(schema: Json, root: Json) -> Json:
    """What `$ref` leads to; the last one where that does not end."""
    for _ in range(_MAX_REFERENCES):
        match schema:
            case {"$ref": str(reference)}:
                schema = _referred(root, reference)
            case _:
                break
    return schema


def _referred(root: Json, reference: str) -> Json:
    """What `#/$defs/x` points to; None if it is no such pointer."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    found = root
    for part in reference.split("/")[1:]:
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found
