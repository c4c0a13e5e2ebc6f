"""What an operator may do: hold triggers and let them go, and stop what runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from retrigger.handlers.launch import job_of
from retrigger.handlers.ledger import Pause

if TYPE_CHECKING:
    from retrigger.handlers.ledger import Ledger
    from retrigger.handlers.ports import Launcher

_NEVER = Pause(paused=False, at_ms=0)


def pause(ledger: Ledger, name: str, *, reason: str, by: str) -> bool:
    """Hold a trigger, or ALL_TRIGGERS: events are claimed and gather, nothing new is launched. What runs goes on.

    -> False where it was paused already: who did so first, when and why, stays on record.
    """
    paused = Pause(paused=True, at_ms=ledger.now_ms(), reason=reason, by=by)
    return ledger.pauses.update(name, lambda old: None if old.paused else paused, _NEVER) is not None


def resume(ledger: Ledger, name: str, *, by: str) -> bool:
    """Let it go: what was held is launched by the next tick. -> False where nothing was paused under this name."""
    resumed = Pause(paused=False, at_ms=ledger.now_ms(), by=by)
    return ledger.pauses.update(name, lambda old: resumed if old.paused else None) is not None


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
