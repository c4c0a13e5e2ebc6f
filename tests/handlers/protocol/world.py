"""A world in which the real core, ledger, windows, slots, admission and tick run under a hostile scheduler.

Workers are greenlets: each operation on the store, the platform or the objects hands control back to the scheduler,
which picks who goes on with rarely changing priorities (so that some become zombies), kills workers, loses responses
(the operation happened, its worker dies), redelivers what was not acknowledged and runs two ticks at once. Time belongs
to the store: a step moves it a little, an idle world jumps to what is due next.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import greenlet

from retrigger.handlers.adapters.memory import MemoryRecords
from retrigger.handlers.admit import Admission
from retrigger.handlers.carrying import Carrying
from retrigger.handlers.claims import Claims
from retrigger.handlers.control import cancel
from retrigger.handlers.core import Core
from retrigger.handlers.following import Following
from retrigger.handlers.gate import Gate
from retrigger.handlers.gathering import Gathering
from retrigger.handlers.granting import Granting
from retrigger.handlers.jobs import BatchJob, JobStatus, Request
from retrigger.handlers.joining import Joining
from retrigger.handlers.judging import Judging
from retrigger.handlers.ledger import Ledger, to_ms
from retrigger.handlers.ports import ObjectStat, in_turn
from retrigger.handlers.records import ALL_TRIGGERS, MAX_CARRIES, Pause
from retrigger.handlers.replay import Replay
from retrigger.handlers.rollout.commands import approve
from retrigger.handlers.rollout.rollouts import ByKind, Rollouts
from retrigger.handlers.slots import Slots, own_gate
from retrigger.handlers.tick import Tick
from retrigger.handlers.windowed import Windowed
from retrigger.handlers.windows import Windows
from retrigger.triggers import keys
from retrigger.triggers.errors import RetriggerError, Unavailable, Unknown
from retrigger.triggers.event import Event, Message, Object
from retrigger.triggers.launches import BatchPrediction, OnlineDeployment
from retrigger.triggers.match import Index
from tests.handlers.protocol.online import HostileEndpoints, Online
from tests.handlers.protocol.violation import Violation
from tests.handlers.protocol.violation import require as _require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from retrigger.handlers.jobs import Job
    from retrigger.handlers.ledger import Stored
    from retrigger.handlers.ports import Entry, Launcher, Record
    from retrigger.handlers.records import Manifest, Note, Run
    from retrigger.handlers.rollout.commands import Done
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Trigger

START = datetime(2026, 3, 1, tzinfo=UTC)
TEMPLATE: dict[str, Any] = {
    "schemaVersion": "2.1.0",
    "pipelineInfo": {"name": "p"},
    "root": {"inputDefinitions": {"parameters": {"what": {"parameterType": "STRING"}}}},
}
GOOD, BAD = b"n\n1\n2\n", b"n\nmany\n"


Operation = Literal["replay every", "replay one", "cancel", "settle"]
_LATEST_MS = 1_200_000
_ENDS = {"succeeded", "failed", "cancelled", "dead", "lost"}


@dataclass(frozen=True)
class Chances:
    """Probabilities per operation; `fail` per job."""

    crash: float = 0.0
    lose: float = 0.0
    unavailable: float = 0.0
    fail: float = 0.0


@dataclass(frozen=True)
class Scene:
    """A trigger, its environment, deliveries [(time in ms, event)], objects and when they land, pauses.

    `operators`: when somebody replays what failed, replays an event, or cancels a run, whichever of them they find.
    `follower`: a trigger that listens to the ends of the first one's runs.
    """

    trigger: Trigger
    environment: Environment
    deliveries: list[tuple[int, Event]]
    objects: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    pauses: list[tuple[int, bool]] = field(default_factory=list)
    operators: list[tuple[int, Operation]] = field(default_factory=list)
    follower: Trigger | None = None


def landed(name: str, at_ms: int) -> Event:
    return Event(
        id=name,
        source="//storage",
        type="finalized",
        time=START + timedelta(milliseconds=at_ms),
        subject=None,
        payload=Object(
            store="gcs", account=None, bucket="landing", name=name, version="1", size=6, uri=f"gs://landing/{name}"
        ),
    )


@dataclass(frozen=True)
class OneTrigger:
    """A catalog of one trigger, of another one that may follow on it, and of one template."""

    environment: Environment
    only: Trigger
    follower: Trigger | None = None

    @property
    def triggers(self) -> list[Trigger]:
        return [self.only] if self.follower is None else [self.only, self.follower]

    def trigger(self, name: str) -> Trigger | None:
        return next((trigger for trigger in self.triggers if trigger.name == name), None)

    def template(self, sha256: str) -> Mapping[str, Json]:
        assert sha256 == "sha"
        return TEMPLATE


class AnyOrder(Ledger):
    """A tick works through what is due in any order: nothing but fairness may rest on the order."""

    def due_notes(self, now_ms: int) -> Iterator[Note]:
        notes = sorted(super().due_notes(now_ms), key=lambda note: (note.first_ms, note.key))
        random.Random(self.nonce()).shuffle(notes)
        yield from notes


@dataclass(frozen=True)
class Parts:
    """What a world is put together from: the product's own classes, unless a test puts a naive rule back."""

    ledger: type[Ledger] = AnyOrder
    windows: type[Windows] = Windows
    judging: type[Judging] = Judging
    carrying: type[Carrying] = Carrying
    slots: type[Slots] = Slots
    following: type[Following] = Following
    granting: type[Granting] = Granting
    admission: type[Admission] = Admission
    windowed: type[Windowed] = Windowed
    claims: type[Claims] = Claims
    gate: type[Gate] = Gate
    gathering: type[Gathering] = Gathering
    joining: type[Joining] = Joining
    core: type[Core] = Core
    tick: type[Tick] = Tick
    rollouts: type[Rollouts] = Rollouts
    approve: Callable[..., Done] = approve

    def assemble(self, ledger: Ledger, catalog: OneTrigger, world: World) -> Core:
        platform: Launcher = world.platform
        if world.online is not None:
            platform = ByKind(platform, self.rollouts(ledger, HostileEndpoints(world, world.online)))
        admission = self.admission(ledger, catalog, platform, HostileObjects(world))
        admission.windows = self.windows(ledger)
        admission.judging = self.judging(admission.windows)
        admission.carrying = self.carrying(admission.windows)
        admission.slots = self.slots(ledger)
        admission.following = self.following(platform, admission.carrying, admission.slots)
        admission.granting = self.granting(admission.slots, lambda: admission.following)
        index = Index.build(catalog.triggers, catalog.environment)
        core = self.core(admission, index, lambda _: world.edge())
        core.claims = core.direct.claims = self.claims(ledger)
        core.gate = self.gate(admission, core.claims, lambda _: world.edge())
        core.windowed = self.windowed(admission)
        core.gathering = self.gathering(core.windowed, core.claims, core.gate)
        core.joining = self.joining(core.gathering, core.claims, core.joining.named, core.decide)
        return core


