"""An online endpoint under the hostile scheduler: slow, failing, changed by somebody else, and watched.

It says what must never be at the moment when it is done: traffic to what nobody tested, a step that was skipped or not
watched long enough, an old deployment removed too soon, somebody else's split written over.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from retrigger.handlers.endpoints import Answer, Deployment, Endpoint, Health
from retrigger.handlers.ledger import to_ms
from retrigger.handlers.rollout import commands
from retrigger.handlers.rollout.plan import LONGEST_LIFE_MS
from retrigger.triggers import keys
from retrigger.triggers.errors import Refused, Unavailable, Unknown
from tests.handlers.protocol.violation import require

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.endpoints import Split
    from retrigger.handlers.jobs import Request, RolloutJob
    from retrigger.handlers.ledger import Ledger, Stored
    from retrigger.handlers.records import Rollout
    from retrigger.triggers.event import Json
    from retrigger.triggers.launches import OnlineDeployment
    from tests.handlers.protocol.world import World

OLD = "blue"
_ON_ITS_WAY_MS = 5_000  # between the decision that it is in time and the answer


class Online:
    """The truth about one endpoint. In every other world a write needs the etag that was seen.

    `idle_answer`: whether a deployment without traffic can be asked.
    """

    def __init__(self, world: World, launch: OnlineDeployment, *, tagged: bool, idle_answer: bool) -> None:
        self._world = world
        self._launch = launch
        self._tagged = tagged
        self._idle_answer = idle_answer
        self.deployments = {OLD: Deployment(state="ready", model="churn:6")}
        self.split: dict[str, int] = {OLD: 100}
        self.mirror: dict[str, int] = {}
        self.mirrored_ms: dict[str, int] = {}
        """Since when each deployment has had its copy of the traffic."""
        self.version = 0
        self.jobs: dict[str, RolloutJob] = {}
        self.bad: set[str] = set()
        self.tested_ms: dict[str, int] = {}
        self.known_ms: dict[str, int] = {}
        """When each deployment was last seen to answer, or measured."""
        self.reached_ms: dict[tuple[str, int], int] = {}
        self.gone_back: set[str] = set()
        self.foreign: dict[str, int] | None = None
        """The split that somebody else made, as long as it is there."""

    # what happens by itself, and what people do

    def progress(self) -> None:
        chance = self._world.random
        for name, it in list(self.deployments.items()):
            if it.state == "creating" and chance.random() < 0.05:
                failed = chance.random() < self._world.chances.fail * 0.3
                self.deployments[name] = replace(it, state="failed" if failed else "ready")
        if len(self.split) > 1 and self.foreign is None and chance.random() < self._world.chances.fail * 0.002:
            first, second = sorted(self.split)[:2]
            share = chance.randint(20, 45)
            self._write({first: share, second: 100 - share})
            self.foreign = self.split

    def held_up(self) -> bool:
        """Whether a rollout waits for somebody."""
        waits = (it.value.want == "pause" or it.value.phase == "approve" for it in self._world.ledger.rollouts.list())
        return any(waits)

    def operate(self, ledger: Ledger) -> None:
        """Somebody looks after what is held up; now and then after what is not."""
        for stored in self._world.ledger.rollouts.list():
            name, it, chance = ledger.rollouts.name(stored), stored.value, self._world.random.random()
            if it.want == "pause":
                if chance < 0.3:
                    commands.roll_back(ledger, name, by="ann", reason="no")
                else:
                    commands.resume(ledger, name, by="ann")
            elif it.phase == "approve" and chance < 0.5:
                self._approve(ledger, name, it)
            elif chance < 0.02:
                commands.pause(ledger, name, by="ann", reason="a look")

    def _approve(self, ledger: Ledger, name: str, it: Rollout) -> None:
        if self._world.parts.approve(ledger, name, by="ann") == "done":
            late_ms = to_ms(self._world.plain.now()) - it.until_ms
            require(late_ms <= _ON_ITS_WAY_MS, "APPROVED TOO LATE")

    # what is asked of it

    def deploy(self, job: RolloutJob, name: str) -> None:
        self.jobs[job.id] = job
        if name in self.deployments:
            return
        for stored in self._going():
            require(stored.value.deployment == name, "TWO ROLLOUTS AT ONCE")
        if self._world.random.random() < self._world.chances.fail * 0.5:
            self.bad.add(name)
        self.deployments[name] = Deployment(state="creating", model=f"{job.model}:{job.version}")

    def shift(self, split: Split, seen: Endpoint) -> bool:
        if self._tagged and seen.etag != str(self.version):
            return False
        for name in split:
            if self.deployments.get(name) is None or self.deployments[name].state != "ready":
                raise Refused(f"{name} is not ready", code="bad_request")
            if name in self.mirror:
                raise Refused(f"{name} gets a copy of the traffic", code="bad_request")
        if self._tagged:
            accepted = any(self.foreign in stored.value.past for stored in self._going())
            require(self.foreign is None or accepted, "SOMEBODY ELSE'S SPLIT WAS WRITTEN OVER")
            self._rises_by_steps(split)
        self._write(dict(split))
        self.foreign = None
        return True

    def copy(self, mirror: Mapping[str, int], seen: Endpoint) -> bool:
        if self._tagged and seen.etag != str(self.version):
            return False
        for name in mirror:
            if self.split.get(name) or name not in self.deployments:
                raise Refused(f"{name} can have no copy of the traffic", code="bad_request")
            self.mirrored_ms.setdefault(name, self._world.ms)
        self.mirror = dict(mirror)
        self.version += 1
        return True

    def remove(self, name: str) -> None:
        if self.split.get(name) or name in self.mirror:
            raise Refused(f"{name} gets traffic", code="in_use")
        if name in self.deployments and any(share == 100 for share in self.split.values()):
            [only] = self.split
            if name not in self.bad and (only, 100) in self.reached_ms and self._won(only):
                watched_ms = self._world.ms - self.reached_ms[only, 100]
                enough_ms = self._bake_ms() + LONGEST_LIFE_MS
                require(watched_ms >= enough_ms, "AN OLD DEPLOYMENT WAS REMOVED TOO SOON")
        self.deployments.pop(name, None)

    def answer(self, name: str) -> Answer | None:
        if name not in self.deployments:
            raise Refused(f"there is no deployment {name}", code="not_found")
        chance = self._world.random
        if not self._idle_answer and (not self.split.get(name) or chance.random() < 0.4):
            return None
        status = 500 if name in self.bad and chance.random() < 0.5 else 200
        if status == 200:
            self.tested_ms.setdefault(name, self._world.ms)
            self.known_ms[name] = self._world.ms
        return Answer(status=status, latency_ms=chance.randint(1, 50))

    def measured(self, name: str) -> Health | None:
        """What is measured comes late, and of some nothing for long."""
        if self._world.random.random() < 0.5:
            return None
        self.known_ms[name] = self._world.ms
        return Health(error_rate=0.5 if name in self.bad else 0.0, p95_ms=20)

    # what must be true of it

    def tell(self, states: dict[str, str]) -> None:
        """How each rollout ended, as a platform knows it; and that the endpoint is as the last of them left it."""
        winner = OLD
        ended = sorted(self._world.ledger.rollouts.list(), key=lambda it: it.value.since_ms)
        for stored in ended:
            require(stored.value.phase == "ended", f"A ROLLOUT IS LEFT: {stored.value.phase}")
            states[self._world.ledger.rollouts.name(stored)] = str(stored.value.outcome)
            if stored.value.outcome == "succeeded":
                winner = stored.value.deployment
        require(self.split == {winner: 100}, f"THE SPLIT IS WRONG: {self.split}, not {winner}")
        require(set(self.deployments) == {winner}, f"DEPLOYMENTS ARE LEFT: {sorted(self.deployments)}")
        require(not self.mirror, f"A MIRROR IS LEFT: {sorted(self.mirror)}")

    def _rises_by_steps(self, split: Split) -> None:
        """A new deployment gets each of its shares in turn, each of them watched, and after a rollback none."""
        for stored in self._going():
            name, steps = stored.value.deployment, list(self._launch.steps)
            share, before = split.get(name, 0), self.split.get(name, 0)
            if share == 0 and before:
                self.gone_back.add(name)
            if share <= before or (name, share) in self.reached_ms:
                require(not (share > before and name in self.gone_back), "IT ROSE AGAIN AFTER IT WENT BACK")
                continue
            require(name not in self.gone_back, "IT ROSE AGAIN AFTER IT WENT BACK")
            at = steps.index(share)
            require(name in self.tested_ms or not (at or self._idle_answer), "TRAFFIC WITHOUT A SMOKE TEST")
            mirror = self._launch.mirror
            if mirror is not None:
                copied_ms = self._world.ms - self.mirrored_ms.get(name, self._world.ms)
                require(copied_ms >= mirror.lasts.total_seconds() * 1000, "TRAFFIC BEFORE ITS COPY WAS WATCHED")
            for earlier in steps[:at]:
                require((name, earlier) in self.reached_ms, "A STEP WAS SKIPPED")
            if at:
                began_ms = self.reached_ms[name, steps[at - 1]]
                watched_ms = self._world.ms - max(began_ms, self.tested_ms[name])
                require(watched_ms >= self._bake_ms(), "A STEP WAS NOT WATCHED LONG ENOUGH")
                require(self.known_ms.get(name, 0) >= began_ms, "A STEP WAS NOT WATCHED AT ALL")
            approve = self._launch.approve
            if approve is not None and share >= approve.before:
                require(bool(stored.value.approved_ms), "TRAFFIC WITHOUT CONSENT")

    def _write(self, split: dict[str, int]) -> None:
        if split != self.split:
            self.version += 1
        self.split = split
        for name, share in split.items():
            self.reached_ms.setdefault((name, share), self._world.ms)

    def _won(self, name: str) -> bool:
        """Whether a rollout has made this deployment, and goes on with it."""
        return any(stored.value.deployment == name and not stored.value.outcome for stored in self._going())

    def _going(self) -> list[Stored[Rollout]]:
        """Rollouts that have begun with the endpoint, and have not ended."""
        every = self._world.ledger.rollouts.list()
        return [stored for stored in every if stored.value.phase not in {"prepare", "ended"}]

    def _bake_ms(self) -> int:
        return int(self._launch.bake.total_seconds() * 1000)


class HostileEndpoints:
    """The port `Endpoints`: an edge before each operation, and an answer that may be lost after it."""

    def __init__(self, world: World, online: Online) -> None:
        self._world = world
        self._online = online

    def deployment_of(self, job: RolloutJob) -> str:
        return f"rt-{keys.digest(job.id)[:24]}"

    def model_of(self, job: RolloutJob) -> str:
        return f"{job.model}:{job.version}"

    def request(self, job: RolloutJob) -> Request:
        raise AssertionError(job)

    def look(self, endpoint: str) -> Endpoint:
        self._edge()
        assert endpoint == "churn-online"
        it = self._online
        split, mirror = dict(sorted(it.split.items())), dict(it.mirror)
        return Endpoint(deployments=dict(it.deployments), split=split, mirror=mirror, etag=str(it.version))

    def deploy(self, job: RolloutJob, since_ms: int) -> None:
        del since_ms
        self._edge()
        self._online.deploy(job, self.deployment_of(job))
        self._lost()

    def shift(self, endpoint: str, split: Split, seen: Endpoint) -> bool:
        self._edge()
        assert endpoint == "churn-online"
        done = self._online.shift(split, seen)
        self._lost()
        return done

    def mirror(self, endpoint: str, mirror: Mapping[str, int], seen: Endpoint) -> bool:
        self._edge()
        assert endpoint == "churn-online"
        done = self._online.copy(mirror, seen)
        self._lost()
        return done

    def invoke(self, endpoint: str, deployment: str, body: Json) -> Answer | None:
        self._edge()
        assert (endpoint, body) == ("churn-online", {"instances": [1]})
        return self._online.answer(deployment)

    def remove(self, endpoint: str, deployment: str) -> None:
        self._edge()
        assert endpoint == "churn-online"
        self._online.remove(deployment)
        self._lost()

    def health(self, endpoint: str, deployment: str, since_ms: int, until_ms: int) -> Health | None:
        self._edge()
        assert endpoint == "churn-online"
        assert since_ms <= until_ms
        return self._online.measured(deployment)

    def _edge(self) -> None:
        self._world.edge()
        if self._world.random.random() < self._world.chances.unavailable:
            raise Unavailable("the platform is away", code="unavailable")

    def _lost(self) -> None:
        if self._world.random.random() < self._world.chances.lose:
            raise Unknown("the answer was lost", code="response_lost")
        self._world.answer(None)
