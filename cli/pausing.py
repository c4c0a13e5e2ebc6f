"""`retrigger pause` and `resume`: hold triggers without a redeploy, and let them go."""

from __future__ import annotations

import getpass
import os
import socket
from typing import TYPE_CHECKING

import click

from retrigger.cli.errors import No
from retrigger.cli.local import (
    compiled_option,
    known_trigger,
    ledger_at,
    ledger_option,
    project_of,
    state_option,
)
from retrigger.cli.render import examples, note, say, time_of, visible
from retrigger.handlers.control import pause as hold
from retrigger.handlers.control import resume as let_go
from retrigger.handlers.journal import Journal
from retrigger.handlers.records import ALL_TRIGGERS
from retrigger.triggers.authoring.wording import closest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from retrigger.handlers.journal import PauseView

    Command = Callable[..., Any]


def by_option(command: Command) -> Command:
    """Who is on record for what an operator does."""
    return click.option("--by", metavar="WHO", help="Who is on record for it. Default: you, on this machine.")(command)


def _all_option(command: Command) -> Command:
    told = "Every trigger, also those that are deployed later."
    return click.option("--all", "every", is_flag=True, help=told)(command)


@click.command(
    epilog=examples(
        'retrigger pause churn-retrain --reason "the landing bucket is being backfilled"',
        'retrigger pause --all --reason "quota incident 4711"',
    )
)
@click.argument("trigger", required=False)
@_all_option
@click.option("--reason", required=True, metavar="TEXT", help="What whoever finds it paused will read.")
@by_option
@state_option
@ledger_option
@compiled_option
def pause(
    *,
    trigger: str | None,
    every: bool,
    reason: str,
    by: str | None,
    folder: Path | None,
    ledger: str | None,
    file: Path | None,
) -> None:
    """Hold a trigger: nothing new is launched, and nothing is lost.

    Events are claimed and gather meanwhile, and launch after `retrigger resume`. Runs that were launched go on. Times
    of a schedule that pass during a pause do not fire: `retrigger backfill TRIGGER --schedule A..B` takes them in.
    """
    name = _named(trigger, every=every)
    held = ledger_at(folder, ledger)
    if not every:
        known_trigger(project_of(folder, ledger, file), name)
    changed = hold(held, name, reason=reason, by=by or you())
    for it in Journal(held).pauses():
        if (it.trigger or ALL_TRIGGERS) == name:
            say(told(it) if changed else f"Nothing changed: {told(it)}")


@click.command(epilog=examples("retrigger resume churn-retrain", "retrigger resume --all"))
@click.argument("trigger", required=False)
@_all_option
@by_option
@state_option
@ledger_option
def resume(trigger: str | None, by: str | None, folder: Path | None, ledger: str | None, *, every: bool) -> None:
    """Let a paused trigger go: what was held is launched within a minute. Exit code 1 if it was not paused.

    `--all` lifts the pause of all; a trigger that was paused by itself stays so.
    """
    name = _named(trigger, every=every)
    held = ledger_at(folder, ledger)
    changed = let_go(held, name, by=by or you())
    left = Journal(held).pauses()
    if not changed:
        names = [it.trigger for it in left if it.trigger]
        hint = "" if every else closest(name, names)
        raise No(f"{_subject(None if every else name)} not paused{hint}: nothing changed.")
    say("No pause holds every trigger any more." if every else f"{name} is resumed.")
    for it in left:
        if every or it.trigger is None:
            note(f"Still paused: {told(it)}")


def told(it: PauseView) -> str:
    """A pause in one line, for people."""
    return visible(f"{_subject(it.trigger)} paused since {time_of(it.since)} by {it.by}: {it.reason}")


def _subject(trigger: str | None) -> str:
    return "Every trigger is" if trigger is None else f"{trigger} is"


def _named(trigger: str | None, *, every: bool) -> str:
    if every == (trigger is not None):
        raise click.UsageError("Name one trigger, or say --all.")
    return ALL_TRIGGERS if trigger is None else trigger


def you() -> str:
    """The user of this machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in many containers the user has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
