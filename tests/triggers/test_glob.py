from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from retrigger.triggers import glob
from retrigger.triggers.glob import Capture, Wild


@pytest.mark.parametrize(
    ("text", "name", "captures"),
    [
        ("churn/dt={dt}/*.csv", "churn/dt=2026-01-05/part-0.csv", {"dt": "2026-01-05"}),
        ("churn/dt={dt}/*.csv", "churn/dt=/part-0.csv", None),
        ("churn/dt={dt}/*.csv", "churn/dt=1/2/part-0.csv", None),
        ("*.csv", ".csv", {}),
        ("*.csv", "a/b.csv", None),
        ("*.csv", "a.csv\n", None),
        ("*", "two\nlines", {}),
        ("**/a.csv", "a.csv", {}),
        ("**/a.csv", "x/y/a.csv", {}),
        ("**/a.csv", "x/ba.csv", None),
        ("raw/**/{table}/_SUCCESS", "raw/_SUCCESS", None),
        ("raw/**/{table}/_SUCCESS", "raw/t/_SUCCESS", {"table": "t"}),
        ("raw/**/{table}/_SUCCESS", "raw/eu/x/t/_SUCCESS", {"table": "t"}),
        ("raw/**", "raw/a", {}),
        ("raw/**", "raw/a/b/\n", {}),
        ("raw/**", "raw/", None),
        ("raw/**", "raw", None),
        ("**", "anything/at all", {}),
        ("a/**/", "a/", {}),
        ("a/**/", "a/b/", {}),
        ("a/**/**/b", "a/x/b", {}),
        ("{day}/{day}.csv", "mon/mon.csv", {"day": "mon"}),
        ("{day}/{day}.csv", "mon/tue.csv", None),
        ("**/{day}/x-{day}.csv", "a/b/c/x-c.csv", {"day": "c"}),
        ("{a}-{b}.csv", "x-y-z.csv", {"a": "x", "b": "y-z"}),
        ("what?[a].csv", "what?[a].csv", {}),
        ("what?[a].csv", "whatxa.csv", None),
        ("a}b", "a}b", {}),
        ("literal", "literal", {}),
        ("/leading", "/leading", {}),
        ("naïve/☃ {x}%2F", "naïve/☃ 😀%2F", {"x": "😀"}),
    ],
)
def test_a_name_fits_or_does_not(text: str, name: str, captures: dict[str, str] | None) -> None:
    assert glob.parse(text).match(name) == captures


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 1: the glob is empty: write ** to match every object"),
        ("a/**.csv", "column 3: ** must stand alone between slashes: write **/ or *"),
        ("a/b***", "column 4: ** must stand alone between slashes: write **/ or *"),
        ("a/{b", "column 3: { must begin a capture such as {date}: letters, digits, _"),
        ("{}", "column 1: { must begin a capture such as {date}: letters, digits, _"),
        ("a{1}", "column 2: { must begin a capture such as {date}: letters, digits, _"),
        ("{a/b}", "column 1: { must begin a capture such as {date}: letters, digits, _"),
        ("x" * 1025, "column 1025: the glob is longer than 1024 characters"),
        ("*a" * 33, "column 1: the glob has more than 32 wildcards"),
    ],
)
def test_what_is_no_glob_is_refused_with_its_column(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        glob.parse(text)


@pytest.mark.parametrize("text", ["{a}-{a}", "{a}-{b}/{a}.csv", "{a}/**/{a}.csv", "*{a}/{a}"])
def test_a_repeated_capture_that_could_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is used twice"):
        glob.parse(text)


@pytest.mark.parametrize(
    ("text", "captures", "prefix", "suffix"),
    [
        ("churn/dt={dt}/{dt}.csv", ("dt",), "churn/dt=", ".csv"),
        ("**/{a}/*-{b}/x.csv", ("a", "b"), "", "/x.csv"),
        ("raw/**/x.csv", (), "raw/", "x.csv"),
        ("raw/**", (), "raw/", ""),
        ("a/b.csv", (), "a/b.csv", ""),
    ],
)
def test_a_glob_tells_its_literal_ends(text: str, captures: tuple[str, ...], prefix: str, suffix: str) -> None:
    parsed = glob.parse(text)
    assert (parsed.text, parsed.captures, parsed.prefix, parsed.suffix) == (text, captures, prefix, suffix)


def test_bound_values_are_literal_whatever_they_hold() -> None:
    bound = glob.parse("churn/dt={dt}/{part}.csv").bind({"dt": "*{part}**(.+)", "other": "unused"})
    assert bound.match("churn/dt=*{part}**(.+)/p.csv") == {"part": "p"}
    assert bound.match("churn/dt=x/p.csv") is None
    assert (bound.prefix, bound.captures) == ("churn/dt=*{part}**(.+)/", ("part",))
    assert bound.text == "churn/dt=*{part}**(.+)/{part}.csv"


def test_binding_everything_leaves_one_name() -> None:
    bound = glob.parse("dt={dt}/_SUCCESS").bind({"dt": "**"})
    assert (bound.prefix, bound.match("dt=**/_SUCCESS"), bound.match("dt=x/_SUCCESS")) == ("dt=**/_SUCCESS", {}, None)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("*a" * 32, "a" * 1023 + "b"),
        ("{a}a" + "*a" * 30, "a" * 1023 + "b"),
        ("/".join(["**/a"] * 31) + "/b", "a/" * 511 + "a"),
        ("**/" + "a/" * 200 + "b", "a/" * 511 + "a"),
        ("**/*a*a*a*a*a*a/**/*a*a*a*a*a*b", ("a" * 60 + "/") * 16),
    ],
)
def test_hostile_names_do_not_blow_up(text: str, name: str) -> None:
    """A pattern that went back to try again would take years, and this test would not end."""
    assert glob.parse(text).match(name) is None


def naive(parsed: glob.Glob) -> re.Pattern[str]:
    """The same meaning with ordinary, backtracking wildcards."""
    pattern = ""
    seen: set[str] = set()
    for at, segment in enumerate(parsed.segments):
        last = at == len(parsed.segments) - 1
        if segment == (Wild.DEEP,):
            pattern += ".+" if last else "(?:[^/]*/)*?"
            continue
        for part in segment:
            match part:
                case str():
                    pattern += re.escape(part)
                case Capture():
                    pattern += f"(?P={part.name})" if part.name in seen else f"(?P<{part.name}>[^/]+?)"
                    seen.add(part.name)
                case Wild():
                    pattern += "[^/]*?"
        pattern += "" if last else "/"
    return re.compile(pattern, re.DOTALL)


pieces = st.sampled_from(["a", "b", "*", "{x}", "{y}", "a*", "*b", "ab", "*a*", "{x}a", "**"])
globs = st.lists(st.lists(pieces, min_size=1, max_size=3).map("".join), min_size=1, max_size=5).map("/".join)
names = st.lists(st.text("ab", max_size=4), min_size=1, max_size=7).map("/".join)


@given(globs, names)
def test_atomic_matching_agrees_with_backtracking(text: str, name: str) -> None:
    try:
        parsed = glob.parse(text)
    except ValueError:
        assume(False)
    found = naive(parsed).fullmatch(name)
    assert parsed.match(name) == (None if found is None else found.groupdict())
    if found is not None:
        assert name.startswith(parsed.prefix)
        assert name.endswith(parsed.suffix)
        assert parsed.bind(found.groupdict()).match(name) == {}
