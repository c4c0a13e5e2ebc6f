"""The main job as a newcomer runs it: real processes, real training. Needs what `make setup` prepared."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("demo")
DEADLINE_S = 240


def demo(*arguments: str) -> dict[str, object]:
    command = [sys.executable, "-m", "retrigger.cli", "demo", "--format", "json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
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
    assert (events["received"] >= 80, events["rejected"], events["launched"]) == (True, 20, 2)


def test_the_real_table_reaches_its_auc(shared: Path) -> None:
    told = demo("--data", str(shared / "data" / "BankChurners.csv"))
    assert told["ok"] is True
    assert _states(told) == ["succeeded", "succeeded"]
    runs = told["runs"]
    assert isinstance(runs, list)
    assert all(run["metrics"]["auc"] >= 0.95 for run in runs)


def _states(told: dict[str, object]) -> list[str]:
    runs = told["runs"]
    assert isinstance(runs, list)
    return [run["state"] for run in runs]
