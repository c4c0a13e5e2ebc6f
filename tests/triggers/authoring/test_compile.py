from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers import compiled
from retrigger.triggers.authoring import compile as compiling
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.errors import ProjectError
from retrigger.triggers.match import Index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Write = Callable[[Mapping[str, str]], Path]

GOLDEN = Path(__file__).parents[2] / "golden"
SECTION_6 = GOLDEN / "section6"


def test_the_example_of_the_design_is_right() -> None:
    assert compiling.check(SECTION_6) == []


def test_the_example_of_the_design_is_as_printed() -> None:
    design = Path(__file__).parents[3] / ".." / "shared" / "DESIGN.md"
    if not design.is_file():
        pytest.skip("the design is not beside the project")
    blocks = design.read_text(encoding="utf-8").split("```yaml\n")[1:3]
    printed = [block.split("```", 1)[0] for block in blocks]
    files = (SECTION_6 / "triggers" / "churn.yaml", SECTION_6 / "retrigger.yaml")
    assert printed == [file.read_text(encoding="utf-8") for file in files]


def test_what_a_function_loads_is_what_the_project_says() -> None:
    project = load_project(SECTION_6)
    loaded = compiled.load(compiling.compile_project(project, "dev"))
    ((sha, template),) = project.templates.items()
    assert loaded.environment == project.environments["dev"]
    assert [loaded.trigger(name) for name in loaded.names] == list(project.triggers)
    assert loaded.index == Index.build(project.triggers, project.environments["dev"]).to_json()
    assert loaded.template(sha) == json.loads(template.text)


def test_compiling_twice_gives_the_same_text() -> None:
    assert compiling.compile_project(load_project(SECTION_6), "dev") == compiling.compile_project(
        load_project(SECTION_6), "dev"
    )


def test_planted_mistakes_are_all_told_at_once_each_at_its_place() -> None:
    expected = (GOLDEN / "check" / "expected.txt").read_text(encoding="utf-8").splitlines()
    assert [str(problem) for problem in compiling.check(GOLDEN / "check")] == expected


def test_the_emulator_compiles_for_itself() -> None:
    project = load_project(SECTION_6)
    endpoints = {"storage": "http://127.0.0.1:1", "vertex": "http://127.0.0.1:2"}
    local = compiling.local_environment(project, like=None, ledger="file:///tmp/ledger", endpoints=endpoints)
    dev = project.environments["dev"]
    assert local == replace(dev, name="local", ledger="file:///tmp/ledger", endpoints=endpoints)
    assert compiled.load(compiling.compile_project(project, local)).environment == local


def test_the_emulator_is_called_by_programs_of_this_machine_whoever_may_call_elsewhere() -> None:
    project = load_project(SECTION_6)
    dev = replace(project.environments["dev"], callers="platform")
    project = replace(project, environments={"dev": dev})
    local = compiling.local_environment(project, like="dev", ledger="sqlite:x", endpoints={})
    assert local == replace(dev, name="local", ledger="sqlite:x", callers=(), endpoints={})


@pytest.mark.parametrize(
    ("name", "expected"),
    [("prod", (14, 3, "not_supported_yet")), ("dve", (3, 1, "unknown_environment"))],
)
def test_an_environment_that_cannot_be_compiled_is_told(name: str, expected: tuple[int, int, str]) -> None:
    project = load_project(SECTION_6)
    with pytest.raises(ProjectError) as caught:
        compiling.compile_project(project, name)
    assert [(problem.line, problem.column, problem.code) for problem in caught.value.problems] == [expected]


def test_a_project_that_breaks_a_rule_is_not_compiled(write: Write) -> None:
    root = write({"triggers/two.yaml": "name: two\nsource: [{object: {in: lost, match: a}}]\nlaunch: {pipeline: x}\n"})
    with pytest.raises(ProjectError) as caught:
        compiling.compile_project(load_project(root), "dev")
    assert [problem.code for problem in caught.value.problems] == ["unknown_store", "unknown_pipeline"]


def test_a_project_on_azure_alone_has_nothing_to_be_like() -> None:
    project = replace(load_project(SECTION_6), environments={})
    with pytest.raises(ProjectError) as caught:
        compiling.local_environment(project, like=None, ledger="", endpoints={})
    assert [problem.code for problem in caught.value.problems] == ["no_environment"]
