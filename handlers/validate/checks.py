"""What can be said of an event without reading anything: does the message fit its schema, is the object ready."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from retrigger.handlers.outcome import Verdict
from retrigger.handlers.validate import plain_schema
from retrigger.triggers.errors import Refused
from retrigger.triggers.event import Message, Object

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from retrigger.triggers.event import Event, Json
    from retrigger.triggers.spec import ObjectCheck

_MOST_REASONS: Final = 10
_POINTER: Final = 200
# jsonschema-rs recurses natively: some ten thousand levels end the process.
_DEEPEST: Final = 64
# A validator asks a rule about a value in 0.1 us, and about a character in 1 ns.
_MOST_QUESTIONS: Final = 250_000
_MOST_BYTES: Final = 4 * 2**20
_MOST_BYTES_ASKED: Final = 150_000_000
# jsonschema-rs collects all errors before it gives the first: 16 us each, and every rule may make one of every value.
_ALL_ERRORS_BELOW: Final = 4000


def check_message(schema: Json, event: Event) -> Verdict | None:
    """None if the message fits the JSON Schema, or if there is none. Reasons name the place and the rule, no values.

    Raises Refused with code `invalid_schema` for a schema that is wrong itself, or that refers to another document.
    """
    if schema is None or not isinstance(event.payload, Message):
        return None
    message = event.payload
    if message.json is None and message.body.strip() != b"null":
        return Verdict("check", "stop", "not_json", "the message body is no JSON, and its source names a schema")
    if len(message.body) > _MOST_BYTES:
        return _too_large(message)
    values, depth = _measured(message.json)
    if depth > _DEEPEST:
        return Verdict("check", "stop", "too_deep", f"the message is nested more than {_DEEPEST} levels deep")
    text = json.dumps(schema, sort_keys=True)
    plain = _plain(text)
    if plain is not None and plain(message.json):
        return None
    validator, rules = _validator(text)
    if rules * values > _MOST_QUESTIONS or rules * len(message.body) > _MOST_BYTES_ASKED:
        return _too_large(message)
    if validator.is_valid(message.json):
        return None
    told = _reasons(validator, message.json, all_of_them=rules * values < _ALL_ERRORS_BELOW)
    return Verdict("check", "stop", "schema", "; ".join(told))


def check_object(event: Event, check: ObjectCheck | None = None) -> Verdict | None:
    """None if the object is ready to be read, as far as the event announces it."""
    if not isinstance(event.payload, Object):
        return None
    it = event.payload
    if not it.complete:
        return Verdict("check", "stop", "incomplete", "a folder marker, or announced before it is written")
    if check is not None and check.max_bytes is not None and it.size is not None and it.size > check.max_bytes:
        reason = f"the object has {it.size:,} bytes; at most {check.max_bytes:,} are allowed"
        return Verdict("check", "stop", "too_large", reason)
    return None


@lru_cache(maxsize=64)
def _plain(schema: str) -> Callable[[Any], bool] | None:
    return plain_schema.compiled(json.loads(schema))


@lru_cache(maxsize=64)
def _validator(schema: str) -> tuple[Any, int]:
    """By content, for the life of the process: and how many rules it asks about each value at the most.

    Patterns run in linear time, and no `$ref` leaves the document.
    """
    import jsonschema_rs

    from retrigger.triggers import schema_cost

    loaded = json.loads(schema)
    try:
        rules = schema_cost.rules(loaded)
        options = jsonschema_rs.RegexOptions()
        return jsonschema_rs.validator_for(loaded, offline=True, pattern_options=options), rules
    except (jsonschema_rs.ValidationError, ValueError) as exc:
        raise Refused(
            "the JSON Schema of a message source cannot be used: it is no valid schema, refers to another document, "
            "has a pattern with look-around, or could take too long; run `retrigger check`",
            code="invalid_schema",
        ) from exc


def _too_large(message: Message) -> Verdict:
    reason = f"the message has {len(message.body):,} bytes: too much for its schema to be checked in time"
    return Verdict("check", "stop", "too_large", reason)


def _measured(value: Json) -> tuple[int, int]:
    """How many values it holds, and how deep: neither is counted further than a message may go."""
    level, values, depth = [value], 1, 0
    while level and values <= _MOST_QUESTIONS and depth <= _DEEPEST:
        depth += 1
        values += sum(len(_children(item)) for item in level)
        if values <= _MOST_QUESTIONS:
            level = [child for item in level for child in _children(item)]
    return values, depth


def _children(value: Json) -> Collection[Json]:
    match value:
        case dict():
            return value.values()
        case list():
            return value
        case _:
            return ()


def _reasons(validator: Any, message: Json, *, all_of_them: bool) -> list[str]:
    if not all_of_them:
        import jsonschema_rs

        try:
            validator.validate(message)
        except jsonschema_rs.ValidationError as first:
            return [_reason(first), "the message is too large to look for more"]
    errors = list(validator.iter_errors(message))
    left = len(errors) - _MOST_REASONS
    return [*map(_reason, errors[:_MOST_REASONS]), *([f"and {left:,} more"] if left > 0 else [])]


def _reason(error: Any) -> str:
    """`/items/0/price: breaks the rule /properties/items/items/properties/price/minimum`."""
    place = _pointer(error.instance_path) or "the message"
    missing = f" ({error.kind.property} is missing)" if error.kind.name == "required" else ""
    return f"{place}: breaks the rule {_pointer(error.schema_path)}{missing}"


def _pointer(path: list[str | int]) -> str:
    """A JSON pointer (RFC 6901), printable and bounded: names in it may be the sender's."""
    text = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
    printable = "".join(char if char.isprintable() else "?" for char in text[: _POINTER + 1])
    return printable if len(printable) <= _POINTER else printable[:_POINTER] + "…"
