from __future__ import annotations

import json
import sys
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from retrigger.local_emulator.runners import environments
from retrigger.local_emulator.runners.azureml import conda
from tests.cli.conftest import retrigger

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _nothing_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_OFFLINE", "1")


def test_without_a_package_index_it_says_so() -> None:
    called = retrigger("prepare")
    assert called.code == 3
    assert called.err.startswith("creating the environment of ")
    assert "Is the package index reachable?" in called.err


def test_what_is_there_is_not_made_again() -> None:
    example = files("retrigger.cli.churn")
    template = json.loads((example / "pipelines" / "churn.json").read_text(encoding="utf-8"))
    packages = (example / "environments" / "conda.yaml").read_text(encoding="utf-8")
    wanted = dict.fromkeys([*environments.requirements_of(template), conda.requirements(packages)])
    for requirements in wanted:
        python = environments._place(requirements, sys.executable) / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.touch()
    called = retrigger("prepare")
    assert (called.code, called.err) == (0, "".join(f"ready: {one}\n" for one in wanted))
    quiet = retrigger("prepare", "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