REAL = Parts()


@dataclass
class Worker:
    kind: Literal["event", "tick", "control", "operator"]
    what: Any
    let: greenlet.greenlet
    began_ms: int
    priority: float
    lost: bool = False
    full: list[str] = field(default_factory=list)
    full_ms: int = 0

    def saw_gate(self, body: Mapping[str, Any], now_ms: int) -> None:
        """The holders of the gate that it has looked at last, and when."""
        self.full, self.full_ms = list(body["holds"]), now_ms


class World:
    def __init__(self, scene: Scene, seed: int, chances: Chances, parts: Parts) -> None:
        self.scene = scene
        self.parts = parts
        self.random = random.Random(seed)
        self.chances = chances
        self.ms = 0
        self.scheduler = greenlet.getcurrent()
        self.worker: Worker | None = None
        self.workers: list[Worker] = []
        self.most_notes = 0
        self.deaths = 0
        self.began_ms: dict[str, int] = {}
        self.at_work: Counter[str] = Counter()
        self.answered_ms: dict[str, int] = {}
        self.queue = list(scene.deliveries)
        self.commands = list(scene.pauses)
        self.operators = list(scene.operators)
        self.plain = MemoryRecords(lambda: START + timedelta(milliseconds=self.ms))
        self.ledger = Ledger(self.plain, "sim")
        self.platform = Platform(self)
        launch = scene.trigger.launch
        self.online: Online | None = None
        if isinstance(launch, OnlineDeployment):
            self.online = Online(self, launch, tagged=seed % 2 == 0, idle_answer=seed // 2 % 2 == 0)
        catalog = OneTrigger(scene.environment, scene.trigger, scene.follower)
        self.cores = []
        for _ in range(3):  # three processes, each with its own idea of which windows are open
            ledger = parts.ledger(HostileRecords(self), "sim", nonce=lambda: f"{self.random.getrandbits(32):08x}")
            self.cores.append(parts.assemble(ledger, catalog, self))

    # the scheduler

    def run(self, most_steps: int = 200_000) -> None:
        """Until the world is at rest: nothing to deliver, no worker, no note. Raises Violation."""
        for _ in range(most_steps):
            self.ms += self.random.randint(1, 40)
            self._spawn()
            self.platform.progress()
            if self.online is not None:
                self.online.progress()
            if self.workers:
                self._go_on()
            elif self.queue or self.commands or self.operators or self._notes():
                self._jump()
            else:
                return
        raise Violation("STUCK: the world does not come to rest")

    def _notes(self) -> list[int]:
        return [int(entry.key.split("/")[2].split(".")[0]) - to_ms(START) for entry in self.plain.list("due/")]

    def _spawn(self) -> None:
        kinds = [worker.kind for worker in self.workers]
        if self.commands and self.commands[0][0] <= self.ms and "control" not in kinds:
            on = self.commands.pop(0)[1]
            self._start("control", on, lambda: self._pause(on=on))
        if self.operators and self.operators[0][0] <= self.ms and kinds.count("operator") < 2:
            operation = self.operators.pop(0)[1]
            self._start("operator", operation, lambda: self._operate(operation))
        helped = self.online is not None or isinstance(self.scene.trigger.launch, BatchPrediction)  # nothing else waits
        if helped and "operator" not in kinds and self.random.random() < 0.01 and self._needs_somebody():
            self._start("operator", "settle", lambda: self._operate("settle"))
        ready = [index for index, (at_ms, _) in enumerate(self.queue) if at_ms <= self.ms]
        if ready and kinds.count("event") < 5 and self.random.random() < 0.3:
            event = self.queue.pop(self.random.choice(ready))[1]
            core = self.random.choice(self.cores)
            self.began_ms.setdefault(event.identity, self.ms)
            self._start("event", event, lambda: self._deliver(core, event))
        if kinds.count("tick") < 2 and self.random.random() < 0.04:
            tick = self.parts.tick(self.random.choice(self.cores))
            work = tick._work
            tick._work = lambda note: self._unbroken(work, note)  # type: ignore[method-assign]
            self._start("tick", None, tick.run)

    def _deliver(self, core: Core, event: Event) -> None:
        """One is answered when no delivery of it is at work any more: any of them may be the one that counts."""
        self.at_work[event.identity] += 1
        core.handle(event)
        self.at_work[event.identity] -= 1
        if not self.at_work[event.identity]:
            self.answered_ms.setdefault(event.identity, self.ms)

    def _unbroken(self, work: Callable[[Note], None], note: Note) -> None:
        """A tick goes on after a note that our own code broke at; here that is a violation."""
        try:
            work(note)
        except RetriggerError:
            raise
        except Exception as error:
            raise Violation(f"BROKEN AT A NOTE: {error!r}") from error

    def _start(self, kind: Any, what: object, work: Callable[[], object]) -> None:
        self.workers.append(Worker(kind, what, greenlet.greenlet(work), self.ms, self.random.random()))

    def _go_on(self) -> None:
        if self.random.random() < 0.08:
            self.random.choice(self.workers).priority = self.random.random()
        first = max(self.workers, key=lambda worker: worker.priority)
        worker = first if self.random.random() < 0.7 else self.random.choice(self.workers)
        if self.random.random() < self.chances.crash:
            self._dies(worker)
            return
        self.worker = worker
        try:
            worker.let.switch()
        except Unavailable:  # a handler that does not acknowledge, a tick or a command that failed
            worker.lost = True
        if worker.lost:
            self._dies(worker)
        elif worker.let.dead:
            self.workers.remove(worker)

    def _dies(self, worker: Worker) -> None:
        """What it was doing was not acknowledged: it comes again."""
        self.deaths += 1
        self.workers.remove(worker)
        if worker.kind == "event":
            self.queue.append((self.ms + self.random.choice([0, 500, 20_000]), worker.what))
        if worker.kind == "control":
            self.commands.insert(0, (self.ms, worker.what))

    def _jump(self) -> None:
        """Nobody is at work: go to when the next thing happens, or a little further."""
        soon = [at_ms for at_ms, _ in (*self.queue, *self.commands[:1], *self.operators[:1])] + self._notes()
        self.ms = max(self.ms, min(soon)) + self.random.choice([0, 0, 100, 30_000])

    def edge(self) -> None:
        """Between two operations: the scheduler decides who goes on, and whether the store is there."""
        self.scheduler.switch()
        if self.random.random() < self.chances.unavailable:
            raise Unavailable("the store is away", code="ledger_unavailable")

    def answer(self, value: Any) -> Any:
        """The operation happened; its answer may be lost together with the worker that waits for it."""
        if self.random.random() < self.chances.lose:
            assert self.worker is not None
            self.worker.lost = True
            self.scheduler.switch()
        return value

    def stopped_for_something_newer(self, job_id: str) -> None:
        """Whoever is to have the slot came after what is stopped."""
        run = self.ledger.runs.get(job_id)
        if run is None or not run.value.replaced:
            return  # a retry, whose id says more than the record's name; or an operator asked for it
        came = [to_ms(claim.record.time) for claim in self.ledger.claims.list()]
        came += [to_ms(entry.time) for entry in self.plain.list("m/")]
        _require(any(at_ms > run.value.since_ms for at_ms in came), "STOPPED FOR SOMETHING OLDER")

    def _pause(self, *, on: bool) -> None:
        ledger = self.cores[0].ledger
        ledger.pauses.update(
            self.scene.trigger.name,
            lambda pause: None if pause.paused == on else Pause(paused=on, at_ms=ledger.now_ms()),
            Pause(paused=False, at_ms=0),
        )

    def _operate(self, operation: Operation) -> None:
        """An operator who dies asks no more: what was written is all that counts."""
        ledger = self.random.choice(self.cores).ledger
        match operation:
            case "replay every":
                replay = Replay(ledger)
                for plan in list(replay.every(trigger=None, since_ms=0)):
                    replay.ask(plan)
            case "replay one":
                replay = Replay(ledger)
                event = self.random.choice([event.id for _, event in self.scene.deliveries] or ["none came"])
                for plan in replay.of(event):
                    replay.ask(plan)
            case "settle":
                self._settle(ledger)
            case "cancel":
                claims = {claim.value.run for claim in self.ledger.claims.list() if claim.value.run}
                runs = sorted(claims | {self.ledger.runs.name(run) for run in self.ledger.runs.list()})
                if runs:
                    cancel(ledger, self.platform, self.random.choice(runs))

    def _needs_somebody(self) -> bool:
        return bool(self._unsure()) or (self.online is not None and self.online.held_up())

    def _settle(self, ledger: Ledger) -> None:
        """Some time after the alarm somebody has looked at the platform: what is not there by then never comes."""
        if self.online is not None:
            self.online.operate(ledger)
        for run in self._unsure():
            name = self.ledger.runs.name(run)
            if self.random.random() < 0.5:
                cancel(ledger, self.platform, name)
                continue
            replay = Replay(ledger, again=True)
            for plan in replay.of(name):
                with suppress(RetriggerError):  # it was found at this moment
                    replay.ask(plan)

    def _unsure(self) -> list[Stored[Run]]:
        """Runs that have been unsure for longer than anything is under way."""
        runs = self.ledger.runs.list()
        late_ms = self.ms + to_ms(START) - _LATEST_MS
        return [run for run in runs if run.value.state == "unsure" and to_ms(run.time) < late_ms]


class HostileRecords:
    """MemoryRecords with an edge before each operation and an answer that may be lost after it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def get(self, key: str) -> Record | None:
        if key != f"p/{ALL_TRIGGERS}":  # no scene pauses all: whatever happens before this read changes nothing of it
            self._world.edge()
        found = self._world.plain.get(key)
        if found is not None and key.startswith("g/") and self._world.worker is not None:
            self._world.worker.saw_gate(found.body, self._world.ms)
        return found

    def get_many(self, keys: Iterable[str]) -> Iterator[Record]:
        return (record for key in keys if (record := self.get(key)) is not None)

    def create(self, key: str, body: Mapping[str, Json]) -> Record | None:
        self._world.edge()
        if key.startswith("due/"):
            self._few_notes(key)
        if key.startswith("r/") and key not in self._keys():
            self._skipped_for_a_reason(body)
        return self._world.answer(self._world.plain.create(key, body))  # type: ignore[no-any-return]

    create_all = in_turn

    def swap(self, old: Record, body: Mapping[str, Json]) -> Record | None:
        self._world.edge()
        done = self._world.plain.swap(old, body)
        if done is not None and old.key.startswith("g/"):
            self._granted_while_paused(old, body)
        if done is not None and old.key.startswith("w/"):
            self._sealed_in_order(old, body)
        if done is not None and old.key.startswith("c/"):
            self._claim_goes_on(old, body)
        if done is not None and old.key.startswith("r/"):
            self._sent_once(old, body)
        return self._world.answer(done)  # type: ignore[no-any-return]

    def list(self, prefix: str, limit: int | None = None) -> Iterable[Entry]:
        self._world.edge()
        return self._world.plain.list(prefix, limit)

    def delete(self, keys: Iterable[str]) -> None:
        self._world.edge()
        self._world.plain.delete(list(keys))
        self._world.answer(None)

    def now(self) -> datetime:
        return self._world.plain.now()

    def _keys(self) -> set[str]:
        return {entry.key for entry in self._world.plain.list("r/")}

    def _skipped_for_a_reason(self, body: Mapping[str, Any]) -> None:
        """Whoever skips has seen the slots taken, and after that the platform said that their runs were at work."""
        if body["outcome"] != "skipped":
            return
        world, trigger, worker = self._world, self._world.scene.trigger, self._world.worker
        assert worker is not None
        match body["verdicts"][-1]["code"]:
            case "over":
                assert trigger.throttle is not None
                begin_ms = worker.began_ms + to_ms(START) - trigger.throttle.per.total_seconds() * 1000
                throttles = [grants.value.grants for grants in world.ledger.throttles.list()]
                recent = [grant for grants in throttles for grant in grants if grant[1] > begin_ms]
                _require(trigger.throttle.when_over == "skip", "SKIPPED WITHOUT A RULE")
                _require(len(recent) >= trigger.throttle.limit, "SKIPPED BELOW THE LIMIT")
            case "replaced":
                _require(trigger.concurrency.when_busy == "replace", "SKIPPED WITHOUT A RULE")
            case "busy" if body["window"] is None:
                _require(trigger.concurrency.when_busy == "skip", "SKIPPED WITHOUT A RULE")
                self._really_busy(worker)

    def _really_busy(self, worker: Worker) -> None:
        ended = self._world.platform.ended_ms
        for holder in worker.full:
            run = self._world.ledger.runs.get(holder)
            if run is None or run.value.state in {"ready", "wait", "sending", "unsure"}:
                continue  # nobody can know that the platform has it
            if to_ms(run.record.time) - to_ms(START) < worker.full_ms:
                job = f"{holder}-{run.value.epoch}" if run.value.epoch else holder
                _require(ended.get(job, worker.full_ms) >= worker.full_ms, "SKIPPED FOR A RUN THAT HAD ENDED")
        _require(len(worker.full) >= self._world.scene.trigger.concurrency.limit, "SKIPPED WITH A FREE SLOT")

    def _granted_while_paused(self, old: Record, body: Mapping[str, Json]) -> None:
        before, after = old.body["holds"], body["holds"]
        assert isinstance(before, dict)
        assert isinstance(after, dict)
        pause = self._world.ledger.pauses.get(self._world.scene.trigger.name)
        worker = self._world.worker
        assert worker is not None
        new = [holder for holder in after if holder not in before]
        own = own_gate(self._world.scene.trigger.name, "")
        paused = pause is not None and pause.value.paused and worker.began_ms + to_ms(START) > to_ms(pause.time)
        if new and old.key == f"g/{own}" and paused:
            raise Violation("GRANTED WHILE PAUSED")  # the environment's gate comes after: that is rolling forward

    def _sealed_in_order(self, old: Record, body: Mapping[str, Any]) -> None:
        """A window that will run is sealed by the holder of its slot, and no window is sealed before its time."""
        if body["n"] == old.body["n"]:
            return
        world, trigger, rule = self._world, self._world.scene.trigger, self._world.scene.trigger.window
        window = f"{old.key.removeprefix('w/')}.{body['nonce']}.{old.body['n']}"
        cause = body["prev"]["cause"]
        if cause == "busy":
            assert world.worker is not None
            self._really_busy(world.worker)
        elif cause not in {"reject", "empty", "expired"}:
            own = world.ledger.gates.get(own_gate(trigger.name, ""))
            run = keys.run_id(world.scene.environment.name, trigger.name, window, "0")
            _require(own is not None and run in own.value.holds, "SEALED WITHOUT A SLOT")
        wait = {"quiet": min(rule.quiet, rule.max_wait), "max_wait": rule.max_wait, "reject": rule.max_wait}.get(cause)
        if wait is not None:
            oldest = min(entry.time for entry in world.plain.list(f"m/{window}/e."))
            _require(world.plain.now() >= oldest + wait, f"SEALED BEFORE ITS TIME: {cause}")

    def _claim_goes_on(self, old: Record, body: Mapping[str, Any]) -> None:
        """A claim that was settled stays settled; a member moves only out of a window that is closed without it.

        Where it is, it may let go of its event, once it is on record there.
        """
        before, after = old.body["state"], body["state"]
        if len(body["replays"]) > len(old.body["replays"]):  # type: ignore[arg-type]
            _require((before in {"rejected", "dead", "run", "open"}, after) == (True, "open"), "NOT TO BE OPENED AGAIN")
            return
        judged_late = (before, after) == ("open", "gate") and old.body["job"] is not None
        back = judged_late or before not in {"gate", "open", after}
        _require(not back, f"A CLAIM WENT BACK: {before} -> {after}")
        if before == after == "member":
            manifest = self._world.ledger.manifests.get(str(old.body["window"]))
            flat = old.key.rsplit("/", 1)[1]
            moves = manifest is not None and flat not in manifest.value.own
            lets_go = {name for name, value in body.items() if value != old.body.get(name)} == {"event", "content"}
            joined = manifest is not None or self._world.plain.get(f"m/{old.body['window']}/e.{flat}") is not None
            _require(moves or (lets_go and joined), "A CLAIM WENT BACK: member -> member")

    def _sent_once(self, old: Record, body: Mapping[str, Any]) -> None:
        """`sending` is entered by who sends; what is unsure is sent no more."""
        before, after = old.body["state"], body["state"]
        if after == "sending":
            _require(before in {"ready", "wait"}, f"SENDING WAS TAKEN OVER: {before}")
        if before == "unsure":
            _require(after in {"unsure", "launched", "cancelling", "ended"}, f"UNSURE, AND SENT AGAIN: {after}")

    def _few_notes(self, key: str) -> None:
        """Notes of one piece of work converge: ticks that overlap do not breed them."""
        shard, _, rest = key.rpartition("/")
        subject = rest.partition(".")[2]
        notes = sum(entry.key.partition(".")[2] == subject for entry in self._world.plain.list(f"{shard}/"))
        self._world.most_notes = max(self._world.most_notes, notes)
        _require(notes < 12, f"NOTES BREED: {subject}")


class HostileObjects:
    """Objects that have landed by now; a read may fail before it begins."""

    def __init__(self, world: World) -> None:
        self._world = world

    def read(self, bucket: str, name: str, *, version: str | None = None, limit: int) -> Iterator[bytes]:
        self._world.edge()
        assert (bucket, version) == ("landing", "1")
        yield self._world.scene.objects[name][1][:limit]

    def stat(self, bucket: str, name: str) -> ObjectStat | None:
        """Asked by threads of its worker's, which the scheduler knows nothing of: no edge."""
        at_ms, _ = self._world.scene.objects[name]
        assert bucket == "landing"
        return ObjectStat(name=name, version="1", size=6) if at_ms <= self._world.ms else None

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectStat]:
        self._world.edge()
        assert bucket == "landing"
        landed = [name for name, (at_ms, _) in self._world.scene.objects.items() if at_ms <= self._world.ms]
        return iter([ObjectStat(name=name, version="1", size=6) for name in sorted(landed) if name.startswith(prefix)])

    def write(self, bucket: str, name: str, data: bytes) -> None:
        raise AssertionError((bucket, name, data))


