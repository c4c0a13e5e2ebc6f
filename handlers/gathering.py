"""Object events wait in a window: check -> claim -> gate -> join -> admit; a marker says that they are complete."""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from retrigger.handlers.announced import Place
from retrigger.handlers.claims import Claims, outcome, recorded
from retrigger.handlers.gate import Seen
from retrigger.handlers.granting import may_skip
from retrigger.handlers.outcome import Outcome, Verdict
from retrigger.handlers.validate.checks import check_object
from retrigger.handlers.windows import WindowId, member_key
from retrigger.triggers.errors import ExpressionError, Refused, RetriggerError
from retrigger.triggers.event import Object

if TYPE_CHECKING:
    from retrigger.handlers.arrivals import Arrival
    from retrigger.handlers.gate import Gate
    from retrigger.handlers.ledger import Stored
    from retrigger.handlers.records import Claim, ClaimState
    from retrigger.handlers.windowed import Windowed
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Trigger

_LOG = logging.getLogger(__name__)


class Gathering:
    """Takes objects and markers into windows."""

    def __init__(self, windowed: Windowed, claims: Claims, gate: Gate) -> None:
        self.windowed = windowed
        self.admission = windowed.admission
        self.claims = claims
        self.gate = gate

    def take(self, arrival: Arrival) -> Outcome:
        """Make the object a member of its window, unless a check or the gate turns it away."""
        stop = check_object(arrival.event, arrival.trigger.object_check)
        if stop is not None and stop.code == "incomplete":
            return outcome(arrival, "ignored", stop)
        try:
            name, window = self.claims.name(arrival), self._window(arrival)
        except ExpressionError as error:
            return self.claims.reject(arrival, Verdict("check", "stop", error.code, str(error)))
        trigger = arrival.trigger
        gated = stop is not None or trigger.object_check is not None or bool(trigger.validators)
        state = "open" if gated else "member"
        member = {} if gated else {member_key(window, name): _member(arrival)}
        stored, fresh = self.claims.take(arrival, name, state=state, window=window, tries=1, then=member)
        written = bool(member) and fresh
        if (conflict := self.claims.conflict(arrival, stored)) is not None:
            return conflict
        try:
            if stored.value.state == "open":
                settled_as = partial(self._settled_as, arrival)
                stored, fresh = self.gate.decide(
                    name, stored, arrival, settled_as, fresh=fresh, stop=stop, window=window
                )
        except RetriggerError as error:
            return self.gate.later(arrival, name, error)
        match stored.value.state:
            case "open":
                return self.gate.later(arrival, name)
            case "rejected" | "dead":
                return self._turned_away(arrival, stored, fresh=fresh)
            case _:
                return self._joined(arrival, name, stored, written=written)

    def mark(self, arrival: Arrival) -> Outcome:
        """A marker is claimed like a member, but takes effect on the head; a redelivery asserts it again."""
        try:
            name, window = self.claims.name(arrival), self._window(arrival)
        except ExpressionError as error:
            return self.claims.reject(arrival, Verdict("check", "stop", error.code, str(error)))
        lists = arrival.trigger.window.until_lists
        first: dict[str, Any] = {"state": "open", "tries": 1} if lists else {"state": "marker"}
        stored, fresh = self.claims.take(arrival, name, window=window, **first)
        try:
            if stored.value.state == "open":
                look = partial(self._read_list, arrival)
                stored, fresh = self.gate.decide(name, stored, arrival, _marks, fresh=fresh, look=look, window=window)
        except RetriggerError as error:
            return self.gate.later(arrival, name, error)
        match stored.value.state:
            case "open":
                return self.gate.later(arrival, name)
            case "rejected" | "dead":
                return recorded(arrival, stored, "rejected" if fresh else "duplicate")
        stored = self.claims.reread(name) if fresh else stored  # for its time
        marked, changed = self.admission.windows.mark(name, stored, asdict(_place(arrival)) if lists else None)
        self.claims.joined(name, stored)
        return self._advanced(arrival, stored, marked, changed=changed, now=True)

    def _window(self, arrival: Arrival) -> str:
        key, captures = arrival.window_key
        return str(self.admission.windows.open(arrival.trigger, key, captures))

    def _settled_as(self, arrival: Arrival, seen: Seen) -> ClaimState:
        """A bad member is let in where it spoils its window."""
        return "rejected" if seen.bad and arrival.trigger.window.bad_member != "reject" else "member"

    def _read_list(self, arrival: Arrival) -> Seen:
        """A marker that lists the members counts if the trigger takes all that it names."""
        _, captures = arrival.window_key
        try:
            named = self.admission.announced.uris(arrival.trigger, captures, _place(arrival))
        except Refused as error:
            return Seen((Verdict("gate", "stop", error.code, f"the list of members: {error}"),))
        return Seen((Verdict("gate", "pass", "lists_members", f"{len(named)} objects"),))

    # the window

    def _joined(self, arrival: Arrival, name: str, stored: Stored[Claim], *, written: bool) -> Outcome:
        bad = any(verdict["says"] == "stop" for verdict in stored.value.verdicts)
        member = _member(arrival, stored.value.rows, bad=bad)
        rule = arrival.trigger.window
        joined = self.admission.windows.join(name, stored, member, rule, written=written)
        self.claims.joined(name, stored)
        at_once = joined.opened and not rule.quiet and rule.until is None and rule.until_count is None
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
        if now and may_skip(arrival.trigger):
            run = self.windowed.run_of(arrival.trigger.name, WindowId.parse(window), 0)
            ended = self.admission.ledger.runs.get(run)
            if ended is not None and ended.value.outcome == "skipped":
                said = (Verdict(**verdict) for verdict in ended.value.verdicts)
                return recorded(arrival, stored, "skipped" if changed else "duplicate", *said, window=window, run=run)
        return recorded(arrival, stored, "deferred" if changed else "duplicate", window=window)

    def advance(self, window: WindowId, trigger: Trigger) -> list[str]:
        """Close the window if it is due. -> the runs that this launched.

        The window has its note: if this fails, the tick goes on from here (R1).
        """
        try:
            return self.windowed.advance(window, trigger, timed=False)
        except RetriggerError as error:
            _LOG.warning("advance_deferred", extra={"fields": {"window": str(window), "error": str(error)}})
            return []


def _member(arrival: Arrival, rows: int | None = None, *, bad: bool = False) -> dict[str, Json]:
    """What a window keeps of an object. `rows`: as the gate counted them; `bad`: it is let in to spoil its window."""
    payload = arrival.event.payload
    assert isinstance(payload, Object)
    return {
        "uri": payload.uri,
        "bucket": payload.place,
        "name": payload.name,
        "version": payload.version,
        "sequencer": payload.sequencer,
        "size": payload.size,
        "checksum": payload.checksum,
        "rows": rows,
        "bad": bad,
    }


def _marks(seen: Seen) -> ClaimState:
    return "rejected" if seen.bad else "marker"


def _place(arrival: Arrival) -> Place:
    payload = arrival.event.payload
    assert isinstance(payload, Object)
    return Place(payload.bucket, payload.name, payload.version)
