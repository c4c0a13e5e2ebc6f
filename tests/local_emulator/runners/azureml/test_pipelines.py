from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.local_emulator.runners.azureml.pipelines import (
    Command,
    Declared,
    Given,
    Kept,
    OnlyInAzure,
    Pipeline,
    PipelineRequest,
    Step,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_request_is_read_as_it_was_written(tmp_path: Path) -> None:
    command = Command(
        "train",
        "python train.py",
        {"n": Declared("integer", "3", optional=True)},
        {"model": Declared("custom_model")},
        code="file:///src",
        environment="azureml:sk:1",
        conda="dependencies: []",
        variables={"A": "1"},
    )
    inner = Pipeline("inner", {"train": Step(command, {"n": Given("${{parent.inputs.n}}")}, timeout=60)})
    steps = {
        "inner": Step(inner, {"n": Given("5")}, {"model": Kept(binding="parent.outputs.model")}),
        "automl": Step(OnlyInAzure("automl", "regression")),
    }
    request = PipelineRequest(
        name="/subscriptions/s/resourceGroups/rg/providers/p/workspaces/ml/jobs/j",
        experiment="churn",
        pipeline=Pipeline("j", steps, {"n": Declared("")}, goes_on=False),
        inputs={"data": Given(uri="https://a.blob.core.windows.net/c/in", type="uri_folder")},
        outputs={"model": Kept(type="custom_model", asset="churn", version="1")},
        store="https://a.blob.core.windows.net/azureml",
        clock="/clock.json",
    )
    request.write(tmp_path)
    assert PipelineRequest.read(tmp_path) == request
