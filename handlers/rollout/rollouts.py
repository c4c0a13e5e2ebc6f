"""Rollouts as jobs of a platform that is our own ledger: submitted, looked at and cancelled like any other job.

To look at one is to bring it on, by one step at the most. Two who do so at once change nothing that one would not.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from retrigger.handlers.jobs import JobStatus, RolloutJob
from retrigger.handlers.rollout import going
from retrigger.handlers.rollout.commands import roll_back
from retrigger.handlers.rollout.judging import is_bounded
from retrigger.handlers.rollout.plan import Become, Deploy, Mirror, Probe, Remove, Shift, Stay, plan
from retrigger.handlers.rollout.telling import phase
from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.endpoints import Endpoint, Endpoints, Health
    from retrigger.handlers.jobs import Job, Request
    from retrigger.handlers.ledger import Ledger, Stored
    from retrigger.handlers.ports import Launcher
    from retrigger.handlers.records import Rollout
    from retrigger.handlers.rollout.plan import Intent
    from retrigger.triggers.event import Json

_LOG = logging.getLogger(__name__)


class Rollouts:
    """The rollouts of one ledger, on the endpoints of one platform."""

    def __init__(self, ledger: Ledger, endpoints: Endpoints) -> None:
        self.ledger = ledger
        self.endpoints = endpoints

    def submit(self, job: RolloutJob) -> Literal["created", "adopted", "conflict"]:
        """Put it on record; the endpoint is not looked at yet."""
        first = going.begun(job, self.endpoints.deployment_of(job), self.ledger.now_ms())
        if self.ledger.rollouts.create(job.id, first) is not None:
            return "created"
        known = self.ledger.rollouts.get(job.id)
        assert known is not None  # rollouts are not deleted
        return "adopted" if known.value.fingerprint == job.fingerprint else "conflict"

    def status(self, job: RolloutJob) -> JobStatus:
        """Bring it on by one step at the most, and tell how far it is. Raises Unavailable, and is asked again then."""
        stored = self.ledger.rollouts.get(job.id)
        if stored is None:
            return JobStatus(state="lost")
        if stored.value.phase != "ended" and stored.value.want != "pause":
            stored = self._advance(job, stored)
        return _told(stored.value)

    def cancel(self, job: RolloutJob) -> None:
        """It goes back; one that is removing the old deployment, or has ended, cannot."""
        roll_back(self.ledger, job.id, by="", reason="it was cancelled")

    def _advance(self, job: RolloutJob, stored: Stored[Rollout]) -> Stored[Rollout]:
        it, now_ms = stored.value, self.ledger.now_ms()
        try:
            seen = self.endpoints.look(it.endpoint)
            following = self._act(job, it, seen, self._next(job, it, seen, now_ms))
        except Refused as error:
            following = _refused(it, str(error), now_ms)
        if following is None:
            return stored
        swapped = self.ledger.rollouts.swap(stored, following)
        if swapped is not None and following.want == "pause":
            told = {"rollout": job.id, "endpoint": it.endpoint, "reason": following.reason}
            _LOG.error("rollout_paused", extra={"fields": told})
        return swapped or stored

    def _next(self, job: RolloutJob, it: Rollout, seen: Endpoint, now_ms: int) -> Intent:
        health = self._health(job, it, now_ms)
        return plan(it, job, self.endpoints.model_of(job), seen, health=health, now_ms=now_ms)

    def _health(self, job: RolloutJob, it: Rollout, now_ms: int) -> Health | None:
        """None too if the platform does not answer: the plan bounds how long a step waits to be judged."""
        watched = it.phase in {"bake", "mirrored"} and it.want == "go"
        if job.health != "platform" or not is_bounded(job) or not watched:
            return None
        try:
            return self.endpoints.health(it.endpoint, it.deployment, it.since_ms, now_ms)
        except Unavailable as error:
            told = {"rollout": job.id, "endpoint": it.endpoint, "reason": str(error)}
            _LOG.warning("health_unknown", extra={"fields": told})
            return None

    def _act(self, job: RolloutJob, it: Rollout, seen: Endpoint, intent: Intent) -> Rollout | None:
        """Do it. -> what the record becomes; None: what was done is still to be seen."""
        match intent:
            case Become(rollout):
                return rollout
            case Deploy():
                self.endpoints.deploy(job, it.since_ms)
            case Shift(split):
                self.endpoints.shift(it.endpoint, split, seen)
            case Mirror(mirror):
                self.endpoints.mirror(it.endpoint, mirror, seen)
            case Remove(name):
                self.endpoints.remove(it.endpoint, name)
            case Probe():
                return self._probed(job, it)
            case Stay():
                pass
        return None

    def _probed(self, job: RolloutJob, it: Rollout) -> Rollout | None:
        """What cannot be asked because something else fails (a key that is not to be had) does not wait for ever."""
        try:
            answer = self.endpoints.invoke(it.endpoint, it.deployment, job.smoke)
        except Unavailable as error:
            late = going.overdue(it, job, self.ledger.now_ms(), str(error))
            if late is None:
                raise
            return late
        return going.unasked(it, job, self.ledger.now_ms()) if answer is None else going.probed(it, answer)


class ByKind:
    """The port `Launcher`: rollouts go to our own ledger, every other job to the platform."""

    def __init__(self, platform: Launcher, rollouts: Rollouts) -> None:
        self.platform = platform
        self.rollouts = rollouts

    def request(self, job: Job, template: Mapping[str, Json] | None) -> Request:
        """Of a rollout the first: what makes the deployment."""
        if isinstance(job, RolloutJob):
            return self.rollouts.endpoints.request(job)
        return self.platform.request(job, template)

    def submit(self, job: Job, template: Mapping[str, Json] | None) -> Literal["created", "adopted", "conflict"]:
        if isinstance(job, RolloutJob):
            return self.rollouts.submit(job)
        return self.platform.submit(job, template)

    def status(self, job: Job) -> JobStatus:
        return self.rollouts.status(job) if isinstance(job, RolloutJob) else self.platform.status(job)

    def cancel(self, job: Job) -> None:
        if isinstance(job, RolloutJob):
            self.rollouts.cancel(job)
        else:
            self.platform.cancel(job)


def _refused(it: Rollout, reason: str, now_ms: int) -> Rollout:
    """On the way there it goes back. On the way back, or while the old is removed, somebody must look."""
    if it.phase in going.BACK or it.phase == "retire":
        return going.paused(it, reason)
    return going.back(it, reason, now_ms)


def _told(it: Rollout) -> JobStatus:
    if it.phase != "ended":
        state = "paused" if it.want == "pause" else "running"
        return JobStatus(state="running", error=it.reason, tasks={phase(it): state})
    assert it.outcome is not None
    return JobStatus(state=it.outcome, error=it.reason)
