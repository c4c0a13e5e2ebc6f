from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from retrigger.triggers.event import Json

    Write = Callable[[Mapping[str, str]], Path]


TRIGGER = """\
name: chosen
source:
  - message: {in: requests, schema: request.json}
launch:
  pipeline:
    by: event.message.json.kind
    from: {full: train, lite: train}
  parameters: {data: "${{ vars.table }}"}
"""


def told(write: Write, kind: Json, trigger: str = TRIGGER, **more: Json) -> list[tuple[int, int, str]]:
    schema = {"type": "object", "properties": {"kind": kind}, **more}
    root = write({"triggers/chosen.yaml": trigger, "request.json": json.dumps(schema)})
    return [(it.line, it.column, it.code) for it in compiling.check(root)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ({"enum": ["full", "lite"]}, []),
        ({"oneOf": [{"const": "full"}, {"enum": ["lite"]}]}, []),
        ({"type": "string"}, []),
        ({"oneOf": [{"const": "full"}, {"type": "string"}]}, []),
        ({"const": "full"}, [(7, 25, "unknown_choice")]),
        ({"enum": ["full", "light"]}, [(7, 5, "missing_choice"), (7, 25, "unknown_choice")]),
        ({"$ref": "#/$defs/kind"}, [(7, 5, "missing_choice"), (7, 25, "unknown_choice")]),
        ({"enum": ["full", "light"], "maxLength": 4}, [(7, 25, "unknown_choice")]),
        ({"anyOf": [{"const": "full"}, {"const": "late"}]}, [(7, 5, "missing_choice"), (7, 25, "unknown_choice")]),
    ],
)
def test_keys_and_the_values_that_a_schema_allows_are_the_same(
    write: Write, kind: Json, expected: list[tuple[int, int, str]]
) -> None:
    assert told(write, kind, **{"$defs": {"kind": {"enum": ["full", "light"]}}}) == expected


def test_the_nearest_value_is_shown(write: Write) -> None:
    schema = json.dumps({"properties": {"kind": {"enum": ["full", "light"]}}})
    problems = compiling.check(write({"triggers/chosen.yaml": TRIGGER, "request.json": schema}))
    lacking, unchosen = (it.message for it in problems)
    assert lacking.startswith("The message's schema allows `light` for `kind`, which chooses no pipeline")
    assert unchosen == "No message that its schema allows has `lite` for `kind` (did you mean `light`?)."


@pytest.mark.parametrize(
    "changed",
    [
        TRIGGER.replace("json}", "json, filter: event.message.json.kind != 'late'}"),
        TRIGGER + "filter: size(event.message.json) > 1\n",
        TRIGGER.replace("by: event.message.json.kind", "by: event.message.json.kind.lowerAscii()"),
    ],
)
def test_what_a_filter_or_a_function_may_keep_out_is_not_told(write: Write, changed: str) -> None:
    codes = [code for *_, code in told(write, {"enum": ["full", "lite", "late"]}, changed)]
    assert "missing_choice" not in codes


def test_what_the_rest_of_the_schema_may_keep_out_is_not_told(write: Write) -> None:
    kind = {"enum": ["full", "lite", "late"]}
    assert told(write, kind, **{"not": {"properties": {"kind": {"const": "late"}}}}) == []


def test_a_key_that_another_source_may_give_is_not_told(write: Write) -> None:
    trigger = TRIGGER.replace("launch:", "  - message: {in: requests, filter: event.id > 'a'}\nlaunch:")
    assert told(write, {"const": "full"}, trigger) == []
