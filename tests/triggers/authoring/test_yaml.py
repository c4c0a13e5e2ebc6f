from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrigger.triggers.authoring import yaml
from retrigger.triggers.authoring.problems import Problem, ProjectError

if TYPE_CHECKING:
    from retrigger.triggers.event import Json


def problems(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(ProjectError) as caught:
        yaml.parse(text, "a.yaml")
    return [(problem.line, problem.column, problem.code) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("NO", "NO"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2026-01-02", "2026-01-02"),
        ("=", "="),
        ("0b1", "0b1"),
        ("true", True),
        ("FALSE", False),
        ("'true'", "true"),
        ("~", None),
        ("", None),
        ('""', ""),
        ("007", 7),
        ("-12", -12),
        ("0o17", 15),
        ("0xff", 255),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1e3", -1000.0),
        ("1e", "1e"),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: Json) -> None:
    read = yaml.parse(f"a: {text}", "a.yaml").data
    assert (read, type(read["a"])) == ({"a": value}, type(value))  # type: ignore[index,call-overload]


def test_keys_are_the_text_that_stands_there() -> None:
    assert yaml.parse("on: 1\n1: 2\n~: 3", "a.yaml").data == {"on": 1, "1": 2, "~": 3}


def test_places_are_those_of_keys_and_values() -> None:
    document = yaml.parse("a: x\n😀b:\n  - {c: 'd'}\n", "a.yaml")
    assert dict(document.keys) == {("a",): (1, 1), ("😀b",): (2, 1), ("😀b", 0, "c"): (3, 6)}
    assert dict(document.values) == {
        (): (1, 1),
        ("a",): (1, 4),
        ("😀b",): (3, 3),
        ("😀b", 0): (3, 5),
        ("😀b", 0, "c"): (3, 9),
    }


def test_a_problem_stands_at_the_nearest_part_that_the_file_holds() -> None:
    document = yaml.parse("a:\n  b: 1\n", "a.yaml")
    assert document.problem(("a", "b", "x"), "code", "text") == Problem("a.yaml", 2, 6, "code", "text")
    assert document.problem(("a", "x"), "code", "text", on="key") == Problem("a.yaml", 1, 1, "code", "text")
    assert document.problem(("x",), "code", "text") == Problem("a.yaml", 1, 1, "code", "text")


def test_an_alias_stands_for_its_anchor() -> None:
    assert yaml.parse("a: &x [1, 2]\nb: *x", "a.yaml").data == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: b\n c: d", [(2, 3, "yaml_syntax")]),
        ("a: 'b", [(1, 6, "yaml_syntax")]),
        ("a: 1\nb: \x07", [(2, 4, "yaml_syntax")]),
        ("\ta: 1", [(1, 1, "yaml_syntax")]),
        ("a: 1\na: 2\nb: 3\nb: 4", [(2, 1, "duplicate_key"), (4, 1, "duplicate_key")]),
        ("a: !!str 5\nb: !x {}", [(1, 4, "yaml_tag"), (2, 4, "yaml_tag")]),
        ("a: 1\n---\nb: 2", [(2, 1, "yaml_documents")]),
        ("? [a]\n: 1", [(1, 3, "yaml_key")]),
        ("a: *b", [(1, 4, "yaml_alias")]),
        ("a: &b [*b]", [(1, 8, "yaml_alias")]),
        ("a: .inf\nb: .nan\nc: 1e999", [(1, 4, "bad_number"), (2, 4, "bad_number"), (3, 4, "bad_number")]),
        ("a: " + "9" * 100_000, [(1, 4, "bad_number")]),
        ("a: 0x" + "f" * 9_000, [(1, 4, "bad_number")]),
        ("a: 0o" + "7" * 9_000, [(1, 4, "bad_number")]),
        ("[" * 100_000, [(1, 66, "yaml_depth")]),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, expected: list[tuple[int, int, str]]) -> None:
    found = problems(text)
    assert found == expected


def test_a_bomb_of_aliases_is_refused_before_it_is_unpacked() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert [code for _, _, code in problems("\n".join(lines))] == ["yaml_size"]


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@ \n\t\ufeff\x00\ud7ff1.~", max_size=40))
def test_any_text_gives_data_or_problems(text: str) -> None:
    try:
        yaml.parse(text, "a.yaml")
    except ProjectError as error:
        assert error.problems  # noqa: PT017  # an error without a place would be an answer to nobody
