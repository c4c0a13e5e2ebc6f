"""Slots: how many runs at once, and how many in a while. Granted by swap, kept until the run has ended (R3)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from retrigger.handlers.records import Gate, Grants
from retrigger.triggers import keys
from retrigger.triggers.frozen import dataclass, replace
from retrigger.triggers.launches import OnlineDeployment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retrigger.handlers.ledger import Ledger
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.spec import Trigger

Order: TypeAlias = Literal["anyone", "oldest", "newest"]
_AT_MOST_REMEMBERED = 500
_LINED_UP: Final = 8
"""How many stand in line: each of them is a write to the record of the gate, which a burst must not be."""


@dataclass(frozen=True, slots=True)
class GateRule:
    """A gate's record name, and how many runs may hold it at once.

    `lined`: those that wait stand in line, if they ask for that. Where the runs of several triggers meet nobody does: a
    pause of one trigger would hold the others too.
    """

    name: str
    limit: int
    lined: bool = True


@dataclass(frozen=True, slots=True)
class ThrottleRule:
    """A throttle's record name, how many launches it grants in a period, and whether it skips what is over."""

    name: str
    limit: int
    per: timedelta
    skips: bool = False


@dataclass(frozen=True, slots=True)
class Bid:
    """A run that wants a slot, and why. `first`: who of those that wait goes first; `since_ms` is their order."""

    run: str
    cause: str
    first: Order = "anyone"
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a bid stands at a gate. `behind`: another one that waits goes first; `holders`: of a gate that is full."""

    state: Literal["granted", "full", "behind", "ended"]
    holders: tuple[str, ...] = ()
    behind: bool = False


def own_gate(trigger: str, key: str) -> str:
    """The gate of a trigger for one value of its concurrency key."""
    return keys.digest("trigger", trigger, key)


def gates_of(
    trigger: Trigger, environment: Environment, own_gate: str, job: Mapping[str, Any] | None = None
) -> tuple[GateRule, ...]:
    """The gates that a run of this trigger passes, in the order in which they are taken.

    They are its own; that of the endpoint which a rollout changes, one at a time whatever the triggers; the
    environment's. `job`: the frozen request, where there is one already: it says which endpoint.
    """
    gates = [GateRule(own_gate, trigger.concurrency.limit)]
    endpoint = _endpoint(trigger, environment) if job is None else job.get("kind") == "rollout" and job["endpoint"]
    if endpoint:
        gates.append(GateRule(keys.digest("endpoint", endpoint), 1, lined=False))
    if environment.limits.running is not None:
        gates.append(GateRule(keys.digest("environment", environment.name), environment.limits.running))
    return tuple(gates)


def _endpoint(trigger: Trigger, environment: Environment) -> str | None:
    """The platform's name of the endpoint that a run of the trigger changes."""
    launch = trigger.launch
    return environment.endpoints[launch.endpoint].name if isinstance(launch, OnlineDeployment) else None


def throttles_of(trigger: Trigger, environment: Environment) -> tuple[ThrottleRule, ...]:
    """The throttles that a launch of this trigger passes, in order."""
    rules = []
    if trigger.throttle is not None:
        name = keys.digest("trigger", trigger.name)
        own = trigger.throttle
        rules.append(ThrottleRule(name, own.limit, own.per, skips=own.when_over == "skip"))
    if environment.limits.submit_per_minute is not None:
        name = keys.digest("environment", environment.name)
        rules.append(ThrottleRule(name, environment.limits.submit_per_minute, timedelta(minutes=1)))
    return tuple(rules)


