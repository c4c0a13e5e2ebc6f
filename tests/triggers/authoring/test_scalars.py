from __future__ import annotations

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from retrigger.triggers.authoring import yaml
from retrigger.triggers.authoring.problems import Problem


def place(text: str, sought: str) -> tuple[int, int]:
    """Where the value of `a` has `sought`, as a problem tells it."""
    document = yaml.parse(text, "a.yaml")
    assert isinstance(document.data, dict)
    value = document.data["a"]
    assert isinstance(value, str)
    problem = document.problem_within(("a",), value, value.index(sought) + 1, "code", "message")
    return problem.line, problem.column


@pytest.mark.parametrize(
    "written",
    [
        "a: one HERE two",
        "a: 'it''s HERE'",
        'a: "one HERE"',
        'a: "é😀 HERE"',
        r'a: "\u00e9\x41\t\"\\\N\_\/ HERE"',
        'a: "\\\n   HERE"',
        'a: "one \\\n   two HERE"',
        "a:\n  one\n  two HERE",
        "a: one\n\n\n  two HERE",
        "a: 'one\n\n   two HERE'",
        "a: | # a comment\n  one\n    HERE\n",
        "a: >-\n  one\n  HERE two\n\n  three\n",
        "a: >2\n    one\n  HERE\n",
        "a: |\r\n  one\r\n  HERE\r\n",
        '{a: "HERE", b: c}',
    ],
)
def test_what_stands_in_a_value_is_found_in_the_file(written: str) -> None:
    line, column = place(written, "HERE")
    assert written.splitlines()[line - 1][column - 1 :].startswith("HERE")


@pytest.mark.parametrize(
    ("written", "column", "expected"),
    [
        ("a: b", 0, (1, 4)),  # no column is known
        ("a: b", 2, (1, 5)),  # behind the end
        ("a: 'b'", 2, (1, 6)),
        ("a: |\n  b\n", 3, (2, 4)),
        ("a: &it 'b'", 1, (1, 4)),  # an anchor: the value's start
        ("b: &it c\na: *it", 1, (2, 4)),  # an alias: where it stands
    ],
)
def test_a_place_that_is_not_known_is_the_nearest_one_that_is(
    written: str, column: int, expected: tuple[int, int]
) -> None:
    document = yaml.parse(written, "a.yaml")
    assert isinstance(document.data, dict)
    problem = document.problem_within(("a",), str(document.data["a"]), column, "code", "message")
    assert problem == Problem("a.yaml", *expected, "code", "message")


@given(
    st.text(st.sampled_from("ab'\"\\ \n\té😀\u2028{}$:#-"), max_size=30),
    st.sampled_from(["'", '"', "|", ">", ""]),
    st.integers(8, 80),
)
def test_the_character_that_stands_there_is_the_one_that_was_asked_for(value: str, style: str, width: int) -> None:
    text = pyyaml.dump({"a": f"{value}HERE"}, default_style=style or None, allow_unicode=True, width=width)
    document = yaml.parse(text, "a.yaml")
    assert document.data == {"a": f"{value}HERE"}
    problem = document.problem_within(("a",), f"{value}HERE", len(value) + 1, "code", "message")
    lines = text.replace("\u2028", "\n").split("\n")
    assert lines[problem.line - 1][problem.column - 1 :].startswith("HERE")


def test_texts_come_with_their_places() -> None:
    data = yaml.parse("a: [x, {b: y}, 3]\nc: z\n", "a.yaml").data
    assert list(yaml.texts((), data)) == [(("a", 0), "x"), (("a", 1, "b"), "y"), (("c",), "z")]
