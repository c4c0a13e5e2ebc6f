from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling
from tests.triggers.authoring.checks.test_references import AZURE
from tests.triggers.authoring.conftest import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]

NEXT = """\
name: next
source:
  - lifecycle: {of: churn}
filter: FILTER
launch: {pipeline: train, parameters: {data: "x ${{ PARAMETER }}"}}
"""
METRIC = "event.lifecycle.properties.metrics.auc"


def told(root: Path) -> list[tuple[str, int, int, str]]:
    return [(it.path, it.line, it.column, it.message) for it in compiling.check(root) if it.code == "no_metrics"]


def written(write: Write, project: str, condition: str, parameter: str = "event.lifecycle.name") -> Path:
    text = NEXT.replace("FILTER", condition).replace("PARAMETER", parameter)
    return write({"retrigger.yaml": project, "triggers/next.yaml": text})


REASON = (
    "Azure ML, where environment `prod` runs, tells no metrics of a run: have the run tag its job "
    "and read `event.lifecycle.tags`, or ask `has(…)` first"
)


def test_a_filter_that_nothing_would_pass_is_told_with_its_place(write: Write) -> None:
    [found] = told(written(write, AZURE, f"event.attempt < 9 && {METRIC} > 0.9"))
    assert found[:3] == ("triggers/next.yaml", 4, 30)
    assert REASON in found[3]


def test_so_is_a_parameter_that_none_would_have(write: Write) -> None:
    [found] = told(written(write, AZURE, "event.attempt < 9", METRIC))
    assert found[:3] == ("triggers/next.yaml", 5, 53)


@pytest.mark.parametrize(
    "condition",
    [
        f"has({METRIC}) ? {METRIC} > 0.9 : double(event.lifecycle.tags.auc) > 0.9",
        "double(event.lifecycle.tags.auc) > 0.9",
        '"event.lifecycle.properties.metrics" == event.id',
    ],
)
def test_what_asks_first_or_reads_tags_is_fine(write: Write, condition: str) -> None:
    assert told(written(write, AZURE, condition)) == []


def test_vertex_ai_tells_them(write: Write) -> None:
    assert told(written(write, PROJECT, f"{METRIC} > 0.9")) == []
