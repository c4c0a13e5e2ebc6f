"""Dead letters and replays, as their operator sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.errors import Refused
from tests.cli.conftest import retrigger
from tests.cli.held import Held

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def held(project: Path, tmp_path: Path) -> Held:
    return Held.of(project, tmp_path / "state")


def failed(held: Held, *names: str) -> None:
    for name in names:
        held.publish(name)
        held.finish("failed")


def test_a_dead_letter_says_what_died_why_and_when_and_is_replayed_by_its_id(held: Held) -> None:
    failed(held, "a")
    [letter] = held.run("events", "--dead", "--format", "json").lines
    assert (letter["kind"], letter["state"], letter["code"], letter["attempts"]) == ("run", "dead", "run_failed", 1)
    assert (letter["first"], letter["event"]["message"]["json"]["id"]) == (letter["last"], "a")
    shown = held.run("events", "--dead", "--trigger", "requests").out
    assert all(told in shown for told in (letter["id"], "run_failed", letter["subject"]))
    assert held.run("events", "--dead", "--trigger", "tables").err == "There is no dead letter.\n"

    called = held.run("replay", letter["id"])
    assert (called.code, called.err) == (0, "1 replay asked for: the next tick, within a minute, does it.\n")
    assert called.out.startswith(f"launch projects/acme-dev/topics/requests: run {letter['subject']} failed -> run ")
    held.wind()
    assert [run["state"] for run in held.run("runs", "--format", "json").lines] == ["failed", "running"]
    [letter] = held.run("events", "--dead", "--format", "json").lines
    assert letter["state"] == "replayed"
    again = held.run("replay", letter["id"])
    assert (again.code, again.out.startswith("leave "), ": it runs, as " in again.out) == (1, True, True)


def test_a_dry_run_asks_for_nothing(held: Held) -> None:
    failed(held, "a")
    called = held.run("replay", "--all", "--dry-run")
    assert (called.code, called.err) == (0, "1 replay would be asked for.\n")
    held.wind()
    assert len(held.platform.jobs) == 1


def test_many_are_replayed_at_once_by_trigger_and_time(held: Held) -> None:
    failed(held, "a", "b", "c")
    assert len(held.run("replay", "--all", "--since", "5m", "--dry-run", "--format", "json").lines) == 1
    assert held.run("replay", "--all", "--trigger", "tables").code == 1
    called = held.run("replay", "--all", "--trigger", "requests", "--since", "2d", "--format", "json")
    assert [line["action"] for line in called.lines] == ["launch"] * 3
    held.wind()
    held.finish()
    assert len(held.platform.jobs) == 6
    assert held.run("replay", "--all").code == 1


def test_what_succeeded_is_done_once_more_only_with_new_run(held: Held) -> None:
    held.publish("a")
    held.finish()
    called = held.run("replay", "a")
    assert (called.code, "succeeded: --new-run does it once more" in called.out) == (1, True)
    assert held.run("replay", "--new-run", "a").code == 0
    held.wind()
    assert len(held.platform.jobs) == 2


def test_a_run_that_could_not_be_launched_is_replayed_with_its_members(held: Held) -> None:
    held.drop("dt=1/a.csv")
    refused = Refused("403 actAs", code="permission_denied")

    def refuse(*_: object) -> None:
        raise refused

    submit = held.platform.submit
    held.platform.submit = refuse  # type: ignore[method-assign, assignment]
    held.drop("dt=1/_SUCCESS", b"")
    held.platform.submit = submit  # type: ignore[method-assign]
    [run] = held.run("runs", "--format", "json").lines
    called = held.run("replay", run["id"])
    assert f"run {run['id']} could not be launched -> run " in called.out
    assert called.out.endswith(" with 1 member\n")
    held.wind()
    [_, again] = held.run("runs", "--format", "json").lines
    assert (again["replay_of"], again["phase"], again["parameters"]) == (run["id"], "launched", run["parameters"])


def test_a_waiting_run_is_cancelled(held: Held) -> None:
    for name in "abc":
        held.publish(name)
    waiting = held.run("events", "--format", "json").lines[2]
    named = ("--ledger", f"sqlite:{held.state.ledger}")
    unnamed = retrigger("cancel", waiting["run"], *named)
    assert (unnamed.code, "with --compiled FILE" in unnamed.err) == (2, True)
    called = retrigger("cancel", waiting["run"], *named, "--compiled", held.state.compiled)
    assert (called.code, called.out) == (0, f"{waiting['run']} is cancelled: it waited for a slot, and will not run.\n")
    [event] = [line for line in held.run("events", "--format", "json").lines if line["id"] == waiting["id"]]
    assert event["result"] == "skipped"
    assert "cancelled while it waited for a slot" in held.run("why", waiting["run"]).out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("replay",), 2, "Name what to replay, or say --all"),
        (("replay", "x", "--all"), 2, "Name what to replay, or say --all"),
        (("replay", "x", "--since", "2d"), 2, "Name what to replay, or say --all"),
        (("replay", "nobody"), 1, "The ledger knows no run, dead letter, event or object `nobody`"),
        (("replay", "--all", "--since", "soon"), 2, "`soon` is no duration"),
        (("replay", "--all", "--since", "2026-13-01"), 2, "`2026-13-01` is no time"),
    ],
)
def test_what_cannot_be_replayed_is_said(held: Held, arguments: tuple[str, ...], code: int, said: str) -> None:
    called = held.run(*arguments)
    assert (called.code, said in called.err) == (code, True), called.err


def test_an_event_is_forgotten_and_what_is_left_of_it_is_named(held: Held) -> None:
    failed(held, "ada")
    called = held.run("forget", "ada", "--dry-run")
    assert (called.code, called.out.startswith("requests: 3 records would be forgotten\n")) == (0, True)
    called = held.run("forget", "ada")
    assert called.out.startswith("requests: 3 records forgotten\n")
    assert "  not reached: the job of run " in called.out
    assert held.run("events", "--format", "json").lines[0]["id"].startswith("forgotten:")
    assert held.publish("ada") == "duplicate"
    assert held.run("why", "ada").code == 1
    again = held.run("forget", "ada")
    assert (again.code, "The ledger knows no event or object `ada`" in again.err) == (1, True)
    held.publish("bob")
    [line] = held.run("forget", "bob", "--format", "json").lines
    assert (line["records"], "has not ended" in line["why_not"]) == (0, True)
