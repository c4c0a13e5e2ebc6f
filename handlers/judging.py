"""When a window is due, and why; and when to look at it again. Handlers judge completeness only, never time (R5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.handlers.ledger import on_grid
from retrigger.handlers.windows import WindowId, Windows, claim_of, flat, is_own, millis, ms_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from retrigger.handlers.ports import Entry
    from retrigger.handlers.records import Cause, Head
    from retrigger.triggers.spec import Trigger, WindowRule

_LOOK_AGAIN_MS: Final = 60_000


class Judging:
    """Judges the windows of one ledger. Reads; what it says holds only for the head that it was shown."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self.ledger = windows.ledger

    def judge(
        self,
        trigger: Trigger,
        window: WindowId,
        head: Head,
        *,
        timed: bool,
        first_ms: int,
        since_ms: int,
        listed: Callable[[], Iterable[str | None]],
    ) -> Cause | None:
        """Why window n should close now, or None. Handlers (`timed` false) never judge time (R5).

        `listed`: the claim names of the objects that a marker's window must hold, None for one that has not landed.
        `since_ms`: when a pause ended.
        """
        rule = trigger.window
        entries = list(self.ledger.records.list(f"m/{window}/", rule.until_count))  # its own come before references
        own = [entry for entry in entries if is_own(entry)]
        now = self.ledger.now_ms()
        if not entries and timed and head.live != window.n and now >= first_ms + millis(rule.max_wait):
            return "empty"  # whoever opened it died before it was open
        if rule.until is None and rule.until_count is None:
            return "quiet" if own and self._quiet(rule, own, since_ms, now if timed else None) else None
        if rule.until_count is not None and len(own) >= rule.until_count:
            return "count"
        begin = min((ms_of(entry) for entry in own), default=None)
        if rule.until is not None and head.until is not None and head.marked:
            at_ms = head.until["at_ms"]
            if not entries:
                idle = timed and now >= max(at_ms, since_ms) + millis(rule.max_wait)
                return "idle" if idle else None
            if self._complete(window, {claim_of(entry) for entry in own}, listed()):
                return "marker"
            if not rule.until_lists:
                return "settle" if timed and now >= max(at_ms + millis(rule.settle), since_ms) else None
            begin = at_ms if begin is None else begin
        if begin is not None and timed and now >= max(begin, since_ms) + millis(rule.max_wait):
            return "reject" if rule.at_max_wait == "reject" else "max_wait"
        return None

    def _quiet(self, rule: WindowRule, own: list[Entry], since_ms: int, now: int | None) -> bool:
        if not rule.quiet:
            return True
        return now is not None and now >= self._quiet_ends(rule, own, since_ms)

    def _quiet_ends(self, rule: WindowRule, own: list[Entry], since_ms: int) -> int:
        times = [max(ms_of(entry), since_ms) for entry in own]
        return min(max(times) + millis(rule.quiet), min(times) + millis(rule.max_wait))

    def _complete(self, window: WindowId, mine: set[str], listed: Iterable[str | None]) -> bool:
        """Every listed object is a member record here, in an earlier manifest, or terminal. A claim is not enough."""
        for name in listed:
            if name is None:
                return False
            if flat(name) in mine:
                continue
            claim = self.ledger.claims.get(name)
            if claim is None or claim.value.state == "open":
                return False
            if claim.value.state != "member":
                continue
            assert claim.value.window is not None
            other = WindowId.parse(claim.value.window)
            if other.head == window.head and (
                other.n >= window.n or flat(name) not in self.windows.manifest(other).own
            ):
                return False  # claimed for here and not yet written, or on its way from an earlier window to here
        return True

    def next_look(self, trigger: Trigger, window: WindowId, head: Head, since_ms: int) -> int:
        """When the tick should look again at an open window that is not due, or is due and waits for a slot, in ms."""
        rule = trigger.window
        now = self.ledger.now_ms()
        soon = on_grid(now, _LOOK_AGAIN_MS)
        own = [entry for entry in self.ledger.records.list(f"m/{window}/") if is_own(entry)]
        if not own or head.marked:
            return soon
        if rule.until is not None or rule.until_count is not None:
            due = max(min(ms_of(entry) for entry in own), since_ms) + millis(rule.max_wait)
        else:
            due = self._quiet_ends(rule, own, since_ms)
        return due if due > now else soon
