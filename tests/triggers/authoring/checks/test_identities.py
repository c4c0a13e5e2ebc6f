from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers import compiled
from retrigger.triggers.authoring import compile as compiling
from retrigger.triggers.authoring.problems import ProjectError
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.spec import PlugIn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from retrigger.triggers.authoring.project import Project

    Write = Callable[[Mapping[str, str]], Path]


def project(write: Write, pipeline: str = "", environment: str = "") -> Path:
    """`pipeline`, `environment`: what they say of identities."""
    root = write({})
    file = root / "retrigger.yaml"
    text = file.read_text(encoding="utf-8")
    assert ", service_account: default}" in text
    file.write_text(text.replace(", service_account: default}", f"{pipeline}}}") + environment, encoding="utf-8")
    return root


def test_a_pipeline_that_would_run_as_the_default_account_is_told_where_it_stands(write: Write) -> None:
    root = project(write)
    assert [(it.line, it.column, it.code) for it in compiling.check(root)] == [(10, 17, "default_service_account")]
    with pytest.raises(ProjectError) as caught:
        compiling.compile_project(load_project(root), "dev")
    assert [it.code for it in caught.value.problems] == ["default_service_account"]


@pytest.mark.parametrize(
    ("pipeline", "environment", "runs_as"),
    [
        (", service_account: ml@acme.example", "", "ml@acme.example"),
        (", service_account: default", "", "default"),
        ("", "    service_account: all@acme.example\n", "all@acme.example"),
        ("", "    service_account: default\n", "default"),
        (", service_account: ml@acme.example", "    service_account: default\n", "ml@acme.example"),
        (", service_account: default", "    service_account: all@acme.example\n", "default"),
    ],
)
def test_a_pipeline_runs_as_it_says_or_else_as_its_environment_says(
    write: Write, pipeline: str, environment: str, runs_as: str
) -> None:
    root = project(write, pipeline, environment)
    assert compiling.check(root) == []
    loaded = compiled.load(compiling.compile_project(load_project(root), "dev"))
    assert loaded.environment.pipelines["train"].service_account == runs_as


def with_launcher(loaded: Project) -> Project:
    launcher = PlugIn(name="spool", target="a:b", package="a==1")
    return replace(loaded, environments={"dev": replace(loaded.environments["dev"], launcher=launcher)})


def test_what_a_plug_in_launches_is_no_matter_of_vertex_ai(write: Write) -> None:
    spooled = with_launcher(load_project(project(write)))
    assert compiled.load(compiling.compile_project(spooled, "dev")).environment.launcher is not None


def test_the_emulator_knows_no_identities(write: Write) -> None:
    loaded = load_project(project(write))
    local = compiling.local_environment(loaded, like="dev", ledger="sqlite:x", services={})
    assert local.pipelines["train"].service_account == "default"
    assert compiled.load(compiling.compile_project(loaded, local)).environment == local
