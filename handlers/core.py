"""The way of one event: match -> check -> claim -> gate -> admit -> launch -> record."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from retrigger.handlers.launch import frozen_job
from retrigger.handlers.ledger import MAX_TRIES, Claim, Cursor, Stored, from_ms, to_ms
from retrigger.handlers.outcome import Outcome, Verdict
from retrigger.handlers.validate.checks import check_message, check_object
from retrigger.handlers.windows import WindowId, on_grid
from retrigger.triggers import keys
from retrigger.triggers.errors import ExpressionError, Refused, RetriggerError, Unavailable
from retrigger.triggers.event import FIRED, Event, Message, Object, Schedule
from retrigger.triggers.expressions import load_expression
from retrigger.triggers.spec import MessageSource, ObjectSource, ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from retrigger.handlers.admit import Admission
    from retrigger.handlers.ledger import ClaimState
    from retrigger.handlers.outcome import Result
    from retrigger.triggers.match import Index, Match
    from retrigger.triggers.spec import Source, Trigger

_LOG = logging.getLogger(__name__)
_PATIENCE_S: Final = (0.05, 0.1, 0.2, 0.4, 0.6, 0.6)  # about two seconds for another delivery's gate to finish
_SOON_MS: Final = 60_000
_MISSED_AT_MOST: Final = 100
_LOOK_BACK_MS: Final = (3_600_000, 86_400_000, 31 * 86_400_000, 366 * 86_400_000)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event that met a trigger through one of its sources (None: as the marker of its window).

    `patient`: another delivery of it may be at work at this moment.
    """

    event: Event
    trigger: Trigger
    source: Source | None
    captures: Mapping[str, str]
    scope: Mapping[str, object]
    patient: bool = True


