from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring.schema import json_schema
from retrigger.triggers.compiled import load
from tests.cli.conftest import REQUESTS, TABLES, TEMPLATE, retrigger, write_project

if TYPE_CHECKING:
    from pathlib import Path

    from retrigger.triggers.authoring.schema import Kind


def test_a_project_that_is_right_is_answered_with_silence(project: Path) -> None:
    called = retrigger("check", project)
    assert (called.code, called.out, called.err) == (0, "", "")


def test_every_mistake_of_every_file_is_shown_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "triggers/tables.yaml": TABLES.replace("in: landing", "in: landings"),
        "triggers/requests.yaml": REQUESTS.replace("limit: 2", "limit: two"),
    }
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path / "project", files)
    called = retrigger("check", "project")
    assert called.code == 1
    lines = called.out.splitlines()
    assert lines[0].startswith("project/triggers/requests.yaml:9:30: ")
    assert lines[1:3] == ["    9 | admit: {concurrency: {limit: 2}}".replace("2}", "two}"), "      | " + " " * 29 + "^"]
    assert lines[3].startswith("project/triggers/tables.yaml:3:18: unknown_store: ")
    assert "did you mean `landing`" in lines[3]
    assert lines[4:] == [
        '    3 |   - object: {in: landings, match: "churn/dt={dt}/*.csv", filter: event.object.size > 3}',
        "      | " + " " * 17 + "^",
    ]


def test_places_are_never_wrapped(tmp_path: Path) -> None:
    long = "x" * 300
    folder = write_project(
        tmp_path, {"triggers/tables.yaml": TABLES.replace("in: landing", f"in: landing, colour: {long}")}
    )
    called = retrigger("check", folder)
    place, source, caret = called.out.splitlines()
    assert place.startswith(f"{folder}/triggers/tables.yaml:3:27: ")
    assert len(source) < 200
    assert caret == "      | " + " " * 26 + "^"


def test_json_lines_hold_the_place(tmp_path: Path) -> None:
    folder = write_project(tmp_path, {"triggers/tables.yaml": TABLES + "colour: red\n"})
    called = retrigger("check", folder, "--format", "json")
    (problem,) = called.lines
    assert called.code == 1
    assert (problem["line"], problem["column"], set(problem)) == (7, 1, {"path", "line", "column", "code", "message"})
    assert problem["path"].endswith("triggers/tables.yaml")


def test_broken_yaml_a_missing_template_and_a_wrong_type_are_told(tmp_path: Path) -> None:
    for name, files, told in (
        ("yaml", {"triggers/tables.yaml": "name: [\n"}, "yaml_syntax"),
        ("template", {"retrigger.yaml": ""}, "retrigger.yaml"),
        ("type", {"triggers/tables.yaml": TABLES.replace('"${{ window.folder }}"', "17")}, "triggers/tables.yaml:6"),
    ):
        called = retrigger("check", write_project(tmp_path / name, files))
        assert (called.code, told in called.out) == (1, True), called.out


def test_a_missing_template_is_told_where_it_is_named(tmp_path: Path) -> None:
    folder = write_project(tmp_path)
    (folder / "pipelines" / "train.json").unlink()
    called = retrigger("check", folder)
    assert (called.code, "missing_template" in called.out) == (1, True)


def test_a_compiled_file_that_the_project_has_left_behind_is_told(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "dev.json"
    retrigger("compile", project, "--env", "dev", "--out", out)
    assert retrigger("check", project, "--compiled", out).code == 0
    trigger = project / "triggers" / "requests.yaml"
    trigger.write_text(trigger.read_text(encoding="utf-8").replace("limit: 2", "limit: 3"), encoding="utf-8")
    called = retrigger("check", project, "--compiled", out, "--format", "json")
    (problem,) = called.lines
    assert (called.code, problem["path"], problem["code"]) == (1, str(out), "stale_compiled")


def test_a_file_that_is_not_compiled_is_told_in_one_sentence(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "dev.json"
    out.write_bytes(b"\xff\xfe")
    called = retrigger("check", project, "--compiled", out)
    assert (called.code, "Traceback" in called.err, "retrigger compile" in called.err) == (2, False, True)


def test_the_line_of_a_secret_is_not_shown(project: Path) -> None:
    trigger = project / "triggers" / "requests.yaml"
    text = trigger.read_text(encoding="utf-8")
    trigger.write_text(text.replace("parameters: {", "parameters: {password: hunter2, "), encoding="utf-8")
    called = retrigger("check", project)
    assert ("secret_in_parameter" in called.out, "hunter2" in called.out) == (True, False)


def test_the_caret_stands_under_the_name_within_an_expression(project: Path) -> None:
    trigger = project / "triggers" / "tables.yaml"
    text = trigger.read_text(encoding="utf-8")
    trigger.write_text(text.replace("event.object.size", "event.object.sise"), encoding="utf-8")
    _, line, caret = retrigger("check", project).out.splitlines()
    assert line[caret.index("^") :].startswith("event.object.sise")


def test_no_project_is_told(tmp_path: Path) -> None:
    called = retrigger("check", tmp_path)
    assert (called.code, "no_project" in called.err) == (1, True)


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    assert retrigger("check", tmp_path / "nope").code == 2


def test_compile_writes_the_file_and_says_what_it_holds(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "dev.json"
    called = retrigger("compile", project, "--env", "dev", "--out", out, "--format", "json")
    (told,) = called.lines
    assert (called.code, told["path"], told["triggers"]) == (0, str(out), ["requests", "tables"])
    assert load(out.read_text()).environment.name == "dev"
    again = retrigger("compile", project, "--env", "dev", "--out", out)
    assert told["sha256"] in again.out
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["dev.json"]


def test_compile_refuses_an_unknown_environment_and_a_project_with_mistakes(project: Path) -> None:
    called = retrigger("compile", project, "--env", "def")
    assert (called.code, "did you mean `dev`" in called.err) == (1, True)
    (project / "pipelines" / "train.json").write_text(json.dumps({**TEMPLATE, "root": {"dag": {"tasks": {}}}}))
    called = retrigger("compile", project, "--env", "dev")
    assert (called.code, "triggers/" in called.err) == (1, True)


def test_a_pipe_in_the_triggers_folder_is_told_and_not_waited_for(tmp_path: Path) -> None:
    folder = write_project(tmp_path)
    os.mkfifo(folder / "triggers" / "pipe.yaml")
    called = retrigger("check", folder)
    assert (called.code, "missing_file" in called.out) == (1, True)


@pytest.mark.parametrize("kind", ["trigger", "project"])
def test_the_schema_of_a_file_is_printed_for_editors_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    monkeypatch.chdir(tmp_path)
    called = retrigger("check", "--schema", kind)
    assert (called.code, json.loads(called.out)) == (0, json_schema(kind))
    assert retrigger("check", "--schema", "pipeline").code == 2
