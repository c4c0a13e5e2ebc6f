"""Admission of windows: they are closed when they are due and a slot is free, and each chunk of them becomes a run.

The order is pause, slot, throttle, seal, freeze, launch, record. As in `admit`, every step is idempotent and is found
again by whoever comes next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from retrigger.handlers import new_runs
from retrigger.handlers.granting import window_order
from retrigger.handlers.outcome import Verdict
from retrigger.handlers.requests import same_job
from retrigger.handlers.slots import Bid
from retrigger.handlers.unlaunched import by_window, skipped
from retrigger.triggers import keys
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.handlers.admit import Admission
    from retrigger.handlers.records import Cause, Head, Manifest, Run
    from retrigger.handlers.slots import GateRule
    from retrigger.handlers.windows import WindowId
    from retrigger.triggers.spec import Trigger

_UNASKED = frozenset({"reject", "empty"})
"""Causes for which a window closes without a slot."""


class Windowed:
    """Advances windows and their runs, over the slots, the ledger and the platform of one admission."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.ledger = admission.ledger
        self.catalog = admission.catalog
        self.slots = admission.slots
        self.windows = admission.windows

    def run_of(self, trigger: str, window: WindowId, chunk: int) -> str:
        return keys.run_id(self.catalog.environment.name, trigger, str(window), str(chunk))

    def advance(self, window: WindowId, trigger: Trigger, *, timed: bool, first_ms: int = 0) -> list[str]:
        """Close the window if it is due and a slot is free, and launch its runs. -> the runs that this call launched.

        `timed`: the caller is a tick, which alone judges time; `first_ms`: when the window's note was first written.
        """
        manifest = self._closed(window, trigger, timed=timed, first_ms=first_ms)
        if manifest is None:
            return []
        gates = self.admission.gates(trigger, manifest.captures)
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
            gates = self.admission.gates(trigger, head.value.captures)
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
                answer = self.admission.ask(trigger, gates, self._window_bid(window, trigger, run, _tell(cause, lists)))
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
        return self.admission.judging.judge(
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
            return self.admission.announced.claimed(trigger, head)
        return (name for _, name in self.admission.listing.claimed(trigger, head.captures))

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
            answer = self.admission.ask(trigger, gates, self._chunk_bid(trigger, name, manifest, chunk))
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
        return "launched" if self.admission.send(name, run, trigger, timed=timed) else "done"

    def _ended(self, name: str, run: Run) -> None:
        """What is left to do with a run that has ended: its slots, and what was skipped after it had failed before."""
        if run.outcome == "skipped" and run.window is not None:
            self.admission.carrying.bury_skipped(name, run)
        self.slots.free(run.gates, name)

    def _frozen(self, name: str, run: Run, trigger: Trigger, manifest: Manifest) -> Run:
        frozen = self.admission.freezing.window_run(name, run, trigger, manifest)
        if frozen.job is not None:
            self.admission.keep_template(frozen.job)
        return frozen

    def _end(self, trigger: Trigger, window: WindowId, manifest: Manifest, gates: tuple[GateRule, ...]) -> None:
        """The record of a window that closed without a run."""
        name = self.run_of(trigger.name, window, 0)
        run = new_runs.of_window(window, 0, trigger, manifest, gates, now_ms=self.ledger.now_ms())
        self.ledger.runs.create(name, by_window(run, manifest, run.created_ms))
        self.slots.free(run.gates, name)

    def replay(self, old: str, trigger: Trigger, *, whole: bool) -> str:
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
            gates = self.admission.gates(trigger, manifest.captures, same)
            if self.ledger.paused(trigger.name)[0] or not self.admission.admitted(trigger, gates, Bid(name, "replay")):
                return name
            again = new_runs.of_replay(old, before.value, trigger, gates, rest=rest, now_ms=self.ledger.now_ms())
            self.ledger.runs.create(name, self._frozen_again(name, again, before.value, trigger, manifest))
            run = self.ledger.runs.get(name)
            assert run is not None
        if run.value.state == "ended":
            self.slots.free(run.value.gates, name)
        self.admission.send(name, run, trigger, timed=True)
        return name

    def _frozen_again(self, name: str, run: Run, before: Run, trigger: Trigger, manifest: Manifest) -> Run:
        """With the same request where there was one, and its members are the same; else frozen by today's trigger."""
        if before.job is None or run.rest != before.rest:
            run = self.admission.freezing.window_run(name, run, trigger, manifest)
            if run.job is not None:
                self.admission.keep_template(run.job)
            return run
        verdict = Verdict("window", "pass", "replayed", f"the request of {run.replay_of}, once more")
        return replace(run, job=same_job(before.job, name), verdicts=[verdict.to_json()])


def _tell(cause: Cause, lists: int) -> str:
    """A window's cause as the gate keeps it: with how many markers' lists were judged, where there are any."""
    return f"{cause}:{lists}" if lists else cause


def _told(granted: str) -> tuple[Cause, int]:
    cause, _, lists = granted.partition(":")
    return cast("Cause", cause), int(lists or 0)
