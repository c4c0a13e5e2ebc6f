"""The shape of the house: its folders, its packages, its commands."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import retrigger

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    ".ci", "api", "cli", "deploy", "docs", "examples", "functions", "handlers", "local_emulator", "tests", "triggers",
}  # fmt: skip
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PLACES: dict[str, str] = PYPROJECT["tool"]["setuptools"]["package-dir"]
MODULES = sorted(path for place in PLACES.values() for path in (ROOT / place).rglob("*.py"))


def kept() -> list[Path]:
    """The files that git keeps, or would keep if they were added."""
    listed = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(listed, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no git checkout")
    return [Path(name) for name in done.stdout.split("\0") if name and (ROOT / name).exists()]


def package_of(folder: Path) -> str:
    """The package whose modules lie in `folder`, by the longest place above it."""
    name, place = max(
        ((name, place) for name, place in PLACES.items() if folder.is_relative_to(ROOT / place)),
        key=lambda it: len(it[1]),
    )
    return ".".join([name, *folder.relative_to(ROOT / place).parts])


def test_the_packages_named_in_pyproject_are_those_on_disk() -> None:
    assert sorted(PYPROJECT["tool"]["setuptools"]["packages"]) == sorted({package_of(path.parent) for path in MODULES})


def test_every_package_has_an_init() -> None:
    assert [path.parent for path in MODULES if not (path.parent / "__init__.py").is_file()] == []


def test_nothing_else_grows_at_the_root() -> None:
    assert {path.parts[0] for path in kept() if len(path.parts) > 1} - FOLDERS == set()


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(ROOT)) for path in MODULES])
def test_a_module_says_first_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def targets() -> dict[str, str]:
    """The Makefile's targets that are commands, and what follows `##`."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.findall(r"^\.PHONY:(.*)$", text, re.MULTILINE)
    named = re.findall(r"^([a-z][a-z-]*):(?!=)([^\n]*)$", text, re.MULTILINE)
    assert {name for name, _ in named} == {name for line in phony for name in line.split()}
    return {name: rest.partition("##")[2].strip() for name, rest in named}


def test_every_make_target_says_what_it_does() -> None:
    assert [name for name, told in targets().items() if not told] == []


def test_the_commands_of_the_readme_are_make_targets() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", readme, re.MULTILINE))
    if not readme.strip():
        pytest.skip("the README is not written yet")
    assert len(named) >= 2
    assert named <= set(targets())


def test_what_is_public_can_be_imported() -> None:
    assert retrigger.__all__ == sorted(set(retrigger.__all__))
    assert [name for name in retrigger.__all__ if getattr(retrigger, name, None) is None] == []
    assert dir(retrigger) == retrigger.__all__
    with pytest.raises(AttributeError, match="Trigge"):
        retrigger.Trigge  # type: ignore[attr-defined]  # noqa: B018  # a mistake, on purpose


def test_importing_retrigger_imports_nothing_else_of_it() -> None:
    """Every cold start passes through it."""
    code = "import retrigger, sys; print(*sorted(name for name in sys.modules if name.startswith('retrigger.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
