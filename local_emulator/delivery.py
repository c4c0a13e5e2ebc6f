"""The one delivery engine: at-least-once pushes with backoff, deadlines and dead letters, on the wound clock."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from retrigger.local_emulator.backlog import Attempt, Backlog, DeadLetter, Item
from retrigger.local_emulator.push import Answer, Unreached, push

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from retrigger.local_emulator.clock import WoundClock

_FIRST_LOOK = timedelta(seconds=0.05)
_LONGEST_LOOK = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a subscription is delivered. The defaults are Eventarc's; whichever of attempts and age comes first ends it.

    `dead_letter` False forgets what could not be delivered (a tick: the next one does the same work).
    """

    min_backoff: timedelta = timedelta(seconds=10)
    max_backoff: timedelta = timedelta(seconds=600)
    max_attempts: int | None = None
    max_age: timedelta = timedelta(hours=24)
    ack_deadline: timedelta = timedelta(seconds=10)
    dead_letter: bool = True


def _as_it_is(body: bytes, attempt: int) -> bytes:
    del attempt
    return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Where events go. `copies` announces each event that often; `body_of(body, attempt)` writes an attempt's body."""

    name: str
    endpoint: str
    policy: Policy = field(default_factory=Policy)
    copies: int = 1
    body_of: Callable[[bytes, int], bytes] = _as_it_is


@dataclass(frozen=True, slots=True)
class Delivered:
    """It was acknowledged."""


@dataclass(frozen=True, slots=True)
class Again:
    """It goes out once more, when `due`."""

    due: datetime


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Its attempts or its age ran out."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Down:
    """Nobody listens at an endpoint: it was looked at so often, and is looked at again `until` then."""

    looks: int
    until: datetime


Fate: TypeAlias = Delivered | Again | Exhausted


def fate(policy: Policy, item: Item, answer: Answer, now: datetime) -> Fate:
    """What becomes of an item after an answer: 10 s, 20 s, 40 s … between attempts, or what Retry-After asks for."""
    if answer.acknowledged:
        return Delivered()
    told = answer.error or f"HTTP {answer.status}"
    tries = item.tries + 1
    if policy.max_attempts is not None and tries >= policy.max_attempts:
        return Exhausted(f"not acknowledged in {tries} attempts; the last answer was: {told}")
    if now - item.accepted >= policy.max_age:
        return Exhausted(f"not acknowledged within {policy.max_age}; the last answer was: {told}")
    if answer.retry_after is not None:
        return Again(now + min(timedelta(seconds=min(answer.retry_after, 1e9)), policy.max_backoff))
    return Again(now + _doubled(policy.min_backoff, item.tries, policy.max_backoff))


def _doubled(first: timedelta, times: int, most: timedelta) -> timedelta:
    return min(first * (1 << min(times, 30)), most)


