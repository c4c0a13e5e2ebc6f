"""The way of one event: match -> check -> claim -> gate -> admit -> launch -> record.

`arrivals` matches and filters. `gathering` takes objects into windows, `joining` those that a message names; `direct`
launches for messages, `schedules` finds out which times are due: they check, claim, look into the file. `admit` does
the rest: slot to record. A process whose events never come to one of them does not load it.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from retrigger.handlers.arrivals import Arrival, arrivals
from retrigger.handlers.claims import Claims, outcome, recorded, undecided
from retrigger.handlers.direct import Direct
from retrigger.handlers.outbox import Outbox
from retrigger.handlers.outcome import Outcome, Verdict
from retrigger.triggers.archive import is_whole
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.event import FIRED, Event, Message, Object, Schedule
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.handlers.admit import Admission
    from retrigger.handlers.gate import Gate
    from retrigger.handlers.gathering import Gathering
    from retrigger.handlers.joining import Joining
    from retrigger.handlers.ledger import Stored
    from retrigger.handlers.ports import Publisher
    from retrigger.handlers.records import Claim
    from retrigger.handlers.schedules import Schedules
    from retrigger.handlers.windowed import Windowed
    from retrigger.triggers.match import Index

_NO_MATCH = Verdict("match", "stop", "no_match", "no trigger listens to this")


class Core:
    """Decides on events. One per process; everything that lasts is in the ledger.

    `wait(seconds)` lets time pass while another delivery of the same event is being decided. `publisher` is where
    outcomes leave, None where the environment names no channel for them.
    """

    def __init__(
        self,
        admission: Admission,
        index: Index,
        wait: Callable[[float], None],
        publisher: Publisher | None = None,
    ) -> None:
        self.admission = admission
        self.ledger = admission.ledger
        self.catalog = admission.catalog
        self.index = index
        self._wait = wait
        self.claims = Claims(admission.ledger)
        self.direct = Direct(admission, self.claims, lambda: self.gate)
        self.outbox = Outbox(admission.ledger, publisher)

    @cached_property
    def gate(self) -> Gate:
        from retrigger.handlers.gate import Gate

        return Gate(self.admission, self.claims, self._wait)

    @cached_property
    def windowed(self) -> Windowed:
        from retrigger.handlers.windowed import Windowed

        return Windowed(self.admission)

    @cached_property
    def gathering(self) -> Gathering:
        from retrigger.handlers.gathering import Gathering

        return Gathering(self.windowed, self.claims, self.gate)

    @cached_property
    def joining(self) -> Joining:
        from retrigger.handlers.joining import Joining
        from retrigger.handlers.named import Named

        named = Named(self.index, self.catalog, self.admission.objects)
        return Joining(self.gathering, self.claims, named, self.decide)

    @cached_property
    def schedules(self) -> Schedules:
        from retrigger.handlers.schedules import Schedules

        return Schedules(self.direct, self.outbox)

    def handle(self, event: Event) -> list[Outcome]:
        """What became of the event, for each trigger that it meets.

        Returning means: terminal, or noted for the tick (acknowledge). Raises Unavailable if nothing durable could be
        written (do not acknowledge): the same event may be handled again at any time, by anyone.
        """
        met = arrivals(event, self.index, self.catalog)
        if not met:
            return [Outcome(event=event.id, trigger=None, result="ignored", verdicts=(_NO_MATCH,))]
        return [self.decide(arrival) for arrival in met]

    def decide(self, arrival: Arrival) -> Outcome:
        """Decide, record, tell."""
        return self._told(self._decide(arrival))

    def _told(self, outcome: Outcome) -> Outcome:
        self.outbox.tell(outcome)
        return outcome

    def _decide(self, arrival: Arrival) -> Outcome:
        """Objects and their markers gather, by themselves or named by a message; a schedule looks at its cursor.

        Everything else launches directly.
        """
        if arrival.source is None:
            return self.gathering.mark(arrival)
        if (stop := arrival.filtered()) is not None:
            return outcome(arrival, "ignored", stop)
        match arrival.event.payload:
            case Object():
                return self.gathering.take(arrival)
            case Schedule() as schedule if arrival.event.type != FIRED:
                return self.schedules.wake_up(arrival, schedule)
            case Message() if arrival.names_objects:
                return self.joining.take(arrival)
            case _:
                return self.direct.take(arrival)

    def resume(self, name: str) -> Outcome | None:
        """Decide again on a claim that was left open: what the tick does with the note of a gate that failed.

        One that was settled is brought on too: whoever settled it may have died before the member, the marker's effect,
        the note of its run or the dead letter was written, or before it was told.
        """
        stored = self.ledger.claims.get(name)
        if stored is None:
            return None
        if stored.value.state not in {"gate", "open", "member", "marker"}:
            if stored.value.state == "dead":
                self.gate.bury(name, stored.value)
            self.outbox.tell_again(name)
            return None
        if not is_whole(stored.value.event):  # it was settled, and opened again with the request that it has
            self.outbox.tell_again(name)
            return None
        for met in arrivals(Event.from_json(stored.value.event), self.index, self.catalog):
            if met.trigger.name == stored.value.trigger:
                return self._go_on(replace(met, patient=False), name, stored)
        verdict = Verdict("match", "stop", "no_longer_matches", "the trigger was changed meanwhile")
        dead = replace(stored.value, state="dead", verdicts=[verdict.to_json()]).settled()
        self.ledger.bury(f"claim:{name}", verdict.reason, {"code": verdict.code, "event": dead.event})
        self.ledger.claims.swap(stored, dead)
        return None

    def _go_on(self, arrival: Arrival, name: str, stored: Stored[Claim]) -> Outcome:
        """With the objects that are left to join, or with a frozen request; else it is decided on anew."""
        if stored.value.joins is not None:
            return self._told(self.joining.go_on(arrival, name, stored))
        if stored.value.job is not None:
            return self._told(self.direct.go_on(arrival, name, stored, fresh=False))
        return self._close(name, arrival, self.decide(arrival))

    def _close(self, name: str, arrival: Arrival, decided: Outcome) -> Outcome:
        """Whatever the trigger says today, a claim that was decided on again does not stay open."""
        stored = self.claims.reread(name)
        if not undecided(stored.value):
            return decided
        if self._is_named_otherwise(name, arrival):
            reason = "the trigger's key gives it another identity now: it was decided on under that one"
            said: tuple[Verdict, ...] = (Verdict("claim", "stop", "identity_changed", reason),)
        elif decided.result == "ignored":
            said = decided.verdicts
        else:
            return decided  # its note is written
        verdicts = [verdict.to_json() for verdict in said]
        settled, _ = self.claims.settle(name, stored, replace(stored.value, state="rejected", verdicts=verdicts))
        return self._told(recorded(arrival, settled, "rejected"))

    def _is_named_otherwise(self, name: str, arrival: Arrival) -> bool:
        try:
            return self.claims.name(arrival) != name
        except ExpressionError:
            return False
