"""A schedule event is only a wake-up: the cursor decides which times are due, and each of them becomes an event."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from retrigger.handlers.arrivals import Arrival
from retrigger.handlers.claims import outcome
from retrigger.handlers.ledger import from_ms, to_ms
from retrigger.handlers.outcome import Outcome, Verdict
from retrigger.handlers.records import Cursor
from retrigger.triggers import keys
from retrigger.triggers.event import FIRED, Event, Schedule
from retrigger.triggers.frozen import replace
from retrigger.triggers.spec import ScheduleSource

if TYPE_CHECKING:
    from retrigger.handlers.direct import Direct
    from retrigger.handlers.outbox import Outbox
    from retrigger.triggers.spec import Trigger

_PAST_DUE_MS: Final = 60_000
_BEHIND_MS: Final = 3_000
_MISSED_AT_MOST: Final = 100
_LOOK_BACK_MS: Final = (3_600_000, 86_400_000, 31 * 86_400_000, 366 * 86_400_000)


class Schedules:
    """Cursors over one ledger. Note, then cursor with what is pending, then the claims, then clear: none is lost."""

    def __init__(self, direct: Direct, outbox: Outbox) -> None:
        self.direct = direct
        self.outbox = outbox
        self.ledger = direct.ledger

    def wake_up(self, arrival: Arrival, schedule: Schedule) -> Outcome:
        """Look at the schedule. A wake-up that is announced for the future looks at the present.

        Unless that future is so near that the store's clock may only be behind it: it is, by up to some seconds. A new
        cursor begins before the minute that it is announced for: a clock that sends a message knocks a little
        after the time.
        """
        source = arrival.source
        assert isinstance(source, ScheduleSource)
        now_ms, announced_ms = self.ledger.now_ms(), to_ms(schedule.scheduled_for)
        if now_ms < announced_ms <= now_ms + _BEHIND_MS:
            now_ms = announced_ms
        self.ledger.note("schedule", name_of(arrival.trigger, source), arrival.trigger.name, now_ms)
        minute = schedule.scheduled_for.replace(second=0, microsecond=0)
        since_ms = min(to_ms(minute) - 1, now_ms)
        for done in self.catch_up(arrival.trigger, source, since_ms, now_ms):
            if done.result != "duplicate":
                return done
        return outcome(arrival, "duplicate", Verdict("claim", "stop", "nothing_due", "no slot is due"))

    def catch_up(self, trigger: Trigger, source: ScheduleSource, since_ms: int, now_ms: int) -> list[Outcome]:
        """Claim and launch every time that is due and was not looked at. `since_ms`: where a new cursor begins.

        Times that pass during a pause do not fire: a trigger that is resumed starts from now.
        """
        name = name_of(trigger, source)
        cursor = self.ledger.cursors.get(name) or self.ledger.cursors.create(name, Cursor(at_ms=since_ms))
        if cursor is not None and not cursor.value.pending_ms and cursor.value.at_ms < now_ms:
            paused, since_ms = self.ledger.paused(trigger.name)
            due = [] if paused else due_times(source, max(cursor.value.at_ms, since_ms), now_ms)
            cursor = self.ledger.cursors.swap(cursor, replace(cursor.value, at_ms=now_ms, pending_ms=due))
        cursor = cursor or self.ledger.cursors.get(name)
        assert cursor is not None  # cursors are never deleted
        outcomes = [self.strike(trigger, source, at_ms, now_ms) for at_ms in cursor.value.pending_ms]
        if cursor.value.pending_ms:
            self.ledger.cursors.swap(cursor, replace(cursor.value, pending_ms=[]))
        return outcomes

    def is_behind(self, trigger: Trigger, source: ScheduleSource, at_ms: int) -> bool:
        """Whether something up to `at_ms` is left to be done."""
        cursor = self.ledger.cursors.get(name_of(trigger, source))
        return cursor is not None and (bool(cursor.value.pending_ms) or cursor.value.at_ms < at_ms)

    def strike(self, trigger: Trigger, source: ScheduleSource, at_ms: int, now_ms: int) -> Outcome:
        """Let one time of the schedule fire, as the event that it always is: once."""
        time = from_ms(at_ms)
        event = Event(
            id=f"{trigger.name}/{time.isoformat()}",
            source=f"//retrigger/schedules/{trigger.name}",
            type=FIRED,
            time=time,
            subject=trigger.name,
            payload=Schedule(name=trigger.name, scheduled_for=time, past_due=now_ms - at_ms > _PAST_DUE_MS),
        )
        environment = self.direct.admission.catalog.environment
        scope = {"event": event.scope(), "match": {}, "vars": environment.vars}
        struck = self.direct.take(Arrival(event, trigger, source, {}, scope))
        self.outbox.tell(struck)
        return struck


def name_of(trigger: Trigger, source: ScheduleSource) -> str:
    """The cursor's name: another expression or zone is another schedule, and starts from now."""
    return keys.digest(trigger.name, source.cron, source.timezone)


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
            return [at_ms for at_ms in due[-1:] if now_ms - at_ms <= _PAST_DUE_MS]
