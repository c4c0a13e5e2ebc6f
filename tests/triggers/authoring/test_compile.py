from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers import compiled
from retrigger.triggers.authoring import compile as compiling
from retrigger.triggers.authoring.problems import ProjectError
from retrigger.triggers.authoring.project import load_project
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


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_what_a_function_loads_is_what_the_project_says(name: str) -> None:
    project = load_project(SECTION_6)
    environment = project.environments[name]
    loaded = compiled.load(compiling.compile_project(project, name))
    template = project.templates[environment.pipelines["churn"].template]
    assert loaded.environment == environment
    assert [loaded.trigger(name) for name in loaded.names] == list(project.triggers)
    assert loaded.index == Index.build(project.triggers, environment).to_json()
    assert loaded.template(template.sha) == json.loads(template.text)


def test_compiling_twice_gives_the_same_text() -> None:
    assert compiling.compile_project(load_project(SECTION_6), "dev") == compiling.compile_project(
        load_project(SECTION_6), "dev"
    )


def test_planted_mistakes_are_all_told_at_once_each_at_its_place() -> None:
    expected = (GOLDEN / "check" / "expected.txt").read_text(encoding="utf-8").splitlines()
    found = compiling.check(GOLDEN / "check")
    assert [str(problem) for problem in found] == expected
    assert len(set(found)) == len(found) >= 100
    assert len({problem.code for problem in found}) >= 50


def test_the_same_project_with_every_mistake_mended_is_answered_with_silence() -> None:
    assert compiling.check(GOLDEN / "check_right") == []
    loaded = compiled.load(compiling.compile_project(load_project(GOLDEN / "check_right"), "dev"))
    assert len(loaded.names) == len(list((GOLDEN / "check" / "triggers").iterdir()))


def test_what_is_only_untidy_does_not_keep_a_project_from_being_compiled(write: Write) -> None:
    root = write({})
    file = root / "retrigger.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("stores: {", "stores: {old: gs://acme-old, "), "utf-8")
    assert [problem.code for problem in compiling.check(root)] == ["unused_name"]
    assert compiled.load(compiling.compile_project(load_project(root), "dev")).names == ("churn",)


def test_the_emulator_compiles_for_itself() -> None:
    project = load_project(SECTION_6)
    services = {"storage": "http://127.0.0.1:1", "vertex": "http://127.0.0.1:2"}
    local = compiling.local_environment(project, like=None, ledger="file:///tmp/ledger", services=services)
    dev = project.environments["dev"]
    assert local == replace(dev, name="local", ledger="file:///tmp/ledger", services=services)
    assert compiled.load(compiling.compile_project(project, local)).environment == local


def test_the_emulator_is_called_by_programs_of_this_machine_whoever_may_call_elsewhere() -> None:
    project = load_project(SECTION_6)
    dev = replace(project.environments["dev"], callers="platform")
    project = replace(project, environments={"dev": dev})
    local = compiling.local_environment(project, like="dev", ledger="sqlite:x", services={})
    assert local == replace(dev, name="local", ledger="sqlite:x", callers=(), services={})


def test_an_environment_that_is_not_there_is_told() -> None:
    with pytest.raises(ProjectError) as caught:
        compiling.compile_project(load_project(SECTION_6), "dve")
    told = [(problem.line, problem.column, problem.code) for problem in caught.value.problems]
    assert told == [(3, 1, "unknown_environment")]


def test_the_emulator_may_be_like_an_environment_on_azure() -> None:
    project = load_project(SECTION_6)
    services = {"blob": "http://127.0.0.1:1"}
    local = compiling.local_environment(project, like="prod", ledger="sqlite:x", services=services)
    assert local == replace(project.environments["prod"], name="local", ledger="sqlite:x", services=services)


def test_a_project_that_breaks_a_rule_is_not_compiled(write: Write) -> None:
    root = write({"triggers/two.yaml": "name: two\nsource: [{object: {in: lost, match: a}}]\nlaunch: {pipeline: x}\n"})
    with pytest.raises(ProjectError) as caught:
        compiling.compile_project(load_project(root), "dev")
    assert [problem.code for problem in caught.value.problems] == ["unknown_store", "unknown_pipeline"]


def test_the_emulator_of_a_project_on_azure_alone_is_like_that() -> None:
    project = load_project(SECTION_6)
    prod = project.environments["prod"]
    local = compiling.local_environment(
        replace(project, environments={"prod": prod}), like=None, ledger="sqlite:x", services={}
    )
    assert local == replace(prod, name="local", ledger="sqlite:x")
