"""Carrying over: what a run leaves that failed, or was replaced, goes into the next window of its key, by reference.

The reference is followed there. Only failures count: a member is carried after three of them, and no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from retrigger.handlers.records import MAX_CARRIES, Note, Run
from retrigger.handlers.windows import WindowId, Windows, is_own, millis, ms_of
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from retrigger.handlers.ledger import Stored
    from retrigger.handlers.records import RunOutcome
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import WindowRule


class Carrying:
    """Ends failed runs and follows their references, over the windows of one ledger."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self.ledger = windows.ledger

    def carry(self, name: str, run: Stored[Run]) -> Stored[Run] | None:
        """End such a run: dead letters for the exhausted, a reference in the next window for the rest.

        The slot is still held. -> the ended run, or None when another worker changed it: nothing is lost, look again.
        """
        assert run.value.window is not None
        window = WindowId.parse(run.value.window)
        members = self.windows.members_of(run.value)
        spent = {
            member: entry
            for member, entry in members.items()
            if not run.value.replaced and (run.value.then == "dead" or entry["carries"] >= MAX_CARRIES)
        }
        for member, entry in spent.items():
            reason = f"its run {name} failed: {run.value.error or 'no reason given'}"
            body: dict[str, Json] = {"code": "run_failed", "member": entry, "run": name}
            self.ledger.bury(f"{run.value.trigger}:{member}", reason, body)
        outcome: RunOutcome = "cancelled" if run.value.replaced else "failed"
        ended = replace(run.value, state="ended", outcome=outcome, ended_ms=self.ledger.now_ms())
        if len(spent) == len(members):
            return self.ledger.runs.swap(run, ended)
        current: Stored[Run] | None = run
        if run.value.carried is None:
            n = self.windows.head(window.head).value.n
            current = self.ledger.runs.swap(run, replace(run.value, state="carrying", carried=n))
        while current is not None:
            assert current.value.carried is not None
            target = window.numbered(current.value.carried)
            self._refer(target, name)
            head = self.windows.head(window.head)
            if head.value.n == target.n or name in self.windows.manifest(target).refs:
                break
            current = self.ledger.runs.swap(current, replace(current.value, carried=head.value.n))
        if current is None:
            return None
        self.ledger.note("carry", name, run.value.trigger, self.ledger.now_ms())
        return self.ledger.runs.swap(current, replace(ended, carried=current.value.carried))

    def follow(self, note: Note, rule: WindowRule) -> Literal["done", "waiting"]:
        """Follow one carried reference until a manifest lists it; a window that nothing opens is sealed as expired."""
        run = self.ledger.runs.get(note.id)
        assert run is not None
        if run.value.state != "ended":
            return "waiting"
        assert run.value.window is not None
        assert run.value.carried is not None
        target = WindowId.parse(run.value.window).numbered(run.value.carried)
        head = self.windows.head(target.head)
        if head.value.n > target.n:
            manifest = self.windows.manifest(target)
            if note.id in manifest.refs:
                if manifest.state != "frozen":
                    self._bury_carried(note.id, run.value, f"the window {target} that it waited in is {manifest.state}")
                return "done"
            moved = self.ledger.runs.swap(run, replace(run.value, carried=head.value.n))
            if moved is not None:
                self._refer(target.numbered(head.value.n), note.id)
            return "waiting"
        self._refer(target, note.id)
        paused, since_ms = self.ledger.paused(run.value.trigger)
        entries = list(self.ledger.records.list(f"m/{target}/"))
        cut_ms = self.ledger.now_ms() - millis(rule.max_wait)
        stale = all(not is_own(entry) and ms_of(entry) <= cut_ms for entry in entries) and since_ms <= cut_ms
        if (
            head.value.live != target.n
            and not paused
            and stale
            and self.windows.seal(target, head, "expired", max_members=rule.max_members, cut_ms=cut_ms)
        ):
            self.windows.manifest(target)
        return "waiting"

    def bury_skipped(self, name: str, run: Run) -> None:
        """Dead letters for those members of a skipped run that have failed before: nobody would hear of them else."""
        for member, entry in self.windows.members_of(run).items():
            if entry["carries"]:
                reason = f"it failed, and the run {name} that it was carried over to was skipped"
                body: dict[str, Json] = {"code": "run_skipped", "member": entry, "run": name}
                self.ledger.bury(f"{run.trigger}:{member}", reason, body)

    def _bury_carried(self, name: str, run: Run, reason: str) -> None:
        for member, entry in self.windows.members_of(run).items():
            if run.replaced or entry["carries"] < MAX_CARRIES:  # the others are buried already
                body: dict[str, Json] = {"code": "window_not_run", "member": entry, "run": name}
                self.ledger.bury(f"{run.trigger}:{member}", reason, body)

    def _refer(self, window: WindowId, run: str) -> None:
        self.ledger.records.create(f"m/{window}/r.{run}", {"run": run})
