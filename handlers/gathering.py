"""Object events wait in a window: check -> claim -> gate -> join -> admit; a marker says that they are complete."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from retrigger.handlers.claims import Claims, outcome, recorded
from retrigger.handlers.ledger import MAX_TRIES, Claim, Stored
from retrigger.handlers.outcome import Outcome, Verdict
from retrigger.handlers.validate.checks import check_object
from retrigger.handlers.windows import WindowId, on_grid
from retrigger.triggers.errors import ExpressionError, RetriggerError, Unavailable
from retrigger.triggers.event import Object

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.handlers.admit import Admission
    from retrigger.handlers.arrivals import Arrival
    from retrigger.handlers.ledger import ClaimState
    from retrigger.triggers.spec import Trigger

_LOG = logging.getLogger(__name__)
_PATIENCE_S: Final = (0.05, 0.1, 0.2, 0.4, 0.6, 0.6)  # about two seconds for another delivery's gate to finish
_SOON_MS: Final = 60_000


class Gathering:
    """Takes objects and markers into windows. `wait(seconds)` lets another delivery of the same event finish."""

    def __init__(self, admission: Admission, claims: Claims, wait: Callable[[float], None]) -> None:
        self.admission = admission
        self.claims = claims
        self.ledger = admission.ledger
        self._wait = wait

    def take(self, arrival: Arrival) -> Outcome:
        """Make the object a member of its window, unless a check or the gate turns it away."""
        stop = check_object(arrival.event, arrival.trigger.object_check)
        if stop is not None and stop.code == "incomplete":
            return outcome(arrival, "ignored", stop)
        try:
            name, window = self.claims.name(arrival), self._window(arrival)
        except ExpressionError as error:
            return self.claims.reject(arrival, Verdict("check", "stop", error.code, str(error)))
        gated = stop is not None or arrival.trigger.object_check is not None
        stored, fresh = self.claims.take(arrival, name, state="open" if gated else "member", window=window, tries=1)
        if (conflict := self.claims.conflict(arrival, stored)) is not None:
            return conflict
        try:
            if stored.value.state == "open":
                stored, fresh = self._gated(name, stored, arrival, stop, fresh=fresh)
        except Unavailable as error:
            return self._later(arrival, name, Verdict("gate", "wait", error.code, str(error)))
        match stored.value.state:
            case "open":
                held = "another delivery of this event is being decided"
                return self._later(arrival, name, Verdict("gate", "wait", "held", held))
            case "rejected" | "dead":
                return self._turned_away(arrival, stored, fresh=fresh)
            case _:
                return self._joined(arrival, name, stored)

    def mark(self, arrival: Arrival) -> Outcome:
        """A marker is claimed like a member, but takes effect on the head; a redelivery asserts it again."""
        try:
            name, window = self.claims.name(arrival), self._window(arrival)
        except ExpressionError as error:
            return self.claims.reject(arrival, Verdict("check", "stop", error.code, str(error)))
        stored, _ = self.claims.take(arrival, name, state="marker", window=window)
        marked, changed = self.admission.windows.mark(name, stored)
        return self._advanced(arrival, stored, marked, changed=changed, now=True)

    def _window(self, arrival: Arrival) -> str:
        key, captures = arrival.window_key
        return str(self.admission.windows.open(arrival.trigger, key, captures))

    # the gate

    def _gated(
        self, name: str, stored: Stored[Claim], arrival: Arrival, stop: Verdict | None, *, fresh: bool
    ) -> tuple[Stored[Claim], bool]:
        """Look into the file and settle the claim by swap; a claim that stays `open` is another delivery's.

        -> (the claim, did this delivery settle it). Tries are counted before the work: a file that kills its readers
        ends as a dead letter. The tick alone says so: at a burst of deliveries the readers may all still be at work.
        """
        if not fresh:
            stored = self._settled(name, stored) if arrival.patient else stored
            if stored.value.state != "open":
                return stored, False
            if stored.value.tries >= MAX_TRIES:
                return (stored, False) if arrival.patient else self._given_up(name, stored)
            counted = self.ledger.claims.swap(stored, replace(stored.value, tries=stored.value.tries + 1))
            if counted is None:
                return self.claims.reread(name), False
            stored = counted
        try:
            verdict, rows = self._look(arrival, stop)
        except Unavailable:  # an outage of the store is no try of this file
            self.ledger.claims.swap(stored, replace(stored.value, tries=stored.value.tries - 1))
            raise
        bad = verdict.says == "stop"
        spoils = bad and arrival.trigger.window.bad_member == "reject"
        state: ClaimState = "rejected" if bad and not spoils else "member"
        window = stored.value.window or self._window(arrival)  # one that was opened again names none yet
        decided = replace(stored.value, state=state, window=window, rows=rows, verdicts=[verdict.to_json()])
        return self.claims.settle(name, stored, decided)

    def _given_up(self, name: str, stored: Stored[Claim]) -> tuple[Stored[Claim], bool]:
        """Settle, then bury: a reader that was only slow may settle first, and its file is no dead letter then."""
        reason = f"gave up after {MAX_TRIES} tries: each ended without an answer"
        said = [Verdict("gate", "stop", "tries_exhausted", reason).to_json()]
        settled, ours = self.claims.settle(name, stored, replace(stored.value, state="dead", verdicts=said))
        if ours:
            self.ledger.bury(f"claim:{name}", reason, {"code": "tries_exhausted", "event": stored.value.event})
        return settled, ours

    def _look(self, arrival: Arrival, stop: Verdict | None) -> tuple[Verdict, int | None]:
        payload, check = arrival.event.payload, arrival.trigger.object_check
        assert isinstance(payload, Object)
        if stop is not None:
            return stop, None
        if check is None:
            return Verdict("gate", "pass", "not_checked", "the trigger has no check of objects any more"), None
        from retrigger.handlers.validate.gate import gate_object  # only gated objects pay for it

        return gate_object(self.admission.objects, payload, check)

    def _settled(self, name: str, stored: Stored[Claim]) -> Stored[Claim]:
        """Another delivery may be reading the file at this moment: give it two seconds before reading it again."""
        for seconds in _PATIENCE_S:
            if stored.value.state != "open":
                break
            self._wait(seconds)
            stored = self.claims.reread(name)
        return stored

    def _later(self, arrival: Arrival, name: str, verdict: Verdict) -> Outcome:
        """Leave an open claim to the tick: the note is written before the event is acknowledged."""
        self.ledger.note("claim", name, arrival.trigger.name, on_grid(self.ledger.now_ms(), _SOON_MS))
        return outcome(arrival, "deferred", verdict)

    # the window

    def _joined(self, arrival: Arrival, name: str, stored: Stored[Claim]) -> Outcome:
        payload = arrival.event.payload
        assert isinstance(payload, Object)
        member = {
            "uri": payload.uri,
            "bucket": payload.bucket,
            "name": payload.name,
            "version": payload.version,
            "sequencer": payload.sequencer,
            "size": payload.size,
            "checksum": payload.checksum,
            "rows": stored.value.rows,
            "bad": any(verdict["says"] == "stop" for verdict in stored.value.verdicts),
        }
        rule = arrival.trigger.window
        joined = self.admission.windows.join(name, stored, member, rule)
        at_once = joined.opened and not rule.quiet and rule.until is None
        return self._advanced(arrival, stored, joined.window, changed=joined.changed, now=at_once or joined.marked)

    def _turned_away(self, arrival: Arrival, stored: Stored[Claim], *, fresh: bool) -> Outcome:
        if stored.value.window is not None and fresh:
            window = WindowId.parse(stored.value.window)
            head = self.admission.windows.head(window.head).value
            if head.marked and arrival.alone:  # it may have been the last that the marker's window waited for
                self.advance(window.numbered(head.n), arrival.trigger)
        return recorded(arrival, stored, "rejected" if fresh else "duplicate")

    def _advanced(self, arrival: Arrival, stored: Stored[Claim], window: str, *, changed: bool, now: bool) -> Outcome:
        launched = self.advance(WindowId.parse(window), arrival.trigger) if now and arrival.alone else []
        if launched:
            return recorded(arrival, stored, "launched", window=window, run=launched[0])
        return recorded(arrival, stored, "deferred" if changed else "duplicate", window=window)

    def advance(self, window: WindowId, trigger: Trigger) -> list[str]:
        """Close the window if it is due. -> the runs that this launched.

        The window has its note: if this fails, the tick goes on from here (R1).
        """
        try:
            return self.admission.advance_window(window, trigger, timed=False)
        except RetriggerError as error:
            _LOG.warning("advance_deferred", extra={"fields": {"window": str(window), "error": str(error)}})
            return []
