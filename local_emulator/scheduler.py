"""The emulator's scheduler: wake-ups for triggers and ticks, by the wound clock."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from retrigger.local_emulator.delivery import Policy, Subscription
from retrigger.triggers.event import FIRED, Event, Schedule
from retrigger.triggers.formats.encoding import encode
from retrigger.triggers.formats.schedule import TYPE as DUE
from retrigger.triggers.schedule import next_time, times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from retrigger.local_emulator.clock import WoundClock
    from retrigger.local_emulator.delivery import Delivery

WAKE_UPS = "schedules"
TICKS = "tick"
# Like a CronJob: who winds over more has wound over everything that still matters.
MOST_MISSED = 100
_PAST_DUE = timedelta(minutes=1)
_PATIENCE = timedelta(seconds=540)
# A timer is struck again until its function succeeds: the next strike would not know what this one missed.
_TIMER = Policy(ack_deadline=_PATIENCE, dead_letter=False)


@dataclass(frozen=True, slots=True)
class TriggerSchedule:
    """When a trigger wants to be woken: a five-field cron expression in an IANA time zone."""

    trigger: str
    cron: str
    timezone: str


class Scheduler:
    """Submits a wake-up for each slot of each schedule that time or winding passes, and a tick every `tick_every`.

    Slots count from `start`; of those wound over at once, the latest hundred of a schedule are announced, oldest first.
    A tick follows every winding at once, after its wake-ups.

    `timer` is for Azure, where a function with a timer takes the ticks and finds the due slots itself: it writes what
    that one is told, from the time of the strike before. No wake-up is then sent but by `fire`.
    """

    def __init__(
        self,
        schedules: Sequence[TriggerSchedule],
        functions: str,
        *,
        delivery: Delivery,
        clock: WoundClock,
        tick_every: timedelta,
        copies: int = 1,
        timer: Callable[[datetime | None], bytes] | None = None,
    ) -> None:
        self._schedules = tuple(schedules)
        self._delivery = delivery
        self._clock = clock
        self._tick_every = tick_every
        self._changed = threading.Condition()
        self._seen: datetime | None = None
        self._next_tick: datetime | None = None
        self._struck: datetime | None = None
        self._timer = timer
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)
        wake_ups, ticks, policy = (
            ("/", "/tick", _once(tick_every)) if timer is None else ("/api/events", "/timer", _TIMER)
        )
        delivery.register(Subscription(name=WAKE_UPS, endpoint=functions + wake_ups, copies=copies))
        delivery.register(Subscription(name=TICKS, endpoint=functions + ticks, policy=policy))
        clock.on_advance(lambda _: self._wound())

    def start(self) -> None:
        with self._changed:
            self._seen = self._next_tick = self._clock.now()
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident:
            self._thread.join()

    def fire(self, trigger: str) -> None:
        """Let a trigger's schedule strike now, whatever its cron says. Errors: KeyError if it has none."""
        if trigger not in {schedule.trigger for schedule in self._schedules}:
            raise KeyError(trigger)
        now = self._clock.now()
        self._submit(trigger, FIRED, now, now)

    def _wound(self) -> None:
        """On the thread that wound: when `advance` returns, what has become due is accepted for delivery."""
        with self._changed:
            if self._next_tick is not None and not self._stopping:
                self._next_tick = self._clock.now()
                self._do_due()
                self._changed.notify_all()

    def _run(self) -> None:
        with self._changed:
            while not self._stopping:
                self._changed.wait((self._do_due() - self._clock.now()).total_seconds())

    def _do_due(self) -> datetime:
        """Submit everything up to now; the time of what comes next."""
        now = self._clock.now()
        assert self._seen is not None
        assert self._next_tick is not None
        announced = self._schedules if self._timer is None else ()
        for it in announced:
            for slot in deque(times(it.cron, it.timezone, self._seen, now), maxlen=MOST_MISSED):
                self._wake(it.trigger, slot, now)
        self._seen = now
        if self._next_tick <= now:
            self._tick(now)
            self._next_tick = now + self._tick_every
        return min([self._next_tick, *(next_time(it.cron, it.timezone, now) for it in announced)])

    def _tick(self, now: datetime) -> None:
        """A tick that still waits for its turn will see all that this one would."""
        if not self._delivery.is_waiting(TICKS):
            body = b"" if self._timer is None else self._timer(self._struck)
            self._delivery.submit(TICKS, {}, body, now=now)
            self._struck = now

    def _wake(self, trigger: str, slot: datetime, now: datetime) -> None:
        self._submit(trigger, DUE, slot, now)

    def _submit(self, trigger: str, kind: str, slot: datetime, now: datetime) -> None:
        event = Event(
            id=f"{trigger}/{slot.isoformat()}",
            source=f"//retrigger/schedules/{trigger}",
            type=kind,
            time=now,
            subject=trigger,
            payload=Schedule(name=trigger, scheduled_for=slot, past_due=now - slot > _PAST_DUE),
        )
        headers, body = encode(event, "cloudevent-binary")
        self._delivery.submit(WAKE_UPS, headers, body, now=now, lane=trigger)


def _once(tick_every: timedelta) -> Policy:
    """A missed tick is not worth a second try: the next one does its work."""
    return Policy(max_attempts=1, max_age=tick_every, ack_deadline=_PATIENCE, dead_letter=False)