class Platform:
    """Accepts our ids for pipelines, drops answers after acting, and lets jobs succeed or fail in their own time.

    A batch prediction of the same id is another job, and a lost answer may mean that the request is still under way.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.jobs: dict[str, Job] = {}
        self.states: dict[str, str] = {}
        self.stopping: set[str] = set()
        self.ended_ms: dict[str, int] = {}
        self.under_way: list[tuple[int, Job]] = []
        self.most_running = 0

    def request(self, job: Job, template: Mapping[str, Json] | None) -> Request:
        raise AssertionError((job, template))

    def submit(self, job: Job, template: Mapping[str, Json] | None) -> Literal["created", "adopted", "conflict"]:
        self._world.edge()
        if isinstance(job, BatchJob):
            self._predict(job)
        else:
            assert template == TEMPLATE
            if job.id in self.jobs:
                return "adopted" if self.jobs[job.id].fingerprint == job.fingerprint else "conflict"
            self._begin(job.id, job)
        if self._world.random.random() < self._world.chances.lose:
            raise Unknown("the answer was lost", code="response_lost")
        self._world.answer(None)
        return "created"

    def _predict(self, job: BatchJob) -> None:
        """Another job whenever it is asked for; now and then it arrives when nobody waits for it any more."""
        if self._world.random.random() < self._world.chances.lose:
            self.under_way.append((self._world.ms + self._world.random.randint(0, _LATEST_MS), job))
            raise Unknown("it did not answer in time", code="timeout")
        self._arrive(job)

    def _arrive(self, job: Job) -> None:
        self._begin(f"{job.id} again" if job.id in self.jobs else job.id, job)

    def _begin(self, name: str, job: Job) -> None:
        self.jobs[name] = job
        self.states[name] = "running"
        own = self._world.scene.trigger.name
        running = (it for it, state in self.states.items() if state == "running")
        self.most_running = max(self.most_running, sum(self.jobs[it].display_name == own for it in running))

    def status(self, job: Job) -> JobStatus:
        self._world.edge()
        state: Any = self.states.get(job.id, "lost")
        return JobStatus(state=state, error="it failed" if state == "failed" else None)

    def cancel(self, job: Job) -> None:
        self._world.edge()
        self._world.stopped_for_something_newer(job.id)
        self.stopping.add(job.id)
        self._world.answer(None)

    def progress(self) -> None:
        """A job ends in its own time; one that is to stop may end as it would have, just before."""
        arrived = [job for at_ms, job in self.under_way if at_ms <= self._world.ms]
        self.under_way = [(at_ms, job) for at_ms, job in self.under_way if at_ms > self._world.ms]
        for job in arrived:
            self._arrive(job)
        for job_id, state in self.states.items():
            if state == "running" and self._world.random.random() < 0.02:
                stopped = job_id in self.stopping and self._world.random.random() < 0.8
                failed = self._world.random.random() < self._world.chances.fail
                self.states[job_id] = "cancelled" if stopped else "failed" if failed else "succeeded"
                self.ended_ms[job_id] = self._world.ms


# what must be true of a world at rest


def assert_nothing_lost_or_doubled(world: World) -> None:
    """Each object and message has had exactly one end: it succeeded once, or a record says why it did not."""
    ledger, trigger = world.ledger, world.scene.trigger
    good: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    refused: set[str] = set()
    replayed = {ledger.claims.name(claim).rsplit("/", 1)[1] for claim in ledger.claims.list() if claim.value.replays}
    for run in ledger.runs.list():
        if run.value.trigger != trigger.name:
            continue  # see assert_followed
        name = ledger.runs.name(run)
        epochs = [name if epoch == 0 else f"{name}-{epoch}" for epoch in range(run.value.epoch + 1)]
        states = [world.platform.states.pop(epoch) for epoch in epochs if epoch in world.platform.states]
        subjects = _subjects(world, run.value)
        if not run.value.replaced:
            tried.update(subject for subject in subjects for _ in states)
        elif run.value.window is None and run.value.outcome == "cancelled":
            refused.update(subjects)
        if run.value.outcome == "failed":
            failed.update(subjects)
        if run.value.outcome == "skipped" and run.value.verdicts[-1]["code"] == "replaced":
            newest = max(run.value.since_ms, *(other.value.since_ms for other in ledger.runs.list() if other != run))
            _require(newest > run.value.since_ms, "REPLACED BY NOTHING NEWER")
        if "succeeded" in states:
            good.update(subjects)
        operated = bool(world.scene.operators) or isinstance(trigger.launch, (BatchPrediction, OnlineDeployment))
        by_operator = run.value.outcome == "cancelled" and operated
        if run.value.outcome in {"rejected", "dead", "skipped"} or by_operator:
            refused.update(subjects)
        if run.value.replay_of is not None:
            replayed.update(subjects)
        _require(run.value.state == "ended", f"RUN NOT ENDED: {name} {run.value.state}")
    _require(not world.platform.states, f"JOBS THAT NO RUN KNOWS: {world.platform.states}")
    dead = _dead(world)
    for manifest in ledger.manifests.list():
        if manifest.value.state in {"rejected", "skipped"}:
            refused.update(manifest.value.entries)
        _closed_for_a_reason(manifest.value, trigger)
    if trigger.on_failure.then == "carry_over":
        for subject in _spent(world):
            _require(failed[subject] > MAX_CARRIES or subject in replayed, f"BURIED TOO SOON: {subject}")
    for subject, claim in _expected(world).items():
        if claim in {"bad", "broken"}:
            _require(not tried[subject], "A BAD MEMBER RAN")
            _require(claim == "bad" or subject in dead, f"LOST: {subject}")
            continue
        _require(good[subject] <= 1, f"DOUBLED: {subject}")
        if subject not in replayed:
            _require(not (good[subject] and subject in dead | refused), f"SUCCEEDED AND DEAD: {subject}")
        _require(bool(good[subject]) or subject in dead | refused, f"LOST: {subject}")
        most = (MAX_CARRIES + 1 + len(world.scene.operators)) * (trigger.on_failure.retry + 1)
        _require(tried[subject] <= most, f"ENDLESS CARRY: {subject}")
    for claim in ledger.claims.list():
        _require(claim.value.archived() is claim.value, f"KEPT TOO LONG: {claim.value.state}")
        if claim.value.joins is not None:
            settled = claim.value.state in {"joined", "rejected"} and not claim.value.joins["left"]
            _require(settled, f"A MESSAGE JOINED BY HALVES: {claim.value.state}")
        if claim.value.state == "marker":
            assert claim.value.window is not None
            manifest = ledger.manifests.get(claim.value.window)
            _require(manifest is not None and manifest.value.until, "MARKER LOST")
            marks = {mark for manifest in ledger.manifests.list() for mark in manifest.value.marks}
            _require(not trigger.window.until_lists or claim.record.key.rsplit("/", 1)[1] in marks, "LIST LOST")
        if claim.value.run is not None and (run := ledger.runs.get(claim.value.run)):
            skipped = run.value.outcome == "skipped"
            _require((claim.value.state == "skipped") == skipped, f"CLAIM AND RUN DISAGREE: {claim.value.run}")
    for gate in ledger.gates.list():
        ended = {name for name in gate.value.holds if (run := ledger.runs.get(name)) and run.value.state == "ended"}
        _require(set(gate.value.holds) <= ended, f"SLOT LEAKED: {gate.value.holds}")
    _require(world.platform.most_running <= trigger.concurrency.limit, "MORE RUNS THAN SLOTS")


def assert_followed(world: World) -> None:
    """Each run that has ended was followed on once, and nothing else was; what followed has ended, as one job."""
    ledger, follower = world.ledger, world.scene.follower
    assert follower is not None
    every = {ledger.runs.name(run): run.value for run in ledger.runs.list()}
    ended = {name for name, run in every.items() if run.trigger != follower.name and run.outcome in _ENDS}
    claims = [claim.value for claim in ledger.claims.list() if claim.value.trigger == follower.name]
    parents = Counter(claim.parent for claim in claims)
    _require(not ended - set(parents), f"NOT FOLLOWED ON: {ended - set(parents)}")
    _require(set(parents) <= ended, f"FOLLOWED ON WHAT HAS NOT ENDED: {set(parents) - ended}")
    _require(set(parents.values()) <= {1}, f"FOLLOWED ON TWICE: {parents}")
    runs = {name for name, run in every.items() if run.trigger == follower.name}
    _require(runs == {claim.run for claim in claims}, "RUNS AND CLAIMS OF THE FOLLOWER DIFFER")
    jobs = {name for name, job in world.platform.jobs.items() if job.display_name == follower.name}
    _require(jobs == runs, f"JOBS AND RUNS OF THE FOLLOWER DIFFER: {jobs ^ runs}")
    for name in runs:
        _require(every[name].state == "ended", f"FOLLOWER NOT ENDED: {name}")
        del world.platform.states[name]


def assert_in_order(world: World) -> None:
    """Who was answered before another came starts before it: messages, and the objects of windows one by one.

    Of several slots one is kept for whoever is first; who comes later may start on another one before. A window stands
    in line when the delivery that opened it has been answered, which may be later than that of another member.
    """
    if world.scene.trigger.concurrency.limit > 1:
        return
    names = {keys.digest(world.scene.trigger.name, event.identity): event for _, event in world.scene.deliveries}
    started: list[Event] = []
    for job in world.platform.jobs:
        run = world.ledger.runs.get(job)
        if run is not None:
            started += [names[subject] for subject in _subjects(world, run.value) if names[subject] not in started]
    for place, later in enumerate(started):
        for earlier in started[place + 1 :]:
            came_first = _in_line_ms(world, earlier) < world.began_ms[later.identity]
            _require(not came_first, f"OUT OF ORDER: {earlier.id} after {later.id}")


def _in_line_ms(world: World, event: Event) -> int:
    """When everybody was answered who was at work on the window of an object, or on the message, as it came."""
    subject = keys.digest(world.scene.trigger.name, event.identity)
    windows = (manifest.value.own for manifest in world.ledger.manifests.list())
    members = next((own for own in windows if subject in own), [subject])
    names = {keys.digest(world.scene.trigger.name, it.identity): it.identity for _, it in world.scene.deliveries}
    answered_ms = world.answered_ms[event.identity]
    together = [names[it] for it in members if world.began_ms[names[it]] <= answered_ms]
    return max(world.answered_ms[identity] for identity in together)


def assert_listed_are_complete(world: World) -> None:
    """A window that a marker's list completed holds what that lists, or what came before did."""
    ledger, seen = world.ledger, set[str]()
    for manifest in sorted(ledger.manifests.list(), key=lambda it: it.record.time):
        seen.update(manifest.value.own)
        if manifest.value.cause != "marker":
            continue
        for mark in manifest.value.marks:
            claim = ledger.claims.get(f"{mark[:2]}/{mark}")
            assert claim is not None
            text = world.scene.objects[claim.value.event["object"]["name"]][1].decode()
            names = [uri.removeprefix("gs://landing/") for uri in text.split()]
            for name in names:
                subject = keys.digest(world.scene.trigger.name, landed_identity(world, name))
                bad = world.scene.objects[name][1] == BAD
                _require(bad or subject in seen, f"LAUNCHED WITHOUT WHAT WAS LISTED: {name}")