class Delivery:
    """Accepts events, keeps them on disk, and pushes them until each is acknowledged or dead.

    What was accepted survives a kill of the emulator: an item that was in flight then is simply due again.
    """

    def __init__(self, path: Path, clock: WoundClock, *, workers: int = 8) -> None:
        self._clock = clock
        self._backlog = Backlog(path)
        self._subscriptions: dict[str, Subscription] = {}
        self._in_flight: set[int] = set()
        self._down: dict[str, _Down] = {}
        self._stopping = False
        self._closed = False
        lock = threading.RLock()
        self._work = threading.Condition(lock)
        self._settled = threading.Condition(lock)
        self._workers = [
            threading.Thread(target=self._deliver, name=f"delivery-{n}", daemon=True) for n in range(workers)
        ]
        clock.on_advance(lambda _: self._wake())

    def register(self, subscription: Subscription) -> None:
        """Add or replace. Before `start`, every subscription that may have undelivered items must be registered."""
        with self._work:
            self._subscriptions[subscription.name] = subscription

    def unregister(self, name: str) -> None:
        """Remove a subscription together with what it has not delivered."""
        with self._work:
            self._subscriptions.pop(name, None)
            self._backlog.forget(name)
            self._settled.notify_all()

    def submit(
        self, subscription: str, headers: Mapping[str, str], body: bytes, *, now: datetime, lane: str | None = None
    ) -> None:
        """Accept an event: when this returns, it will be delivered. Items of one `lane` go out one after the other.

        Errors: KeyError for an unknown subscription, ValueError for headers that HTTP cannot carry.
        """
        for name, value in headers.items():
            if not (name + value).isascii() or not (name + value).isprintable():
                raise ValueError(f"header {name!r} cannot be sent: its value must be printable ASCII")
        with self._work:
            copies = self._subscriptions[subscription].copies
            self._backlog.add(subscription, headers, body, lane=lane, copies=copies, now=now)
            self._work.notify(copies)

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def stop(self, grace: timedelta = timedelta(seconds=2)) -> None:
        """Begin nothing new and wait at most `grace` for what is in flight; the rest is delivered after a restart."""
        with self._work:
            self._stopping = True
            self._work.notify_all()
            self._settled.wait_for(lambda: not self._in_flight, grace.total_seconds())
            self._closed = True
            self._backlog.close()
            self._settled.notify_all()

    def wait_idle(self, timeout: timedelta) -> bool:
        """Wait until nothing is due, in flight or waiting for its host. Backoffs still to come do not count."""
        with self._settled:
            self._settled.wait_for(lambda: self._closed or self._is_idle(), timeout.total_seconds())
            return not self._closed and self._is_idle()

    def is_waiting(self, subscription: str) -> bool:
        """Whether an item of this subscription is accepted and not yet on its way."""
        with self._work:
            return bool(self._backlog.waiting(subscription) - self._in_flight)

    def attempts(self, limit: int = 1000) -> list[Attempt]:
        """The latest attempts, oldest first."""
        with self._work:
            return self._backlog.attempts(limit)

    def dead(self, limit: int = 1000) -> list[DeadLetter]:
        with self._work:
            return self._backlog.dead(limit)

    def tallies(self) -> dict[str, dict[str, int]]:
        """Subscription to {accepted, delivered, refused, dead, dropped} since the state folder was made."""
        with self._work:
            return self._backlog.tallies()

    def _wake(self) -> None:
        with self._work:
            self._work.notify_all()

    def _is_idle(self) -> bool:
        return not (
            self._in_flight
            or any(self._backlog.waiting(name) for name in self._down)
            or self._backlog.due(self._clock.now())
        )

    def _deliver(self) -> None:
        while (taken := self._take()) is not None:
            item, subscription = taken
            self._attempt(item, subscription)

    def _take(self) -> tuple[Item, Subscription] | None:
        with self._work:
            while not self._stopping:
                now = self._clock.now()
                item = self._backlog.due(now, self._in_flight)
                if item is None:
                    due = self._backlog.next_due(now)
                    self._work.wait(None if due is None else (due - now).total_seconds())
                elif (subscription := self._subscriptions.get(item.subscription)) is None:
                    reason = f"there is no subscription {item.subscription!r} any more"
                    self._backlog.give_up(item, reason, keep=True, now=now, answer=None)
                else:
                    self._in_flight.add(item.id)
                    self._work.notify()  # many may have become due at once: each taker calls the next
                    return item, subscription
        return None

    def _attempt(self, item: Item, subscription: Subscription) -> None:
        body = subscription.body_of(item.body, item.tries + 1)
        try:
            answer = push(subscription.endpoint, item.headers, body, subscription.policy.ack_deadline)
        except Unreached as error:
            told = str(error)
            self._settle(item, lambda now: self._look_again(item, subscription.policy, told, now))
        else:
            self._settle(item, lambda now: self._judge(item, subscription.policy, answer, now))

    def _settle(self, item: Item, write: Callable[[datetime], None]) -> None:
        with self._work:
            if not self._closed:
                write(self._clock.now())
            self._in_flight.discard(item.id)
            self._settled.notify_all()

    def _judge(self, item: Item, policy: Policy, answer: Answer, now: datetime) -> None:
        self._down.pop(item.subscription, None)
        match fate(policy, item, answer, now):
            case Delivered():
                self._backlog.done(item, answer, now)
            case Again(due):
                self._backlog.again(item, answer, now, due)
            case Exhausted(reason):
                self._backlog.give_up(item, reason, keep=policy.dead_letter, now=now, answer=answer)

    def _look_again(self, item: Item, policy: Policy, error: str, now: datetime) -> None:
        """A host that starts, or was just killed, is back in a moment: look soon, then every two seconds.

        One look speaks for the whole subscription, so that a long backlog does not knock ten thousand times.
        """
        if now - item.accepted >= policy.max_age:
            reason = f"not delivered within {policy.max_age}: {error}"
            self._backlog.give_up(item, reason, keep=policy.dead_letter, now=now, answer=None)
            return
        down = self._down.get(item.subscription)
        if down is None or now >= down.until:
            looks = down.looks + 1 if down else 0
            down = _Down(looks, now + _doubled(_FIRST_LOOK, looks, _LONGEST_LOOK))
            self._down[item.subscription] = down
        self._backlog.hold(item.subscription, now, down.until)
