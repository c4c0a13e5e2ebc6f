"""`retrigger events`, `runs`, `cancel`: the ledger."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from retrigger.cli.errors import No
from retrigger.cli.local import (
    compiled_option,
    ledger_at,
    ledger_option,
    project_of,
    running_on,
    state_of,
    state_option,
    with_live_tasks,
)
from retrigger.cli.pausing import told
from retrigger.cli.render import Format, examples, format_option, json_line, metrics_line, note, say, table, time_of
from retrigger.handlers.control import cancel as ask_to_cancel
from retrigger.handlers.journal import Journal
from retrigger.handlers.letters import letters
from retrigger.handlers.wiring import cloud_of
from retrigger.triggers.authoring.wording import closest

if TYPE_CHECKING:
    from pathlib import Path

    from retrigger.handlers.journal import RunView
    from retrigger.handlers.letters import Letter


@click.command(
    epilog=examples(
        "retrigger events",
        "retrigger events --trigger churn-retrain --format json",
        "retrigger events --dead          what was given up: why, after how many tries, since when",
    )
)
@click.option("--trigger", metavar="NAME", help="Only what this trigger claimed.")
@click.option("--dead", is_flag=True, help="Dead letters: events, members and runs that were given up.")
@state_option
@ledger_option
@format_option
def events(trigger: str | None, folder: Path | None, ledger: str | None, form: Format, *, dead: bool) -> None:
    """What became of each event that a trigger claimed, oldest first. The emulator need not run.

    With --dead: what `retrigger replay ID` does once more, unless its state is `replayed` (somebody did) or `kept`
    (there is nothing to do: it was no event, or came with other content under an identity that was claimed).
    """
    if dead:
        _show_dead([it for it in letters(ledger_at(folder, ledger)) if trigger in {None, it.trigger}], form)
        return
    found = Journal(ledger_at(folder, ledger)).events()
    found = [event for event in found if trigger in {None, event.trigger}]
    if form == "json":
        for event in found:
            json_line(asdict(event))
        return
    if not found:
        note("No trigger has claimed an event yet.")
        return
    rows = [(time_of(it.seen), it.result, it.trigger, it.subject, it.id, it.run or "") for it in found]
    table(("SEEN", "RESULT", "TRIGGER", "SUBJECT", "EVENT", "RUN"), rows)


def _show_dead(found: list[Letter], form: Format) -> None:
    if form == "json":
        for letter in found:
            json_line(asdict(letter))
        return
    if not found:
        note("There is no dead letter.")
        return
    head = ("ID", "STATE", "KIND", "TRIGGER", "SUBJECT", "TRIES", "FIRST", "LAST", "CODE", "REASON")
    table(head, [_letter_row(letter) for letter in found])


def _letter_row(it: Letter) -> tuple[str, ...]:
    times = (str(it.attempts), time_of(it.first), time_of(it.last))
    return (it.id, it.state, it.kind, it.trigger or "", it.subject, *times, it.code, it.reason)


@click.command(epilog=examples("retrigger runs", "retrigger runs --format json | jq .metrics"))
@state_option
@ledger_option
@format_option
def runs(folder: Path | None, ledger: str | None, form: Format) -> None:
    """Every run, oldest first: running, succeeded, failed, cancelled or lost, with its metrics.

    States are as the last tick saw them; of what runs now, the emulator is asked for the tasks if it is up.
    """
    journal = Journal(ledger_at(folder, ledger))
    found = journal.runs()
    if ledger is None:
        found = with_live_tasks(state_of(folder), journal, found)
    if form == "json":
        for run in found:
            json_line(asdict(run))
        return
    for pause in journal.pauses():
        note(told(pause))
    if not found:
        note("Nothing was launched yet.")
        return
    table(("RUN", "STATE", "TRIGGER", "MEMBERS", "LAUNCHED", "ENDED", "DETAIL"), [_row(run) for run in found])


def _row(run: RunView) -> tuple[str, ...]:
    members = str(run.members) if run.members else ""
    busy = ", ".join(name for name, state in run.tasks.items() if state == "running")
    detail = f"in {busy}" if busy and run.state == "running" else metrics_line(run.metrics) or run.error or ""
    return (run.id, run.state, run.trigger, members, time_of(run.launched), time_of(run.ended), detail)


@click.command(
    epilog=examples(
        "retrigger cancel churn-retrain-5f1c…",
        "retrigger cancel churn-retrain-5f1c… --ledger gs://acme-dev-retrigger --compiled compiled-dev.json",
    )
)
@click.argument("run")
@state_option
@ledger_option
@compiled_option
def cancel(run: str, folder: Path | None, ledger: str | None, file: Path | None) -> None:
    """Stop a run: one that waits for its slot, or, by asking the platform, one that was launched.

    What is cancelled is neither tried again nor carried over; `retrigger replay` brings it back. Exit code 1 if there
    is nothing to stop.
    """
    compiled, held = project_of(folder, ledger, file), ledger_at(folder, ledger)
    if ledger is None:
        running_on(state_of(folder))
    launcher, _ = cloud_of(compiled.environment, os.environ)
    match ask_to_cancel(held, launcher, run):
        case "cancelling":
            say(f"{run} is being cancelled; `retrigger runs` shows when it has ended.")
        case "ended":
            raise No(f"{run} has ended already.")
        case "cancelled":
            say(f"{run} is cancelled: it waited for a slot, and will not run.")
        case "unknown":
            known = [view.id for view in Journal(held).runs()]
            raise No(f"There is no run `{run}`{closest(run, known)}: `retrigger runs` lists them.")
