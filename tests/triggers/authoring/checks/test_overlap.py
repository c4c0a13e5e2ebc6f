from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]


TRIGGER = """\
name: NAME
source:
  - SOURCE
launch: {pipeline: train, parameters: {data: "${{ vars.table }}"}}
"""


def told(write: Write, first: str, second: str) -> list[tuple[str, int, int]]:
    files = {
        "triggers/churn.yaml": TRIGGER.replace("NAME", "one").replace("SOURCE", first),
        "triggers/two.yaml": TRIGGER.replace("NAME", "two").replace("SOURCE", second),
    }
    return [(it.path, it.line, it.column) for it in compiling.check(write(files)) if it.code == "overlap"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('object: {in: landing, match: "*.csv"}', 'object: {in: landing, match: "a*"}'),
        ('object: {in: landing, match: "{dt}/*"}', 'object: {in: landing, match: "**/*.csv"}'),
        ('object: {in: landing, match: "a"}', 'object: {in: landing, match: "a", filter: event.object.size > 1}'),
    ],
)
def test_two_triggers_that_launch_the_same_for_one_object_are_told_at_the_later(
    write: Write, first: str, second: str
) -> None:
    assert told(write, first, second) == [("triggers/two.yaml", 3, 34)]
    assert told(write, second, first) == [("triggers/two.yaml", 3, 34)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('object: {in: landing, match: "*.csv"}', 'object: {in: landing, match: "*.json"}'),
        ('object: {in: landing, match: "a/**"}', 'object: {in: landing, match: "b/**"}'),
        ('object: {in: landing, match: "*"}', 'object: {in: landing, match: "*", change: [deleted]}'),
        ('object: {in: landing, match: "*", parameters: {rows: 1}}', 'object: {in: landing, match: "*"}'),
        (
            'object: {in: landing, match: "*", filter: event.object.size > 1}',
            'object: {in: landing, match: "*", filter: event.object.size <= 1}',
        ),
        ("message: {in: requests}", 'object: {in: landing, match: "*"}'),
        ("message: {in: requests, filter: event.id == 'a'}", "message: {in: requests, filter: event.id == 'b'}"),
        ("message: {in: requests, schema: lost.json}", "message: {in: requests}"),
        ('schedule: {cron: "0 6 * * *"}', 'schedule: {cron: "0 6 * * *"}'),
    ],
)
def test_triggers_that_may_be_meant_to_stand_side_by_side_are_not_told(write: Write, first: str, second: str) -> None:
    assert told(write, first, second) == []


def test_what_the_checks_of_two_triggers_keep_apart_is_not_told(write: Write) -> None:
    one = 'object: {in: landing, match: "*"}\nvalidate: {object: {columns: {COLUMN: int}}}'
    assert told(write, one.replace("COLUMN", "a"), one.replace("COLUMN", "b")) == []
    assert told(write, one, one) == [("triggers/two.yaml", 3, 34)]


def test_messages_of_one_channel_wake_both(write: Write) -> None:
    assert told(write, "message: {in: requests}", "message: {in: requests}") == [("triggers/two.yaml", 3, 19)]


@pytest.mark.parametrize(("until", "expected"), [("{dt}/_SUCCESS", []), ("{dt}/_DONE", [("triggers/two.yaml", 3, 34)])])
def test_what_is_a_marker_for_one_of_them_wakes_only_the_other(
    write: Write, until: str, expected: list[tuple[str, int, int]]
) -> None:
    one = 'object: {in: landing, match: "{dt}/*"}\nadmit: {window: {until: {object: "UNTIL"}}}'
    assert told(write, one.replace("UNTIL", until), 'object: {in: landing, match: "*/_SUCCESS"}') == expected


def test_a_trigger_that_only_observes_launches_nothing_twice(write: Write) -> None:
    one = 'object: {in: landing, match: "*"}'
    assert told(write, one, f"{one}\nmode: observe") == []


def test_the_name_that_is_told_is_that_of_the_bucket(write: Write) -> None:
    trigger = TRIGGER.replace("NAME", "two").replace("SOURCE", 'object: {in: same, match: "in/*.csv"}')
    root = write(
        {"triggers/two.yaml": trigger, "triggers/churn.yaml": trigger.replace("two", "one").replace("in/", "")}
    )
    project = root / "retrigger.yaml"
    stores = "{same: gs://acme-dev-landing/raw, landing: gs://acme-dev-landing}"
    project.write_text(project.read_text(encoding="utf-8").replace("{landing: gs://acme-dev-landing}", stores), "utf-8")
    deeper = trigger.replace("in: same", "in: landing").replace("in/*.csv", "raw/in/{name}")
    (root / "triggers" / "churn.yaml").write_text(deeper.replace("name: two", "name: one"), encoding="utf-8")
    (problem,) = (it for it in compiling.check(root) if it.code == "overlap")
    assert problem.message.startswith("`raw/in/x.csv` would wake trigger `one` (triggers/churn.yaml) too")
