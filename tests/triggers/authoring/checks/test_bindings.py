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
  inner:
    type: pipeline
    component:
      type: pipeline
      inputs: {model: {type: uri_folder}, epochs: {type: integer, default: 3}, deep: {type: boolean, optional: true}}
      outputs: {scores: {type: uri_folder}}
      jobs:
        score: {component: azureml:score:1, inputs: {model: "${{parent.inputs.model}}"}}
    inputs: {model: "${{parent.jobs.train.outputs.model}}", epochs: "5", deep: "True"}
  report: {component: azureml:report:1, inputs: {scores: "${{parent.jobs.inner.outputs.scores}}"}}
  again: {type: if_else, condition: "${{parent.jobs.report.outputs.bad}}", true_block: "${{parent.jobs.train}}"}
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
            (8, 88, "unknown_binding", "`rate`: the pipeline has no input `x` (it has data, group.rate)."),
        ),
        (
            "inner.outputs.scores",
            "inner.outputs.score",
            (
                *(19, 74, "unknown_binding"),
                "`scores`: the job `inner` has no output `score` (did you mean `scores`?).",
            ),
        ),
        (
            '{model: "${{parent.inputs.model',
            '{model: "${{parent.inputs.table',
            (17, 79, "unknown_binding", "`model`: the pipeline has no input `table` (it has deep, epochs, model)."),
        ),
        (
            'true_block: "${{parent.jobs.train',
            'true_block: "${{parent.jobs.trian',
            (
                *(20, 104, "unknown_binding"),
                "`true_block`: the pipeline has no job `trian` (did you mean `train`?).",
            ),
        ),
        ('epochs: "5"', 'epochs: "five"', (18, 69, "wrong_type", "`epochs`: it is NUMBER_INTEGER, 'five' is not.")),
        (
            'epochs: "5"',
            "epoch: 5",
            (
                *(18, 61, "unknown_parameter"),
                "`epoch`: the component of job `inner` has no such input (did you mean `epochs`?).",
            ),
        ),
        (
            'inputs: {model: "${{parent.jobs.train.outputs.model}}", epochs',
            "inputs: {epochs",
            (
                *(18, 5, "missing_parameter"),
                "`model`: the component of job `inner` needs this input and nothing gives it.",
            ),
        ),
    ],
)
def test_what_a_job_is_bound_to_must_be_there(
    write: Write, right: str, wrong: str, expected: tuple[int, int, str, str]
) -> None:
    assert told(write, TEMPLATE.replace(right, wrong)) == [expected]


def test_of_a_registered_component_nothing_is_known(write: Write) -> None:
    assert told(write, TEMPLATE.replace("prepare.outputs.table", "prepare.outputs.whatever")) == []
