"""May a run start now? A slot of every gate, then the throttles; and what becomes of it where its own gate is full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from retrigger.handlers.slots import throttles_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retrigger.handlers.following import Following
    from retrigger.handlers.slots import Bid, GateRule, Order, Slots
    from retrigger.triggers.spec import Environment, Trigger

Grant: TypeAlias = Literal["granted", "waits", "busy", "over"]
"""`busy` and `over`: it is to be skipped, since its own gate is full, or its own throttle spent."""


class Granting:
    """Grants over the slots of one ledger; `following` knows whether who holds one still runs."""

    def __init__(self, slots: Slots, following: Following) -> None:
        self.slots = slots
        self.following = following

    def ask(self, trigger: Trigger, environment: Environment, gates: Sequence[GateRule], bid: Bid) -> Grant:
        """A throttled run keeps its slots (R3); so does one that waits for a slot of the environment's."""
        own, *shared = gates
        answer = self._own(trigger, own, bid)
        if answer != "granted":
            return answer
        if any(self.slots.grant(gate, bid).state != "granted" for gate in shared):
            return "waits"
        over = self.slots.throttled(throttles_of(trigger, environment), bid.run)
        if over is None:
            return "granted"
        return "over" if over.skips else "waits"

    def _own(self, trigger: Trigger, gate: GateRule, bid: Bid) -> Grant:
        while True:
            standing = self.slots.grant(gate, bid)
            if standing.state == "granted":
                return "granted"
            if trigger.concurrency.when_busy != "skip" or standing.state != "full":
                return "waits"
            if not self._one_has_ended(standing.holders):
                return "busy"

    def _one_has_ended(self, holders: Iterable[str]) -> bool:
        """The platform is asked: an end that nobody has noticed yet is no reason to skip anything."""
        return any(self.following.has_ended(holder) for holder in holders)


def window_order(trigger: Trigger) -> Order:
    """Which of the windows that wait goes first; `coalesce` has none that matters: each of them gathers on."""
    match trigger.concurrency.when_busy:
        case "queue":
            return "oldest"
        case "replace":
            return "newest"
        case "coalesce" | "skip":
            return "anyone"


def direct_order(trigger: Trigger) -> Order:
    """Which of the events that launch directly goes first: to them, `coalesce` means `queue`."""
    return "oldest" if trigger.concurrency.when_busy == "coalesce" else window_order(trigger)


def may_skip(trigger: Trigger) -> bool:
    """Whether admission may let go of what this trigger asks for."""
    over = trigger.throttle is not None and trigger.throttle.when_over == "skip"
    return over or trigger.concurrency.when_busy == "skip"
