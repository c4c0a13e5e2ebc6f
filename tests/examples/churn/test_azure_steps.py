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


def run(folder: Path, step: str, **values: Any) -> subprocess.CompletedProcess[str]:
    words = [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    code = [sys.executable, str(EXAMPLE / "azure_steps.py"), step, *words]
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
    valid = run(tmp_path, "validate", table="table.csv", min_rows=100, max_null_ratio=0.02, clean="clean.csv")
    assert (valid.returncode, valid.stdout) == (0, "200 rows read, 200 used\n"), valid.stderr
    sides = run(tmp_path, "split", clean="clean.csv", test_fraction=0.25, seed=7, train="train.csv", test="test.csv")
    assert sides.returncode == 0, sides.stderr
    with (tmp_path / "train.csv").open() as train, (tmp_path / "test.csv").open() as test:
        assert [len(list(csv.reader(side))) - 1 for side in (train, test)] == [150, 50]


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