class Core:
    """Decides on events. One per process; everything that lasts is in the ledger.

    `wait(seconds)` lets time pass while another delivery of the same event is being decided.
    """

    def __init__(self, admission: Admission, index: Index, wait: Callable[[float], None]) -> None:
        self.admission = admission
        self.ledger = admission.ledger
        self.catalog = admission.catalog
        self.index = index
        self._wait = wait

    def handle(self, event: Event) -> list[Outcome]:
        """What became of the event, for each trigger that it meets.

        Returning means: terminal, or noted for the tick (acknowledge). Raises Unavailable if nothing durable could be
        written (do not acknowledge): the same event may be handled again at any time, by anyone.
        """
        arrivals = list(self._matched(event))
        if not arrivals:
            return [Outcome(event=event.id, trigger=None, result="ignored", verdicts=(_NO_MATCH,))]
        return [self._decide(arrival) for arrival in arrivals]

    def _decide(self, arrival: Arrival) -> Outcome:
        if arrival.source is None:
            return self._marker(arrival)
        if (stop := self._filtered(arrival)) is not None:
            return _outcome(arrival, "ignored", stop)
        match arrival.event.payload:
            case Object():
                return self._object(arrival)
            case Schedule() as schedule if arrival.event.type != FIRED:
                return self._wake_up(arrival, schedule)
            case _:
                return self._direct(arrival)

    def _matched(self, event: Event) -> Iterator[Arrival]:
        """One arrival a trigger: as its marker, or through the first of its sources whose filter passes."""
        found: dict[str, Arrival] = {}
        for match in self.index.match(event):
            trigger = self.catalog.trigger(match.trigger)
            if trigger is None:
                continue
            arrival = self._arrival(event, trigger, match)
            if match.trigger not in found or arrival.source is None or self._filtered(found[match.trigger]):
                found[match.trigger] = arrival
        yield from found.values()

    def _arrival(self, event: Event, trigger: Trigger, match: Match) -> Arrival:
        source = None if match.role == "marker" else trigger.sources[match.source]
        scope = {"event": event.scope(), "match": dict(match.captures), "vars": self.catalog.environment.vars}
        return Arrival(event, trigger, source, match.captures, scope)

    def _filtered(self, arrival: Arrival) -> Verdict | None:
        if arrival.source is None:
            return None
        for rule in (arrival.trigger.filter, arrival.source.filter):
            if rule is None:
                continue
            try:
                if load_expression(rule).evaluate(arrival.scope) is not True:
                    return Verdict("filter", "stop", "filter_false", f"{rule} is not true")
            except ExpressionError as error:
                return Verdict("filter", "stop", error.code, f"{rule}: {error}")
        return None

    # object events wait in a window

    def _object(self, arrival: Arrival) -> Outcome:
        stop = check_object(arrival.event, arrival.trigger.object_check)
        if stop is not None and stop.code == "incomplete":
            return _outcome(arrival, "ignored", stop)
        try:
            name, window = self._name(arrival), self._window(arrival)
        except ExpressionError as error:
            return self._rejected(arrival, Verdict("check", "stop", error.code, str(error)))
        gated = stop is not None or arrival.trigger.object_check is not None
        first = self._claim(arrival, state="open" if gated else "member", window=str(window), tries=1)
        stored, fresh = self._claimed(name, first)
        if (conflict := self._conflict(arrival, stored, first)) is not None:
            return conflict
        if stored.value.state == "open":
            try:
                stored, fresh = self._gated(name, stored, arrival, stop, fresh=fresh)
            except Unavailable as error:
                return self._later(arrival, name, error)
        if stored.value.state == "open":
            return self._later(arrival, name, None)
        if stored.value.state in {"rejected", "dead"}:
            return self._turned_away(arrival, stored, fresh=fresh)
        return self._joined(arrival, name, stored)

    def _gated(
        self, name: str, stored: Stored[Claim], arrival: Arrival, stop: Verdict | None, *, fresh: bool
    ) -> tuple[Stored[Claim], bool]:
        """Look into the file and settle the claim by swap; a claim that stays `open` is another delivery's.

        -> (the claim, did this delivery settle it).
        """
        if not fresh:
            stored = self._settled(name, stored) if arrival.patient else stored
            if stored.value.state != "open":
                return stored, False
            counted = self.ledger.claims.swap(stored, replace(stored.value, tries=stored.value.tries + 1))
            if counted is None:
                return self._reread(name), False
            stored = counted
        if stored.value.tries > MAX_TRIES:
            reason = f"gave up after {MAX_TRIES} tries: each ended without an answer"
            self.ledger.bury(f"claim:{name}", reason, {"event": stored.value.event})
            verdict = Verdict("gate", "stop", "tries_exhausted", reason)
            return self._settle(name, stored, replace(stored.value, state="dead", verdicts=[verdict.to_json()]))
        try:
            verdict, rows = self._gate(arrival, stop)
        except Unavailable:  # an outage of the store is no try of this file
            self.ledger.claims.swap(stored, replace(stored.value, tries=stored.value.tries - 1))
            raise
        bad = verdict.says == "stop"
        spoils = bad and arrival.trigger.window.bad_member == "reject"
        state: ClaimState = "rejected" if bad and not spoils else "member"
        return self._settle(name, stored, replace(stored.value, state=state, rows=rows, verdicts=[verdict.to_json()]))

    def _gate(self, arrival: Arrival, stop: Verdict | None) -> tuple[Verdict, int | None]:
        from retrigger.handlers.validate.gate import gate_object  # only what reads files pays for it

        payload, check = arrival.event.payload, arrival.trigger.object_check
        assert isinstance(payload, Object)
        if stop is not None:
            return stop, None
        assert check is not None  # only what is checked is claimed as open
        return gate_object(self.admission.objects, payload, check)

    def _settle(self, name: str, stored: Stored[Claim], value: Claim) -> tuple[Stored[Claim], bool]:
        settled = self.ledger.claims.swap(stored, value)
        return (self._reread(name), False) if settled is None else (settled, True)

    def _settled(self, name: str, stored: Stored[Claim]) -> Stored[Claim]:
        """Another delivery may be reading the file at this moment: give it two seconds before reading it again."""
        for seconds in _PATIENCE_S:
            if stored.value.state != "open":
                break
            self._wait(seconds)
            stored = self._reread(name)
        return stored

    def _reread(self, name: str) -> Stored[Claim]:
        stored = self.ledger.claims.get(name)
        assert stored is not None  # claims are not deleted while their event may come again
        return stored

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
        joined = self.admission.windows.join(name, stored, member, arrival.trigger.window)
        at_once = joined.opened and not arrival.trigger.window.quiet and arrival.trigger.window.until is None
        return self._advanced(arrival, stored, joined.window, changed=joined.changed, now=at_once or joined.marked)

    def _turned_away(self, arrival: Arrival, stored: Stored[Claim], *, fresh: bool) -> Outcome:
        if stored.value.window is not None and fresh:
            window = WindowId.parse(stored.value.window)
            head = self.admission.windows.head(window.head).value
            if head.marked:  # it may have been the last that the marker's window waited for
                self._try_to_advance(window.numbered(head.n), arrival.trigger)
        return _recorded(arrival, stored, "rejected" if fresh else "duplicate")

    def _marker(self, arrival: Arrival) -> Outcome:
        """A marker is claimed like a member, but takes effect on the head; a redelivery asserts it again."""
        try:
            name, window = self._name(arrival), self._window(arrival)
        except ExpressionError as error:
            return self._rejected(arrival, Verdict("check", "stop", error.code, str(error)))
        stored, _ = self._claimed(name, self._claim(arrival, state="marker", window=str(window)))
        marked, changed = self.admission.windows.mark(name, stored)
        return self._advanced(arrival, stored, marked, changed=changed, now=True)

    def _advanced(self, arrival: Arrival, stored: Stored[Claim], window: str, *, changed: bool, now: bool) -> Outcome:
        launched = self._try_to_advance(WindowId.parse(window), arrival.trigger) if now else []
        if launched:
            return _recorded(arrival, stored, "launched", window=window, run=launched[0])
        return _recorded(arrival, stored, "deferred" if changed else "duplicate", window=window)

    def _try_to_advance(self, window: WindowId, trigger: Trigger) -> list[str]:
        """The window has its note: if this fails, the tick goes on from here (R1)."""
        try:
            return self.admission.advance_window(window, trigger, timed=False)
        except RetriggerError as error:
            _LOG.warning("advance_deferred", extra={"fields": {"window": str(window), "error": str(error)}})
            return []

    # messages, schedules and lifecycle events launch directly

    def _direct(self, arrival: Arrival) -> Outcome:
        stop = self._message_check(arrival)
        if stop is not None:
            return self._rejected(arrival, stop)
        try:
            name = self._name(arrival)
            first = self._claim(arrival, state="open", **self._request(arrival))
        except (ExpressionError, Refused) as error:
            return self._rejected(arrival, Verdict("check", "stop", error.code, str(error)))
        stored, fresh = self._claimed(name, first)
        if (conflict := self._conflict(arrival, stored, first)) is not None:
            return conflict
        if stored.value.state != "open":
            return _recorded(arrival, stored, "duplicate", run=stored.value.run)
        self.ledger.note("run", name, arrival.trigger.name, on_grid(to_ms(stored.record.time), _SOON_MS))
        launched = self._try_to_launch(name, stored, arrival.trigger)
        result: Result = "launched" if launched else "deferred" if fresh else "duplicate"
        if result == "deferred" and arrival.trigger.mode == "observe":
            result = "skipped"
        return _recorded(arrival, stored, result, run=stored.value.run)

    def _message_check(self, arrival: Arrival) -> Verdict | None:
        if isinstance(arrival.event.payload, Message) and isinstance(arrival.source, MessageSource):
            return check_message(arrival.source.schema, arrival.event)
        return None

    def _request(self, arrival: Arrival) -> dict[str, Any]:
        assert arrival.source is not None
        identity = self._identity(arrival)
        run = keys.run_id(self.catalog.environment.name, arrival.trigger.name, identity)
        job = frozen_job(
            self.catalog,
            arrival.trigger,
            run,
            event=keys.digest(identity),
            source=arrival.source.parameters,
            scope=arrival.scope,
        )
        return {"run": run, "job": job}

    def _try_to_launch(self, name: str, stored: Stored[Claim], trigger: Trigger) -> bool:
        """The run has its note: if this fails, the tick goes on from here (R1)."""
        try:
            return self.admission.advance_direct(name, stored, trigger, timed=False)
        except RetriggerError as error:
            _LOG.warning("launch_deferred", extra={"fields": {"run": stored.value.run, "error": str(error)}})
            return False

    # a schedule event is only a wake-up: the cursor decides

    def _wake_up(self, arrival: Arrival, schedule: Schedule) -> Outcome:
        source = arrival.source
        assert isinstance(source, ScheduleSource)
        name = keys.digest(arrival.trigger.name, source.cron, source.timezone)
        self.ledger.note("schedule", name, arrival.trigger.name, self.ledger.now_ms())
        since_ms = min(to_ms(schedule.scheduled_for) - 1, self.ledger.now_ms())
        outcomes = self.catch_up(name, arrival.trigger, source, since_ms)
        launched = next((outcome for outcome in outcomes if outcome.result in {"launched", "deferred"}), None)
        return launched or _outcome(arrival, "duplicate", Verdict("claim", "stop", "nothing_due", "no slot is due"))

    def catch_up(self, name: str, trigger: Trigger, source: ScheduleSource, since_ms: int) -> list[Outcome]:
        """Claim and launch every time that is due and was not looked at. `since_ms`: where a new cursor begins."""
        now_ms = self.ledger.now_ms()
        cursor = self.ledger.cursors.get(name) or self.ledger.cursors.create(name, Cursor(at_ms=since_ms))
        if cursor is None:
            cursor = self.ledger.cursors.get(name)
            assert cursor is not None
        if not cursor.value.pending_ms and cursor.value.at_ms < now_ms:
            due = due_times(source, cursor.value.at_ms, now_ms)
            moved = self.ledger.cursors.swap(cursor, replace(cursor.value, at_ms=now_ms, pending_ms=due))
            cursor = moved or self.ledger.cursors.get(name)
            assert cursor is not None
        outcomes = [self._slot(trigger, source, at_ms, now_ms) for at_ms in cursor.value.pending_ms]
        if cursor.value.pending_ms:
            self.ledger.cursors.swap(cursor, replace(cursor.value, pending_ms=[]))
        return outcomes

    def _slot(self, trigger: Trigger, source: ScheduleSource, at_ms: int, now_ms: int) -> Outcome:
        time = from_ms(at_ms)
        payload = Schedule(name=trigger.name, scheduled_for=time, past_due=now_ms - at_ms > _SOON_MS)
        event = Event(
            id=f"{trigger.name}/{time.isoformat()}",
            source=f"//retrigger/schedules/{trigger.name}",
            type=FIRED,
            time=time,
            subject=trigger.name,
            payload=payload,
        )
        scope = {"event": event.scope(), "match": {}, "vars": self.catalog.environment.vars}
        return self._direct(Arrival(event, trigger, source, {}, scope))

    # claims

    def resume(self, name: str) -> Outcome | None:
        """Decide again on a claim that was left open: what the tick does with the note of a gate that failed.

        A claim that says `member` is decided again too: whoever settled it may have died before the member was written.
        """
        stored = self.ledger.claims.get(name)
        if stored is None or stored.value.state not in {"open", "member"} or stored.value.job is not None:
            return None
        event = Event.from_json(stored.value.event)
        for arrival in self._matched(event):
            if arrival.trigger.name == stored.value.trigger:
                return self._decide(replace(arrival, patient=False))
        verdict = Verdict("match", "stop", "no_longer_matches", "the trigger was changed meanwhile")
        self.ledger.bury(f"claim:{name}", verdict.reason, {"event": stored.value.event})
        self.ledger.claims.swap(stored, replace(stored.value, state="dead", verdicts=[verdict.to_json()]))
        return None

    def _identity(self, arrival: Arrival) -> str:
        override = None
        if isinstance(arrival.source, (ObjectSource, MessageSource)) and arrival.source.key is not None:
            override = load_expression(arrival.source.key).evaluate(arrival.scope)
        return keys.identity(arrival.event, override)

    def _name(self, arrival: Arrival) -> str:
        return self.ledger.claim_name(arrival.trigger.name, self._identity(arrival))

    def _window(self, arrival: Arrival) -> WindowId:
        rule = arrival.trigger.window.key
        key = load_expression(rule).evaluate(arrival.scope) if rule is not None else ""
        fixed = keys.captures_in(rule or "", arrival.captures)
        return self.admission.windows.open(arrival.trigger, key if isinstance(key, str) else repr(key), fixed)

    def _claim(self, arrival: Arrival, **fields: Any) -> Claim:
        return Claim(trigger=arrival.trigger.name, event=arrival.event.to_json(), **fields)

    def _claimed(self, name: str, first: Claim) -> tuple[Stored[Claim], bool]:
        """Claim atomically first, look afterwards. -> (the claim that counts, is it ours)."""
        created = self.ledger.claims.create(name, first)
        return (created, True) if created is not None else (self._reread(name), False)

    def _conflict(self, arrival: Arrival, stored: Stored[Claim], mine: Claim) -> Outcome | None:
        if not keys.conflict(stored.value.event, mine.event):
            return None
        reason = "the same identity came before with other content: recorded, not launched"
        self.ledger.bury(f"conflict:{stored.record.key}:{mine.event['id']}", reason, {"event": mine.event})
        return _recorded(arrival, stored, "rejected", Verdict("claim", "stop", "identity_conflict", reason))

    def _rejected(self, arrival: Arrival, verdict: Verdict) -> Outcome:
        """A pure check said no: the claim records it, so that the event has one verdict however often it comes."""
        name = self.ledger.claim_name(arrival.trigger.name, arrival.event.identity)
        stored, fresh = self._claimed(name, self._claim(arrival, state="rejected", verdicts=[verdict.to_json()]))
        return _recorded(arrival, stored, "rejected" if fresh else "duplicate")

    def _later(self, arrival: Arrival, name: str, error: Unavailable | None) -> Outcome:
        """Leave an open claim to the tick: the note is written before the event is acknowledged."""
        self.ledger.note("claim", name, arrival.trigger.name, on_grid(self.ledger.now_ms(), _SOON_MS))
        reason = str(error) if error else "another delivery of this event is being decided"
        return _outcome(arrival, "deferred", Verdict("gate", "wait", error.code if error else "held", reason))


