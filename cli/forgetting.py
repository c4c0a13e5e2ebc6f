"""`retrigger forget`: what somebody sent is taken out of the ledger."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from retrigger.cli.errors import NO, No
from retrigger.cli.local import ledger_at, ledger_option, state_option
from retrigger.cli.render import Format, count, examples, format_option, json_line, say, visible
from retrigger.handlers.forget import forget as forget_in

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    epilog=examples("retrigger forget gs://acme-dev-landing/churn/ada.csv --dry-run", "retrigger forget 1283911")
)
@click.argument("target", metavar="EVENT-ID|URI")
@click.option("--dry-run", is_flag=True, help="Say what would be forgotten, and what would be left; do nothing.")
@state_option
@ledger_option
@format_option
@click.pass_context
def forget(
    ctx: click.Context, *, target: str, dry_run: bool, folder: Path | None, ledger: str | None, form: Format
) -> None:
    """Take an event's content, and the parameters that came from it, out of claims, runs and dead letters.

    That it came stays known, by a hash: if it comes again it is a duplicate. It cannot be replayed any more. What lies
    where the ledger does not reach is named. Exit code 1 if some of it still waits or runs.
    """
    found = list(forget_in(ledger_at(folder, ledger), target, dry_run=dry_run))
    if not found:
        raise No(f"The ledger knows no event or object `{target}`: `retrigger events` lists them.")
    for it in found:
        if form == "json":
            json_line(asdict(it))
            continue
        done = f"{count(it.records, 'record')} {'would be forgotten' if dry_run else 'forgotten'}"
        say(f"{it.trigger}: {it.why_not or done}")
        for place in it.left:
            say(f"  not reached: {visible(place)}")
    if any(it.why_not for it in found):
        ctx.exit(NO)
