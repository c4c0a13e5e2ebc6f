"""`retrigger rollouts` and `rollout`: how far each is, and what people may do with it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from retrigger.cli.errors import No
from retrigger.cli.local import ledger_at, ledger_option, state_option
from retrigger.cli.pausing import by_option, you
from retrigger.cli.render import Format, examples, format_option, json_line, note, say, table, time_of
from retrigger.handlers.launch import job_id
from retrigger.handlers.rollout import commands
from retrigger.handlers.rollout.telling import rollouts as told
from retrigger.triggers.authoring.wording import closest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from retrigger.handlers.ledger import Ledger
    from retrigger.handlers.rollout.commands import Done
    from retrigger.handlers.rollout.telling import RolloutView

    Command = Callable[..., Any]

_SOON = "the next tick, within a minute, does it."


@click.command(epilog=examples("retrigger rollouts", "retrigger rollouts --format json | jq .state"))
@state_option
@ledger_option
@format_option
def rollouts(folder: Path | None, ledger: str | None, form: Format) -> None:
    """Every rollout: how far it is, what it waits for, and why it is paused or went back. What changed last is last."""
    found = told(ledger_at(folder, ledger))
    if form == "json":
        for each in found:
            json_line(asdict(each))
        return
    if not found:
        note("There is no rollout.")
        return
    head = ("ROLLOUT", "STATE", "PHASE", "ENDPOINT", "MODEL", "SPLIT", "SINCE", "DETAIL")
    table(head, [_row(each) for each in found])


def _row(it: RolloutView) -> tuple[str, ...]:
    split = ", ".join(f"{name} {share} %" for name, share in it.split.items())
    detail = it.reason or (f"until {time_of(it.until)}" if it.until else "")
    step = f"{it.phase} {it.percent} %" if it.phase in {"approve", "shift", "bake"} else it.phase
    return (it.id, it.state, step, it.endpoint, f"{it.model}:{it.version}", split, time_of(it.since), detail)


@click.group(epilog=examples("retrigger rollout approve churn-serve-5f1c…", "retrigger rollout pause --help"))
def rollout() -> None:
    """Pause, resume, roll back or approve one rollout."""


def _asking(command: Command) -> Command:
    """What all of these commands take."""
    for add in (ledger_option, state_option, by_option, click.argument("rollout", metavar="ID")):
        command = add(command)
    return command


@rollout.command(epilog=examples('retrigger rollout pause churn-serve-5f1c… --reason "a look at the errors"'))
@click.option("--reason", required=True, metavar="TEXT", help="What whoever finds it paused will read.")
@_asking
def pause(rollout: str, reason: str, by: str | None, folder: Path | None, ledger: str | None) -> None:
    """Leave the endpoint as it is. The time for a consent runs on; after `resume` the step is watched anew."""
    held = ledger_at(folder, ledger)
    done = commands.pause(held, _known(held, rollout), by=by or you(), reason=reason)
    _say(done, f"{rollout} is paused.", f"{rollout} is paused already, or has ended")


@rollout.command(epilog=examples("retrigger rollout resume churn-serve-5f1c…"))
@_asking
def resume(rollout: str, by: str | None, folder: Path | None, ledger: str | None) -> None:
    """Go on from there. The split of the present step is asked for again, whatever the endpoint looks like by now."""
    held = ledger_at(folder, ledger)
    done = commands.resume(held, _known(held, rollout), by=by or you())
    _say(done, f"{rollout} goes on: {_SOON}", f"{rollout} is not paused")


@rollout.command(epilog=examples('retrigger rollout rollback churn-serve-5f1c… --reason "wrong features"'))
@click.option("--reason", required=True, metavar="TEXT", help="What the run will say.")
@_asking
def rollback(rollout: str, reason: str, by: str | None, folder: Path | None, ledger: str | None) -> None:
    """Back to the split that was there before. It is not tried again; its run ends as cancelled."""
    held = ledger_at(folder, ledger)
    done = commands.roll_back(held, _known(held, rollout), by=by or you(), reason=reason)
    _say(done, f"{rollout} goes back: {_SOON}", f"{rollout} goes back already, or it is too late for that")


@rollout.command(epilog=examples("retrigger rollout approve churn-serve-5f1c…"))
@_asking
def approve(rollout: str, by: str | None, folder: Path | None, ledger: str | None) -> None:
    """Consent to the step that waits for it."""
    held = ledger_at(folder, ledger)
    done = commands.approve(held, _known(held, rollout), by=by or you())
    unchanged = f"{rollout} does not wait for a consent, or not any more (one that is paused: `resume` it first)"
    _say(done, f"{rollout} is approved: {_SOON}", unchanged)


def _known(ledger: Ledger, name: str) -> str:
    """The rollout of this id; of a run, its last one. Raises No, with what is near, if there is none."""
    run = ledger.runs.get(name)
    known = name if run is None else job_id(name, run.value)
    if ledger.rollouts.get(known) is None:
        near = closest(name, [each.id for each in told(ledger)])
        raise No(f"There is no rollout `{name}`{near}: `retrigger rollouts` lists them.")
    return known


def _say(done: Done, changed: str, unchanged: str) -> None:
    if done != "done":
        raise No(f"{unchanged}: nothing changed.")
    say(changed)
