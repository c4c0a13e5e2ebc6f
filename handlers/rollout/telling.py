"""Rollouts for people and programs: what is planned, how far each is, and what it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.handlers.ledger import from_ms
from retrigger.handlers.rollout.going import BACK
from retrigger.handlers.rollout.judging import is_bounded
from retrigger.triggers.event import rfc3339
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.handlers.jobs import RolloutJob
    from retrigger.handlers.ledger import Ledger
    from retrigger.handlers.records import Rollout

_IN_STEP: Final = frozenset({"approve", "shift", "bake"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutView:
    """One rollout. `percent`: the step under way, of those in `steps`; times are RFC 3339.

    `state`: running, waiting (for consent, until `until`), paused, rolling back; or how it ended. `split`: what the
    endpoint's is to be; `before`: what it was. `by`: the operator who asked last; `reason`: for what.
    """

    id: str
    trigger: str
    state: str
    phase: str
    endpoint: str
    deployment: str
    model: str
    version: str
    steps: list[int]
    percent: int
    split: Mapping[str, int]
    before: Mapping[str, int]
    since: str
    until: str | None
    by: str
    reason: str | None


def rollouts(ledger: Ledger) -> list[RolloutView]:
    """Every rollout; what changed last comes last."""
    found = sorted(ledger.rollouts.list(), key=lambda stored: stored.value.since_ms)
    return [_view(ledger.rollouts.name(stored), stored.value) for stored in found]


def in_words(job: RolloutJob) -> Iterator[str]:
    """What will be done, step by step."""
    yield f"deploy model {job.model}, version {job.version}, to {job.endpoint}, without traffic"
    if job.smoke is not None:
        yield "send the smoke test to the new deployment (on Vertex AI at the first step): any 2xx is good"
    if job.mirror_percent:
        yield f"copy {job.mirror_percent} % of the traffic to it, watched for {_long(job.mirror_ms)}"
    for percent in job.steps:
        if percent == job.approve_before:
            yield f"wait for `retrigger rollout approve`, {_long(job.approve_within_ms)} at the most"
        watched = f", watched for {_long(job.bake_ms)}" if job.bake_ms else ""
        yield f"{percent} % of the traffic{watched}"
    if is_bounded(job):
        judged = "the platform's figures" if job.health == "platform" else "our own requests"
        yield f"back to the split that was there, as soon as {judged} pass a bound of `rollback_if`"
    yield "remove the deployments that had the traffic before"


def phase(it: Rollout) -> str:
    """How far it is, in words."""
    in_step = it.phase in _IN_STEP or (it.phase == "smoke" and it.deployment in it.split)
    return f"{it.phase} {it.steps[it.step]} %" if in_step else it.phase


def _view(name: str, it: Rollout) -> RolloutView:
    return RolloutView(
        id=name,
        trigger=it.trigger,
        state=_state(it),
        phase=it.phase,
        endpoint=it.endpoint,
        deployment=it.deployment,
        model=it.model,
        version=it.version,
        steps=it.steps,
        percent=it.steps[it.step],
        split=it.split,
        before=it.before,
        since=rfc3339(from_ms(it.since_ms)),
        until=rfc3339(from_ms(it.until_ms)) if it.phase == "approve" else None,
        by=it.by,
        reason=it.reason,
    )


def _state(it: Rollout) -> str:
    if it.phase == "ended":
        return it.outcome or "succeeded"
    if it.want == "pause":
        return "paused"
    if it.want == "rollback" or it.phase in BACK:
        return "rolling back"
    return "waiting" if it.phase == "approve" and not it.approved_ms else "running"


def _long(milliseconds: int) -> str:
    """A duration as one writes it in a trigger file."""
    minutes, seconds = divmod(milliseconds // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0"
