"""`retrigger status`, `retrigger down`: the emulator that runs."""

from __future__ import annotations

import fcntl
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from retrigger.cli import pausing
from retrigger.cli.errors import NO, Failed
from retrigger.cli.local import Remote, ledger_at, running_on, state_of, state_option
from retrigger.cli.render import Format, examples, fields, format_option, json_line, note, say, time_of
from retrigger.handlers.journal import Journal
from retrigger.local_emulator.claim import running

if TYPE_CHECKING:
    from pathlib import Path

    from retrigger.local_emulator.state import State

_PATIENCE_S: Final = 30.0


@click.command(epilog=examples("retrigger status", "retrigger status --format json"))
@state_option
@format_option
@click.pass_context
def status(ctx: click.Context, folder: Path | None, form: Format) -> None:
    """Say whether an emulator runs, where, and what it delivered. Exit code 1 if none does."""
    state = state_of(folder)
    process = running(state)
    if process is None:
        if form == "json":
            json_line({"running": False, "state": str(state.root)})
        else:
            say(f"No emulator runs on {state.root}.")
        ctx.exit(NO)
    told = Remote.at(process).control("GET", "/status")
    pauses = Journal(ledger_at(folder, None)).pauses()
    if form == "json":
        held = [asdict(pause) for pause in pauses]
        json_line({"running": True, "state": str(state.root), "started": process.started, **told, "pauses": held})
        return
    say(f"The emulator runs at {process.url} (process {process.pid}, since {time_of(process.started)}).")
    about = {
        "blob": str(told["blob_url"]),
        "queue": str(told["queue_url"]),
        "project": str(told["project_folder"]),
        "state": str(state.root),
        "clock": f"{time_of(told['now'])}, wound by {told['wound_s']:.0f} s",
    }
    deliveries = {
        name: ", ".join(f"{count:,} {what}" for what, count in counts.items())
        for name, counts in told["deliveries"].items()
    }
    fields(about | deliveries)
    for pause in pauses:
        say(pausing.told(pause))


@click.command(epilog=examples("retrigger down"))
@state_option
def down(folder: Path | None) -> None:
    """Stop the emulator. What it was told, and what it did, stays in its state folder."""
    state = state_of(folder)
    if running(state) is None:
        note(f"No emulator runs on {state.root}.")
        return
    Remote.of(state).control("POST", "/shutdown")
    deadline = time.monotonic() + _PATIENCE_S
    while _held(state):
        if time.monotonic() > deadline:
            process = running_on(state)
            raise Failed(f"The emulator still runs after {_PATIENCE_S:.0f} s: `kill {process.pid}` ends it.")
        time.sleep(0.05)
    say(f"Stopped. {state.root} keeps what happened; delete it to forget.")


def _held(state: State) -> bool:
    """Whether the lock, which goes with the process, is held."""
    with state.lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
