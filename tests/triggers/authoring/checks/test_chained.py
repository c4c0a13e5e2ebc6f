from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]

FIRST = """\
name: first
source: [{message: {in: retrain-requests}}]
launch: {pipeline: train, parameters: {data: "${{ vars.table }}"}}
"""
NEXT = """\
name: next
source:
  - lifecycle: {of: OF}
launch: {pipeline: train, parameters: {data: "${{ event.lifecycle.name }}"}}
"""


def told(write: Write, **triggers: str) -> list[tuple[str, int, int, str, str]]:
    root = write({f"triggers/{name}.yaml": text for name, text in triggers.items()})
    codes = {"unknown_trigger", "unreachable_source", "loop", "missing_key", "unused_key", "unknown_name"}
    found = [it for it in compiling.check(root) if it.code in codes]
    return [(it.path.removeprefix("triggers/"), it.line, it.column, it.code, it.message) for it in found]


def test_a_trigger_that_is_there_can_be_followed(write: Write) -> None:
    assert told(write, first=FIRST, next=NEXT.replace("OF", "first")) == []


def test_one_that_is_not_there_is_told_with_the_nearest(write: Write) -> None:
    message = "There is no trigger `frist` (did you mean `first`?): name one of this project."
    found = told(write, first=FIRST, next=NEXT.replace("OF", "frist"))
    assert found == [("next.yaml", 3, 21, "unknown_trigger", message)]


def test_one_whose_file_cannot_be_read_may_be_there(write: Write) -> None:
    broken = FIRST.replace("pipeline:", "pipelin:")
    assert all(code != "unknown_trigger" for *_, code, _ in told(write, first=broken, next=NEXT.replace("OF", "first")))


def test_one_that_only_observes_has_no_runs(write: Write) -> None:
    [found] = told(write, first=FIRST + "mode: observe\n", next=NEXT.replace("OF", "first"))
    assert found[:4] == ("next.yaml", 3, 21, "unreachable_source")


@pytest.mark.parametrize(
    ("lifecycle", "code", "part"),
    [
        ("{}", "missing_key", "say which events, or whose runs"),
        ("{type: a.b, status: failed}", "unused_key", "put it into the `filter`"),
        ("{of: first, type: a.b}", "unused_key", "leave `type` and `from` out"),
        ("{of: first, from: ml}", "unused_key", "leave `type` and `from` out"),
    ],
)
def test_a_source_listens_to_events_or_to_runs(write: Write, lifecycle: str, code: str, part: str) -> None:
    found = told(write, first=FIRST, next=NEXT.replace("{of: OF}", lifecycle))
    assert [(it[0], it[3], part in it[4]) for it in found] == [("next.yaml", code, True)]


def test_what_the_event_has_not_is_told(write: Write) -> None:
    wrong = NEXT.replace("OF", "first").replace("event.lifecycle.name", "event.lifecycle.metrics")
    assert [it[3] for it in told(write, first=FIRST, next=wrong)] == ["unknown_name"]


# loops


def test_triggers_that_wait_for_each_other_are_a_loop_at_each(write: Write) -> None:
    found = told(write, a=NEXT.replace("next", "a").replace("OF", "b"), b=NEXT.replace("next", "b").replace("OF", "a"))
    said = "The runs of `{}` are what this trigger's own runs lead to: listen to another, or break the loop."
    assert found == [("a.yaml", 3, 21, "loop", said.format("b")), ("b.yaml", 3, 21, "loop", said.format("a"))]


def test_a_trigger_that_follows_itself_is_a_loop(write: Write) -> None:
    assert [it[:4] for it in told(write, a=NEXT.replace("next", "a").replace("OF", "a"))] == [("a.yaml", 3, 21, "loop")]


def test_two_that_follow_the_same_and_one_that_follows_both_are_none(write: Write) -> None:
    both = NEXT.replace("next", "d").replace(
        "  - lifecycle: {of: OF}", "  - lifecycle: {of: b}\n  - lifecycle: {of: c}"
    )
    triggers = {name: NEXT.replace("next", name).replace("OF", "first") for name in ("b", "c")}
    assert told(write, first=FIRST, d=both, **triggers) == []
