from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.outcome import Verdict
from retrigger.handlers.validate.checks import check_message, check_object
from retrigger.triggers.errors import Refused
from retrigger.triggers.event import Event, Message, Object, Payload
from retrigger.triggers.spec import ObjectCheck

if TYPE_CHECKING:
    from retrigger.triggers.event import Json

SCHEMA: Json = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "data": {"type": "string", "pattern": "^(g+)+s$"},
        "rows": {"type": "array", "items": {"type": "integer", "minimum": 1}},
    },
}


def event(payload: Payload) -> Event:
    return Event(id="1", source="s", type="t", time=datetime(2026, 1, 1, tzinfo=UTC), subject=None, payload=payload)


def message(body: bytes) -> Event:
    try:
        parsed: Json = json.loads(body)
    except ValueError:
        parsed = None
    return event(Message(channel="c", id="1", body=body, json=parsed))


def an_object(**changes: Any) -> Event:
    usual: dict[str, Any] = {
        "store": "gcs",
        "account": None,
        "bucket": "b",
        "name": "o.csv",
        "version": "1",
        "uri": "gs://b/o.csv",
    }
    return event(Object(**{**usual, **changes}))


def reason(schema: Json, body: bytes) -> tuple[str, str]:
    verdict = check_message(schema, message(body))
    assert verdict is not None
    assert (verdict.stage, verdict.says) == ("check", "stop")
    return verdict.code, verdict.reason


def test_a_message_that_fits_has_no_verdict() -> None:
    assert check_message(SCHEMA, message(b'{"data": "gs", "rows": [1, 2]}')) is None


def test_without_a_schema_and_for_other_events_there_is_nothing_to_check() -> None:
    assert [check_message(None, message(b"x")), check_message(SCHEMA, an_object())] == [None, None]


def test_reasons_name_place_and_rule_and_never_a_value() -> None:
    code, text = reason(SCHEMA, b'{"data": "hunter2", "rows": [1, "hunter2", -5]}')
    assert (code, text.split("; ")) == (
        "schema",
        [
            "/data: breaks the rule /properties/data/pattern",
            "/rows/1: breaks the rule /properties/rows/items/type",
            "/rows/2: breaks the rule /properties/rows/items/minimum",
        ],
    )


def test_a_missing_field_is_named() -> None:
    assert reason(SCHEMA, b"{}") == ("schema", "the message: breaks the rule /required (data is missing)")


def test_many_reasons_are_cut() -> None:
    code, text = reason(SCHEMA, json.dumps({"data": "gs", "rows": [0] * 1000}).encode())
    assert (code, text.count("breaks the rule"), text.endswith("; and 990 more")) == ("schema", 10, True)


def test_of_a_large_message_the_first_reason_is_enough() -> None:
    assert reason(SCHEMA, json.dumps({"data": "gs", "rows": [0] * 20_000}).encode()) == (
        "schema",
        "/rows/0: breaks the rule /properties/rows/items/minimum; the message is too large to look for more",
    )


def test_a_senders_names_are_printable_and_bounded() -> None:
    schema: Json = {"additionalProperties": {"type": "integer"}}
    _, text = reason(schema, json.dumps({"a/~\n" + "x" * 10_000: "y"}).encode())
    assert text.startswith("/a~1~0?xxx")
    assert len(text) < 300


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff"])
def test_a_body_that_is_no_json(body: bytes) -> None:
    assert reason(SCHEMA, body) == ("not_json", "the message body is no JSON, and its source names a schema")


def test_null_is_json() -> None:
    assert check_message({"type": "null"}, message(b" null ")) is None


def test_a_message_nested_too_deeply_is_stopped_before_it_can_end_the_process() -> None:
    deep: Json = 1
    for _ in range(100_000):
        deep = [deep]
    payload = Message(channel="c", id="1", body=b"[", json=deep)
    schema: Json = {"items": {"$ref": "#"}}
    verdict = check_message(schema, event(payload))
    while isinstance(deep, list):  # freed level by level, too
        deep = deep.pop()
    assert verdict == Verdict("check", "stop", "too_deep", "the message is nested more than 64 levels deep")


def test_a_pattern_takes_linear_time() -> None:
    assert reason(SCHEMA, json.dumps({"data": "g" * 1_000_000 + "!"}).encode())[0] == "schema"


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/nowhere"},
        {"type": "nothing"},
        {"pattern": "(?=look)around"},
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(schema: Json) -> None:
    with pytest.raises(Refused, match="run `retrigger check`") as caught:
        check_message(schema, message(b"{}"))
    assert caught.value.code == "invalid_schema"


def test_an_object_that_is_ready() -> None:
    check = ObjectCheck(max_bytes=10)
    assert [
        check_object(an_object()),
        check_object(an_object(size=10), check),
        check_object(an_object(size=None), check),
        check_object(message(b"")),
    ] == [None] * 4


def test_an_object_that_is_not_finished() -> None:
    assert check_object(an_object(complete=False)) == Verdict(
        "check", "stop", "incomplete", "a folder marker, or announced before it is written"
    )


def test_an_object_that_is_too_large_is_not_even_read() -> None:
    assert check_object(an_object(size=11), ObjectCheck(max_bytes=10)) == Verdict(
        "check", "stop", "too_large", "the object has 11 bytes; at most 10 are allowed"
    )
