"""The order of admission: pause, slot, throttle, seal, freeze, launch, record. Anyone may advance, at any time.

Every step is idempotent and is found again by whoever comes next: a crash between any two leaves something that a
redelivery or the tick completes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from retrigger.handlers.carrying import Carrying
from retrigger.handlers.freezing import Freezing
from retrigger.handlers.judging import Judging
from retrigger.handlers.launch import send
from retrigger.handlers.ledger import Claim, Head, Ledger, Manifest, Run, Stored
from retrigger.handlers.listing import Listing
from retrigger.handlers.outcome import Verdict
from retrigger.handlers.requests import same_job
from retrigger.handlers.slots import GateRule, Slots, gates_of, throttles_of
from retrigger.handlers.windows import WindowId, Windows
from retrigger.triggers import keys
from retrigger.triggers.expressions import load_expression

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.ledger import Cause, RunOutcome
    from retrigger.handlers.ports import Catalog, Launcher, Objects
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Trigger

_ENDED_AS: Mapping[str, RunOutcome] = {"rejected": "rejected", "empty": "empty", "dead": "dead"}


class Admission:
    """Advances windows and direct runs over one ledger and one platform."""

    def __init__(self, ledger: Ledger, catalog: Catalog, launcher: Launcher, objects: Objects) -> None:
        self.ledger = ledger
        self.catalog = catalog
        self.launcher = launcher
        self.objects = objects
        self.windows = Windows(ledger)
        self.judging = Judging(self.windows)
        self.carrying = Carrying(self.windows)
        self.slots = Slots(ledger)
        self.listing = Listing(ledger, catalog, objects)
        self.freezing = Freezing(ledger, catalog, objects, self.listing)
        self._kept: set[str] = set()

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
        first_run = self.run_of(trigger.name, window, 0)
        gates = self._gates(trigger, manifest.captures)
        if manifest.state != "frozen":
            ended = self._ended(trigger, window, manifest)
            self.ledger.runs.create(first_run, ended)
            self.slots.free([gate.name for gate in gates], first_run)
            return []
        launched = []
        for chunk in range(len(manifest.chunks())):
            run = self.run_of(trigger.name, window, chunk)
            if chunk and self.ledger.runs.get(run) is None and self.ledger.paused(trigger.name)[0]:
                break  # later chunks are new grants
            if self._advance_chunk(window, trigger, manifest, chunk, gates=gates, timed=timed):
                launched.append(run)
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
            cause = self._granted(gates[0], run) or self._judge(
                window, trigger, head.value, timed=timed, first_ms=first_ms
            )
            if cause is None:
                return None
            if cause in {"reject", "empty"}:  # needs no slot: one try, on the head that was judged
                if self.windows.seal(window, head, cause, max_members=trigger.window.max_members) is None:
                    return None
            elif not self._admitted(trigger, gates, run, cause):
                return None
            while head.value.n == window.n:  # granted: never judged again
                self.windows.seal(window, head, cause, max_members=trigger.window.max_members)
                head = self.windows.head(window.head)
        return self.windows.manifest(window)

    def _granted(self, gate: GateRule, run: str) -> Cause | None:
        return self.slots.cause(gate, run)  # type: ignore[return-value]  # only causes are written there for windows

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
            listed=lambda: (name for _, name in self.listing.claimed(trigger, head.captures)),
        )

    def _admitted(self, trigger: Trigger, gates: tuple[GateRule, ...], run: str, cause: str) -> bool:
        """A slot, then the throttle. A throttled run keeps its slot (R3): nobody else could be sealing on it."""
        if not self.slots.grant(gates, run, cause):
            return False
        return not self.slots.throttled(throttles_of(trigger, self.catalog.environment), run)

    def _gates(self, trigger: Trigger, captures: Mapping[str, str]) -> tuple[GateRule, ...]:
        rule = trigger.concurrency.key
        scope = {"match": captures, "vars": self.catalog.environment.vars}
        key = "" if rule is None else _text(load_expression(rule).evaluate(scope))
        return gates_of(trigger, self.catalog.environment, key)

    def _advance_chunk(
        self,
        window: WindowId,
        trigger: Trigger,
        manifest: Manifest,
        chunk: int,
        *,
        gates: tuple[GateRule, ...],
        timed: bool,
    ) -> bool:
        name = self.run_of(trigger.name, window, chunk)
        run = self.ledger.runs.get(name)
        if run is not None and run.value.state not in {"ready", "wait"}:
            if run.value.state == "ended":
                self.slots.free(run.value.gates, name)
            return False
        if run is None:
            if not self._admitted(trigger, gates, name, manifest.cause if chunk == 0 else "chunk"):
                return False
            self.ledger.runs.create(name, self._frozen(window, trigger, manifest, chunk, gates))
            run = self.ledger.runs.get(name)
            assert run is not None
        return self._send(name, run, trigger, timed=timed)

    def _send(self, name: str, run: Stored[Run], trigger: Trigger, *, timed: bool) -> bool:
        """Roll a frozen run forward. -> whether this call recorded it as launched."""
        if run.value.state == "wait" and not (timed and self.ledger.now_ms() >= run.value.not_before_ms):
            return False
        sent: Stored[Run] | None = run
        if run.value.state in {"ready", "wait"} and trigger.mode == "observe":
            sent = self.ledger.runs.swap(run, self._observed(run.value))
        elif run.value.state in {"ready", "wait"}:
            sent = send(self.ledger, self.launcher, name, run)
        if sent is not None and sent.value.state == "ended":
            self.slots.free(sent.value.gates, name)
        return sent is not None and sent.value.state == "launched"

    def _observed(self, run: Run) -> Run:
        """What would have been launched stands in the record; nothing was."""
        verdict = Verdict("launch", "stop", "observed", "the trigger only observes: this would have been launched")
        verdicts = [*run.verdicts, verdict.to_json()]
        return replace(run, state="ended", outcome="observed", ended_ms=self.ledger.now_ms(), verdicts=verdicts)

    def _frozen(
        self, window: WindowId, trigger: Trigger, manifest: Manifest, chunk: int, gates: tuple[GateRule, ...]
    ) -> Run:
        run = Run(
            state="ready",
            trigger=trigger.name,
            window=str(window),
            chunk=chunk,
            gates=[gate.name for gate in gates],
            retry=trigger.on_failure.retry,
            then=trigger.on_failure.then,
            created_ms=self.ledger.now_ms(),
        )
        name = self.run_of(trigger.name, window, chunk)
        frozen = self.freezing.window_run(name, run, trigger, manifest)
        if frozen.job is not None:
            self._keep_template(frozen.job["template"])
        return frozen

    def _ended(self, trigger: Trigger, window: WindowId, manifest: Manifest) -> Run:
        reason = {
            "rejected": "no marker came in time, or a member was bad and `bad_member` is `reject`",
            "empty": "it ended without members",
            "dead": "nothing opened it before its carried members expired",
        }[manifest.state]
        now = self.ledger.now_ms()
        return Run(
            state="ended",
            trigger=trigger.name,
            window=str(window),
            outcome=_ENDED_AS[manifest.state],
            verdicts=[Verdict("window", "stop", manifest.cause, reason).to_json()],
            created_ms=now,
            ended_ms=now,
        )

    # a run of a window once more

    def advance_replay(self, old: str, trigger: Trigger, *, whole: bool) -> str:
        """Launch what the ended run `old` of a window was for, if a slot is free. -> the id of the run that does it.

        `whole`: also those of its members that were carried over into a later window.
        """
        before, name = self.ledger.runs.get(old), keys.successor(old)
        assert before is not None  # runs are not deleted
        run = self.ledger.runs.get(name)
        if run is None:
            assert before.value.window is not None
            manifest = self.windows.manifest(WindowId.parse(before.value.window))
            gates = self._gates(trigger, manifest.captures)
            if self.ledger.paused(trigger.name)[0] or not self._admitted(trigger, gates, name, "replay"):
                return name
            again = self._again(old, before.value, trigger, gates, rest=not whole and before.value.carried is not None)
            self.ledger.runs.create(name, self._frozen_again(name, again, before.value, trigger, manifest))
            run = self.ledger.runs.get(name)
            assert run is not None
        if run.value.state == "ended":
            self.slots.free(run.value.gates, name)
        self._send(name, run, trigger, timed=True)
        return name

    def _again(self, old: str, before: Run, trigger: Trigger, gates: tuple[GateRule, ...], *, rest: bool) -> Run:
        """Where it fails, its members become dead letters: an operator asked for it, no later window waits for it."""
        return Run(
            state="ready",
            trigger=trigger.name,
            window=before.window,
            chunk=before.chunk,
            gates=[gate.name for gate in gates],
            retry=trigger.on_failure.retry,
            then="dead",
            replay_of=old,
            rest=rest or before.rest,
            created_ms=self.ledger.now_ms(),
        )

    def _frozen_again(self, name: str, run: Run, before: Run, trigger: Trigger, manifest: Manifest) -> Run:
        """With the same request where there was one, and its members are the same; else frozen by today's trigger."""
        if before.job is None or run.rest != before.rest:
            run = self.freezing.window_run(name, run, trigger, manifest)
            if run.job is not None:
                self._keep_template(run.job["template"])
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
            if self.ledger.paused(trigger.name)[0] or not self._admitted(trigger, gates, run_name, "direct"):
                return False
            self.ledger.runs.create(run_name, self._direct(name, claim.value, trigger, gates))
            run = self.ledger.runs.get(run_name)
            assert run is not None
        if run.value.state == "ended":
            self.slots.free(run.value.gates, run_name)
        launched = self._send(run_name, run, trigger, timed=timed) if run.value.state in {"ready", "wait"} else False
        if claim.value.state == "open":
            self.ledger.claims.swap(claim, replace(claim.value, state="run"))
        return launched

    def _gates_of_direct(self, claim: Claim, trigger: Trigger) -> tuple[GateRule, ...]:
        rule = trigger.concurrency.key
        scope = {"event": claim.event, "match": {}, "vars": self.catalog.environment.vars}
        key = "" if rule is None else _text(load_expression(rule).evaluate(scope))
        return gates_of(trigger, self.catalog.environment, key)

    def _direct(self, name: str, claim: Claim, trigger: Trigger, gates: tuple[GateRule, ...]) -> Run:
        assert claim.job is not None
        self._keep_template(claim.job["template"])
        return Run(
            state="ready",
            trigger=trigger.name,
            job=claim.job,
            claim=name,
            replay_of=claim.replays[-1]["run"] if claim.replays else None,
            gates=[gate.name for gate in gates],
            retry=trigger.on_failure.retry,
            then="dead",
            created_ms=self.ledger.now_ms(),
        )

    def _keep_template(self, sha256: str) -> None:
        """The template goes into the ledger before the run that refers to it; once a process is enough."""
        if sha256 not in self._kept:
            self.ledger.keep_template(sha256, self.catalog.template(sha256))
            self._kept.add(sha256)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)
