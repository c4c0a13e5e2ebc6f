"""The examples of docs/plugins.md, installed as one package, at work in a project."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import functions_framework
import pytest

from retrigger.functions.gcp import SOURCE
from retrigger.functions.response import answer
from retrigger.handlers import wiring
from retrigger.handlers.adapters.memory import MemoryObjects, MemoryRecords
from retrigger.handlers.journal import Journal
from retrigger.handlers.wiring import App, assemble, cloud_of
from retrigger.testing import Sandbox
from retrigger.triggers.authoring.compile import check, compile_project
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.compiled import load
from tests.cli.conftest import retrigger
from tests.projects import template, write_files

if TYPE_CHECKING:
    from tests.plug_ins import Site

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"
FILES = {
    name: text
    for text in re.findall(r"```(?:python|toml|yaml)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for name in re.findall(r"\A# (\S+)\n", text)
}
PACKAGE: dict[str, Any] = tomllib.loads(FILES["pyproject.toml"])["project"]
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
TASK = b'{"task": "42", "folder": "gs://acme-dev-landing/labels/42/", "finished": "2026-11-20T10:00:00Z"}'


@pytest.fixture
def project(tmp_path: Path, site: Site) -> Path:
    points = {group.removeprefix("retrigger."): named for group, named in PACKAGE["entry-points"].items()}
    modules = {name: text for name, text in FILES.items() if name.endswith(".py")}
    site.install(PACKAGE["name"], points, modules, version=PACKAGE["version"], requires=PACKAGE["dependencies"])
    (tmp_path / "spool").mkdir()
    written = {
        "retrigger.yaml": FILES["retrigger.yaml"].replace("/tmp/spool", str(tmp_path / "spool")),  # noqa: S108  # the page's own
        "triggers/labels.yaml": FILES["triggers/labels.yaml"],
        "pipelines/train.json": template("train", data="STRING"),
    }
    write_files(tmp_path / "project", written)
    return tmp_path / "project"


@pytest.fixture
def app(project: Path) -> App:
    compiled = load(compile_project(load_project(project), "dev"))
    launcher, _ = cloud_of(compiled.environment, {})
    return assemble(compiled, MemoryRecords(lambda: NOW), launcher, MemoryObjects())


def test_every_group_has_an_example() -> None:
    assert sorted(PACKAGE["entry-points"]) == ["retrigger.formats", "retrigger.launchers", "retrigger.validators"]


def test_the_project_has_no_mistakes(project: Path) -> None:
    assert check(project) == []


def test_the_validator_lets_a_table_pass_and_turns_another_away(project: Path) -> None:
    sandbox = Sandbox(project, "dev")
    [good] = sandbox.drop("gs://acme-dev-landing/labels/a.csv", b"id,label\n1,cat\n")
    [bad] = sandbox.drop("gs://acme-dev-landing/labels/b.csv", b"label,id\ncat,1\n")
    reason = "header: row 1: the header is not id,label"
    assert [(it.result, [(said.code, said.reason) for said in it.verdicts]) for it in (good, bad)] == [
        ("launched", [("ok", "header: it fits")]),
        ("rejected", [("bad_event", reason)]),
    ]


def test_the_format_and_the_launcher_bring_a_webhook_to_one_job(app: App, tmp_path: Path) -> None:
    answers = [answer(lambda: app, TASK, lambda: app.parse({}, TASK, "labels")) for _ in range(2)]
    results = [json.loads(body)["outcomes"][0]["result"] for body, _, _ in answers]
    [run] = Journal(app.ledger).runs()
    [spooled] = (tmp_path / "spool").iterdir()
    assert (results, spooled.stem) == (["launched", "duplicate"], run.job)
    assert json.loads(spooled.read_text())["parameters"] == {"data": "gs://acme-dev-landing/labels/42/"}


def test_a_deployed_function_reads_the_route_for_whoever_may_call(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_project(project)
    here = replace(loaded.environments["dev"], ledger=f"sqlite:{tmp_path / 'ledger'}")
    (tmp_path / "compiled.json").write_text(compile_project(loaded, here), encoding="utf-8")
    monkeypatch.setenv("RETRIGGER_COMPILED", str(tmp_path / "compiled.json"))
    wiring.app.cache_clear()
    client = functions_framework.create_app("main", str(SOURCE), "http").test_client()
    told = client.post("/labels", data=TASK).get_json()
    stranger = client.post("/labels", data=TASK, environ_base={"REMOTE_ADDR": "10.1.2.3"})
    wiring.app.cache_clear()
    assert [outcome["result"] for outcome in told["outcomes"]] == ["launched"]
    assert stranger.status_code == 403


def test_explain_reads_the_route_and_shows_what_the_launcher_would_send(project: Path, tmp_path: Path) -> None:
    (tmp_path / "task.json").write_bytes(TASK)
    called = retrigger(
        *("explain", tmp_path / "task.json", "--route", "labels", "--project", project, "--format", "json")
    )
    [told] = called.lines
    assert (told["result"], told["not_checked"]) == (
        "launched",
        ["what the validator header (acme-retrigger==1.2.0) would say"],
    )
    assert told["request"]["url"] == (tmp_path / "spool" / f"{told['run']}.json").as_uri()
    assert [*(tmp_path / "spool").iterdir()] == []


def test_explain_prints_a_request_that_is_no_cloud_s(project: Path, tmp_path: Path) -> None:
    (tmp_path / "task.json").write_bytes(TASK)
    called = retrigger("explain", tmp_path / "task.json", "--route", "labels", "--project", project)
    assert (called.code, "PUT file://" in called.out) == (0, True)


def test_the_launcher_says_how_a_job_ended(app: App, tmp_path: Path) -> None:
    answer(lambda: app, TASK, lambda: app.parse({}, TASK, "labels"))
    journal = Journal(app.ledger)
    [run] = journal.runs()
    job, launcher = journal.job(run.id), app.core.admission.launcher
    states = [launcher.status(job).state, launcher.status(replace(job, id="other")).state]
    (tmp_path / "spool" / f"{run.job}.ended").write_text("0")
    assert [*states, launcher.status(job).state] == ["running", "lost", "succeeded"]


def test_what_is_no_task_is_told_with_the_format_s_own_code(app: App) -> None:
    body, status, _ = answer(lambda: app, b"[]", lambda: app.parse({}, b"[]", "labels"))
    assert (status, json.loads(body)["outcomes"][0]["error"]["code"]) == (200, "not_a_task")
