"""What operators may do with a rollout: each is one swap of what they want of it; the next tick does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from retrigger.handlers.rollout.going import BACK
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.handlers.ledger import Ledger
    from retrigger.handlers.records import Rollout

Done: TypeAlias = Literal["done", "unchanged", "unknown"]
"""`unchanged`: there was nothing to do, or it is too late; `unknown`: there is no such rollout."""


def pause(ledger: Ledger, name: str, *, by: str, reason: str) -> Done:
    """Leave the endpoint as it is until somebody resumes, or rolls back."""
    return _asked(ledger, name, lambda it: _paused(it, by, reason))


def resume(ledger: Ledger, name: str, *, by: str) -> Done:
    """Go on. What the endpoint looks like by then is no surprise: whoever resumes has looked at it."""
    return _asked(ledger, name, lambda it: _resumed(it, by))


def roll_back(ledger: Ledger, name: str, *, by: str, reason: str) -> Done:
    """Go back to the split that was there before; too late once the old deployment is being removed."""
    return _asked(ledger, name, lambda it: _turned(it, by, reason))


def approve(ledger: Ledger, name: str, *, by: str) -> Done:
    """Consent to the step that waits for it; too late once its time has passed, whether a tick has seen that or not."""
    return _asked(ledger, name, lambda it: _approved(it, by, ledger.now_ms()))


def _asked(ledger: Ledger, name: str, change: Callable[[Rollout], Rollout | None]) -> Done:
    if ledger.rollouts.get(name) is None:
        return "unknown"
    return "unchanged" if ledger.rollouts.update(name, change) is None else "done"


def _paused(it: Rollout, by: str, reason: str) -> Rollout | None:
    return None if it.phase == "ended" or it.want != "go" else replace(it, want="pause", by=by, reason=reason)


def _resumed(it: Rollout, by: str) -> Rollout | None:
    return replace(it, want="go", by=by, reason=None, accept=True) if it.want == "pause" else None


def _turned(it: Rollout, by: str, reason: str) -> Rollout | None:
    if it.want == "rollback" or it.phase in {*BACK, "retire", "ended"}:
        return None
    return replace(it, want="rollback", by=by, reason=reason, accept=it.want == "pause")


def _approved(it: Rollout, by: str, now_ms: int) -> Rollout | None:
    if it.phase != "approve" or it.want != "go" or it.approved_ms or now_ms > it.until_ms:
        return None
    return replace(it, approved_ms=now_ms, by=by)
