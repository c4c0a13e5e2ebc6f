"""The order of admission: pause, slot, throttle, launch, record. Anyone may advance, at any time.

Every step is idempotent and is found again by whoever comes next: a crash between any two leaves something that a
redelivery or the tick completes. Windows, which are sealed and frozen on the way, are in `windowed`.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from retrigger.handlers import new_runs
from retrigger.handlers.granting import Granting, direct_order
from retrigger.handlers.launch import send
from retrigger.handlers.ledger import Ledger, Stored, to_ms
from retrigger.handlers.slots import Bid, GateRule, Order, Slots, gates_of, own_gate
from retrigger.handlers.unlaunched import observed, skipped
from retrigger.triggers.expressions import load_expression
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.announced import Announced
    from retrigger.handlers.carrying import Carrying
    from retrigger.handlers.following import Following
    from retrigger.handlers.freezing import Freezing
    from retrigger.handlers.granting import Grant
    from retrigger.handlers.judging import Judging
    from retrigger.handlers.listing import Listing
    from retrigger.handlers.ports import Catalog, Launcher, Objects
    from retrigger.handlers.records import Claim, Run
    from retrigger.handlers.windows import Windows
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Trigger


class Admission:
    """Lets runs start over one ledger and one platform, and advances direct ones."""

    def __init__(self, ledger: Ledger, catalog: Catalog, launcher: Launcher, objects: Objects) -> None:
        self.ledger = ledger
        self.catalog = catalog
        self.launcher = launcher
        self.objects = objects
        self.slots = Slots(ledger)
        self.granting = Granting(self.slots, lambda: self.following)
        self._kept: set[str] = set()

    # parts that a process which launches for messages alone does not load

    @cached_property
    def windows(self) -> Windows:
        from retrigger.handlers.windows import Windows

        return Windows(self.ledger)

    @cached_property
    def carrying(self) -> Carrying:
        from retrigger.handlers.carrying import Carrying

        return Carrying(self.windows)

    @cached_property
    def following(self) -> Following:
        from retrigger.handlers.following import Following

        return Following(self.launcher, self.carrying, self.slots)

    @cached_property
    def judging(self) -> Judging:
        from retrigger.handlers.judging import Judging

        return Judging(self.windows)

    @cached_property
    def listing(self) -> Listing:
        from retrigger.handlers.listing import Listing

        return Listing(self.ledger, self.catalog, self.objects)

    @cached_property
    def announced(self) -> Announced:
        from retrigger.handlers.announced import Announced

        return Announced(self.objects, self.listing)

    @cached_property
    def freezing(self) -> Freezing:
        from retrigger.handlers.freezing import Freezing

        return Freezing(self.ledger, self.catalog, self.objects, self.listing)

    def ask(self, trigger: Trigger, gates: tuple[GateRule, ...], bid: Bid) -> Grant:
        return self.granting.ask(trigger, self.catalog.environment, gates, bid)

    def admitted(self, trigger: Trigger, gates: tuple[GateRule, ...], bid: Bid) -> bool:
        """Of what an operator asked for: it waits, whatever the trigger does with what is busy or over."""
        return self.granting.admits(trigger, self.catalog.environment, gates, bid)

    def own_gate(self, trigger: Trigger, scope: Mapping[str, object]) -> str:
        """The trigger's gate for what its concurrency key says. Raises ExpressionError if that gives none."""
        rule = trigger.concurrency.key
        return own_gate(trigger.name, "" if rule is None else _text(load_expression(rule).evaluate(scope)))

    def gates(
        self, trigger: Trigger, captures: Mapping[str, str], job: Mapping[str, Any] | None = None
    ) -> tuple[GateRule, ...]:
        environment = self.catalog.environment
        own = self.own_gate(trigger, {"match": captures, "vars": environment.vars})
        return gates_of(trigger, environment, own, job)

    def send(self, name: str, run: Stored[Run], trigger: Trigger, *, timed: bool) -> bool:
        """Roll a frozen run forward. -> whether this call recorded it as launched."""
        if run.value.state == "wait" and not (timed and self.ledger.now_ms() >= run.value.not_before_ms):
            return False
        sent: Stored[Run] | None = run
        if run.value.state in {"ready", "wait"} and trigger.mode == "observe":
            sent = self.ledger.runs.swap(run, observed(run.value, self.ledger.now_ms()))
        elif run.value.state in {"ready", "wait"}:
            sent = send(self.ledger, self.launcher, name, run)
        if sent is not None and sent.value.state == "ended":
            self.slots.free(sent.value.gates, name)
        return sent is not None and sent.value.state == "launched"

    def advance_direct(self, name: str, claim: Stored[Claim], trigger: Trigger, *, timed: bool) -> bool:
        """Launch what a claim asked for, if a slot is free. -> whether this call launched it.

        The claim holds the frozen request; the run's note is written: what is not launched now, the tick rolls forward.
        """
        run_name = claim.value.run
        assert run_name is not None
        run = self.ledger.runs.get(run_name)
        if run is None:
            gates = self._gates_of_direct(claim.value, trigger)
            if self.ledger.paused(trigger.name)[0]:
                return False
            bid = Bid(run_name, "direct", direct_order(trigger), to_ms(claim.time))
            if not claim.value.replays:
                answer = self.ask(trigger, gates, bid)
            else:  # stands behind all who wait, and stops nobody
                first: Order = "oldest" if bid.first == "oldest" else "anyone"
                answer = "granted" if self.admitted(trigger, gates, replace(bid, first=first)) else "waits"
            if answer == "waits":
                return False
            assert claim.value.job is not None
            self.keep_template(claim.value.job)
            asked = new_runs.of_event(
                name, claim.value, trigger, gates, since_ms=bid.since_ms, now_ms=self.ledger.now_ms()
            )
            if answer != "granted":
                asked = skipped(asked, answer, trigger, self.ledger.now_ms())
            self.ledger.runs.create(run_name, asked)
            run = self.ledger.runs.get(run_name)
            assert run is not None
        if run.value.state == "ended":
            self.slots.free(run.value.gates, run_name)
        launched = self.send(run_name, run, trigger, timed=timed) if run.value.state in {"ready", "wait"} else False
        self.answer(claim, run.value)
        return launched

    def answer(self, claim: Stored[Claim], run: Run) -> None:
        """Let an open claim say what became of its run."""
        if claim.value.state == "open":
            self.ledger.claims.swap(claim, _answered(claim.value, run))

    def _gates_of_direct(self, claim: Claim, trigger: Trigger) -> tuple[GateRule, ...]:
        """The same from claim to end, whatever the trigger says meanwhile; older claims do not hold it."""
        environment, own = self.catalog.environment, claim.own_gate
        if own is None:
            own = self.own_gate(trigger, {"event": claim.event, "match": {}, "vars": environment.vars})
        return gates_of(trigger, environment, own, claim.job)

    def keep_template(self, job: Mapping[str, Any]) -> None:
        """The template, if it has one, goes into the ledger before the run; once a process is enough."""
        sha256 = job.get("template")
        if sha256 is not None and sha256 not in self._kept:
            self.ledger.keep_template(sha256, self.catalog.template(sha256))
            self._kept.add(sha256)


def _answered(claim: Claim, run: Run) -> Claim:
    """What a claim says once its run has a record."""
    if run.outcome != "skipped":
        return replace(claim, state="run").settled()
    return replace(claim, state="skipped", verdicts=[*claim.verdicts, *run.verdicts]).settled()


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)
