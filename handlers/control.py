"""What an operator may do: hold triggers and let them go, and stop what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from retrigger.handlers.jobs import RolloutJob
from retrigger.handlers.launch import job_of
from retrigger.handlers.outcome import Verdict
from retrigger.handlers.records import Pause, Run
from retrigger.handlers.rollout.commands import roll_back
from retrigger.handlers.slots import Slots
from retrigger.triggers import keys
from retrigger.triggers.frozen import replace

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


def cancel(ledger: Ledger, launcher: Launcher, name: str) -> Literal["cancelling", "cancelled", "ended", "unknown"]:
    """Stop a run. Doing it twice changes nothing; it is on record before anybody is asked.

    `cancelled`: it had waited for a slot, and will not run. `cancelling`: the platform was asked; a tick records when
    it has stopped. What was being sent at this moment may still reach the platform: the tick looks for ten minutes.
    """
    run = ledger.runs.get(name)
    if run is None:
        return _cancel_waiting(ledger, launcher, name)
    match run.value.state:
        case "ended" | "carrying":
            return "ended"
        case "ready" | "wait" | "sending" | "unsure" | "launched":
            if ledger.runs.swap(run, replace(run.value, state="cancelling")) is None:
                return cancel(ledger, launcher, name)
        case "cancelling":
            pass  # whoever asked before may have died before the platform heard of it
    job = job_of(name, run.value)
    if isinstance(job, RolloutJob):
        roll_back(ledger, job.id, by="", reason="it was cancelled")
    else:
        launcher.cancel(job)
    return "cancelling"


def _cancel_waiting(
    ledger: Ledger, launcher: Launcher, name: str
) -> Literal["cancelling", "cancelled", "ended", "unknown"]:
    """A run that waits for a slot has no record yet: whoever creates it decides, a worker or this."""
    ended = _never_launched(ledger, name)
    if ended is None:
        return "unknown"
    if ledger.runs.create(name, ended) is None:
        return cancel(ledger, launcher, name)
    held = [ledger.gates.name(gate) for gate in ledger.gates.list() if name in gate.value.holds]
    Slots(ledger).free(held, name)  # a throttled run holds them while it waits
    return "cancelled"


def _never_launched(ledger: Ledger, name: str) -> Run | None:
    """The record of a run that is asked for, and cancelled while it waits; None: nobody asks for such a run."""
    now = ledger.now_ms()
    said = Verdict("slot", "stop", "cancelled", "cancelled while it waited for a slot").to_json()
    for claim in ledger.claims.list():
        if claim.value.run == name:
            ended = Run(state="ended", trigger=claim.value.trigger, job=claim.value.job, outcome="cancelled")
            return replace(ended, claim=ledger.claims.name(claim), created_ms=now, ended_ms=now, verdicts=[said])
    for old in ledger.noted({"replay", "rerun"}):
        before = ledger.runs.get(old)
        if keys.successor(old) == name and before is not None:
            it = before.value
            ended = Run(state="ended", trigger=it.trigger, job=it.job, outcome="cancelled", replay_of=old)
            return replace(
                ended,
                window=it.window,
                chunk=it.chunk,
                rest=it.rest,
                created_ms=now,
                ended_ms=now,
                verdicts=[said],
            )
    return None
