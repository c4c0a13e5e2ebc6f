"""Messages, schedules and lifecycle events launch directly: check -> claim -> gate -> note -> admit, a run each."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from retrigger.handlers.claims import Claims, depth_of, recorded, undecided
from retrigger.handlers.granting import may_skip
from retrigger.handlers.ledger import on_grid, to_ms
from retrigger.handlers.outcome import Outcome, Verdict
from retrigger.handlers.records import MAX_DEPTH
from retrigger.handlers.requests import frozen_job
from retrigger.handlers.validate.checks import check_message
from retrigger.triggers import keys
from retrigger.triggers.errors import ExpressionError, Refused, RetriggerError
from retrigger.triggers.event import Message
from retrigger.triggers.frozen import replace
from retrigger.triggers.spec import MessageSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.handlers.admit import Admission
    from retrigger.handlers.arrivals import Arrival
    from retrigger.handlers.gate import Gate, Seen
    from retrigger.handlers.ledger import Stored
    from retrigger.handlers.outcome import Result
    from retrigger.handlers.records import Claim, ClaimState
    from retrigger.triggers.spec import Trigger

_LOG = logging.getLogger(__name__)
_FIRST_LOOK_MS: Final = 60_000
_TOO_DEEP: Final = Verdict(
    "check", "stop", "chain_too_deep", f"{MAX_DEPTH} runs have followed on each other: is there a loop?"
)


class Direct:
    """Launches one run for an event, now or when a slot is free. `gate`: for triggers that look into what came."""

    def __init__(self, admission: Admission, claims: Claims, gate: Callable[[], Gate]) -> None:
        self.admission = admission
        self.claims = claims
        self.gate = gate
        self.ledger = admission.ledger

    def take(self, arrival: Arrival) -> Outcome:
        """The claim holds the frozen request; whoever comes after the note goes on from there."""
        stop = self._check(arrival)
        if stop is not None:
            return self.claims.reject(arrival, stop)
        try:
            name = self.claims.name(arrival)
            request = self._request(arrival)
        except (ExpressionError, Refused) as error:
            return self.claims.reject(arrival, Verdict("check", "stop", error.code, str(error)))
        if depth_of(arrival.event) > MAX_DEPTH:
            return self.claims.bury(arrival, _TOO_DEEP)
        state = {"state": "gate", "tries": 1} if arrival.trigger.validators else {"state": "open"}
        stored, fresh = self.claims.take(arrival, name, **state, **request)
        if (conflict := self.claims.conflict(arrival, stored)) is not None:
            return conflict
        if undecided(stored.value):  # turned away before, and decided anew
            again = replace(stored.value, **state, **request)
            stored = self.ledger.claims.swap(stored, again) or self.claims.reread(name)
            fresh = True
        return self.go_on(arrival, name, stored, fresh=fresh)

    def go_on(self, arrival: Arrival, name: str, stored: Stored[Claim], *, fresh: bool) -> Outcome:
        """From a claim to its run, as far as it is not there yet. `fresh`: the claim is this delivery's."""
        if stored.value.state == "gate":
            try:
                stored, fresh = self.gate().decide(name, stored, arrival, _settled_as, fresh=fresh)
            except RetriggerError as error:
                return self.gate().later(arrival, name, error)
            if stored.value.state == "gate":
                return self.gate().later(arrival, name)
            if fresh and stored.value.state != "open":
                return recorded(arrival, stored, "dead" if stored.value.state == "dead" else "rejected")
        if stored.value.state != "open":
            return recorded(arrival, stored, "duplicate", run=stored.value.run)
        stored = self.claims.reread(name) if fresh else stored  # for its time: every delivery writes the same note
        arrived_ms = to_ms(stored.time)
        self.ledger.note("run", name, arrival.trigger.name, on_grid(arrived_ms, _FIRST_LOOK_MS), arrived_ms)
        launched = self._try_to_launch(name, stored, arrival.trigger)
        if not launched and may_skip(arrival.trigger):
            stored = self.claims.reread(name)
            if stored.value.state == "skipped" and fresh:
                return recorded(arrival, stored, "skipped", run=stored.value.run)
        return recorded(arrival, stored, _result(arrival, launched=launched, fresh=fresh), run=stored.value.run)

    def _check(self, arrival: Arrival) -> Verdict | None:
        if isinstance(arrival.event.payload, Message) and isinstance(arrival.source, MessageSource):
            return check_message(arrival.source.schema, arrival.event)
        return None

    def _request(self, arrival: Arrival) -> dict[str, Any]:
        assert arrival.source is not None
        catalog, identity = self.admission.catalog, arrival.identity
        run = keys.run_id(catalog.environment.name, arrival.trigger.name, identity)
        job = frozen_job(
            catalog,
            arrival.trigger,
            run,
            event=keys.digest(identity),
            source=arrival.source.parameters,
            scope=arrival.scope,
        )
        own_gate = self.admission.own_gate(arrival.trigger, arrival.scope)
        return {"run": run, "job": job, "own_gate": own_gate}

    def _try_to_launch(self, name: str, stored: Stored[Claim], trigger: Trigger) -> bool:
        """The run has its note: if this fails, the tick goes on from here (R1)."""
        try:
            return self.admission.advance_direct(name, stored, trigger, timed=False)
        except RetriggerError as error:
            _LOG.warning("launch_deferred", extra={"fields": {"run": stored.value.run, "error": str(error)}})
            return False


def _settled_as(seen: Seen) -> ClaimState:
    return "rejected" if seen.bad else "open"


def _result(arrival: Arrival, *, launched: bool, fresh: bool) -> Result:
    if launched:
        return "launched"
    if not fresh:
        return "duplicate"
    return "skipped" if arrival.trigger.mode == "observe" else "deferred"
