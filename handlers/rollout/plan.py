"""What a rollout does next, from its record, the endpoint as it is seen now, and the time. Pure.

Each change of the endpoint is an intent on record, then an act, then seen to be done: an act is asked for again until
the endpoint shows it. Whoever acts late, since it was slow or taken for dead, can write no more than an earlier intent
of this rollout; that is known, and put right. What is not known was somebody else: the rollout pauses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from retrigger.handlers.rollout import going
from retrigger.handlers.rollout.judging import is_bounded, is_well, of_probes, over
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.endpoints import Endpoint, Health, Split
    from retrigger.handlers.jobs import RolloutJob
    from retrigger.handlers.records import Rollout

LONGEST_LIFE_MS: Final = 600_000
"""No function lives longer: whatever it was about to write has been written by then, or never will be."""
READY_WITHIN_MS: Final = 3 * 3_600_000
"""A deployment that is not ready after so long never will be."""


@dataclass(frozen=True, slots=True)
class Stay:
    """Nothing to do now."""


@dataclass(frozen=True, slots=True)
class Become:
    """The record goes on."""

    rollout: Rollout


@dataclass(frozen=True, slots=True)
class Deploy:
    """Make the new deployment, without traffic."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Ask for this split."""

    split: Split


@dataclass(frozen=True, slots=True)
class Mirror:
    """Ask for this mirror."""

    mirror: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Probe:
    """Send one request to the new deployment, and keep what it answered."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a deployment."""

    name: str


Intent: TypeAlias = Stay | Become | Deploy | Shift | Mirror | Probe | Remove
_MIRRORING: Final = frozenset({"mirror", "mirrored"})
_WATCHED: Final = frozenset({"smoke", *_MIRRORING, "approve", "shift", "bake", "settle"})
"""The phases in which the deployments, old and new, must be there."""


def plan(
    it: Rollout, job: RolloutJob, model: str, seen: Endpoint, *, health: Health | None = None, now_ms: int
) -> Intent:
    """`model`: what the new deployment holds, as the platform tells it; `health`: what it measured of this step."""
    if seen.changing:
        return Stay()
    if it.accept:
        return Become(going.accepted(it, seen))
    if it.want == "rollback" and it.phase not in {*going.BACK, "retire"}:
        return Become(going.back(it, it.reason or "an operator asked for it", now_ms, "cancelled"))
    surprise = _surprise(it, model, seen)
    if surprise is not None:
        return Become(going.paused(it, surprise))
    if it.deployment in seen.mirror and it.phase not in {*_MIRRORING, "ended"}:  # also what somebody late has written
        return Mirror({})
    match it.phase:
        case "prepare":
            return Become(going.prepared(it, seen, now_ms))
        case "deploy":
            return _deploy(it, job, seen, now_ms)
        case "smoke":
            return _smoke(it, job, seen, now_ms)
        case "mirror":
            return _mirror(it, job, seen, now_ms)
        case "approve":
            return _approve(it, job, now_ms)
        case "shift" | "restore":
            return _shift(it, job, seen, now_ms)
        case "bake" | "mirrored":
            return _bake(it, job, seen, health, now_ms)
        case "settle" | "hold":
            return _outlive(it, seen, now_ms)
        case "retire":
            return _remove(it, sorted(it.before), seen, now_ms)
        case "remove":
            return _remove(it, [it.deployment], seen, now_ms)
        case "ended":
            return Stay()


def _surprise(it: Rollout, model: str, seen: Endpoint) -> str | None:
    """What somebody else did to the endpoint, in words."""
    own = seen.deployments.get(it.deployment)
    if it.phase == "prepare":
        return None if own is None else f"a deployment {it.deployment} is there, and not of this rollout"
    if own is not None and own.model not in {None, model}:
        return f"deployment {it.deployment} holds {own.model}, and was made with {model}"
    if dict(seen.split) != it.split and dict(seen.split) not in it.past:
        return f"the split is {_told(seen.split)}, and was made {_told(it.split)}"
    if it.phase in _MIRRORING and not seen.mirror.keys() <= {it.deployment}:
        return f"traffic is mirrored to {', '.join(sorted(seen.mirror))}"
    if it.phase in _WATCHED:
        gone = next((name for name in (it.deployment, *it.before) if name not in seen.deployments), None)
        return None if gone is None else f"deployment {gone} is gone"
    return None


def _told(split: Split) -> str:
    return ", ".join(f"{name} {share} %" for name, share in split.items()) or "empty"


