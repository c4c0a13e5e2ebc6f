"""Slots: how many runs at once, and how many in a while. Granted by swap, kept until the run has ended (R3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from retrigger.handlers.ledger import Gate, Grants, Ledger
from retrigger.triggers import keys
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retrigger.triggers.spec import Environment, Trigger

_AT_MOST_REMEMBERED = 500


@dataclass(frozen=True, slots=True)
class GateRule:
    """A gate's record name, and how many runs may hold it at once."""

    name: str
    limit: int


@dataclass(frozen=True, slots=True)
class ThrottleRule:
    """A throttle's record name, and how many launches it grants in a period."""

    name: str
    limit: int
    per: timedelta


def gates_of(trigger: Trigger, environment: Environment, key: str) -> tuple[GateRule, ...]:
    """The gates that a run of this trigger passes, in the order in which they are taken: its own, the environment's."""
    own = GateRule(keys.digest("trigger", trigger.name, key), trigger.concurrency.limit)
    if environment.limits.running is None:
        return (own,)
    return (own, GateRule(keys.digest("environment", environment.name), environment.limits.running))


def throttles_of(trigger: Trigger, environment: Environment) -> tuple[ThrottleRule, ...]:
    """The throttles that a launch of this trigger passes, in order."""
    rules = []
    if trigger.throttle is not None:
        name = keys.digest("trigger", trigger.name)
        rules.append(ThrottleRule(name, trigger.throttle.limit, trigger.throttle.per))
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

    def grant(self, gates: Iterable[GateRule], run: str, cause: str) -> bool:
        """A slot of every gate. False: one is busy (what was granted stays: R3), or the run has ended meanwhile."""
        return all(self._grant(gate, run, cause) for gate in gates)

    def _grant(self, gate: GateRule, run: str, cause: str) -> bool:
        while True:
            if self._ended(run):
                return False
            stored = self.ledger.gates.get(gate.name) or self.ledger.gates.create(gate.name, Gate())
            if stored is None:
                continue
            holds = stored.value.holds
            if run in holds:
                return True
            if len(holds) < gate.limit:
                if self.ledger.gates.swap(stored, replace(stored.value, holds={**holds, run: cause})) is None:
                    continue
                if not self._ended(run):
                    return True
                self.free([gate.name], run)  # granted to a run that ended in between
                return False
            ended = next((holder for holder in holds if self._ended(holder)), None)
            if ended is None:
                return False
            self.free([gate.name], ended)  # its end was recorded by a worker that died before it freed the slot

    def free(self, gates: Sequence[str], run: str) -> None:
        """Give back the slots of a run that has ended; idempotent."""
        for name in reversed(gates):
            self.ledger.gates.update(name, lambda gate: _without(gate, run))

    def _ended(self, run: str) -> bool:
        stored = self.ledger.runs.get(run)
        return stored is not None and stored.value.state == "ended"

    def throttled(self, rules: Iterable[ThrottleRule], run: str) -> bool:
        """False: every throttle has granted the run its launch. True: one has not; the slot is kept meanwhile."""
        return not all(self._admit(rule, run) for rule in rules)

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
    if run not in gate.holds:
        return None
    return replace(gate, holds={holder: cause for holder, cause in gate.holds.items() if holder != run})
