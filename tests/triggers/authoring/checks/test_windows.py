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


@pytest.mark.parametrize(("limit", "expected"), [("1", []), ("2", [(3, 62, "many_members")])])
def test_one_uri_needs_a_window_of_one(write: Write, limit: str, expected: list[tuple[int, int, str]]) -> None:
    root = write({"triggers/churn.yaml": TRIGGER.replace("LIMIT", limit)})
    assert [(problem.line, problem.column, problem.code) for problem in compiling.check(root)] == expected
