from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]

TRIGGER = """\
name: churn
source:
  - object: {in: landing, match: "*.csv", parameters: {data: "${{ window.uri }}"}}
  - message: {in: requests, parameters: {data: "${{ vars.table }}"}}
admit:
  window: {max_members: LIMIT, quiet: 10m, max_wait: 10m}
launch: {pipeline: train}
"""


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("until: {count: 3}", []),
        ('until: {manifest: "list.json"}', []),
        ("until: {count: 3}, quiet: 5m", ["quiet_with_until"]),
        ("until: {count: 3}, settle: 5m", ["unused_key"]),
        ('until: {manifest: "list.json"}, settle: 5m', ["unused_key"]),
        ("until: {count: 0}", ["bad_value"]),
        ("until: {count: 1001}", ["bad_value"]),
        ("until: {}", ["one_of_keys"]),
        ('until: {count: 3, object: "_DONE"}', ["one_of_keys"]),
    ],
)
def test_a_window_is_completed_in_one_way(write: Write, rule: str, expected: list[str]) -> None:
    file = TRIGGER.replace("max_members: LIMIT, quiet: 10m, max_wait: 10m", f"max_members: 1, {rule}")
    assert [problem.code for problem in compiling.check(write({"triggers/churn.yaml": file}))] == expected


def test_of_a_queue_each_run_has_one_uri(write: Write) -> None:
    file = TRIGGER.replace("LIMIT, quiet: 10m, max_wait: 10m}", "2}\n  concurrency: {when_busy: queue}")
    assert compiling.check(write({"triggers/churn.yaml": file})) == []


@pytest.mark.parametrize(("limit", "expected"), [("1", []), ("2", [(3, 62, "many_members")])])
def test_one_uri_needs_a_window_of_one(write: Write, limit: str, expected: list[tuple[int, int, str]]) -> None:
    root = write({"triggers/churn.yaml": TRIGGER.replace("LIMIT", limit)})
    assert [(problem.line, problem.column, problem.code) for problem in compiling.check(root)] == expected


JOINING = """\
name: churn
source:
  - object: {in: landing, match: "{dt}/*.csv", change: [CHANGE]}
  - message: {in: requests, joins: window, members: MEMBERS}
admit:
  window: {key: match.dt, quiet: 10m}
  concurrency: {key: match.dt}
launch: {pipeline: {by: match.dt, from: {a: train}}, parameters: {data: "${{ window.folder }}"}}
"""


@pytest.mark.parametrize(
    ("change", "members", "expected"),
    [
        ("created", "event.message.json.files", []),
        ("created", "event.message.json.a + event.message.json.b", []),
        ("created", "'\"gs://acme-dev-landing/\" + event.message.id'", []),
        ("created", '"[event.message.id, string(event.message.published)]"', []),
        ("deleted, created", "event.message.json.files", []),
        ("deleted", "event.message.json.files", [(4, 29, "joins_nothing")]),
        ("created", "event.message.attributes", [(4, 53, "wrong_type")]),
        ("created", "event.object.uri", [(4, 53, "unknown_name")]),
        ("created", "match.dt", [(4, 53, "unknown_name")]),
        ("created", '"${{ event.message.json.files }}"', [(4, 54, "syntax")]),
    ],
)
def test_what_a_message_names_must_be_able_to_join(
    write: Write, change: str, members: str, expected: list[tuple[int, int, str]]
) -> None:
    text = JOINING.replace("CHANGE", change).replace("MEMBERS", members)
    root = write({"triggers/churn.yaml": text})
    assert [(problem.line, problem.column, problem.code) for problem in compiling.check(root)] == expected


def test_a_message_that_names_objects_launches_nothing_so_its_launch_is_not_checked(write: Write) -> None:
    """Its parameters would have to be those of a window, which a message has not."""
    launching = JOINING.replace("joins: window, members: MEMBERS", "filter: event.message.id != ''")
    codes = {
        problem.code
        for problem in compiling.check(write({"triggers/churn.yaml": launching.replace("CHANGE", "created")}))
    }
    assert codes == {"unknown_name"}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("event.object.name", []),
        ("match.dt", []),
        ("event.id + event.object.name", []),
        ("event.id", [(3, 72, "shared_key")]),
        ("string(event.time)", [(3, 72, "shared_key")]),
    ],
)
def test_the_key_of_objects_that_messages_name_tells_them_apart(
    write: Write, key: str, expected: list[tuple[int, int, str]]
) -> None:
    text = JOINING.replace("[CHANGE]", f"[created], key: {key}").replace("MEMBERS", "event.message.json.files")
    root = write({"triggers/churn.yaml": text})
    assert [(problem.line, problem.column, problem.code) for problem in compiling.check(root)] == expected
    without = text.replace("joins: window, members: event.message.json.files", "parameters: {data: a}")
    codes = {problem.code for problem in compiling.check(write({"triggers/churn.yaml": without}))}
    assert "shared_key" not in codes