def landed_identity(world: World, name: str) -> str:
    """The identity of an object's event."""
    events = (event for _, event in world.scene.deliveries if isinstance(event.payload, Object))
    return next(event.identity for event in events if event.payload.name == name)  # type: ignore[union-attr]


def assert_counted_by_who_joined(world: World) -> None:
    """Where nobody dies, a window that is complete by its members does not wait for a tick to find out."""
    for manifest in world.ledger.manifests.list():
        waited_ms = to_ms(manifest.record.time) - manifest.value.last_ms
        alone = manifest.value.cause == "count" and not manifest.value.until and waited_ms > 20_000
        _require(not alone, "COUNTED BY TIME ALONE")


def assert_all_succeeded(world: World) -> None:
    """Of honest producers (every file before its marker, no run fails) nothing good is turned away."""
    good = {subject for subject, kind in _expected(world).items() if kind == "good"}
    runs = [run.value for run in world.ledger.runs.list() if run.value.outcome == "succeeded"]
    missing = good - {subject for run in runs for subject in _subjects(world, run)}
    _require(not missing, f"TURNED AWAY: {sorted(missing)}")


def _closed_for_a_reason(manifest: Manifest, trigger: Trigger) -> None:
    """A window's cause agrees with what it says of its marker and with the trigger's rule."""
    lists = trigger.window.until_lists
    _require(not (manifest.cause == "reject" and manifest.until and not lists), "REJECTED WITH ITS MARKER")
    _require(not (manifest.cause == "marker" and not manifest.entries), "A MARKER SPENT ON NOTHING")
    _require(not (manifest.cause in {"marker", "settle", "idle"} and not manifest.until), "LAUNCHED WITHOUT ITS MARKER")
    few = trigger.window.until_count
    _require(not (manifest.cause == "count" and len(manifest.own) < (few or 0)), "TOO FEW TO BE COMPLETE")
    forbidden = (trigger.window.until is not None or few is not None) and trigger.window.at_max_wait == "reject"
    _require(not (manifest.cause == "max_wait" and forbidden), "LAUNCHED AGAINST at_max_wait")


