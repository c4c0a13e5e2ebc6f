from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.local_emulator.runners.azureml.mlmodel import Flavour, read
from retrigger.local_emulator.runners.environments import Requirements
from retrigger.local_emulator.runners.errors import PipelineError

if TYPE_CHECKING:
    from pathlib import Path

NONE = Requirements((), "")
SKLEARN = """\
flavors:
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.sklearn
    model_path: model.pkl
    python_version: 3.11.7
"""
OWN = "flavors: {python_function: {loader_module: mine, data: weights, code: code, env: conda.yaml}}\n"


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_a_model_says_what_loads_it_and_what_that_needs(tmp_path: Path) -> None:
    lines = "# made by mlflow\nmlflow==2.9.2\nscikit-learn>=1.3  # the newest\n\n--extra-index-url https://x\n"
    model = written(tmp_path, MLmodel=SKLEARN, requirements_txt=lines, conda_yaml="dependencies: [numpy]\n")
    words = ("mlflow==2.9.2", "scikit-learn>=1.3", "--extra-index-url", "https://x")
    assert read(model) == Flavour("mlflow.sklearn", model, None, Requirements((words,), ""))


@pytest.mark.parametrize("mlmodel", [SKLEARN, OWN])
def test_without_a_list_of_requirements_the_conda_file_says_it(tmp_path: Path, mlmodel: str) -> None:
    model = written(tmp_path, MLmodel=mlmodel, conda_yaml="dependencies: [python=3.11, {pip: [mlflow]}]\n")
    assert read(model).requirements == Requirements((("mlflow",),), "")


def test_a_model_may_bring_its_own_loader_and_need_nothing(tmp_path: Path) -> None:
    model = written(tmp_path, MLmodel=OWN, requirements_txt="# none\n")
    assert read(model) == Flavour("mine", model / "weights", model / "code", NONE)
    (model / "requirements.txt").unlink()
    assert read(model).requirements == NONE


@pytest.mark.parametrize(
    ("mlmodel", "told"),
    [
        (None, "no MLmodel file"),
        ("a: [", "MLmodel is no YAML"),
        ("[]", "no flavour python_function"),
        ("flavors: [python_function]", "no flavour python_function"),
        ("flavors: {spark: {}}", "no flavour python_function"),
        ("flavors: {python_function: {loader_module: 1}}", "no flavour python_function"),
        ("x" * (2 << 20), "larger than"),
    ],
)
def test_what_is_no_model_is_told_so(tmp_path: Path, mlmodel: str | None, told: str) -> None:
    if mlmodel is not None:
        written(tmp_path, MLmodel=mlmodel)
    with pytest.raises(PipelineError, match=told):
        read(tmp_path)
