"""Runs that end without being launched: their records say why, so that nobody has to guess."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from retrigger.handlers.outcome import Verdict
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.records import Manifest, Run, RunOutcome
    from retrigger.triggers.spec import Trigger

_WINDOW_ENDED: Mapping[str, tuple[RunOutcome, str]] = {
    "rejected": ("rejected", "no marker came in time, or a member was bad and `bad_member` is `reject`"),
    "empty": ("empty", "it ended without members"),
    "dead": ("dead", "nothing opened it before its carried members expired"),
    "skipped": ("skipped", "a run of this trigger was still at work, and `when_busy` is `skip`"),
}


def by_window(run: Run, manifest: Manifest, now_ms: int) -> Run:
    """The run of a window that closed without one."""
    outcome, reason = _WINDOW_ENDED[manifest.state]
    return _ended(run, outcome, Verdict("window", "stop", manifest.cause, reason), now_ms)


def observed(run: Run, now_ms: int) -> Run:
    """What would have been launched stands in the record; nothing was."""
    reason = "the trigger only observes: this would have been launched"
    return _ended(run, "observed", Verdict("launch", "stop", "observed", reason), now_ms)


def skipped(run: Run, why: Literal["busy", "replaced", "over"], trigger: Trigger, now_ms: int) -> Run:
    """A run that was let go, for good."""
    return _ended(run, "skipped", _why_skipped(why, trigger), now_ms)


def _why_skipped(why: Literal["busy", "replaced", "over"], trigger: Trigger) -> Verdict:
    match why:
        case "busy":
            return Verdict("slot", "stop", "busy", _WINDOW_ENDED["skipped"][1])
        case "replaced":
            return Verdict("slot", "stop", "replaced", "something newer came before it started")
        case "over":
            assert trigger.throttle is not None  # it is the trigger's own throttle that skips
            told = f"{trigger.throttle.limit} launches in {trigger.throttle.per} were spent, and `when_over` is `skip`"
            return Verdict("throttle", "stop", "over", told)


def _ended(run: Run, outcome: RunOutcome, verdict: Verdict, now_ms: int) -> Run:
    return replace(run, state="ended", outcome=outcome, ended_ms=now_ms, verdicts=[*run.verdicts, verdict.to_json()])
