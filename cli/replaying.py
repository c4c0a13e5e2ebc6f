"""`retrigger replay`: failed runs and dead letters once more."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

import click

from retrigger.cli.elsewhere import environment_named
from retrigger.cli.errors import NO, No, Usage
from retrigger.cli.local import ledger_at, ledger_option, state_of, state_option
from retrigger.cli.render import Format, count, examples, format_option, json_line, note, paint, say, visible
from retrigger.cli.times import since as since_when
from retrigger.handlers.ledger import to_ms
from retrigger.handlers.replay import Replay
from retrigger.handlers.shadowing import Shadowing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from retrigger.cli.elsewhere import Target
    from retrigger.handlers.ledger import Ledger
    from retrigger.handlers.replay import Plan

_TOLD_EVERY = 1_000
_T = TypeVar("_T")


@click.command(
    epilog=examples(
        "retrigger replay churn-retrain-5f1c…                 a run that failed, was lost or cancelled",
        "retrigger replay 9c0b…                               a dead letter, of `retrigger events --dead`",
        "retrigger replay gs://acme-dev-landing/churn/x.csv   an event that was rejected, by today's trigger",
        "retrigger replay --new-run churn-retrain-5f1c…       also if it succeeded",
        "retrigger replay --all --trigger churn-retrain --since 2d --dry-run",
        "retrigger replay churn-retrain-5f1c… --ledger gs://acme-prod-retrigger --env local   a shadow here",
    )
)
@click.argument("targets", metavar="[ID|URI]...", nargs=-1)
@click.option("--skip-completed", "mode", flag_value="skip", default="skip", help="Leave what succeeded. The default.")
@click.option("--new-run", "mode", flag_value="again", help="Also what succeeded; of a window with all of its members.")
@click.option("--all", "every", is_flag=True, help="Every dead letter, and every run that failed or was lost.")
@click.option("--trigger", metavar="NAME", help="With --all: only of this trigger.")
@click.option("--since", metavar="2d|TIME", help="With --all: only what ended since then.")
@click.option("--env", "environment", metavar="NAME", help="As a shadow: in this environment, or `local`.")
@click.option("--yes", is_flag=True, help="With --env: do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; do nothing.")
@state_option
@ledger_option
@format_option
@click.pass_context
def replay(
    ctx: click.Context,
    *,
    targets: tuple[str, ...],
    mode: str,
    every: bool,
    trigger: str | None,
    since: str | None,
    environment: str | None,
    yes: bool,
    dry_run: bool,
    folder: Path | None,
    ledger: str | None,
    form: Format,
) -> None:
    """Do once more what failed. What succeeded, runs or waits is left alone, and said.

    A run gets a new id and the same frozen request; a window's run has the members that its first one had. A rejected
    event is decided on anew, by today's triggers. A replay takes a slot like any other run, and is held by a pause. It
    is on record when this command returns; the next tick does it. Two who replay the same thing make one run of it.

    With --env the ledger that is read stays as it is, and another environment does it, once, also what succeeded: with
    the same values, by its own pipelines and identities. What launched nothing is decided on by the trigger of there.

    Exit code 1 if nothing was left to do.
    """
    if every == bool(targets) or ((trigger or since) and not every):
        raise click.UsageError("Name what to replay, or say --all, which --trigger and --since narrow.")
    if yes and environment is None:
        raise click.UsageError("Only --env asks: leave --yes out.")
    if environment is not None and (every or mode == "again"):
        raise click.UsageError("A shadow is of what is named, and once: leave --all and --new-run out with --env.")
    held = ledger_at(folder, ledger)
    if environment is not None:
        target = environment_named(environment, folder)
        here = target.ledger()
        if target.address == (ledger or f"sqlite:{state_of(folder).ledger}") or here.is_at(held):
            raise Usage(f"{environment} is where it came: leave --env out, or name another ledger with --ledger.")
        _shadow(ctx, held, here, target, targets, form=form, dry_run=dry_run, asks=not yes)
        return
    operator = Replay(held, again=mode == "again")
    plans = _every(held, operator, trigger, since) if every else _named(operator, targets)
    done: Counter[str] = Counter()
    for plan in plans:
        if not dry_run:
            operator.ask(plan)
        done[plan.action] += 1
        _tell(plan, form)
        if not done.total() % _TOLD_EVERY:
            note(f"{done.total():,} so far")
    if not done["launch"] + done["decide"]:
        ctx.exit(NO)
    if form == "text":
        begun = count(done["launch"] + done["decide"], "replay")
        note(
            f"{begun} would be asked for."
            if dry_run
            else f"{begun} asked for: the next tick, within a minute, does it."
        )


def _named(operator: Replay, targets: Iterable[str]) -> Iterator[Plan]:
    yield from dict.fromkeys(_looked_up(operator.of, targets))


def _looked_up(of: Callable[[str], list[_T]], targets: Iterable[str]) -> list[_T]:
    """Everything is looked up before anything is asked for."""
    plans = {target: of(target) for target in targets}
    unknown = [target for target, found in plans.items() if not found]
    if unknown:
        raise No(
            f"The ledger knows no run, dead letter, event or object `{unknown[0]}`: `retrigger runs`, "
            "`retrigger events` and `retrigger events --dead` list them."
        )
    return [plan for found in plans.values() for plan in found]


def _shadow(
    ctx: click.Context,
    held: Ledger,
    here: Ledger,
    target: Target,
    targets: Iterable[str],
    *,
    form: Format,
    dry_run: bool,
    asks: bool,
) -> None:
    """Everything is told before it is asked for."""
    shadowing = Shadowing(held, here, target.compiled, target.index, target.channels)
    found = {it.plan: it for it in _looked_up(shadowing.of, targets)}.values()
    for shadow in found:
        _tell(shadow.plan, form)
    wanted = [shadow for shadow in found if shadow.claim is not None]
    if not wanted:
        ctx.exit(NO)
    begun, where = count(len(wanted), "shadow"), target.compiled.environment.name
    if not dry_run:
        if asks:
            target.confirm(begun)
        here.begin()
        for shadow in wanted:
            shadowing.ask(shadow)
    if form == "text":
        done = "asked for" if not dry_run else "would be asked for"
        note(f"{begun} {done} in {where}{'.' if dry_run else ': its next tick, within a minute, does it.'}")


def _every(ledger: Ledger, operator: Replay, trigger: str | None, since: str | None) -> Iterator[Plan]:
    since_ms = 0 if since is None else to_ms(since_when(since, ledger.records.now()))
    return operator.every(trigger=trigger, since_ms=since_ms)


def _tell(plan: Plan, form: Format) -> None:
    if form == "json":
        json_line(asdict(plan))
        return
    members = f" with {count(plan.members, 'member')}" if plan.members else ""
    becomes = {"launch": f" -> run {plan.run}{members}", "decide": " -> decided on anew", "leave": ""}[plan.action]
    say(f"{paint(plan.action)} {visible(plan.subject)}: {visible(plan.reason)}{becomes}")
