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
