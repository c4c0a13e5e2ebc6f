"""May a run start now? A slot of every gate, then the throttles; and what becomes of it where its own gate is full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from retrigger.handlers.slots import throttles_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from retrigger.handlers.following import Following
    from retrigger.handlers.slots import Bid, GateRule, Order, Slots
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.spec import Trigger

Grant: TypeAlias = Literal["granted", "waits", "busy", "replaced", "over"]
"""Of those that may be skipped: its own gate is full, something newer is there, its own throttle is spent."""


class Granting:
    """Grants over the slots of one ledger; `following` gives who knows whether the holder of one still runs."""

    def __init__(self, slots: Slots, following: Callable[[], Following]) -> None:
        self.slots = slots
        self.following = following
        self.ledger = slots.ledger

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

    def admits(self, trigger: Trigger, environment: Environment, gates: Sequence[GateRule], bid: Bid) -> bool:
        """Whether it may start now, for what is never skipped and stops nothing."""
        if any(self.slots.grant(gate, bid).state != "granted" for gate in gates):
            return False
        return self.slots.throttled(throttles_of(trigger, environment), bid.run) is None

    def _own(self, trigger: Trigger, gate: GateRule, bid: Bid) -> Grant:
        while True:
            standing = self.slots.grant(gate, bid)
            if standing.state in {"granted", "ended"}:
                return "granted" if standing.state == "granted" else "waits"
            match trigger.concurrency.when_busy:
                case "coalesce" | "queue":
                    return "waits"
                case "replace" if standing.behind:
                    return "replaced"
            if standing.state == "full" and self._one_has_ended(standing.holders):
                continue
            return "busy" if trigger.concurrency.when_busy == "skip" else self._replace(standing.holders, bid)

    def _replace(self, holders: Iterable[str], bid: Bid) -> Grant:
        """Stop the oldest run that is older than the bid, one at a time: its slot is free when it has ended.

        What was granted and not launched yet is launched first (R3).
        """
        runs = {holder: self.ledger.runs.get(holder) for holder in holders}
        known = {name: run for name, run in runs.items() if run is not None}
        older = {name: run for name, run in known.items() if run.value.since_ms < bid.since_ms}
        if not older and len(known) == len(runs):
            return "replaced"
        launched = [name for name, run in older.items() if run.value.state == "launched"]
        if launched and not any(run.value.state in {"cancelling", "carrying"} for run in known.values()):
            oldest = min(launched, key=lambda name: known[name].value.since_ms)
            self.following().stop(oldest, known[oldest])
        return "waits"

    def _one_has_ended(self, holders: Iterable[str]) -> bool:
        """The platform is asked: an end that nobody has noticed yet is no reason to skip anything."""
        return any(self.following().has_ended(holder) for holder in holders)


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
    return over or trigger.concurrency.when_busy in {"skip", "replace"}
