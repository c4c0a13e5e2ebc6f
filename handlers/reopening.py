"""Opening a claim once more: (settled, epoch) -> (open, epoch + 1) by one swap, so that two operators make one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.handlers.requests import same_job
from retrigger.triggers import keys
from retrigger.triggers.archive import is_whole
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from retrigger.handlers.ledger import Ledger
    from retrigger.handlers.records import Claim, Note


def ask_to_reopen(ledger: Ledger, name: str, epoch: int, trigger: str) -> None:
    """Open the claim that was judged in this epoch, for the tick. Safe to die in: the note is written first."""
    reopen(ledger, ledger.note("reopen", f"{name}@{epoch}", trigger, ledger.now_ms()))


def reopen(ledger: Ledger, note: Note) -> None:
    """Do what the note says, if nobody has: the claim is opened, its work is noted, and this note is finished.

    One that was forgotten since then is left as it is.
    """
    name, _, epoch = note.id.rpartition("@")
    stored = ledger.claims.get(name)
    while stored is not None and len(stored.value.replays) == int(epoch) and _can_be_done(stored.value):
        if ledger.claims.swap(stored, _opened(stored.value, ledger.now_ms())) is not None:
            break
        stored = ledger.claims.get(name)
    now = ledger.claims.get(name)
    if now is not None and now.value.state == "open":
        ledger.note("claim" if now.value.job is None else "run", name, note.trigger, ledger.now_ms())
    ledger.finish(note)


def _can_be_done(claim: Claim) -> bool:
    """With the request that it has, or by deciding anew: for that the event must be there."""
    return (claim.job is not None and claim.run is not None) or is_whole(claim.event)


def _opened(claim: Claim, now_ms: int) -> Claim:
    """A direct launch gets a new run of the same frozen request; anything else is decided anew, by today's trigger."""
    before = {"state": claim.state, "run": claim.run, "verdicts": claim.verdicts, "at_ms": now_ms}
    again = replace(
        claim, state="open", window=None, joins=None, tries=0, verdicts=[], replays=[*claim.replays, before]
    )
    if claim.job is None or claim.run is None:  # no run was ever asked for
        return replace(again, job=None)
    run = keys.successor(claim.run)
    return replace(again, run=run, job=same_job(claim.job, run))
