from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrigger.triggers import glob
from retrigger.triggers.authoring.globs import Names, apart, common, covers, folders

SHORT = ["".join(chars) for length in range(1, 6) for chars in product("ab/", repeat=length)]


@st.composite
def globs(draw: st.DrawFn) -> str:
    part = st.sampled_from(["a", "b", "ab", "*", "{x}", "{y}", "*a", "{x}b", ""])
    segments = draw(st.lists(st.one_of(part, st.just("**")), min_size=1, max_size=3))
    return "/".join(segments)


def parsed(match: str) -> glob.Glob | None:
    try:
        return glob.parse(match)
    except ValueError:
        return None


@given(globs(), globs(), st.sampled_from(["", "a/", "ab/"]), st.sampled_from(["", "a/"]))
def test_a_name_that_both_match_is_found_where_there_is_a_short_one(
    one: str, two: str, first: str, second: str
) -> None:
    if parsed(one) is None or parsed(two) is None:
        return
    a, b = Names(first, one), Names(second, two)
    found = common([a, b])
    assert found is None or (found in a and found in b)
    repeated = any(match.count(capture) > 1 for match in (one, two) for capture in ("{x", "{y"))
    assert found is None or not apart(folders(a), folders(b))
    if found is None and not repeated:
        assert [name for name in SHORT if name in a and name in b] == []


@given(globs(), globs())
def test_what_is_covered_has_no_name_outside(wide: str, narrow: str) -> None:
    if parsed(wide) is None or parsed(narrow) is None:
        return
    a, b = Names("", wide), Names("", narrow)
    outside = [name for name in SHORT if name in b and name not in a]
    if covers(a, b):
        assert [name for name in outside if not name.endswith("/")] == []
    found = common([b], [a])
    assert found is None or (found in b and found not in a)


@pytest.mark.parametrize(
    ("one", "two", "name"),
    [
        ("churn/dt={dt}/*.csv", "churn/**/*.csv", "churn/dt=x/x.csv"),
        ("*.csv", "*.parquet", None),
        ("a/**", "b/**", None),
        ("{dt}/part-*.csv", "2026/*-1.csv", "2026/part-1.csv"),
        ("**/_SUCCESS", "a/b/*", "a/b/_SUCCESS"),
        ("x*", "xy", "xy"),
        ("{a}/{a}", "x/y", None),
        ("*", "**/*.csv", "x.csv"),
    ],
)
def test_the_name_that_is_told_is_one_that_a_person_reads(one: str, two: str, name: str | None) -> None:
    assert common([Names("", one), Names("", two)]) == name


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("**", "a/*.csv", True),
        ("**/*", "*", True),
        ("*", "**/*", False),
        ("b/**", "b/*", True),  # all but `b/`, the marker of a folder
        ("{dt}/*", "{day}/_SUCCESS", True),
        ("{dt}/_SUCCESS", "{dt}/*", False),
        ("{a}/{a}", "x/x", False),  # never claimed of a capture that is used twice
        ("{a}/{a}", "{a}/{a}", True),
    ],
)
def test_a_glob_covers_another(wide: str, narrow: str, *, expected: bool) -> None:
    assert covers(Names("", wide), Names("", narrow)) is expected


@pytest.mark.parametrize(
    ("one", "two"), [("{a}/x1/*", "{b}/x2/*"), ("**/x1/*", "a/**/x2/*"), ("*.csv", "*/*.csv"), ("a/*", "b/*")]
)
def test_globs_of_different_folders_are_told_apart_quickly(one: str, two: str) -> None:
    assert apart(folders(Names("in/", one)), folders(Names("in/", two)))


def test_the_folders_of_two_stores_are_part_of_the_names() -> None:
    assert common([Names("in/", "*.csv"), Names("", "in/*")]) == "in/x.csv"
    assert common([Names("in/", "*.csv"), Names("out/", "*.csv")]) is None


def test_of_globs_that_are_too_much_work_nothing_is_claimed() -> None:
    one, two = Names("", "*a" * 15 + "*" + "b" * 900), Names("", "*c" * 15 + "{x}" + "b" * 900)
    assert "a" * 15 + "c" * 15 + "b" * 901 in one
    assert (common([one, two]), covers(one, two)) == (None, False)
