"""`replay --env`: a run of one ledger, done in another environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from retrigger.cli.elsewhere import Target, environment_named
from retrigger.handlers.ledger import Ledger
from retrigger.triggers.authoring.compile import compile_project
from retrigger.triggers.authoring.problems import ProjectError
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.compiled import load
from tests.cli.conftest import PROJECT, retrigger, write_project
from tests.cli.held import Held

if TYPE_CHECKING:
    from pathlib import Path

TWO = (
    PROJECT
    + """\
  prod:
    cloud: gcp
    project: acme-prod
    location: europe-west1
    service_account: ml@acme-prod.iam.gserviceaccount.com
    ledger: gs://acme-prod-retrigger
    stores: {landing: gs://acme-prod-landing}
    channels: {requests: projects/acme-prod/topics/requests}
    pipelines: {train: {template: pipelines/train.json, root: gs://acme-prod-pipelines}}
"""
)


@pytest.fixture
def here(project: Path, tmp_path: Path) -> Held:
    return Held.of(project, tmp_path / "here")


@pytest.fixture
def there(project: Path, tmp_path: Path) -> Held:
    return Held.of(project, tmp_path / "there")


def test_a_run_of_another_ledger_is_done_on_the_emulator(here: Held, there: Held) -> None:
    there.publish("a")
    there.finish()
    [ran] = there.run("runs", "--format", "json").lines
    before = {entry.key: entry.version for entry in there.records.list("")}
    asked = ("replay", ran["id"], "--ledger", f"sqlite:{there.state.ledger}", "--env", "local")

    called = here.run(*asked, "--dry-run")
    assert (called.code, called.err) == (0, "1 shadow would be asked for in dev.\n")
    assert list(here.records.list("")) == []

    called = here.run(*asked)
    assert (called.code, called.err) == (0, "1 shadow asked for in dev: its next tick, within a minute, does it.\n")
    assert called.out.startswith(f"launch run {ran['id']}: as dev did -> run requests-")
    here.wind()
    [run] = here.run("runs", "--format", "json").lines
    assert (run["state"], run["parameters"], run["event"]) == ("running", ran["parameters"], ran["id"])
    assert {entry.key: entry.version for entry in there.records.list("")} == before

    called = here.run(*asked, "--format", "json")
    [plan] = called.lines
    assert (called.code, called.err, plan["action"]) == (1, "", "leave")
    assert plan["reason"] == f"it came to dev before, as run {run['id']}: replay it there"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("x", "--env", "local"), 2, "local is where it came"),
        (("--all", "--env", "local"), 2, "leave --all and --new-run out"),
        (("x", "--new-run", "--env", "local"), 2, "leave --all and --new-run out"),
        (("x", "--yes"), 2, "Only --env asks"),
        (("x", "--env", "local", "--ledger", "THERE"), 1, "knows no run, dead letter, event or object `x`"),
    ],
)
def test_what_cannot_be_asked_is_said(
    here: Held, there: Held, arguments: tuple[str, ...], code: int, said: str
) -> None:
    address = f"sqlite:{there.state.ledger}"
    called = here.run("replay", *(address if it == "THERE" else it for it in arguments))
    assert (called.code, said in called.err) == (code, True), called.err


def test_an_environment_is_one_of_the_project_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: Held
) -> None:
    project = write_project(tmp_path / "two", {"retrigger.yaml": TWO})
    monkeypatch.chdir(project)
    target = environment_named("prod", None)
    assert (target.address, target.place) == ("gs://acme-prod-retrigger", "acme-prod/europe-west1")
    own = "projects/acme-prod/topics/requests"
    assert target.channels == {"projects/acme-dev/topics/requests": own, own: own}
    with pytest.raises(ProjectError, match="There is no environment `staging`"):
        environment_named("staging", None)
    called = retrigger("replay", "x", "--env", "staging", "--ledger", f"sqlite:{there.state.ledger}")
    assert (called.code, "There is no environment `staging`" in called.err) == (1, True)


@pytest.mark.parametrize(("answer", "goes_on"), [("y\n", True), ("n\n", False), ("", False)])
@pytest.mark.parametrize("is_emulator", [True, False])
def test_only_the_emulators_is_not_asked_for(project: Path, answer: str, goes_on: bool, is_emulator: bool) -> None:
    target = Target(load(compile_project(load_project(project), "dev")), "", {}, is_emulator)
    with CliRunner().isolation(input=answer) as (_, err, *_):
        if goes_on or is_emulator:
            target.confirm("1 shadow")
        else:
            with pytest.raises(click.Abort):
                target.confirm("1 shadow")
        said = err.getvalue().decode() if err else ""
    assert said.startswith("The next tick of dev, at acme-dev/europe-west4, launches") is not (
        is_emulator or not answer
    )


def test_a_ledger_is_the_same_however_it_is_addressed(here: Held) -> None:
    here.publish("a")
    here.finish()
    Ledger(here.records, "dev").begin()
    [ran] = here.run("runs", "--format", "json").lines
    ledger = here.state.ledger
    called = here.run("replay", ran["id"], "--ledger", f"sqlite:{ledger.parent}/./{ledger.name}", "--env", "local")
    assert (called.code, "local is where it came" in called.err) == (2, True)
    assert len(here.run("runs", "--format", "json").lines) == 1
