"""The tick: does what is due, asks the platform about runs, ends them. Twice, late or in two places: no difference."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from retrigger.handlers.launch import dead, job_of
from retrigger.handlers.ledger import Note, Run, Stored, to_ms
from retrigger.handlers.reopening import reopen
from retrigger.handlers.schedules import name_of
from retrigger.handlers.windows import WindowId, on_grid
from retrigger.triggers.errors import RetriggerError
from retrigger.triggers.frozen import dataclass
from retrigger.triggers.spec import ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.handlers.core import Core
    from retrigger.handlers.ports import JobStatus
    from retrigger.triggers.spec import Trigger

_LOG = logging.getLogger(__name__)
_FIRST_POLL_MS: Final = 60_000
_LONGEST_POLL_MS: Final = 600_000
_MEMBERS_KEPT_MS: Final = 3_600_000
_SENT_WITHIN_MS: Final = 600_000  # no function lives longer: what it was sending has arrived by then, or never will


@dataclass(frozen=True, slots=True)
class Report:
    """What one tick did: notes worked on, notes that failed (they stay and are due again)."""

    worked: int
    failed: int


class Tick:
    """`enough()` ends a tick early, between two notes: the rest is still due at the next one."""

    def __init__(self, core: Core, enough: Callable[[], bool] = lambda: False) -> None:
        self.core = core
        self.ledger = core.ledger
        self.admission = core.admission
        self._enough = enough

    def run(self) -> Report:
        """Work through the notes that are due, in the order in which they fell due. With nothing due: eight lists."""
        now = self.ledger.now_ms()
        worked = failed = 0
        for note in self.ledger.due_notes(now):
            if self._enough():
                return Report(worked, failed)
            worked += 1
            try:
                self._work(note)
            except RetriggerError as error:
                failed += 1
                _LOG.warning("note_failed", extra={"fields": {"note": note.key, "error": str(error)}})
            except Exception:  # noqa: BLE001  # a fault of ours at one note must not stop the others; it stays due
                failed += 1
                _LOG.exception("note_broken", extra={"fields": {"note": note.key}})
        self._beat(now)
        return Report(worked, failed)

    def _beat(self, now: int) -> None:
        """Say that a live tick exists: whoever acknowledges on the strength of a note relies on it (R1)."""
        record = self.ledger.records.get("beat")
        if record is None:
            self.ledger.records.create("beat", {"at_ms": now})
        else:
            self.ledger.records.swap(record, {"at_ms": now})

    def _work(self, note: Note) -> None:
        trigger = self.core.catalog.trigger(note.trigger)
        match note.kind:
            case "window":
                self._window(note, trigger)
            case "run":
                self._direct(note, trigger)
            case "carry":
                self._carry(note, trigger)
            case "claim":
                self.core.resume(note.id)
                self.ledger.finish(note)
            case "schedule":
                self._schedule(note, trigger)
            case "outcome":
                self._tell(note)
            case "reopen":
                reopen(self.ledger, note)
            case "replay" | "rerun":
                self._replay(note, trigger)

    # windows

    def _window(self, note: Note, trigger: Trigger | None) -> None:
        window = WindowId.parse(note.id)
        if trigger is not None:
            self.admission.advance_window(window, trigger, timed=True, first_ms=note.first_ms)
        frozen = self.ledger.manifests.get(str(window))
        if frozen is None:
            self._look_again(note, window, trigger)
            return
        names = [self.admission.run_of(note.trigger, window, chunk) for chunk in range(len(frozen.value.chunks()))]
        looks = [look for name in names if (look := self._follow_up(name)) is not None]
        if looks:
            self.ledger.reschedule(note, min(looks))
            return
        kept_until = to_ms(frozen.record.time) + _MEMBERS_KEPT_MS
        if self.ledger.now_ms() < kept_until:
            self.ledger.reschedule(note, kept_until)
            return
        self.admission.windows.sweep(window)
        self.ledger.finish(note)

    def _look_again(self, note: Note, window: WindowId, trigger: Trigger | None) -> None:
        head = self.admission.windows.head(window.head).value
        if head.n > window.n:
            return  # sealed a moment ago: the note is still due
        if trigger is None:
            self.ledger.reschedule(note, on_grid(self.ledger.now_ms(), _LONGEST_POLL_MS))  # it may come back
            return
        _, since_ms = self.ledger.paused(trigger.name)
        self.ledger.reschedule(note, self.admission.judging.next_look(trigger, window, head, since_ms))

    # direct runs, and replays

    def _direct(self, note: Note, trigger: Trigger | None) -> None:
        claim = self.ledger.claims.get(note.id)
        if claim is None or claim.value.run is None:
            self.ledger.finish(note)
            return
        if trigger is not None:
            self.admission.advance_direct(note.id, claim, trigger, timed=True)
        look = self._follow_up(claim.value.run)
        if look is None:
            self.ledger.finish(note)
        else:
            self.ledger.reschedule(note, look)

    def _replay(self, note: Note, trigger: Trigger | None) -> None:
        if trigger is None:
            self.ledger.reschedule(note, on_grid(self.ledger.now_ms(), _LONGEST_POLL_MS))  # it may come back
            return
        name = self.admission.advance_replay(note.id, trigger, whole=note.kind == "rerun")
        look = self._follow_up(name)
        if look is None:
            self.ledger.finish(note)
        else:
            self.ledger.reschedule(note, look)

    # any run

    def _follow_up(self, name: str) -> int | None:
        """Bring a run on by what the platform says of it. -> when to look again in ms; None: it has ended."""
        run = self.ledger.runs.get(name)
        now = self.ledger.now_ms()
        if run is None or run.value.state == "ready":
            return on_grid(now, _FIRST_POLL_MS)  # waits for a slot, or was changed a moment ago
        if run.value.state == "wait":
            return max(run.value.not_before_ms, now + 1)
        if run.value.state in {"launched", "cancelling"}:
            status = self.admission.launcher.status(job_of(name, run.value).id)
            ended = self._apply(name, run, status)
        elif run.value.state == "carrying":
            ended = self.admission.carrying.carry(name, run)
        else:
            ended = run
        if ended is not None and ended.value.state == "ended":
            self.admission.slots.free(ended.value.gates, name)
            return None if self.core.outbox.ended(name, ended) else on_grid(now, _FIRST_POLL_MS)
        age = now - (run.value.launched_ms or now)
        return on_grid(now, min(max(age, _FIRST_POLL_MS), _LONGEST_POLL_MS))

    def _apply(self, name: str, run: Stored[Run], status: JobStatus) -> Stored[Run] | None:
        """The record after what the platform says; None: another worker changed it."""
        seen = replace(run.value, error=status.error, metrics=dict(status.metrics), tasks=dict(status.tasks))
        now = self.ledger.now_ms()
        match status.state:
            case "running":
                if run.value.state == "cancelling":  # whoever asked may have died before the platform heard of it
                    self.admission.launcher.cancel(job_of(name, run.value).id)
                return run if seen == run.value else self.ledger.runs.swap(run, seen)
            case "succeeded" | "cancelled":
                return self.ledger.runs.swap(run, replace(seen, state="ended", outcome=status.state, ended_ms=now))
            case "lost" if run.value.state == "cancelling":
                if now < to_ms(run.record.time) + _SENT_WITHIN_MS:
                    return run  # somebody may be sending it at this moment
                return self.ledger.runs.swap(run, replace(seen, state="ended", outcome="cancelled", ended_ms=now))
            case "lost":
                buried = dead(self.ledger, name, seen, "the platform does not know it any more", "lost")
                return self.ledger.runs.swap(run, replace(buried, outcome="lost"))
            case "failed" if run.value.state == "cancelling":  # nobody wants it tried again, or its members carried
                return self.ledger.runs.swap(run, replace(seen, state="ended", outcome="cancelled", ended_ms=now))
            case "failed":
                return self._failed(name, run, seen)

    def _failed(self, name: str, run: Stored[Run], seen: Run) -> Stored[Run] | None:
        if run.value.epoch < run.value.retry:
            return self.ledger.runs.swap(run, replace(seen, state="ready", epoch=run.value.epoch + 1, tries=0))
        if run.value.window is not None:
            known = self.ledger.runs.swap(run, seen)
            return None if known is None else self.admission.carrying.carry(name, known)
        reason = f"the run failed: {seen.error or 'the platform gave no reason'}"
        buried = dead(self.ledger, name, seen, reason, "run_failed")
        return self.ledger.runs.swap(run, replace(buried, outcome="failed"))

    # the rest

    def _tell(self, note: Note) -> None:
        """A channel that takes nothing is asked again every ten minutes: somebody must mend it, and nothing is lost."""
        try:
            self.core.outbox.tell_again(note.id)
        except RetriggerError:
            self.ledger.reschedule(note, on_grid(self.ledger.now_ms(), _LONGEST_POLL_MS))
            raise
        self.ledger.finish(note)

    def _carry(self, note: Note, trigger: Trigger | None) -> None:
        if trigger is not None and self.admission.carrying.follow(note, trigger.window) == "done":
            self.ledger.finish(note)
        else:
            self.ledger.reschedule(note, on_grid(self.ledger.now_ms(), _FIRST_POLL_MS))

    def _schedule(self, note: Note, trigger: Trigger | None) -> None:
        for source in trigger.sources if trigger else ():
            if trigger is None or not isinstance(source, ScheduleSource) or name_of(trigger, source) != note.id:
                continue
            self.core.schedules.catch_up(trigger, source, self.ledger.now_ms())
            if self.core.schedules.is_behind(trigger, source, note.at_ms):
                return  # the note stays due
        self.ledger.finish(note)
