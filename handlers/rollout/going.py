"""How the record of a rollout goes from phase to phase. Pure; `docs/ledger.md` draws the transitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from retrigger.handlers.records import Rollout
from retrigger.handlers.rollout.splits import remaining, with_share
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from retrigger.handlers.endpoints import Answer, Endpoint, Split
    from retrigger.handlers.jobs import RolloutJob
    from retrigger.handlers.records import RolloutPhase

BACK: Final[frozenset[RolloutPhase]] = frozenset({"restore", "hold", "remove"})
"""The phases on the way back."""
KNOWN_WITHIN_MS: Final = 900_000
"""So long after its time a step waits for a first sign of how its deployment does; then somebody must look."""
_MOST_PROBES: Final = 500


def begun(job: RolloutJob, deployment: str, now_ms: int) -> Rollout:
    """The first record of a rollout."""
    return Rollout(
        phase="prepare",
        trigger=job.labels.get("retrigger-trigger", ""),
        fingerprint=job.fingerprint,
        endpoint=job.endpoint,
        deployment=deployment,
        model=job.model,
        version=job.version,
        steps=list(job.steps),
        since_ms=now_ms,
    )


def into(it: Rollout, phase: RolloutPhase, now_ms: int) -> Rollout:
    return replace(it, phase=phase, since_ms=now_ms)


def prepared(it: Rollout, seen: Endpoint, now_ms: int) -> Rollout:
    """The split that was found is what a rollback goes back to."""
    before = dict(seen.split)
    return replace(into(it, "deploy", now_ms), before=before, split=before)


def to_first(it: Rollout, job: RolloutJob, now_ms: int) -> Rollout:
    """The new deployment is well without traffic: on to a copy of it, if one is wanted and there is any to copy."""
    if job.mirror_percent and it.before:
        return into(it, "mirror", now_ms)
    return to_step(it, job, 0, now_ms)


def to_step(it: Rollout, job: RolloutJob, step: int, now_ms: int, *, approved: bool = False) -> Rollout:
    """On the way to a step's share; an endpoint without traffic goes to all of it at once, by the last step."""
    step = step if it.before else len(it.steps) - 1
    percent = it.steps[step]
    if percent == job.approve_before and not approved:
        asked = replace(into(it, "approve", now_ms), step=step)
        return replace(asked, until_ms=now_ms + job.approve_within_ms)
    shifting = replace(into(it, "shift", now_ms), step=step, probes=[])
    return wanting(shifting, with_share(it.before, it.deployment, percent))


def shifted(it: Rollout, job: RolloutJob, now_ms: int) -> Rollout:
    """The split is there. What could not be tested without traffic is tested now, before the step's time begins."""
    if it.phase == "restore":
        return into(it, "hold", now_ms)
    return into(it, "bake" if it.tested or job.smoke is None else "smoke", now_ms)


def tested(it: Rollout, job: RolloutJob, now_ms: int) -> Rollout:
    """The smoke test is passed: on to the first step, or, if that is where it was taken, its time begins."""
    passed = replace(it, tested=True, probes=[])
    return into(passed, "bake", now_ms) if it.deployment in it.split else to_first(passed, job, now_ms)


def unasked(it: Rollout, job: RolloutJob, now_ms: int) -> Rollout | None:
    """The platform cannot ask the deployment now: without traffic it is tested at the first step. None: it waits."""
    if it.phase == "smoke" and it.deployment not in it.split:
        return to_first(it, job, now_ms)
    return overdue(it, job, now_ms)


def overdue(it: Rollout, job: RolloutJob, now_ms: int, why: str | None = None) -> Rollout | None:
    """Nobody could ask the deployment this time. None: there is time left to try again."""
    if now_ms < due_ms(it, job) + KNOWN_WITHIN_MS:
        return None
    told = f"deployment {it.deployment} could not be asked in {KNOWN_WITHIN_MS // 60_000} minutes"
    return paused(it, told if why is None else f"{told}: {why}")


def due_ms(it: Rollout, job: RolloutJob) -> int:
    """When the time is over for which a step, or the mirror, is watched; that of a smoke test is none."""
    match it.phase:
        case "bake":
            return it.since_ms + job.bake_ms
        case "mirrored":
            return it.since_ms + job.mirror_ms
        case _:
            return it.since_ms


def baked(it: Rollout, job: RolloutJob, now_ms: int) -> Rollout:
    """After a step, or the mirror, was watched long enough."""
    if it.phase == "mirrored":
        return to_step(it, job, 0, now_ms)
    if it.step + 1 < len(it.steps):
        return to_step(it, job, it.step + 1, now_ms)
    return into(it, "settle", now_ms)


def back(it: Rollout, reason: str, now_ms: int, outcome: Literal["failed", "cancelled"] = "failed") -> Rollout:
    """On the way back to the split that was found; before anything was made there is no way to go."""
    turned = replace(it, reason=reason, outcome=outcome, want="go", accept=False)
    if it.phase == "prepare":
        return into(turned, "ended", now_ms)
    return wanting(into(turned, "restore", now_ms), it.before)


def ended(it: Rollout, now_ms: int) -> Rollout:
    return replace(into(it, "ended", now_ms), outcome=it.outcome or "succeeded")


def paused(it: Rollout, reason: str) -> Rollout:
    return replace(it, want="pause", reason=reason, by="")


def probed(it: Rollout, answer: Answer) -> Rollout:
    return replace(it, probes=[*it.probes, [answer.status, answer.latency_ms]][-_MOST_PROBES:])


def accepted(it: Rollout, seen: Endpoint) -> Rollout:
    """An operator has looked at the endpoint: its split is no surprise, and what is gone is not missed any more.

    As long as nothing was shifted, the split that is there now is what a rollback goes back to.
    """
    known = replace(it, accept=False, past=[*it.past, dict(seen.split)])
    if it.phase in {"smoke", "bake"} and it.deployment in it.split:  # it is watched anew
        known = replace(known, phase="shift", probes=[])
    if it.phase == "mirrored":
        known = replace(known, phase="mirror", probes=[])
    left = it.before
    if not all(name in seen.deployments for name in it.before):
        left = remaining(it.before, seen.deployments)
    if it.phase in BACK:
        return replace(known, before=left, split=left)
    if it.deployment not in it.split:
        return replace(known, before=dict(seen.split), split=dict(seen.split))
    return replace(known, before=left, split=with_share(left, it.deployment, it.split[it.deployment]))


def wanting(it: Rollout, split: Split) -> Rollout:
    """Intent to have another split; what was wanted until now may still be written by somebody who is late."""
    past = it.past if it.split in it.past else [*it.past, it.split]
    return replace(it, split=dict(split), past=past)
