"""The main job as a newcomer runs it: real processes, real training. Needs what `make setup` prepared."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from retrigger.cli.churn import table

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("demo")
DEADLINE_S = 240


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "retrigger.cli", "demo", "--format", "json", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def demo(*arguments: str) -> dict[str, object]:
    done = run_demo(*arguments)
    assert done.returncode == 0, done.stderr[-4000:]
    [line] = done.stdout.splitlines()
    told: dict[str, object] = json.loads(line)
    return told


def test_the_generated_table_trains_once_though_the_function_is_killed_on_the_way() -> None:
    told = demo("--kill", "3")
    assert told["ok"] is True
    assert _states(told) == ["succeeded", "succeeded"]
    events = told["events"]
    assert isinstance(events, dict)
    assert (events["received"] >= 80, events["rejected"]) == (True, 20)
    assert events["launched"] <= 2  # a tick may be the one that launches; the runs are two, above


def test_the_real_table_reaches_its_auc(shared: Path) -> None:
    told = demo("--data", str(shared / "data" / "BankChurners.csv"))
    assert told["ok"] is True
    assert _states(told) == ["succeeded", "succeeded"]
    runs = told["runs"]
    assert isinstance(runs, list)
    assert all(run["metrics"]["auc"] >= 0.95 for run in runs)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 rows under the header cannot be cut into 20 parts"),
        (b"a,b\n1,2\n", "1 rows under the header cannot be cut into 20 parts"),
        (b"a,b\n" + b"\xff,1\n" * 30, "is no table in UTF-8: invalid start byte at byte 4; save it as UTF-8"),
    ],
)
def test_a_file_that_is_no_table_is_told_before_anything_starts(tmp_path: Path, content: bytes, said: str) -> None:
    data = tmp_path / "table.csv"
    data.write_bytes(content)
    done = run_demo("--data", str(data))
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


def test_a_table_without_a_column_ends_with_the_column_and_the_row(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    table.write(good, seed=7, count=2_000)
    bad.write_text(good.read_text().replace("Customer_Age", "Customer_Agee", 1))
    done = run_demo("--data", str(bad))
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"], told["runs"], told["events"]["rejected"]) == (1, False, [], 20)
    assert ".csv was refused: row 1: no column Customer_Age" in done.stderr


def test_a_table_that_only_the_pipeline_refuses_ends_with_its_reason(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    table.write(good, seed=7, count=2_000)
    bad.write_text(good.read_text().replace("Total_Amt_Chng_Q4_Q1", "Total_Amt", 1))
    done = run_demo("--data", str(bad))
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"], _states(told)) == (1, False, ["failed"])
    assert "Total_Amt_Chng_Q4_Q1" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_stopped_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "retrigger.cli", "demo"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        assert running.stdout is not None
        assert any("ready at" in line for line in running.stdout)
        running.send_signal(number)
        assert running.wait(timeout=30) != 0
    assert list(tmp_path.iterdir()) == []


def _states(told: dict[str, object]) -> list[str]:
    runs = told["runs"]
    assert isinstance(runs, list)
    return [run["state"] for run in runs]
