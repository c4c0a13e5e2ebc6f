"""Triggers are held and let go: what is said of it, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import retrigger
from tests.cli.held import Held

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def held(project: Path, tmp_path: Path) -> Held:
    return Held.of(project, tmp_path / "state")


def test_what_comes_during_a_pause_launches_after_it(held: Held) -> None:
    called = held.run("pause", "requests", "--reason", "an incident", "--by", "ann")
    assert (called.code, called.out.endswith("by ann: an incident\n")) == (0, True)
    assert (held.publish("a"), held.publish("b")) == ("deferred", "deferred")
    held.wind()
    assert held.platform.jobs == {}
    assert held.run("resume", "requests").out == "requests is resumed.\n"
    held.wind()
    assert len(held.platform.jobs) == 2


def test_who_paused_it_first_stays_on_record(held: Held) -> None:
    held.run("pause", "requests", "--reason", "first", "--by", "ann")
    called = held.run("pause", "requests", "--reason", "second", "--by", "bob")
    assert (called.code, called.out.startswith("Nothing changed: requests is paused since ")) == (0, True)
    assert called.out.endswith(" by ann: first\n")


def test_a_pause_of_all_holds_a_trigger_that_was_never_named(held: Held) -> None:
    assert held.run("pause", "--all", "--reason", "quota").code == 0
    assert (held.publish("a"), held.platform.jobs) == ("deferred", {})
    assert held.run("resume", "--all").code == 0
    held.wind()
    assert len(held.platform.jobs) == 1


def test_a_trigger_stays_paused_while_any_pause_holds_it(held: Held) -> None:
    for name in ("requests", "--all"):
        held.run("pause", name, "--reason", "twice", "--by", "ann")
    called = held.run("resume", "--all")
    assert (called.code, called.err.startswith("Still paused: requests is paused since ")) == (0, True)
    held.run("pause", "--all", "--reason", "twice", "--by", "ann")
    called = held.run("resume", "requests")
    assert called.err.startswith("Still paused: Every trigger is paused since ")
    assert (held.publish("a"), held.platform.jobs) == ("deferred", {})


def test_runs_and_why_say_who_holds_it_and_why(held: Held) -> None:
    held.run("pause", "requests", "--reason", "an incident", "--by", "ann")
    held.publish("a")
    assert " by ann: an incident\n" in held.run("runs").err
    assert " by ann: an incident\n" in held.run("why", "a").out
    [chain] = held.run("why", "a", "--format", "json").lines
    assert [(it["trigger"], it["by"], it["reason"]) for it in chain["pauses"]] == [("requests", "ann", "an incident")]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("pause", "request", "--reason", "x"), 1, "did you mean `requests`"),
        (("pause", "--reason", "x"), 2, "Name one trigger, or say --all."),
        (("pause", "requests", "--all", "--reason", "x"), 2, "Name one trigger, or say --all."),
        (("pause", "requests"), 2, "Missing option '--reason'"),
        (("resume", "requests"), 1, "requests is not paused: nothing changed."),
        (("resume", "--all"), 1, "not paused"),
    ],
)
def test_what_cannot_be_held_is_said(held: Held, arguments: tuple[str, ...], code: int, said: str) -> None:
    called = held.run(*arguments)
    assert (called.code, said in called.err) == (code, True), called.err


def test_a_ledger_elsewhere_needs_its_project_for_the_names(held: Held) -> None:
    there = ("--ledger", f"sqlite:{held.state.ledger}")
    called = retrigger("pause", "requests", "--reason", "x", *there)
    assert (called.code, "--compiled FILE" in called.err) == (2, True)
    assert retrigger("pause", "requests", "--reason", "x", *there, "--compiled", held.state.compiled).code == 0
    assert held.publish("a") == "deferred"
