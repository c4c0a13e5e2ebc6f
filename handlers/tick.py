"""The tick: does what is due, follows what was launched. Twice, late or in two places: no difference."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from retrigger.handlers.chaining import Chaining
from retrigger.handlers.following import FIRST_POLL_MS, LONGEST_POLL_MS
from retrigger.handlers.ledger import on_grid, to_ms
from retrigger.handlers.reopening import reopen
from retrigger.handlers.schedules import name_of
from retrigger.handlers.windows import WindowId
from retrigger.triggers.errors import RetriggerError
from retrigger.triggers.frozen import dataclass
from retrigger.triggers.spec import ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from retrigger.handlers.core import Core
    from retrigger.handlers.records import Claim, Manifest, Note
    from retrigger.triggers.spec import Trigger

_LOG = logging.getLogger(__name__)
_TELL_AGAIN_MS: Final[Mapping[str, int]] = {"later": FIRST_POLL_MS, "refused": LONGEST_POLL_MS}
_MEMBERS_KEPT_MS: Final = 3_600_000


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
        self.windowed = core.windowed
        self._chaining = Chaining(core)
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
            self.windowed.advance(window, trigger, timed=True, first_ms=note.first_ms)
        frozen = self.ledger.manifests.get(str(window))
        if frozen is None:
            self._look_again(note, window, trigger)
            return
        looks = self._follow_window(note, window, frozen.value, trigger)
        if looks:
            self.ledger.reschedule(note, min(looks))
            return
        kept_until = to_ms(frozen.time) + _MEMBERS_KEPT_MS
        if self.ledger.now_ms() < kept_until:
            self.ledger.reschedule(note, kept_until)
            return
        self.admission.windows.sweep(window)
        self.ledger.finish(note)

    def _follow_window(self, note: Note, window: WindowId, frozen: Manifest, trigger: Trigger | None) -> list[int]:
        """When to look again at each run of the window that has not ended; of a queue, at those that are under way."""
        looks: list[int] = []
        for chunk in range(len(frozen.chunks())):
            look = self._follow_up(self.windowed.run_of(note.trigger, window, chunk))
            if look is not None:
                looks.append(look)
            if frozen.in_order and trigger is not None and len(looks) > trigger.concurrency.limit:
                break  # all others wait behind these
        return looks

    def _look_again(self, note: Note, window: WindowId, trigger: Trigger | None) -> None:
        head = self.admission.windows.head(window.head).value
        if head.n > window.n:
            return  # sealed a moment ago: the note is still due
        if trigger is None:
            self.ledger.reschedule(note, on_grid(self.ledger.now_ms(), LONGEST_POLL_MS))  # it may come back
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
        look = self._follow_up(claim.value.run) or self._follow_earlier(claim.value)
        if look is not None:
            self.ledger.reschedule(note, look)
        elif claim.value.state != "open":
            self.ledger.finish(note)
        elif (run := self.ledger.runs.get(claim.value.run)) is not None:
            self.admission.answer(claim, run.value)  # as it was read, or its answer was lost: the note stays due

    def _follow_earlier(self, claim: Claim) -> int | None:
        """An operator may have had a run done once more before anybody told that it had ended: it is told now."""
        runs = [before["run"] for before in claim.replays if before["run"] is not None]
        looks = [self._follow_up(run) for run in runs if self.ledger.runs.get(run) is not None]
        return min((look for look in looks if look is not None), default=None)

    def _replay(self, note: Note, trigger: Trigger | None) -> None:
        if trigger is None:
            self.ledger.reschedule(note, on_grid(self.ledger.now_ms(), LONGEST_POLL_MS))  # it may come back
            return
        name = self.windowed.replay(note.id, trigger, whole=note.kind == "rerun")
        look = self._follow_up(name)
        if look is None:
            self.ledger.finish(note)
        else:
            self.ledger.reschedule(note, look)

    # any run

    def _follow_up(self, name: str) -> int | None:
        """Bring a run on, and tell of its end, here and outside. -> when to look again in ms; None: all that is done.

        Only then may its note go: what the end is an event for is claimed by now.
        """
        look = self.admission.following.follow_up(name)
        if isinstance(look, int):
            return look
        chained = self._chaining.ended(name, look)
        told = "later" if chained is None else self.core.outbox.ended(name, chained)
        return None if told == "told" else on_grid(self.ledger.now_ms(), _TELL_AGAIN_MS[told])

    # the rest

    def _tell(self, note: Note) -> None:
        """A channel that takes nothing is asked again every ten minutes: somebody must mend it, and nothing is lost."""
        try:
            self.core.outbox.tell_again(note.id)
        except RetriggerError:
            self.ledger.reschedule(note, on_grid(self.ledger.now_ms(), LONGEST_POLL_MS))
            raise
        self.ledger.finish(note)

    def _carry(self, note: Note, trigger: Trigger | None) -> None:
        if trigger is not None and self.admission.carrying.follow(note, trigger.window) == "done":
            self.ledger.finish(note)
        else:
            self.ledger.reschedule(note, on_grid(self.ledger.now_ms(), FIRST_POLL_MS))

    def _schedule(self, note: Note, trigger: Trigger | None) -> None:
        for source in trigger.sources if trigger else ():
            if trigger is None or not isinstance(source, ScheduleSource) or name_of(trigger, source) != note.id:
                continue
            now = self.ledger.now_ms()
            self.core.schedules.catch_up(trigger, source, now, now)
            if self.core.schedules.is_behind(trigger, source, note.at_ms):
                return  # the note stays due
        self.ledger.finish(note)
