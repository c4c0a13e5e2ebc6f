from __future__ import annotations

import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from retrigger.local_emulator.runners import environments
from retrigger.local_emulator.runners.environments import Lightweight, Requirements, lightweight
from retrigger.local_emulator.runners.errors import PipelineError

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = ("sh", "-ec", "python3 -m kfp.dsl.executor_main", "def f(): pass")


def bootstrap(installs: str) -> list[str]:
    script = f'\nif ! [ -x "$(command -v pip)" ]; then\n  python3 -m ensurepip\nfi\n\n{installs} && "$0" "$@"\n'
    return ["sh", "-c", script, *PROGRAM]


@pytest.mark.parametrize(
    ("installs", "expected"),
    [
        (
            "python3 -m pip install --quiet --no-warn-script-location 'kfp==2.16.0' '--no-deps' 'x; y<\"3.9\"'",
            Requirements((), "2.16.0"),
        ),
        (
            (
                "python3 -m pip install --quiet --index-url https://h/simple 'pandas>=2,<3' 'odd[a && b]'  &&  "
                "python3 -m pip install 'kfp==2.16.0' '--no-deps'"
            ),
            Requirements((("--index-url", "https://h/simple", "pandas>=2,<3", "odd[a && b]"),), "2.16.0"),
        ),
        ("python3 -m pip install 'kfp==2.15.0' 'pandas'", Requirements((("kfp==2.15.0", "pandas"),), "")),
    ],
)
def test_the_bootstrap_is_read_and_not_run(installs: str, expected: Requirements) -> None:
    assert lightweight(bootstrap(installs), "kfp-2.17.0") == Lightweight(expected, PROGRAM)


def test_a_component_without_a_bootstrap_gets_the_kfp_that_compiled_it() -> None:
    assert lightweight(PROGRAM, "kfp-2.17.0") == Lightweight(Requirements((), "2.17.0"), PROGRAM)


def test_any_other_container_is_not_lightweight() -> None:
    assert lightweight(["sh", "-c", "python3 -m pip install x && python3 train.py"], "kfp-2.17.0") is None


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Requirements:
    """Requirements that need no network: a wheel on disk. The cache folder is the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tiny.py", "answer = 42\n")
        file.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        file.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("tiny-1.0.dist-info/RECORD", "")
    return Requirements((("--offline", "--no-deps", str(path)),), "")


def test_an_environment_is_made_once_and_then_needs_no_installer(
    wheel: Requirements, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    assert environments.interpreter(wheel, sys.executable) is None
    python = environments.create(wheel, sys.executable, said.append)
    (tmp_path / "tiny-1.0-py3-none-any.whl").unlink()
    monkeypatch.setenv("PATH", "")
    assert environments.create(wheel, sys.executable, said.append) == python
    assert environments.interpreter(wheel, sys.executable) == python
    assert said == [f"creating the environment of {wheel}"]
    ran = subprocess.run([python, "-c", "import tiny; print(tiny.answer)"], capture_output=True, text=True, check=True)
    assert ran.stdout == "42\n"


def test_what_a_killed_builder_left_is_cleared(wheel: Requirements) -> None:
    python = environments.create(wheel, sys.executable, lambda _: None)
    place = environments.folder() / next(path.name for path in environments.folder().iterdir() if path.is_dir())
    place.rename(place.with_suffix(".partial"))
    (place.with_suffix(".partial") / "bin" / "python").unlink()
    assert environments.create(wheel, sys.executable, lambda _: None) == python
    assert sorted(path.name for path in environments.folder().iterdir()) == [place.name, f"{place.name}.lock"]


def test_requirements_that_cannot_be_met_are_told_with_uvs_reason(wheel: Requirements, tmp_path: Path) -> None:
    (tmp_path / "tiny-1.0-py3-none-any.whl").unlink()
    with pytest.raises(PipelineError, match=r"the environment of .*tiny.* cannot be made: .*tiny"):
        environments.create(wheel, sys.executable, lambda _: None)
    assert environments.interpreter(wheel, sys.executable) is None


def test_a_component_that_needs_only_the_installed_kfp_runs_in_the_present_environment() -> None:
    installed = environments.lightweight(PROGRAM, "kfp-2.17.0")
    assert installed is not None
    assert environments.interpreter(installed.requirements, sys.executable) == sys.executable


def test_prepare_makes_what_the_pipeline_needs_and_tells(wheel: Requirements) -> None:
    install = " ".join(f"'{word}'" for word in wheel.installs[0])
    command = bootstrap(f"python3 -m pip install 'kfp' {install}")  # naming kfp: nothing is added
    spec = {
        "sdkVersion": "kfp-2.17.0",
        "deploymentSpec": {
            "executors": {
                "plain": {"container": {"command": list(PROGRAM)}},
                "import": {"importer": {}},
                "other": {"container": {"command": ["sh", "-c", "true"]}},
            }
        },
    }
    said: list[str] = []
    environments.prepare(environments.requirements_of(spec), report=said.append)
    assert said == ["ready: kfp==2.17.0"]
    assert [
        str(item)
        for item in environments.requirements_of(
            {**spec, "deploymentSpec": {"executors": {"tiny": {"container": {"command": command}}}}}
        )
    ] == [f"kfp, {', '.join(wheel.installs[0])}"]
