from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling
from retrigger.triggers.authoring import mending, yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]

TRIGGER = """\
name: two
source:
  - object: {in: landing, match: "two/{dt}/*.csv"}
admit: {window: {key: match.dt}}
launch: {pipeline: train, parameters: {data: "${{ match.dt }}", rats: 1}}
"""
OTHER_MISTAKE = (5, 71, "unknown_parameter")


def told(write: Write, trigger: str) -> list[tuple[int, int, str]]:
    return [(it.line, it.column, it.code) for it in compiling.check(write({"triggers/two.yaml": trigger}))]


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ("two\n", "Two\n", (1, 7, "bad_value")),
        ("two\n", "2\n", (1, 7, "wrong_type")),
        ("landing", "land.ing!", (3, 18, "bad_value")),
        ("landing", "[landing]", (3, 18, "wrong_type")),
        ("two/{dt}/*.csv", "two/{dt/*.csv", (3, 34, "bad_glob")),
        ("two/{dt}/*.csv", "two/{dt}/**.csv", (3, 34, "bad_glob")),
    ],
)
def test_a_wrong_name_hides_no_other_mistake_and_makes_none(
    write: Write, right: str, wrong: str, expected: tuple[int, int, str]
) -> None:
    assert told(write, TRIGGER.replace(right, wrong, 1)) == [expected, OTHER_MISTAKE]


def test_a_wrong_name_of_a_pipeline_leaves_its_expressions_to_be_checked(write: Write) -> None:
    trigger = TRIGGER.replace("pipeline: train", "pipeline: tr@in").replace("{{ match.dt", "{{ match.day")
    assert told(write, trigger) == [(5, 20, "bad_value"), (5, 51, "unknown_name")]


def test_two_files_with_wrong_names_have_none_in_common(write: Write) -> None:
    wrong = TRIGGER.replace("name: two", "name: Two").replace("*.csv", "**.csv").replace(", rats: 1", "")
    problems = compiling.check(write({"triggers/two.yaml": wrong, "triggers/three.yaml": wrong}))
    assert [(it.path, it.code) for it in problems] == [
        ("triggers/three.yaml", "bad_value"),
        ("triggers/three.yaml", "bad_glob"),
        ("triggers/two.yaml", "bad_value"),
        ("triggers/two.yaml", "bad_glob"),
    ]


@pytest.mark.parametrize(
    ("misplaced", "home"),
    [
        ("window: {key: match.dt}", "admit"),
        ("concurrency: {limit: 2}", "admit"),
        ("throttle: {limit: 2, per: 1h}", "admit"),
        ("window: {min_rows: 2}", "validate"),
        ("retry: 1", "on_failure"),
        ("parameters: {rows: 1}", "launch"),
        ("message: {in: requests}", "source"),
    ],
)
def test_a_key_at_the_top_is_shown_where_it_belongs(write: Write, misplaced: str, home: str) -> None:
    trigger = (
        TRIGGER.replace(", rats: 1", "").replace("admit: {window: {key: match.dt}}\n", "").replace(" match.", " vars.")
    )
    trigger = trigger.replace("vars.dt", "vars.table")
    problems = compiling.check(write({"triggers/two.yaml": f"{trigger}{misplaced}\n"}))
    key = misplaced.partition(":")[0]
    seen = [str(it).partition(": ")[2] for it in problems]
    assert seen == [f"unknown_key: There is no key `{key}` here: it stands under `{home}`."]


def test_what_is_misplaced_is_checked_where_it_belongs(write: Write) -> None:
    trigger = TRIGGER.replace(
        "admit: {window: {key: match.dt}}", "window: {key: match.dt, quiet: 2h}\nthrottle: {limit: 0}"
    )
    assert told(write, trigger) == [
        (4, 1, "unknown_key"),
        (4, 32, "quiet_beyond_max_wait"),
        (5, 1, "missing_key"),
        (5, 1, "unknown_key"),
        (5, 19, "bad_value"),
        (6, 71, "unknown_parameter"),
    ]


def test_a_second_one_in_the_wrong_place_is_only_told(write: Write) -> None:
    trigger = TRIGGER.replace("launch:", "window: {key: match.day}\nlaunch:")
    assert told(write, trigger) == [(5, 1, "unknown_key"), (6, 71, "unknown_parameter")]


def test_the_places_of_what_is_moved_go_along() -> None:
    document = yaml.parse("a: 1\nb: [x]\n", "f.yaml")
    moved = mending.moved(document, "b", "c")
    assert moved.data == {"a": 1, "c": {"b": ["x"]}}
    assert (moved.mark(("a",)), moved.mark(("c",)), moved.mark(("c", "b", 0))) == ((1, 4), (2, 1), (2, 5))
    assert moved.mark(("c", "b"), on="key") == (2, 1)
