"""The steps of the example on Azure ML: their code, their components' YAML, and the pipeline agree."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from retrigger.cli.churn import azure_steps, table
from retrigger.cli.churn.pipeline import REQUIREMENTS
from retrigger.local_emulator.runners import environments
from retrigger.local_emulator.runners.azureml import conda

EXAMPLE = Path(__file__).resolve().parents[3] / "examples/churn"
PIPELINE = yaml.safe_load((EXAMPLE / "pipelines/churn-azureml.yaml").read_text(encoding="utf-8"))
COMPONENTS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in EXAMPLE.glob("components/*.yaml")}


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_says_what_its_step_takes(name: str) -> None:
    component, step = COMPONENTS[name], azure_steps.STEPS[name]
    passed = re.findall(r'--([a-z-]+) "?\$\{\{(inputs|outputs)\.(\w+)\}\}', component["command"])
    assert component["name"] == f"churn_{name}"
    assert component["command"].startswith(f"python azure_steps.py {name} ")
    assert {option.replace("-", "_"): (side, key) for option, side, key in passed} == {
        **{key: ("inputs", key) for key in component["inputs"]},
        **{key: ("outputs", key) for key in component["outputs"]},
    }
    assert [key for key in step.__annotations__ if key != "return"] == [*component["inputs"], *component["outputs"]]


def test_the_pipeline_gives_each_component_its_inputs() -> None:
    wanted = {name: set(component["inputs"]) for name, component in COMPONENTS.items()}
    assert {name: set(job["inputs"]) for name, job in PIPELINE["jobs"].items()} == wanted
    assert {job["component"] for job in PIPELINE["jobs"].values()} == {f"azureml:churn_{name}:1" for name in wanted}


def test_both_platforms_import_the_same() -> None:
    conda = yaml.safe_load((EXAMPLE / "environments/conda.yaml").read_text(encoding="utf-8"))
    assert conda["dependencies"][-1]["pip"] == ["kfp==2.17.0", *REQUIREMENTS]


def run(folder: Path, step: str, python: str = sys.executable, **values: Any) -> subprocess.CompletedProcess[str]:
    words = [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    code = [python, str(EXAMPLE / "azure_steps.py"), step, *words]
    return subprocess.run(code, cwd=folder, capture_output=True, text=True, check=False)


def test_the_steps_turn_a_days_tables_into_two_sides(tmp_path: Path) -> None:
    table.write(tmp_path / "full.csv", seed=7, count=200)
    (tmp_path / "day" / "deep").mkdir(parents=True)
    for name, part in zip(
        ("day/a.csv", "day/deep/b.csv"), table.split(tmp_path / "full.csv", 2, tmp_path), strict=True
    ):
        part.rename(tmp_path / name)
    (tmp_path / "day" / "_SUCCESS").touch()
    read = run(tmp_path, "read_tables", data=tmp_path / "day", as_of="2026-01-31", table="table.csv")
    assert (read.returncode, read.stdout) == (0, "a.csv: 100 rows\nb.csv: 100 rows\n"), read.stderr
    clean, train, test = (str(tmp_path / f"{name}.csv") for name in ("clean", "train", "test"))
    azure_steps.validate(str(tmp_path / "table.csv"), min_rows="100", max_null_ratio="0.02", clean=clean)
    azure_steps.split(clean, test_fraction="0.25", seed="7", train=train, test=test)
    sides = [list(csv.reader(Path(path).read_text().splitlines())) for path in (train, test)]
    assert [len(side) - 1 for side in sides] == [150, 50]


def test_a_folder_without_tables_or_with_others_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,z\n1,2\n")
    other = run(tmp_path, "read_tables", data=tmp_path, as_of="2026-01-31", table=tmp_path / "out")
    assert (other.returncode, other.stderr) == (
        1,
        "b.csv: its columns are not those of a.csv. Export it again.\n",
    )
    (tmp_path / "empty").mkdir()
    nothing = run(tmp_path, "read_tables", data=tmp_path / "empty", as_of="2026-01-31", table=tmp_path / "out")
    assert (nothing.returncode, "there is no .csv file" in nothing.stderr) == (1, True)


def test_a_model_that_is_not_good_enough_fails_the_last_step(tmp_path: Path) -> None:
    packages = conda.requirements((EXAMPLE / "environments/conda.yaml").read_text(encoding="utf-8"))
    python = environments.interpreter(packages, sys.executable)
    if python is None:
        pytest.skip("`retrigger prepare` has not made the environment of the steps")
    rows = [f"{x},{x * x % 7},{int(x > 40)}\n" for x in range(80)]
    for name, side in (("train.csv", rows[::2]), ("test.csv", rows[1::2])):
        (tmp_path / name).write_text("".join(["a,b,answer\n", *side]))
    logreg = run(tmp_path, "train_logreg", python, train="train.csv", model="logreg")
    xgb = run(tmp_path, "train_xgb", python, train="train.csv", seed=7, model="xgb")
    assert (logreg.returncode, xgb.returncode) == (0, 0), logreg.stderr + xgb.stderr
    models = {"logreg": "logreg", "xgb": "xgb"}
    judged = run(tmp_path, "evaluate", python, test="test.csv", **models, min_auc=1.1, best="best")
    assert (judged.returncode, "is under min_auc, 1.1: it is not registered" in judged.stderr) == (1, True), judged
    assert (tmp_path / "best" / "features.json").read_text() == '["a", "b"]'