def _deploy(it: Rollout, job: RolloutJob, seen: Endpoint, now_ms: int) -> Intent:
    made = seen.deployments.get(it.deployment)
    if made is None:
        return Deploy()
    match made.state:
        case "ready" if job.smoke is None:
            return Become(going.to_first(it, job, now_ms))
        case "ready":
            return Become(going.into(it, "smoke", now_ms))
        case "creating" if now_ms < it.since_ms + READY_WITHIN_MS:
            return Stay()
        case "creating":
            return Become(going.back(it, f"deployment {it.deployment} is not ready after 3 hours", now_ms))
        case "failed" | "deleting":
            reason = made.error or "the platform gave no reason"
            return Become(going.back(it, f"deployment {it.deployment} failed: {reason}", now_ms))


def _smoke(it: Rollout, job: RolloutJob, seen: Endpoint, now_ms: int) -> Intent:
    """Before the first step, or at it, where the platform asks no deployment without traffic."""
    if dict(seen.split) != it.split:
        return Shift(it.split)
    if not it.probes:
        return Probe()
    [[status, _]] = it.probes[-1:]
    if is_well(status):
        return Become(going.tested(it, job, now_ms))
    told = f"was answered {status}" if status else "was not answered"
    return Become(going.back(it, f"the smoke test {told}", now_ms))


def _mirror(it: Rollout, job: RolloutJob, seen: Endpoint, now_ms: int) -> Intent:
    wanted = {it.deployment: job.mirror_percent}
    if seen.mirror != wanted:
        return Mirror(wanted)
    return Become(going.into(it, "mirrored", now_ms))


def _approve(it: Rollout, job: RolloutJob, now_ms: int) -> Intent:
    if it.approved_ms and it.approved_ms <= it.until_ms:
        return Become(going.to_step(it, job, it.step, now_ms, approved=True))
    if now_ms <= it.until_ms:
        return Stay()
    return Become(going.back(it, f"nobody approved the step to {it.steps[it.step]} % in time", now_ms))


def _shift(it: Rollout, job: RolloutJob, seen: Endpoint, now_ms: int) -> Intent:
    if dict(seen.split) != it.split:
        return Shift(it.split)
    return Become(going.shifted(it, job, now_ms))


def _bake(it: Rollout, job: RolloutJob, seen: Endpoint, health: Health | None, now_ms: int) -> Intent:
    if dict(seen.split) != it.split:
        return Shift(it.split)
    if it.phase == "mirrored" and seen.mirror != {it.deployment: job.mirror_percent}:
        return Mirror({it.deployment: job.mirror_percent})
    passed = over(job, health or of_probes(it.probes))
    if passed is not None:
        share = f"at {it.split[it.deployment]} %" if it.phase == "bake" else f"with {job.mirror_percent} % mirrored,"
        return Become(going.back(it, f"{share} {passed}", now_ms))
    if now_ms >= going.due_ms(it, job) and _is_known(it, job, health):
        return Become(going.baked(it, job, now_ms))
    if job.health == "platform" and health is None and now_ms >= going.due_ms(it, job) + going.KNOWN_WITHIN_MS:
        return Become(going.paused(it, f"the platform has measured no request to deployment {it.deployment}"))
    return Probe() if is_bounded(job) and health is None and job.smoke is not None else Stay()


def _is_known(it: Rollout, job: RolloutJob, health: Health | None) -> bool:
    """Whether a step was watched at all by what judges it: one of which nothing is known is not well."""
    if not is_bounded(job):
        return True
    if job.health == "platform":
        return health is not None
    return bool(it.probes) or job.smoke is None


def _outlive(it: Rollout, seen: Endpoint, now_ms: int) -> Intent:
    """Nothing is removed as long as somebody who is late may still send traffic there, or deploy once more."""
    if dict(seen.split) != it.split:
        return Shift(it.split)
    if now_ms < it.since_ms + LONGEST_LIFE_MS:
        return Stay()
    return Become(going.into(it, "retire" if it.phase == "settle" else "remove", now_ms))


def _remove(it: Rollout, names: list[str], seen: Endpoint, now_ms: int) -> Intent:
    left = next((name for name in names if name in seen.deployments), None)
    if left is None:
        return Become(going.ended(it, now_ms))
    if dict(seen.split) != it.split:
        return Shift(it.split)
    return Stay() if seen.deployments[left].state in {"creating", "deleting"} else Remove(left)
