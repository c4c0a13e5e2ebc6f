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
  - object: {in: landing, match: "{dt}/{part}.csv"}
  - message: {in: requests, parameters: {data: "${{ vars.table }}"}}
admit:
  ADMIT
launch: {pipeline: train, parameters: {data: "${{ window.folder }}"}}
"""


def told(root: Path) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.column, problem.code) for problem in compiling.check(root)]


@pytest.mark.parametrize(
    ("admit", "expected"),
    [
        ('window: {key: match.dt, until: {object: "{dt}/_SUCCESS"}}', []),
        ('window: {key: match.part, until: {object: "{dt}/_SUCCESS"}}', [(6, 17, "unknown_name")]),
        ('window: {key: event.object.name, until: {object: "{dt}/_SUCCESS"}}', [(6, 17, "unknown_name")]),
        ("window: {key: event.object.bucket}", []),
        ('window: {key: "${{ match.dt }}"}', [(6, 18, "syntax")]),
        ("concurrency: {key: vars.table}", []),
        ("{window: {key: match.dt}, concurrency: {key: match.dt}}", [(6, 48, "unknown_name")]),  # a message has none
        ("concurrency: {key: event.kind}", [(6, 22, "unknown_name")]),  # a window has no event
    ],
)
def test_keys_may_use_what_every_source_has(write: Write, admit: str, expected: list[tuple[int, int, str]]) -> None:
    assert told(write({"triggers/churn.yaml": TRIGGER.replace("ADMIT", admit)})) == expected


def test_an_expression_written_as_a_template_is_told_how_to_write_it(write: Write) -> None:
    trigger = TRIGGER.replace("ADMIT", 'window: {key: "${{ match.dt }}"}')
    (problem,) = compiling.check(write({"triggers/churn.yaml": trigger}))
    assert "without `${{ }}`" in problem.message


def test_a_problem_that_all_environments_share_is_told_once(write: Write) -> None:
    root = write({"triggers/churn.yaml": TRIGGER.replace("ADMIT", "window: {key: match.day}")})
    file = root / "retrigger.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text + text.split("environments:\n")[1].replace("  dev:", "  test:"), encoding="utf-8")
    assert told(root) == [(6, 17, "unknown_name")]
