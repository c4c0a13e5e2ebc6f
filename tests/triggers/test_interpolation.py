from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring.scope import EVENT_VARIABLES
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.expression_text import Hole
from retrigger.triggers.interpolation import check_value, expressions_in, render_value

if TYPE_CHECKING:
    from retrigger.triggers.event import Json

VARIABLES = {**EVENT_VARIABLES["object"], "match.dt": "string", "window.uris": "list", "vars.table": "string"}
SCOPE: dict[str, object] = {
    "event": {"object": {"size": 10, "complete": True}, "message": {"json": {"rows": [1, 2, 3]}}},
    "match": {"dt": "2026-01-05"},
    "window": {"uris": ("gs://b/1", "gs://b/2")},
    "vars": {"table": "gs://b/full.csv"},
}


@pytest.mark.parametrize(
    ("value", "type_", "rendered"),
    [
        ("plain", "string", "plain"),
        ("", "string", ""),
        ("${{ event.object.size }}", "int", 10),
        ("${{event.object.complete}}", "bool", True),
        ("${{ window.uris }}", "list", ["gs://b/1", "gs://b/2"]),
        ("day ${{ match.dt }}, ${{ event.object.size }} bytes", "string", "day 2026-01-05, 10 bytes"),
        ("${{ match.dt }}${{ event.object.complete }}", "string", "2026-01-05true"),
        ("${{ {'a': {'b': '}}'}} }}", "map", {"a": {"b": "}}"}}),
        ("$ {{ no }} }}", "string", "$ {{ no }} }}"),
        (["${{ match.dt }}", 1], "list", ["2026-01-05", 1]),
        ({"a": {"b": "${{ event.object.size }}"}}, "map", {"a": {"b": 10}}),
        (None, "null", None),
        (True, "bool", True),
        (3, "int", 3),
        (0.5, "double", 0.5),
    ],
)
def test_a_value_is_rendered_with_its_type(value: Json, type_: str, rendered: Json) -> None:
    assert (check_value(value, VARIABLES), render_value(value, SCOPE)) == (type_, rendered)


def test_what_an_event_holds_is_never_a_template() -> None:
    scope = {"event": {"object": {"name": "${{ vars.table }}"}}, "vars": {"table": "t"}}
    assert render_value("x/${{ event.object.name }}", scope) == "x/${{ vars.table }}"


@pytest.mark.parametrize(
    ("value", "code", "column"),
    [
        ("a ${{ match.day }}", "unknown_name", 7),
        ("a ${{ window.uris }}", "wrong_type", 7),
        ("a ${{ match.dt", "syntax", 3),
        ("a ${{ '}} }}", "syntax", 7),
        ("${{ }}", "syntax", 5),
        (["fine", {"x": "${{ 1 + }}"}], "syntax", 8),
    ],
)
def test_a_wrong_template_is_refused_at_its_column(value: Json, code: str, column: int) -> None:
    with pytest.raises(ExpressionError) as refused:
        check_value(value, VARIABLES)
    assert (refused.value.code, refused.value.column) == (code, column)


def test_what_has_no_form_inside_text_fails() -> None:
    with pytest.raises(ExpressionError, match="list has no form inside text") as failed:
        render_value("a ${{ event.message.json.rows }}", SCOPE)
    assert failed.value.code == "expression_failed"


def test_the_expressions_of_a_value_are_listed() -> None:
    value: Json = {"a": ["${{ match.dt }} and ${{  vars.table }}"], "b": 1}
    assert list(expressions_in(value)) == [Hole("match.dt", 4), Hole("vars.table", 25)]
