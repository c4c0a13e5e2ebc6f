from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrigger.handlers.validate import plain_pattern, plain_schema

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

EXAMPLE = Path(__file__).parents[3] / "examples" / "churn" / "schemas" / "retrain-request.json"
FITTING = {"request_id": "r-1", "data": "gs://acme-dev-landing/a.csv", "as_of": "2026-01-01"}
NAMES = st.sampled_from(["a", "b", "c"])
PATTERNS = ["^a{1,3}$", "^[a-c]*$", "^(a|b)c$", "^x?[^a]+$", r"^\.[ab.-]{2}$", "^(a|[b-d]{2,}|)$", "^a", "^(?:a|b)x"]
TEXTS = st.text(alphabet="abcx.\n\U0001f600-", max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-4, 4) | st.sampled_from([1.0, 1.5, 2**70, 2.0**60]) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null"])


def schemas() -> SearchStrategy[dict[str, Any]]:
    """Of the usual kind, and of the unusual: what is made of them must be right, whatever it is."""
    flat = st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=2, unique=True),
            "minLength": st.integers(0, 3),
            "maxLength": st.integers(0, 3),
            "minItems": st.integers(0, 2),
            "maxItems": st.integers(0, 2),
            "minimum": st.integers(-3, 3) | st.just(1.5),
            "maximum": st.integers(-3, 3),
            "pattern": st.sampled_from([*PATTERNS, "a", r"^\d$", "^.+$", "^(ab)*$"]),
            "enum": st.lists(TEXTS, min_size=1, max_size=3, unique=True) | st.just([1, None]),
            "format": st.just("date"),
            "title": TEXTS,
            "const": st.just("a"),
        },
    )

    def nested(inner: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
        held = st.fixed_dictionaries(
            {},
            optional={
                "properties": st.dictionaries(NAMES, inner, max_size=3),
                "required": st.lists(NAMES, max_size=2, unique=True),
                "additionalProperties": st.booleans(),
                "items": inner,
            },
        )
        return st.tuples(flat, held).map(lambda both: {**both[0], **both[1]})

    return st.recursive(flat, nested, max_leaves=4)


@settings(max_examples=400, deadline=None)
@given(schemas(), st.lists(VALUES, min_size=1, max_size=8))
def test_what_is_said_to_fit_fits(schema: dict[str, Any], values: list[Any]) -> None:
    plain = plain_schema.compiled(schema)
    if plain is None:
        return
    validator = jsonschema_rs.validator_for(schema, offline=True, pattern_options=jsonschema_rs.RegexOptions())
    assert [value for value in values if plain(value) and not validator.is_valid(value)] == []


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PATTERNS), TEXTS)
def test_a_plain_pattern_matches_as_the_validator_does(pattern: str, text: str) -> None:
    read = plain_pattern.read(pattern, 4)
    assert read is not None
    assert (read[0].match(text) is not None) == jsonschema_rs.is_valid({"pattern": pattern}, text)


@pytest.mark.parametrize("pattern", [r"^\d$", r"^\w$", r"^[\w-]$", "^.$", "^a", "^[^a]$"])
@pytest.mark.parametrize("text", ["1", "\u0663", "a", "\u00e9", "\n", "\r", "\u2028", "a\n", "\U0001f600", "-", ""])
def test_where_they_may_differ_the_narrower_is_taken(pattern: str, text: str) -> None:
    read = plain_pattern.read(pattern, 4)
    assert read is not None
    assert read[0].match(text) is None or jsonschema_rs.is_valid({"pattern": pattern}, text)


def test_the_schema_of_the_example_is_plain() -> None:
    plain = plain_schema.compiled(json.loads(EXAMPLE.read_text(encoding="utf-8")))
    assert plain is not None
    assert plain(FITTING)
    for change in ({"as_of": "today"}, {"more": 1}, {"data": "gs://b/" + "x" * 1100}, {"request_id": "a\n"}):
        assert not plain({**FITTING, **change})
    assert not plain({"request_id": "r-1"})


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {"$ref": "#/$defs/a"},
        {"$schema": "http://json-schema.org/draft-07/schema#", "format": "date"},
        {"type": "text"},
        {"type": []},
        {"required": ["a", "a"]},
        {"required": "a"},
        {"properties": {"a": {"minLength": -1}}},
        {"properties": {"a": True}},
        {"minimum": "1"},
        {"maxLength": True},
        {"title": 1},
        {"additionalProperties": {"type": "string"}},
        {"items": {"pattern": "^a$"}},
        {"enum": []},
        {"pattern": "^[a-z]{0,2000}[a-z]{0,2000}$"},
        {"anyOf": [{}]},
    ],
)
def test_anything_else_is_for_the_validator(schema: Any) -> None:
    assert plain_schema.compiled(schema) is None


def test_a_schema_of_any_depth_is_read_or_left() -> None:
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"items": deep}
    assert plain_schema.compiled(deep) is None


COSTLY = ["^(a+)+$", "^(a)*$", "^a**$", "^a+?$", "^(?!a)$", r"^(a)\1$"]
UNREAD = ["a", "a$", "^a$b", "^a|b$", r"^\s$", r"^[^\d]$", "^é$", r"^\u0061$", "^[a&&b]$", "^[a--b]$", "^[[a]$"]
WRONG = ["^[z-a]$", "^a{2,1}$", "^(a$", "^a)$", "^{2}$", "^[^]$"]


@pytest.mark.parametrize("pattern", [*COSTLY, *UNREAD, *WRONG])
def test_a_pattern_that_could_be_read_otherwise_or_take_long_is_not_plain(pattern: str) -> None:
    assert plain_pattern.read(pattern, 100) is None


@pytest.mark.parametrize(
    ("pattern", "ways"),
    [("^abc$", 1), ("^a?$", 2), ("^a*$", 101), ("^[ab]{2,5}x+$", 404), ("^(a+|b{1,3})c?$", 208), ("^a{7,}$", 94)],
)
def test_ways_are_the_product_of_the_counts(pattern: str, ways: int) -> None:
    read = plain_pattern.read(pattern, 100)
    assert read is not None
    assert read[1] == ways


def test_the_costliest_text_takes_a_moment() -> None:
    plain = plain_schema.compiled({"pattern": "^[a-z]{0,120}[a-z]{0,120}[a-z]{0,120}$"})
    assert plain is not None
    began = time.process_time()
    assert not plain("a" * 350 + "!")
    assert time.process_time() - began < 2