def _subjects(world: World, run: Run) -> list[str]:
    if run.window is None:
        assert run.claim is not None
        return [run.claim.rsplit("/", 1)[1]]
    manifest = world.ledger.manifests.get(run.window)
    assert manifest is not None
    return list(manifest.value.of(run)) if run.outcome != "empty" else []


def _dead(world: World) -> set[str]:
    bodies = [record.body for entry in world.plain.list("d/") if (record := world.plain.get(entry.key))]
    subjects = {str(body["what"]).rsplit(":", 1)[1].rsplit("/", 1)[-1] for body in bodies}
    for body in bodies:
        what = str(body["what"])
        if body.get("code") == "unsure" and _was_found(world, what):
            subjects.discard(what.removeprefix("run:"))
            continue
        if what.startswith("run:") and (run := world.ledger.runs.get(what.removeprefix("run:"))):
            subjects.update(_subjects(world, run.value))
    return subjects


def _was_found(world: World, what: str) -> bool:
    """Whether the platform had the job after all."""
    run = world.ledger.runs.get(what.removeprefix("run:"))
    return run is not None and bool(run.value.launched_ms)


def _spent(world: World) -> set[str]:
    """Members that are dead letters because their run failed, once too often."""
    bodies = [record.body for entry in world.plain.list("d/") if (record := world.plain.get(entry.key))]
    spent = [str(body["what"]) for body in bodies if str(body["reason"]).startswith("its run")]
    return {what.rsplit(":", 1)[1] for what in spent}


def _expected(world: World) -> dict[str, str]:
    """Subject (flat claim name) -> `good`, `bad` or `broken` (its judge breaks), of all that came or was named."""
    expected = {}
    for _, event in world.scene.deliveries:
        match event.payload:
            case Object(name=name):
                objects = [name]
            case Message(json={"files": list(uris)}):
                objects = [str(uri).removeprefix("gs://landing/") for uri in uris]
            case Message(id=message_id):
                objects = []
                kind = message_id.rstrip("0123456789") if message_id.startswith("b") else "good"
                expected[keys.digest(world.scene.trigger.name, event.identity)] = kind
            case _:
                objects = []
        for name in objects:
            if not name.endswith("_DONE"):
                subject = keys.digest(world.scene.trigger.name, landed(name, 0).identity)
                expected[subject] = "bad" if world.scene.objects[name][1] == BAD else "good"
    return expected
