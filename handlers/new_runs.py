"""The first record of a run, by what asks for it: a window, an event of its own, or an operator who wants one again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.handlers.records import Run
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrigger.handlers.records import Claim, Manifest
    from retrigger.handlers.slots import GateRule
    from retrigger.handlers.windows import WindowId
    from retrigger.triggers.spec import Trigger


def of_window(
    window: WindowId, chunk: int, trigger: Trigger, manifest: Manifest, gates: Sequence[GateRule], *, now_ms: int
) -> Run:
    """Its request is frozen next."""
    run = _ready(trigger, gates, now_ms)
    return replace(run, window=str(window), chunk=chunk, then=trigger.on_failure.then, since_ms=manifest.last_ms)


def of_event(
    name: str, claim: Claim, trigger: Trigger, gates: Sequence[GateRule], *, since_ms: int, now_ms: int
) -> Run:
    """With the request that its claim, called `name`, holds. `since_ms`: since when it waits."""
    run = _ready(trigger, gates, now_ms)
    before = claim.replays[-1]["run"] if claim.replays else None
    return replace(run, job=claim.job, claim=name, replay_of=before, since_ms=since_ms)


def of_replay(old: str, before: Run, trigger: Trigger, gates: Sequence[GateRule], *, rest: bool, now_ms: int) -> Run:
    """Where it fails, its members become dead letters: an operator asked for it, no later window waits for it."""
    run = _ready(trigger, gates, now_ms)
    return replace(run, window=before.window, chunk=before.chunk, replay_of=old, rest=rest or before.rest)


def _ready(trigger: Trigger, gates: Sequence[GateRule], now_ms: int) -> Run:
    return Run(
        state="ready",
        trigger=trigger.name,
        gates=[gate.name for gate in gates],
        retry=trigger.on_failure.retry,
        then="dead",
        created_ms=now_ms,
    )