def due_times(source: ScheduleSource, since_ms: int, now_ms: int) -> list[int]:
    """The times of a schedule in (since, now] that should still fire, in ms, by its rules for what was missed.

    At most the last 100, found by looking back further and further: a cursor that rested for years costs no more.
    """
    from retrigger.triggers.schedule import times  # only schedules pay for time zones

    if source.late_at_most is not None:
        since_ms = max(since_ms, now_ms - source.late_at_most // timedelta(milliseconds=1) - 1)
    due: list[int] = []
    for back_ms in (*_LOOK_BACK_MS, now_ms - since_ms):
        start = from_ms(max(since_ms, now_ms - back_ms))
        due = [to_ms(time) for time in times(source.cron, source.timezone, start, from_ms(now_ms))]
        if len(due) >= _MISSED_AT_MOST or now_ms - back_ms <= since_ms:
            break
    match source.missed:
        case "all":
            return due[-_MISSED_AT_MOST:]
        case "last":
            return due[-1:]
        case "none":
            return [at_ms for at_ms in due[-1:] if now_ms - at_ms <= _SOON_MS]


_NO_MATCH = Verdict("match", "stop", "no_match", "no trigger listens to this")
_RESULTS: Mapping[str, Result] = {
    "open": "deferred",
    "member": "deferred",
    "marker": "deferred",
    "run": "launched",
    "rejected": "rejected",
    "dead": "dead",
}


def _outcome(arrival: Arrival, result: Result, *verdicts: Verdict) -> Outcome:
    return Outcome(event=arrival.event.id, trigger=arrival.trigger.name, result=result, verdicts=verdicts)


def _recorded(
    arrival: Arrival,
    stored: Stored[Claim],
    result: Result,
    *verdicts: Verdict,
    window: str | None = None,
    run: str | None = None,
) -> Outcome:
    said = tuple(Verdict(**verdict) for verdict in stored.value.verdicts)
    return Outcome(
        event=arrival.event.id,
        trigger=arrival.trigger.name,
        result=result,
        run=run,
        window=window or stored.value.window,
        stored=_RESULTS[stored.value.state] if result == "duplicate" else None,
        verdicts=said + verdicts,
    )
