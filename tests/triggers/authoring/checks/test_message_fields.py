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
  - message: {in: requests, schema: s.json, parameters: {data: "${{ FIELD }}"}}
launch: {pipeline: train}
"""
CLOSED = '"additionalProperties": false'
INNER = '{"type": "object", "properties": {"uri": {"type": "string"}}, "additionalProperties": false}'


@pytest.mark.parametrize(
    ("schema", "expression", "lacking"),
    [
        ('{"properties": {"data": {}}, CLOSED}', "event.message.json.dat", "dat"),
        ('{"properties": {"data": {}}, CLOSED}', "has(event.message.json.dat) ? 'a' : 'b'", "dat"),
        ('{"properties": {"data": {}}, CLOSED}', "event.message.json.data.anything", None),
        ('{"properties": {"data": {}}}', "event.message.json.dat", None),
        ('{"properties": {"data": {}}, "additionalProperties": {}}', "event.message.json.dat", None),
        ('{"properties": {"data": {}}, "patternProperties": {"^d": {}}, CLOSED}', "event.message.json.dat", None),
        ('{"properties": {"data": {}}, "allOf": [{}], CLOSED}', "event.message.json.dat", "dat"),
        ('{"properties": {"data": INNER}}', "event.message.json.data.url", "url"),
        (
            '{"properties": {"data": {"$ref": "#/$defs/a"}}, "$defs": {"a": INNER}, CLOSED}',
            "event.message.json.data.url",
            "url",
        ),
        (
            '{"properties": {"data": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}, CLOSED}',
            "event.message.json.data.url",
            None,
        ),
        ('{"properties": {"data": {"type": "string"}}, CLOSED}', "event.message.json.data.url", "url"),
        ('{"properties": {"json": {}}, CLOSED}', "event.message.json.json.x + event.message.json.jsn", "jsn"),
        ('{"properties": {"a": {}}, CLOSED}', "event.message.attributes.b", None),
        ('{"properties": {"a": {}}, CLOSED}', "event.message.json['b']", None),
        ("true", "event.message.json.dat", None),
        ("false", "event.message.json.dat", None),
    ],
)
def test_a_field_that_the_schema_forbids_is_told_at_its_column(
    write: Write, schema: str, expression: str, lacking: str | None
) -> None:
    files = {
        "triggers/churn.yaml": TRIGGER.replace("FIELD", expression),
        "s.json": schema.replace("CLOSED", CLOSED).replace("INNER", INNER),
    }
    found = [(it.line, it.column) for it in compiling.check(write(files)) if it.code == "unknown_field"]
    line = files["triggers/churn.yaml"].splitlines()[2]
    assert found == ([] if lacking is None else [(3, line.index(f".{lacking}") + 2)])


def test_the_expression_that_names_objects_is_looked_at_and_what_it_does_not_launch_is_not(write: Write) -> None:
    trigger = """\
name: churn
source:
  - message: {in: requests, schema: s.json, joins: window, members: event.message.json.fils}
  - object: {in: landing, match: "{dt}/*.csv"}
admit: {window: {key: match.dt}, concurrency: {key: match.dt}}
launch: {pipeline: train, parameters: {data: "${{ window.folder }}"}}
"""
    schema = '{"additionalProperties": false, "properties": {"files": {"type": "array"}}}'
    found = [str(it) for it in compiling.check(write({"triggers/churn.yaml": trigger, "s.json": schema}))]
    told = "unknown_field: `members`: the message's schema has no `fils` (did you mean `files`?)."
    assert found == [f"triggers/churn.yaml:3:88: {told}"]


def test_every_expression_that_reads_the_message_is_looked_at(write: Write) -> None:
    trigger = """\
name: churn
source:
  - message: {in: requests, schema: s.json, filter: event.message.json.a == '', key: event.message.json.b}
filter: event.subject == 'x'
admit: {concurrency: {key: event.message.json.c}}
launch: {pipeline: train, parameters: {data: "${{ event.message.json.d }}-${{ event.message.json.e }}"}}
"""
    root = write({"triggers/churn.yaml": trigger, "s.json": '{"additionalProperties": false}'})
    found = [(it.line, it.column) for it in compiling.check(root) if it.code == "unknown_field"]
    assert found == [(3, 72), (3, 105), (5, 47), (6, 70), (6, 98)]
