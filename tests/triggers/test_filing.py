from __future__ import annotations

import pytest

from retrigger.triggers import filing, finding


def filed(*texts: str) -> filing.Filed:
    """Each glob's listener is called like it."""
    return filing.filed({("", text): [(text, 0)] for text in texts})


def tried(files: filing.Filed, name: str) -> list[str]:
    return [entry[3][0].trigger for entry in finding.Files(files).candidates(name)]


SHAPES = {
    "one/{i:04}/*.csv": "one/{i:04}/part.csv",
    "**/t{i}/*.csv": "x/y/t{i}/part.csv",
    "*-{i:04}.csv": "part-{i:04}.csv",
    "**/t{i:04}-*.csv": "x/y/t{i:04}-part.csv",
    "{{x}}/*-{i:04}/*": "x/y-{i:04}/part",
    "*_{i:04}_*.csv": "part_{i:04}_eu.csv",
    "exports/customers-{i:04}*": "exports/customers-{i:04}-eu.csv",
    "{{a}}/{{b}}-{i:04}-{{c}}": "a/b-{i:04}-c",
    "**/common/*/{i}": "common/common/common/{i}",
}
"""Glob of trigger number i -> a name that fits it."""


@pytest.mark.parametrize("shape", SHAPES)
def test_one_glob_is_tried_however_many_there_are(shape: str) -> None:
    texts = [shape.format(i=i) for i in range(1000)]
    files = filed(*texts)
    assert [tried(files, SHAPES[shape].format(i=i)) for i in (7, 123, 999)] == [[texts[7]], [texts[123]], [texts[999]]]


def test_of_lengths_there_may_be_as_many_as_there_are_globs() -> None:
    texts = ["x" * length + f"-{length}*" for length in range(1000)]
    files = filed(*texts)
    assert tried(files, "x" * 500 + "-500 and more") == [texts[500]]


def test_globs_without_a_literal_are_tried_on_names_as_deep_as_they_are() -> None:
    texts = ["/".join(["{a}", *["*"] * depth]) for depth in range(30)]
    files = filed(*texts)
    assert tried(files, "1/2/3") == ["{a}/*/*"]


def test_a_hostile_name_meets_no_more_globs_than_it_names() -> None:
    """The bound: the globs filed under what it offers. A name of 1,024 bytes has no more than 512 segments."""
    texts = [f"**/{number:04}/**/*.csv" for number in range(1000)]
    files = filed(*texts)
    name = "/".join(f"{number:04}" for number in range(1000))[:1024]
    assert len(finding.Files(files).candidates(name)) == 205


def test_what_another_text_begins_with_is_found_too() -> None:
    texts = ["a*", "ab*", "abc*", "abd*", "b*"]
    files = filed(*texts)
    assert set(tried(files, "abd")) == {"a*", "ab*", "abd*"}


def test_a_text_that_a_name_holds_twice_gives_its_glob_once() -> None:
    for text in ("**/a/**/*.csv", "**/a*/**/*.csv", "**/*a/**/*.csv", "**/*a*/**/*.csv"):
        files = filed(text, "**/*.csv")
        assert tried(files, "aa/aba/a/x.csv").count(text) == 1


def test_what_tells_globs_apart_is_literal_and_the_rest_is_shared() -> None:
    made = filing.filed({("in/", f"{name}/*-{{part}}/x.csv"): [(name, 0)] for name in ("a", "b")})
    found = [
        tuple(entry)[:3] for name in ("a", "b") for entry in finding.Files(made).candidates(f"in/{name}/1-2/x.csv")
    ]
    assert found == [(f"in/{name}/", "*-{part}", "/x.csv") for name in ("a", "b")]


@pytest.mark.parametrize(
    ("text", "start", "core", "end"),
    [
        ("a/b.csv", "a/b.csv", "", ""),
        ("**/x.csv", "", "**/", "x.csv"),
        ("a/**", "a/", "**", ""),
        ("*a*", "", "*a*", ""),
        ("a*a", "a", "*", "a"),
        ("**/**/x", "", "**/**/", "x"),
    ],
)
def test_a_glob_is_cut_where_its_first_and_last_wildcards_are(text: str, start: str, core: str, end: str) -> None:
    assert [tuple(entry)[:3] for entry in finding.Files(filed(text)).candidates(text)] == [(start, core, end)]
