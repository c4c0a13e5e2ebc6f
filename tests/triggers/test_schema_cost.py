from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.schema_cost import MAX_PARTS, TooCostlyError, rules

if TYPE_CHECKING:
    from retrigger.triggers.event import Json

LEAF: Json = {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "count"),
    [
        (True, 1),
        (LEAF, 1),
        ({"properties": {"a": LEAF, "b": LEAF}}, 1),
        ({"properties": {"a": LEAF}, "additionalProperties": LEAF}, 2),
        ({"items": {"anyOf": [LEAF, LEAF]}}, 3),
        ({"$ref": "#/$defs/a", "$defs": {"a": LEAF}}, 2),
        ({"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": LEAF}}, 2),
        ({"$ref": "#here", "$defs": {"a": {"$anchor": "here"}}}, 2),
        ({"$ref": "#/allOf/1", "allOf": [True, LEAF]}, 3),
        ({"$ref": "#/nowhere/9"}, 1),
        ({"properties": {"a": {"$ref": "#"}}}, 2),
        ({"if": LEAF, "then": LEAF, "else": LEAF, "not": LEAF}, 5),
        ({"enum": [1, 2, 3]}, 1),
        ({"enum": [[1, 2], {"a": 3}]}, 6),
        ({"const": {"a": [1]}}, 4),
        ({"properties": {"const": {"allOf": [LEAF, LEAF]}}}, 3),
        ({"multipleOf": 0.01}, 1),
        ({"multipleOf": 1e-20}, 501),
        ({"pattern": "^[a-z]+$"}, 1),
        ({"pattern": "(.{1,30}){30}"}, 61),
        ({"patternProperties": {"a": LEAF, "b": LEAF}}, 4),
        ({"properties": {"properties": LEAF, "$ref": LEAF}}, 1),
    ],
)
def test_the_rules_for_one_place_are_counted(schema: Json, count: int) -> None:
    assert rules(schema) == count


def doubling(steps: int) -> Json:
    twice: dict[str, Json] = {f"d{at}": {"oneOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(steps)}
    return {"$defs": {**twice, f"d{steps}": {}}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    ("schema", "code", "told"),
    [
        ({"$ref": "#/const", "const": {"type": "integer"}}, "bad_ref", "leads to what is no schema"),
        ({"$ref": "#/properties", "properties": {"a": LEAF}}, "bad_ref", "leads to what is no schema"),
        ({"$ref": "#"}, "ref_cycle", "put the $ref below a property"),
        ({"$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}}, "ref_cycle", "put the $ref below a property"),
        (doubling(10), "schema_too_complex", "more than 1000 rules meet in one place"),
        ({"items": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}, "schema_too_complex", "more than 1000 rules meet"),
        ({"items": [LEAF] * MAX_PARTS}, "schema_too_complex", "more than 2,000 schemas"),
        ({"allOf": [{"pattern": "(.{1,30}){30}"}] * 20}, "schema_too_complex", "its patterns are too large"),
        (
            {"$defs": {str(at): {"$ref": f"#/$defs/{at + 1}"} for at in range(100)}, "$ref": "#/$defs/0"},
            "schema_too_complex",
            "more than 64 references lead to one rule",
        ),
    ],
)
def test_what_could_take_too_long_is_refused(schema: Json, code: str, told: str) -> None:
    with pytest.raises(TooCostlyError) as refused:
        rules(schema)
    assert (refused.value.code, told in str(refused.value)) == (code, True)
