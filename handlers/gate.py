"""The gate: what is looked into after the claim, before it counts. One look an event, however often it is delivered.

Tries are counted before the work: an event that kills whoever looks, or breaks a validator, ends as a dead letter.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from retrigger.handlers.claims import outcome
from retrigger.handlers.ledger import on_grid
from retrigger.handlers.outcome import Verdict
from retrigger.handlers.records import MAX_TRIES
from retrigger.triggers.errors import RetriggerError, Unavailable
from retrigger.triggers.event import Object
from retrigger.triggers.frozen import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.handlers.admit import Admission
    from retrigger.handlers.arrivals import Arrival
    from retrigger.handlers.claims import Claims
    from retrigger.handlers.ledger import Stored
    from retrigger.handlers.outcome import Outcome
    from retrigger.handlers.records import Claim, ClaimState

_PATIENCE_S: Final = (0.05, 0.1, 0.2, 0.4, 0.6, 0.6)  # about two seconds for another delivery's gate to finish
_SOON_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look showed: all that was said, and the rows under the header where all of them were counted."""

    verdicts: tuple[Verdict, ...]
    rows: int | None = None

    @property
    def bad(self) -> bool:
        return any(verdict.says == "stop" for verdict in self.verdicts)


class Gate:
    """`wait(seconds)` lets another delivery of the same event finish."""

    def __init__(self, admission: Admission, claims: Claims, wait: Callable[[float], None]) -> None:
        self.admission = admission
        self.claims = claims
        self.ledger = admission.ledger
        self._wait = wait

    def decide(
        self,
        name: str,
        stored: Stored[Claim],
        arrival: Arrival,
        settled_as: Callable[[Seen], ClaimState],
        *,
        fresh: bool,
        stop: Verdict | None = None,
        look: Callable[[], Seen] | None = None,
        window: str | None = None,
    ) -> tuple[Stored[Claim], bool]:
        """Look, and settle the claim by swap; one that stays as it is, is another delivery's.

        -> (the claim, did this delivery settle it). `stop`: a pure check has said no. `look`: another one than that of
        the trigger's checks. `window`: for a claim that an operator opened again, and that names none yet. Raises
        RetriggerError where it cannot be said now. The tick alone gives up: at a burst of deliveries all lookers may
        still be at work.
        """
        undecided = stored.value.state
        if not fresh:
            stored = self._settled(name, stored) if arrival.patient else stored
            if stored.value.state != undecided:
                return stored, False
            if stored.value.tries >= MAX_TRIES:
                return (stored, False) if arrival.patient else self._given_up(name, stored)
            counted = self.ledger.claims.swap(stored, replace(stored.value, tries=stored.value.tries + 1))
            if counted is None:
                return self.claims.reread(name), False
            stored = counted
        try:
            seen = Seen((stop,)) if stop is not None else (look or partial(self._look, arrival))()
        except Unavailable:  # an outage of the store is no try of this event
            self.ledger.claims.swap(stored, replace(stored.value, tries=stored.value.tries - 1))
            raise
        except RetriggerError as error:  # a broken validator's: the dead letter will tell
            failed = Verdict("gate", "wait", error.code, str(error))
            self.ledger.claims.swap(stored, replace(stored.value, verdicts=[failed.to_json()]))
            raise
        said = [verdict.to_json() for verdict in seen.verdicts]
        state = settled_as(seen)
        run = None if state == "rejected" else stored.value.run  # there will be none
        where = stored.value.window or window
        decided = replace(stored.value, state=state, window=where, run=run, rows=seen.rows, verdicts=said)
        return self.claims.settle(name, stored, decided)

    def later(self, arrival: Arrival, name: str, error: RetriggerError | None = None) -> Outcome:
        """Leave an undecided claim to the tick: the note is written before the event is acknowledged."""
        self.ledger.note("claim", name, arrival.trigger.name, on_grid(self.ledger.now_ms(), _SOON_MS))
        if error is None:
            held = "another delivery of this event is being decided"
            return outcome(arrival, "deferred", Verdict("gate", "wait", "held", held))
        return outcome(arrival, "deferred", Verdict("gate", "wait", error.code, str(error)))

    def bury(self, name: str, dead: Claim) -> None:
        """Write the dead letter of a claim that was given up; doing it again changes nothing."""
        last = dead.verdicts[-1]
        self.ledger.bury(f"claim:{name}", str(last["reason"]), {"code": last["code"], "event": dead.event})

    def _look(self, arrival: Arrival) -> Seen:
        event, trigger, objects = arrival.event, arrival.trigger, self.admission.objects
        seen = Seen(())
        if trigger.object_check is not None and isinstance(event.payload, Object):
            from retrigger.handlers.validate.gate import gate_object  # only gated objects pay for it

            verdict, rows = gate_object(objects, event.payload, trigger.object_check)
            seen = Seen((verdict,), rows)
        if trigger.validators and not seen.bad:
            from retrigger.handlers.validate.validators import validate  # and only validated events for this

            seen = Seen((*seen.verdicts, *validate(objects, event, trigger.validators)), seen.rows)
        return seen

    def _given_up(self, name: str, stored: Stored[Claim]) -> tuple[Stored[Claim], bool]:
        """Settle, then bury: a looker that was only slow may settle first, and its event is no dead letter then.

        Whoever dies in between is followed by the tick, which finds the note of the claim.
        """
        last = stored.value.verdicts[-1]["reason"] if stored.value.verdicts else "each ended without an answer"
        reason = f"gave up after {MAX_TRIES} tries: {last}"
        said = [Verdict("gate", "stop", "tries_exhausted", reason).to_json()]
        settled, ours = self.claims.settle(name, stored, replace(stored.value, state="dead", run=None, verdicts=said))
        if settled.value.state == "dead":  # whoever settled it may have died before the letter was written
            self.bury(name, settled.value)
        return settled, ours

    def _settled(self, name: str, stored: Stored[Claim]) -> Stored[Claim]:
        """Another delivery may be looking at this moment: give it two seconds before looking again."""
        undecided = stored.value.state
        for seconds in _PATIENCE_S:
            if stored.value.state != undecided:
                break
            self._wait(seconds)
            stored = self.claims.reread(name)
        return stored
