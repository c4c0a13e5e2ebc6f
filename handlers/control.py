"""What an operator may do to what runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from retrigger.handlers.launch import job_of

if TYPE_CHECKING:
    from retrigger.handlers.ledger import Ledger
    from retrigger.handlers.ports import Launcher


def cancel(ledger: Ledger, launcher: Launcher, name: str) -> Literal["cancelling", "ended", "not_launched", "unknown"]:
    """Ask the platform to stop a run; the tick records when it has. Doing it twice changes nothing.

    `not_launched`: it still waits for a slot or for the platform; it is launched first, then it can be cancelled.
    """
    run = ledger.runs.get(name)
    if run is None:
        return "unknown"
    match run.value.state:
        case "ended" | "carrying":
            return "ended"
        case "ready" | "wait":
            return "not_launched"
        case "launched":
            if ledger.runs.swap(run, replace(run.value, state="cancelling")) is None:
                return cancel(ledger, launcher, name)
    launcher.cancel(job_of(name, run.value).id)
    return "cancelling"
