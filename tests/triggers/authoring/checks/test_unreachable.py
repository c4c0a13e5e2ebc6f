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
  - object: {in: landing, match: "{dt}/*.csv"}
  - SOURCE
launch: {pipeline: train, parameters: {data: "${{ vars.table }}"}}
"""


def told(root: Path, code: str = "unreachable_source") -> list[tuple[int, int]]:
    return [(it.line, it.column) for it in compiling.check(root) if it.code == code]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('object: {in: landing, match: "a/b/*"}', []),
        ('object: {in: landing, match: "gs://acme-dev-landing/a/b/*"}', [(4, 34)]),
        ('object: {in: landing, match: "a/b/"}', [(4, 34)]),
        ('object: {in: landing, match: "**/LONG"}'.replace("LONG", "é" * 512), []),
        ('object: {in: landing, match: "x/LONG"}'.replace("LONG", "é" * 512), [(4, 34)]),
        ('object: {in: landing, match: "2026/x.csv"}', [(4, 34)]),
        ('object: {in: landing, match: "b/**"}\n  - object: {in: landing, match: "b/*"}', [(5, 34)]),
        ('object: {in: landing, match: "b/*"}\n  - object: {in: landing, match: "b/**"}', []),
        ('object: {in: landing, match: "2026/x.csv", change: [deleted]}', []),
        ('object: {in: landing, match: "2026/x.csv", key: event.object.name}', []),
        ('object: {in: landing, match: "2026/x.csv", filter: event.object.size > 3}', [(4, 34)]),
        ("message: {in: requests, filter: 1 > 2}", [(4, 37)]),
        ("message: {in: requests, filter: event.kind == 'object'}", [(4, 37)]),
        ("message: {in: requests, filter: event.id == 'object'}", []),
        ("message: {in: requests, filter: vars.rows > 1000}", []),
        ("message: {in: requests, filter: event.kind =}", []),
        ("object: {in: landing, match: a, filter: event.object.change == 'deleted'}", [(4, 45)]),
        ("object: {in: landing, match: a, change: [created, deleted], filter: event.object.change == 'deleted'}", []),
        ("message: {in: requests}\nfilter: event.kind == 'object'", [(5, 9)]),
    ],
)
def test_a_source_that_no_event_reaches_is_told(write: Write, source: str, expected: list[tuple[int, int]]) -> None:
    assert told(write({"triggers/churn.yaml": TRIGGER.replace("SOURCE", source)})) == expected


@pytest.mark.parametrize(
    ("until", "expected"), [("**", [(3, 34)]), ("{dt}/*.csv", [(3, 34)]), ("{dt}/a.csv", []), ("*/_SUCCESS", [])]
)
def test_a_source_of_nothing_but_markers_is_told(write: Write, until: str, expected: list[tuple[int, int]]) -> None:
    trigger = TRIGGER.replace("  - SOURCE", f'admit: {{window: {{until: {{object: "{until}"}}}}}}')
    assert told(write({"triggers/churn.yaml": trigger})) == expected


@pytest.mark.parametrize(
    ("until", "expected"), [("{dt}/", [(4, 34)]), ("gs://b/_SUCCESS", [(4, 34)]), ("{dt}/_SUCCESS", [])]
)
def test_a_marker_that_no_store_can_hold_is_told(write: Write, until: str, expected: list[tuple[int, int]]) -> None:
    trigger = TRIGGER.replace("  - SOURCE", f'admit: {{window: {{until: {{object: "{until}"}}}}}}')
    assert told(write({"triggers/churn.yaml": trigger}), "unseen_marker") == expected
