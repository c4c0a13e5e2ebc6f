from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]


TRIGGER = """\
name: churn
source:
  - SOURCE
launch: {pipeline: train, parameters: {data: "${{ vars.table }}"}}
REST
"""
MESSAGES = "message: {in: requests}"
CLOSED = "message: {in: requests, schema: s.json}"
OBJECTS = 'object: {in: landing, match: "*.csv"}'
LIFECYCLE = "lifecycle: {type: t}"
SCHEMA = """{"properties": {"customer": {"$ref": "#/$defs/customer"}, "items": {"type": "array"}, "note": {}},
 "additionalProperties": false,
 "$defs": {"customer": {"properties": {"email": {}}, "additionalProperties": false}}}"""


def told(write: Write, source: str, rest: str) -> list[tuple[str, str]]:
    root = write({"triggers/churn.yaml": TRIGGER.replace("SOURCE", source).replace("REST", rest), "s.json": SCHEMA})
    found = [it for it in compiling.check(root) if it.line == 5]
    return [(it.code, it.message) for it in found]


@pytest.mark.parametrize(
    ("source", "pointer"),
    [
        (MESSAGES, "/message/json/customer/email"),
        (MESSAGES, "/message/json"),
        (MESSAGES, "/message/body"),
        (MESSAGES, "/message/attributes/a~1b"),
        (MESSAGES, "/message/ordering_key"),
        (CLOSED, "/message/json/customer/email"),
        (CLOSED, "/message/json/items/0/price"),
        (CLOSED, "/message/json/note/anything"),
        (LIFECYCLE, "/lifecycle/tags/owner"),
        (LIFECYCLE, "/lifecycle/properties/a/b"),
    ],
)
def test_what_an_event_can_have_may_be_redacted(write: Write, source: str, pointer: str) -> None:
    assert told(write, source, f"redact: [{pointer}]") == []


PLACES = (
    "/message/json or /message/body or /message/attributes or /message/ordering_key or /lifecycle/tags or "
    "/lifecycle/properties"
)
NOT_WRITTEN = f"is no part of an event that its sender writes: point into {PLACES}, or write `archive: none`."


@pytest.mark.parametrize(
    ("source", "pointer", "code", "reason"),
    [
        (MESSAGES, "/message/id", "not_redactable", NOT_WRITTEN),
        (OBJECTS, "/object/name", "not_redactable", NOT_WRITTEN),
        (MESSAGES, "/messages/json", "not_redactable", NOT_WRITTEN),
        (OBJECTS, "/message/json/a", "unknown_field", "is in no event of this trigger: it has no message source."),
        (MESSAGES, "/lifecycle/tags/a", "unknown_field", "is in no event of this trigger: it has no lifecycle source."),
        (
            CLOSED,
            "/message/json/custmer/email",
            "unknown_field",
            "is in no message: the schema has no `custmer` (did you mean `customer`?).",
        ),
        (
            CLOSED,
            "/message/json/customer/mail",
            "unknown_field",
            "is in no message: the schema has no `mail` (did you mean `email`?).",
        ),
    ],
)
def test_what_it_cannot_have_or_is_known_by_may_not(
    write: Write, source: str, pointer: str, code: str, reason: str
) -> None:
    assert told(write, source, f"redact: [{pointer}]") == [(code, f"`{pointer}` {reason}")]


def test_another_source_without_a_schema_may_have_it(write: Write) -> None:
    assert told(write, f"{CLOSED}\n  - {MESSAGES}", "") == []
    both = TRIGGER.replace("SOURCE", f"{CLOSED}\n  - {MESSAGES}").replace("REST", "redact: [/message/json/other]")
    root = write({"triggers/churn.yaml": both, "s.json": SCHEMA})
    assert [it.code for it in compiling.check(root) if it.code == "unknown_field"] == []


@pytest.mark.parametrize("pointer", ["message/json/a", "/", "/message", "/message/json/a~2", "/message//a", "''"])
def test_what_is_no_pointer_is_said(write: Write, pointer: str) -> None:
    [(code, message)] = told(write, MESSAGES, f"redact: [{pointer}]")
    assert (code, message) == (
        "bad_value",
        "`redact[0]` must be a JSON pointer into the event, such as `/message/json/email`.",
    )


@pytest.mark.parametrize("archive", ["metadata", "none"])
def test_redact_where_nothing_of_it_is_kept_is_said(write: Write, archive: str) -> None:
    root = write(
        {
            "triggers/churn.yaml": TRIGGER.replace("SOURCE", MESSAGES).replace(
                "REST", f"archive: {archive}\nredact: [/message/json/a]"
            )
        }
    )
    [problem] = [it for it in compiling.check(root) if it.path == "triggers/churn.yaml"]
    assert (problem.code, f"of which `archive: {archive}` leaves nothing" in problem.message) == ("unused_key", True)
