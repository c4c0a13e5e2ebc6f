from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling
from tests.triggers.authoring.checks.test_references import AZURE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]

TEMPLATE = """\
type: pipeline
inputs: {data: {type: uri_folder}, group.rate: {type: number, default: 1}}
outputs: {model: {type: uri_folder}}
jobs:
  prepare: {component: azureml:prepare:1, inputs: {data: "${{parent.inputs.data}}"}}
  train:
    component: azureml:train:1
    inputs: {table: "${{parent.jobs.prepare.outputs.table}}", rate: "${{ parent.inputs.group.rate }}"}
    outputs: {model: "${{parent.outputs.model}}"}
"""


def told(write: Write, template: str) -> list[tuple[int, int, str, str]]:
    root = write({"retrigger.yaml": AZURE, "pipelines/train.yaml": template})
    found = [(it.line, it.column, it.code, it.message) for it in compiling.check(root)]
    # A component that stands in the file is not launched (test_references), but what is bound to it is looked at.
    return [it for it in found if it[2] not in {"unpinned_reference", "not_launchable"}]


def test_a_pipeline_whose_bindings_are_all_there_is_right(write: Write) -> None:
    assert told(write, TEMPLATE) == []


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        (
            "parent.inputs.data",
            "parent.inputs.dta",
            (5, 76, "unknown_binding", "`data`: the pipeline has no input `dta` (did you mean `data`?)."),
        ),
        (
            "parent.jobs.prepare.",
            "parent.jobs.prepar.",
            (8, 37, "unknown_binding", "`table`: the pipeline has no job `prepar` (did you mean `prepare`?)."),
        ),
        (
            "parent.inputs.group.",
            "parent.inputs.x.",
            (8, 88, "unknown_binding", "`rate`: the pipeline has no input `x` (it has data, group)."),
        ),
        (
            "parent.jobs.prepare.",
            "parent.jobs.train.",
            (
                *(8, 37, "circular_binding"),
                "No job of this circle would ever begin: train waits for train.",
            ),
        ),
    ],
)
def test_what_a_step_is_bound_to_must_be_there(
    write: Write, right: str, wrong: str, expected: tuple[int, int, str, str]
) -> None:
    assert told(write, TEMPLATE.replace(right, wrong)) == [expected]


def test_steps_that_wait_for_each_other_are_told_once(write: Write) -> None:
    circle = TEMPLATE.replace("parent.inputs.data", "parent.jobs.train.outputs.model")
    message = "No job of this circle would ever begin: prepare waits for train waits for prepare."
    assert told(write, circle) == [(5, 74, "circular_binding", message)]


def test_of_a_registered_component_nothing_is_known(write: Write) -> None:
    assert told(write, TEMPLATE.replace("prepare.outputs.table", "prepare.outputs.whatever")) == []
