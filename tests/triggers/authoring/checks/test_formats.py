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
  - object: {in: landing, match: "*.csv", parameters: {data: "${{ window.folder }}"}}
  - message: {in: requests, parameters: {data: "${{ vars.table }}"}}
validate:
  object:
    format: FORMAT
    RULES
launch: {pipeline: train}
"""


@pytest.mark.parametrize(
    ("format_", "rules", "expected"),
    [
        ("csv", "columns: {a: {one_of: [x]}}", []),
        ("jsonl", "columns: {a: {one_of: [x]}}", []),
        (
            "parquet",
            "columns: {a: {one_of: [x]}, b: {one_of: [y]}, c: int}",
            [(8, 19, "not_in_footer"), (8, 37, "not_in_footer")],
        ),
        ("parquet", "columns: {a: {type: str}}", []),
        ("csv", "max_null_ratio: 0.1", []),
        ("parquet", "max_null_ratio: 0.1", []),
        ("jsonl", "max_null_ratio: 0.1", [(8, 5, "unused_key")]),
        ("jsonl", "max_null_ratio: 0.1\n    columns: {a: int}", []),
        ("csv", "min_rows: 5\n    max_rows: 5", []),
        ("csv", "min_rows: 5\n    max_rows: 4", [(9, 15, "bad_value")]),
    ],
)
def test_a_rule_that_no_object_can_fulfil_or_no_gate_can_judge_is_refused(
    write: Write, format_: str, rules: str, expected: list[tuple[int, int, str]]
) -> None:
    text = TRIGGER.replace("FORMAT", format_).replace("RULES", rules)
    root = write({"triggers/churn.yaml": text})
    assert [(problem.line, problem.column, problem.code) for problem in compiling.check(root)] == expected
