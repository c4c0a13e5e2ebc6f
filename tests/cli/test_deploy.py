from __future__ import annotations

import hashlib
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import PROJECT, retrigger, write_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Called

FILES = [
    "Procfile",
    "compiled.json",
    "main.py",
    "requirements.txt",
    f"retrigger-{metadata.version('retrigger')}+function-py3-none-any.whl",
]


def built(project: Path, *more: str | Path) -> Called:
    return retrigger("deploy", "bundle", project, "--env", "dev", *more)


def test_the_bundle_is_named_for_its_hash_in_this_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    called = retrigger("deploy", "bundle", "--env", "dev")
    [written] = project.glob("*.zip")
    data = written.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    assert (called.code, written.name) == (0, f"retrigger-dev-{digest[:12]}.zip")
    assert called.out.splitlines() == [
        f"{written.name}  {len(data):,} bytes  sha256 {digest}",
        *(f"  {name}" for name in FILES),
    ]
    assert called.err.splitlines()[0] == "compiled 2 triggers for dev"


def test_programs_are_told_all_in_one_line(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "dev.zip"
    called = built(project, "--out", out, "--format", "json")
    [line] = called.lines
    warned = line.pop("warnings")
    assert line == {
        "path": str(out),
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "environment": "dev",
        "cloud": "gcp",
        "triggers": ["requests", "tables"],
        "files": FILES,
    }
    assert [text for text in warned if f"warning: {text}" not in called.err] == []
    assert ["`callers`" in text for text in warned] == [True]


def test_two_calls_write_the_same_file(project: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1.zip", tmp_path / "2.zip"
    assert (built(project, "--out", first).code, built(project, "--out", second).code) == (0, 0)
    assert first.read_bytes() == second.read_bytes()


def test_an_environment_that_does_not_exist_is_answered_with_one_that_does(project: Path) -> None:
    called = retrigger("deploy", "bundle", project, "--env", "dve")
    assert called.code == 1
    assert "There is no environment `dve` (did you mean `dev`?)" in called.err


def test_mistakes_of_the_project_are_listed_and_nothing_is_written(tmp_path: Path) -> None:
    broken = PROJECT.replace("pipelines/train.json", "pipelines/tarin.json")
    project = write_project(tmp_path / "project", {"retrigger.yaml": broken})
    called = built(project, "--out", tmp_path / "x.zip")
    assert called.code == 1
    assert "retrigger.yaml:" in called.err
    assert list(tmp_path.glob("*.zip")) == []


def test_a_place_that_cannot_be_written_leaves_nothing_and_says_what_to_do(project: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "dev.zip"
    called = built(project, "--out", out)
    assert (called.code, called.out) == (2, "")
    assert f"error: {out} cannot be written: " in called.err
    assert called.err.endswith("Choose another place with --out FILE.\n")


def test_the_old_bundle_stays_where_a_new_one_cannot_be_put(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "taken.zip"
    (out / "inside").mkdir(parents=True)
    assert built(project, "--out", out).code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project", "taken.zip"]


@pytest.mark.parametrize("command", [("deploy",), ("deploy", "bundle")])
def test_it_teaches(command: tuple[str, ...]) -> None:
    called = retrigger(*command, "--help")
    assert "retrigger deploy bundle --env prod" in called.out
