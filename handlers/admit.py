"""The order of admission: pause, slot, throttle, seal, freeze, launch, record. Anyone may advance, at any time.

Every step is idempotent and is found again by whoever comes next: a crash between any two leaves something that a
redelivery or the tick completes.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

from retrigger.handlers import new_runs
from retrigger.handlers.granting import Granting, direct_order, window_order
from retrigger.handlers.launch import send
from retrigger.handlers.ledger import Ledger, Stored, to_ms
from retrigger.handlers.outcome import Verdict
from retrigger.handlers.requests import same_job
from retrigger.handlers.slots import Bid, GateRule, Order, Slots, gates_of, own_gate
from retrigger.handlers.unlaunched import by_window, observed, skipped
from retrigger.triggers import keys
from retrigger.triggers.expressions import load_expression
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.handlers.announced import Announced
    from retrigger.handlers.carrying import Carrying
    from retrigger.handlers.following import Following
    from retrigger.handlers.freezing import Freezing
    from retrigger.handlers.granting import Grant
    from retrigger.handlers.judging import Judging
    from retrigger.handlers.listing import Listing
    from retrigger.handlers.ports import Catalog, Launcher, Objects
    from retrigger.handlers.records import Cause, Claim, Head, Manifest, Run
    from retrigger.handlers.windows import WindowId, Windows
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Trigger

_UNASKED = frozenset({"reject", "empty"})
"""Causes for which a window closes without a slot."""


class Admission:
    """Advances windows and direct runs over one ledger and one platform."""

    def __init__(self, ledger: Ledger, catalog: Catalog, launcher: Launcher, objects: Objects) -> None:
        self.ledger = ledger
        self.catalog = catalog
        self.launcher = launcher
        self.objects = objects
        self.slots = Slots(ledger)
        self.granting = Granting(self.slots, lambda: self.following)
        self._kept: set[str] = set()

    # what a process that launches for messages alone does not load

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

    # a window

    def run_of(self, trigger: str, window: WindowId, chunk: int) -> str:
        return keys.run_id(self.catalog.environment.name, trigger, str(window), str(chunk))

    def advance_window(self, window: WindowId, trigger: Trigger, *, timed: bool, first_ms: int = 0) -> list[str]:
        """Close the window if it is due and a slot is free, and launch its runs. -> the runs that this call launched.

        `timed`: the caller is a tick, which alone judges time; `first_ms`: when the window's note was first written.
        """
        manifest = self._closed(window, trigger, timed=timed, first_ms=first_ms)
        if manifest is None:
            return []
        gates = self._gates(trigger, manifest.captures)
        if manifest.state != "frozen":
            self._end(trigger, window, manifest, gates)
            return []
        launched = []
        for chunk in range(len(manifest.chunks())):
            run = self.run_of(trigger.name, window, chunk)
            if chunk and self.ledger.runs.get(run) is None and self.ledger.paused(trigger.name)[0]:
                break  # later chunks are new grants
            match self._advance_chunk(window, trigger, manifest, chunk, gates=gates, timed=timed):
                case "launched":
                    launched.append(run)
                case "waits" if manifest.in_order:
                    break
        return launched

    def _closed(self, window: WindowId, trigger: Trigger, *, timed: bool, first_ms: int) -> Manifest | None:
        """The manifest of the window, closing it if it is due; None: it stays open."""
        stored = self.ledger.manifests.get(str(window))
        if stored is not None:
            return stored.value
        head = self.windows.head(window.head)
        if head.value.n == window.n:
            run = self.run_of(trigger.name, window, 0)
            gates = self._gates(trigger, head.value.captures)
            granted = self.slots.cause(gates[0], run)
            if granted is not None:
                cause, lists = _told(granted)
            else:
                judged = self._judge(window, trigger, head.value, timed=timed, first_ms=first_ms)
                if judged is None:
                    if timed and window_order(trigger) != "anyone":
                        self.slots.withdraw(gates[0], run)
                    return None
                cause, lists = judged, len(head.value.lists)
            in_order = trigger.concurrency.when_busy == "queue"
            most = 1 if in_order else trigger.window.max_members
            if cause not in _UNASKED:
                answer = self._ask(trigger, gates, self._window_bid(window, trigger, run, _tell(cause, lists)))
                if answer in {"waits", "replaced"}:  # a window gathers on, also behind a newer one
                    return None
                cause = "busy" if answer == "busy" else cause  # over a throttle, it is its runs that are skipped
            if cause in _UNASKED or cause == "busy":  # it has no slot: one try, on the head that was judged
                if self.windows.seal(window, head, cause, max_members=most) is None:
                    return None
                return self.windows.manifest(window)
            while head.value.n == window.n:  # granted: never judged again
                self.windows.seal(window, head, cause, max_members=most, in_order=in_order, lists=lists)
                head = self.windows.head(window.head)
        return self.windows.manifest(window)

    def _judge(self, window: WindowId, trigger: Trigger, head: Head, *, timed: bool, first_ms: int) -> Cause | None:
        paused, since_ms = self.ledger.paused(trigger.name)
        if paused:
            return None
        return self.judging.judge(
            trigger,
            window,
            head,
            timed=timed,
            first_ms=first_ms,
            since_ms=since_ms,
            listed=lambda: self._listed(trigger, head),
        )

    def _listed(self, trigger: Trigger, head: Head) -> Iterator[str | None]:
        """The claims that a marker waits for: of what it names in its content, or of all that lies there."""
        if trigger.window.until_lists:
            return self.announced.claimed(trigger, head)
        return (name for _, name in self.listing.claimed(trigger, head.captures))

    def _window_bid(self, window: WindowId, trigger: Trigger, run: str, cause: str) -> Bid:
        """Of a window that is still open: what came first stands for it where the oldest goes first, else the last."""
        first = window_order(trigger)
        if first == "anyone":
            return Bid(run, cause)
        came = self.windows.arrivals(window) or [0]  # without members of its own it stops nothing
        return Bid(run, cause, first, min(came) if first == "oldest" else max(came))

    def _chunk_bid(self, trigger: Trigger, run: str, manifest: Manifest, chunk: int) -> Bid:
        cause = manifest.cause if chunk == 0 else "chunk"
        [came, *_] = manifest.arrivals(chunk) if manifest.in_order else [manifest.last_ms]
        return Bid(run, cause, window_order(trigger), came)

    def _ask(self, trigger: Trigger, gates: tuple[GateRule, ...], bid: Bid) -> Grant:
        return self.granting.ask(trigger, self.catalog.environment, gates, bid)

    def _admitted(self, trigger: Trigger, gates: tuple[GateRule, ...], bid: Bid) -> bool:
        """Of what an operator asked for: it waits, whatever the trigger does with what is busy or over."""
        return self.granting.admits(trigger, self.catalog.environment, gates, bid)

    def own_gate(self, trigger: Trigger, scope: Mapping[str, object]) -> str:
        """The trigger's gate for what its concurrency key says. Raises ExpressionError if that gives none."""
        rule = trigger.concurrency.key
        return own_gate(trigger.name, "" if rule is None else _text(load_expression(rule).evaluate(scope)))

    def _gates(
        self, trigger: Trigger, captures: Mapping[str, str], job: Mapping[str, Any] | None = None
    ) -> tuple[GateRule, ...]:
        environment = self.catalog.environment
        own = self.own_gate(trigger, {"match": captures, "vars": environment.vars})
        return gates_of(trigger, environment, own, job)

    def _advance_chunk(
        self,
        window: WindowId,
        trigger: Trigger,
        manifest: Manifest,
        chunk: int,
        *,
        gates: tuple[GateRule, ...],
        timed: bool,
    ) -> Literal["launched", "waits", "done"]:
        """`waits`: for a slot. `done`: there is nothing to do now."""
        name = self.run_of(trigger.name, window, chunk)
        run = self.ledger.runs.get(name)
        if run is not None and run.value.state not in {"ready", "wait"}:
            if run.value.state == "ended":
                self._ended(name, run.value)
            return "done"
        if run is None:
            answer = self._ask(trigger, gates, self._chunk_bid(trigger, name, manifest, chunk))
            if answer not in ("granted", "over"):
                return "waits"  # what was granted was granted to the whole window: later chunks wait for their slots
            first = new_runs.of_window(window, chunk, trigger, manifest, gates, now_ms=self.ledger.now_ms())
            if answer == "granted":
                first = self._frozen(name, first, trigger, manifest)
            else:
                first = skipped(first, answer, trigger, self.ledger.now_ms())
            self.ledger.runs.create(name, first)
            run = self.ledger.runs.get(name)
            assert run is not None
        if run.value.state == "ended":
            self._ended(name, run.value)
            return "done"
        return "launched" if self._send(name, run, trigger, timed=timed) else "done"

    def _ended(self, name: str, run: Run) -> None:
        """What is left to do with a run that has ended: its slots, and what was skipped after it had failed before."""
        if run.outcome == "skipped" and run.window is not None:
            self.carrying.bury_skipped(name, run)
        self.slots.free(run.gates, name)

    def _send(self, name: str, run: Stored[Run], trigger: Trigger, *, timed: bool) -> bool:
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

    def _frozen(self, name: str, run: Run, trigger: Trigger, manifest: Manifest) -> Run:
        frozen = self.freezing.window_run(name, run, trigger, manifest)
        if frozen.job is not None:
            self._keep_template(frozen.job)
        return frozen

    def _end(self, trigger: Trigger, window: WindowId, manifest: Manifest, gates: tuple[GateRule, ...]) -> None:
        """The record of a window that closed without a run."""
        name = self.run_of(trigger.name, window, 0)
        run = new_runs.of_window(window, 0, trigger, manifest, gates, now_ms=self.ledger.now_ms())
        self.ledger.runs.create(name, by_window(run, manifest, run.created_ms))
        self.slots.free(run.gates, name)

    # a run of a window once more

    def advance_replay(self, old: str, trigger: Trigger, *, whole: bool) -> str:
        """Launch what the ended run `old` of a window was for, if a slot is free. -> the id of the run that does it.

        `whole`: also those of its members that were carried over into a later window.
        """
        before, name = self.ledger.runs.get(old), keys.successor(old)
        assert before is not None  # runs are not deleted
        run = self.ledger.runs.get(name)
        if run is None:
            manifest = self.windows.manifest_of(before.value)
            rest = not whole and before.value.carried is not None
            same = before.value.job if rest == before.value.rest else None
            gates = self._gates(trigger, manifest.captures, same)
            if self.ledger.paused(trigger.name)[0] or not self._admitted(trigger, gates, Bid(name, "replay")):
                return name
            again = new_runs.of_replay(old, before.value, trigger, gates, rest=rest, now_ms=self.ledger.now_ms())
            self.ledger.runs.create(name, self._frozen_again(name, again, before.value, trigger, manifest))
            run = self.ledger.runs.get(name)
            assert run is not None
        if run.value.state == "ended":
            self.slots.free(run.value.gates, name)
        self._send(name, run, trigger, timed=True)
        return name

    def _frozen_again(self, name: str, run: Run, before: Run, trigger: Trigger, manifest: Manifest) -> Run:
        """With the same request where there was one, and its members are the same; else frozen by today's trigger."""
        if before.job is None or run.rest != before.rest:
            run = self.freezing.window_run(name, run, trigger, manifest)
            if run.job is not None:
                self._keep_template(run.job)
            return run
        verdict = Verdict("window", "pass", "replayed", f"the request of {run.replay_of}, once more")
        return replace(run, job=same_job(before.job, name), verdicts=[verdict.to_json()])

    # a direct run

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
                answer = self._ask(trigger, gates, bid)
            else:  # stands behind all who wait, and stops nobody
                first: Order = "oldest" if bid.first == "oldest" else "anyone"
                answer = "granted" if self._admitted(trigger, gates, replace(bid, first=first)) else "waits"
            if answer == "waits":
                return False
            assert claim.value.job is not None
            self._keep_template(claim.value.job)
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
        launched = self._send(run_name, run, trigger, timed=timed) if run.value.state in {"ready", "wait"} else False
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

    def _keep_template(self, job: Mapping[str, Any]) -> None:
        """The template, if it has one, goes into the ledger before the run; once a process is enough."""
        sha256 = job.get("template")
        if sha256 is not None and sha256 not in self._kept:
            self.ledger.keep_template(sha256, self.catalog.template(sha256))
            self._kept.add(sha256)


def _tell(cause: Cause, lists: int) -> str:
    """A window's cause as the gate keeps it: with how many markers' lists were judged, where there are any."""
    return f"{cause}:{lists}" if lists else cause


def _told(granted: str) -> tuple[Cause, int]:
    cause, _, lists = granted.partition(":")
    return cast("Cause", cause), int(lists or 0)


def _answered(claim: Claim, run: Run) -> Claim:
    """What a claim says once its run has a record."""
    if run.outcome != "skipped":
        return replace(claim, state="run").settled()
    return replace(claim, state="skipped", verdicts=[*claim.verdicts, *run.verdicts]).settled()


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)
