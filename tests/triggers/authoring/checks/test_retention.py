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
  - SOURCE
launch: {pipeline: train, parameters: {data: "${{ vars.table }}"}}
"""
OBJECTS = 'object: {in: landing, match: "*.csv"}'


def told(root: Path) -> list[tuple[str, int, int]]:
    return [(it.path, it.line, it.column) for it in compiling.check(root) if it.code == "short_keep"]


@pytest.mark.parametrize(
    ("source", "rest", "expected"),
    [
        (OBJECTS, "deduplicate: {keep: 7d}", []),
        (OBJECTS, "deduplicate: {keep: 6d23h}", [("triggers/churn.yaml", 5, 21)]),
        (OBJECTS, "admit: {deduplicate: {keep: 1h}}", [("triggers/churn.yaml", 5, 29)]),
        ("message: {in: requests}", "deduplicate: {keep: 1d}", [("triggers/churn.yaml", 5, 21)]),
        ('schedule: {cron: "0 6 * * *"}', "deduplicate: {keep: 1d}", []),
    ],
)
def test_what_may_come_again_is_remembered_for_as_long(
    write: Write, source: str, rest: str, expected: list[tuple[str, int, int]]
) -> None:
    assert told(write({"triggers/churn.yaml": TRIGGER.replace("SOURCE", source) + rest})) == expected


def test_a_default_that_is_too_short_is_told_where_it_stands(write: Write) -> None:
    root = write({})
    file = root / "retrigger.yaml"
    file.write_text(f"defaults: {{deduplicate: {{keep: 1d}}}}\n{file.read_text(encoding='utf-8')}", encoding="utf-8")
    assert told(root) == [("retrigger.yaml", 1, 32)]