class Slots:
    """Gates and throttles over one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def cause(self, gate: GateRule, run: str) -> str | None:
        """Why the run was granted its slot, None if it was not: a successor rolls forward without judging again."""
        stored = self.ledger.gates.get(gate.name)
        return stored.value.holds.get(run) if stored else None

    def grant(self, gate: GateRule, bid: Bid) -> Standing:
        """A slot of the gate, or a place in its line. What is granted stays (R3); `ended`: the run has, meanwhile.

        The line is short: who finds no place in it comes again. It cannot get stuck: whoever stands there has a note,
        so that a tick takes its turn, makes it give it up, or ends it; and what has ended is passed over. Runs of one
        gate are of one trigger: where it is paused or gone, nobody of the line could go anyway.
        """
        if not gate.lined:
            bid = replace(bid, first="anyone")
        while True:
            if self._ended(bid.run):
                return Standing("ended")
            stored = self.ledger.gates.get(gate.name) or self.ledger.gates.create(gate.name, Gate())
            if stored is None:
                continue
            holds = stored.value.holds
            if bid.run in holds:
                return Standing("granted")
            ahead = self._ahead(stored.value, bid)
            free = gate.limit - len(holds)
            if free > len(ahead):
                if self.ledger.gates.swap(stored, _taken(stored.value, bid)) is None:
                    continue
                if not self._ended(bid.run):
                    return Standing("granted")
                self.free([gate.name], bid.run)  # granted to a run that ended in between
                return Standing("ended")
            ended = next((run for run in (ahead if free > 0 else holds) if self._ended(run)), None)
            if ended is not None:  # its end was recorded by a worker that died before it freed the slot
                self.free([gate.name], ended)
                continue
            lined_up = self._lined_up(stored.value, bid)
            if lined_up == stored.value or self.ledger.gates.swap(stored, lined_up) is not None:
                return Standing("behind" if free > 0 else "full", tuple(holds), behind=bool(ahead))

    def _ahead(self, gate: Gate, bid: Bid) -> list[str]:
        """Those of the line that go before the bid."""
        mine = (bid.since_ms, bid.run)
        others = [(since_ms, run) for run, since_ms in gate.waits.items() if run != bid.run]
        match bid.first:
            case "anyone":
                return []
            case "oldest":
                return [run for since_ms, run in others if (since_ms, run) < mine]
            case "newest":
                return [run for since_ms, run in others if (since_ms, run) > mine]

    def _lined_up(self, gate: Gate, bid: Bid) -> Gate:
        """The gate with the bid in its line: the oldest few, or the newest alone."""
        if bid.first == "anyone":
            return gate
        line = sorted((since_ms, run) for run, since_ms in (gate.waits | {bid.run: bid.since_ms}).items())
        kept = line[:_LINED_UP] if bid.first == "oldest" else line[-1:]
        return replace(gate, waits={run: since_ms for since_ms, run in kept})

    def withdraw(self, gate: GateRule, run: str) -> None:
        """Give up a place in line: a window that is not due any more, since something came, lets others go."""
        self.ledger.gates.update(gate.name, lambda it: _without_place(it, run))

    def free(self, gates: Sequence[str], run: str) -> None:
        """Give back the slots of a run that has ended, or its places in line; idempotent."""
        for name in reversed(gates):
            self.ledger.gates.update(name, lambda gate: _without(gate, run))

    def _ended(self, run: str) -> bool:
        stored = self.ledger.runs.get(run)
        return stored is not None and stored.value.state == "ended"

    def throttled(self, rules: Iterable[ThrottleRule], run: str) -> ThrottleRule | None:
        """The throttle that does not grant the run its launch; the slot is kept meanwhile. None: all of them do."""
        return next((rule for rule in rules if not self._admit(rule, run)), None)

    def _admit(self, rule: ThrottleRule, run: str) -> bool:
        while True:
            now = self.ledger.now_ms()
            stored = self.ledger.throttles.get(rule.name) or self.ledger.throttles.create(rule.name, Grants())
            if stored is None:
                continue
            if any(name == run for name, _ in stored.value.grants):
                return True
            period_ms = int(rule.per.total_seconds() * 1000)
            recent = [[name, at_ms] for name, at_ms in stored.value.grants if at_ms > now - period_ms]
            if len(recent) >= min(rule.limit, _AT_MOST_REMEMBERED):
                return False
            if self.ledger.throttles.swap(stored, replace(stored.value, grants=[*recent, [run, now]])) is not None:
                return True


def _without(gate: Gate, run: str) -> Gate | None:
    if run not in gate.holds and run not in gate.waits:
        return None
    holds = {holder: cause for holder, cause in gate.holds.items() if holder != run}
    return replace(_without_place(gate, run) or gate, holds=holds)


def _without_place(gate: Gate, run: str) -> Gate | None:
    if run not in gate.waits:
        return None
    return replace(gate, waits={waiter: since_ms for waiter, since_ms in gate.waits.items() if waiter != run})


def _taken(gate: Gate, bid: Bid) -> Gate:
    return replace(_without_place(gate, bid.run) or gate, holds={**gate.holds, bid.run: bid.cause})
