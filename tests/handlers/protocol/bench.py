"""One trigger over the shipped fakes, with time that stands still, operations that are counted, and moments to step in.

The simulation finds what nobody thought of; a bench plays one thought out, step by step.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from retrigger.handlers.adapters.memory import MemoryEndpoints, MemoryLauncher, MemoryObjects, MemoryRecords
from retrigger.handlers.admit import Admission
from retrigger.handlers.core import Core
from retrigger.handlers.jobs import JobStatus
from retrigger.handlers.journal import Journal, RunView
from retrigger.handlers.ledger import Ledger
from retrigger.handlers.ports import in_turn
from retrigger.handlers.records import Pause
from retrigger.handlers.rollout.rollouts import ByKind, Rollouts
from retrigger.handlers.tick import Report, Tick
from retrigger.triggers.event import Event, Message, Object
from retrigger.triggers.match import Index
from tests.handlers.protocol.scenes import environment
from tests.handlers.protocol.world import START, OneTrigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from retrigger.handlers.jobs import Job
    from retrigger.handlers.outcome import Outcome
    from retrigger.handlers.ports import Entry, ObjectStat, Record
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Trigger

Operation = Literal["get", "create", "swap", "list", "delete"]
MINUTE = timedelta(minutes=1)
GOOD, BAD = b"n\n1\n2\n", b"n\nmany\n"


class SteppedRecords:
    """MemoryRecords that count, and let somebody else act at the one moment before an operation on a prefix."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._records = MemoryRecords(clock)
        self._meanwhile: dict[tuple[Operation, str], Callable[[], object]] = {}
        self.counted: Counter[Operation] = Counter()
        self.before_each: Callable[[], object] = lambda: None

    def meanwhile(self, operation: Operation, prefix: str, act: Callable[[], object]) -> None:
        """`act` once, just before the next such operation is done."""
        self._meanwhile[operation, prefix] = act

    def get(self, key: str) -> Record | None:
        self._step("get", key)
        return self._records.get(key)

    def get_many(self, keys: Iterable[str]) -> Iterator[Record]:
        return (record for key in keys if (record := self.get(key)) is not None)

    def create(self, key: str, body: Mapping[str, Json]) -> Record | None:
        self._step("create", key)
        return self._records.create(key, body)

    create_all = in_turn

    def swap(self, old: Record, body: Mapping[str, Json]) -> Record | None:
        self._step("swap", old.key)
        return self._records.swap(old, body)

    def list(self, prefix: str, limit: int | None = None) -> Iterable[Entry]:
        self._step("list", prefix)
        return self._records.list(prefix, limit)

    def delete(self, keys: Iterable[str]) -> None:
        self._step("delete", "")
        self._records.delete(keys)

    def now(self) -> datetime:
        return self._records.now()

    def _step(self, operation: Operation, key: str) -> None:
        self.counted[operation] += 1
        self.before_each()
        for wanted, prefix in list(self._meanwhile):
            if wanted == operation and key.startswith(prefix):
                self._meanwhile.pop((wanted, prefix))()


class MoodyLauncher(MemoryLauncher):
    """A platform that does as it is told for its next submissions: `before` it acts, or `after`, it raises.

    A `slow` one takes its time to stop a job: it goes on until the test finishes it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.before: list[Exception] = []
        self.after: list[Exception] = []
        self.slow = False

    def cancel(self, job: Job) -> None:
        if not self.slow:
            super().cancel(job)

    def submit(self, job: Job, template: Mapping[str, Json] | None) -> Literal["created", "adopted", "conflict"]:
        if self.before:
            raise self.before.pop(0)
        result = super().submit(job, template)
        if self.after:
            raise self.after.pop(0)
        return result


class LookedAtObjects(MemoryObjects):
    """MemoryObjects in which something may happen while a file is being read, or looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.while_reading: Callable[[], object] = lambda: None
        self.while_looking: Callable[[], object] = lambda: None

    def read(
        self, bucket: str, name: str, *, version: str | None = None, start: int = 0, limit: int
    ) -> Iterator[bytes]:
        self.while_reading()
        yield from super().read(bucket, name, version=version, start=start, limit=limit)

    def stat(self, bucket: str, name: str) -> ObjectStat | None:
        self.while_looking()
        return super().stat(bucket, name)

    def remove(self, bucket: str, name: str) -> None:
        del self._objects[bucket, name]


class Bench:
    """The real core, as `count` processes of one environment; the first of them does what no other is named for."""

    def __init__(self, trigger: Trigger, where: Environment | None = None, count: int = 2) -> None:
        self.now = START
        self.records = SteppedRecords(lambda: self.now)
        self.objects = LookedAtObjects()
        self.platform = MoodyLauncher()
        self.endpoints = MemoryEndpoints()
        self._where = where or environment()
        self.cores: list[Core] = []
        self.deploy(trigger, count)
        self.ledger = self.cores[0].ledger
        self.journal = Journal(self.ledger)
        self._messages = 0

    def deploy(self, trigger: Trigger, count: int = 2) -> None:
        """New processes with this trigger; the ledger, the store and the platform stay."""
        index = Index.build([trigger], self._where)
        catalog = OneTrigger(self._where, trigger)
        self.cores = [Core(self._admission(catalog), index, lambda _: None) for _ in range(count)]

    def _admission(self, catalog: OneTrigger) -> Admission:
        ledger = Ledger(self.records, self._where.name)
        platform = ByKind(self.platform, Rollouts(ledger, self.endpoints))
        return Admission(ledger, catalog, platform, self.objects)

    def landed(self, name: str, data: bytes = GOOD) -> Event:
        """Put an object, which gives its event: not yet delivered."""
        stat = self.objects.put("landing", name, data)
        uri = f"gs://landing/{name}"
        version = stat.version
        payload = Object(
            store="gcs",
            account=None,
            bucket="landing",
            name=name,
            version=version,
            sequencer=version,
            size=stat.size,
            uri=uri,
        )
        identity = f"{name}#{version}"
        return Event(id=identity, source="//storage", type="finalized", time=self.now, subject=None, payload=payload)

    def drop(self, name: str, data: bytes = GOOD) -> str:
        return self.send(self.landed(name, data))

    def message(self, message_id: str, body: Json = None) -> Event:
        """A message, in an envelope of its own: not yet delivered."""
        payload = Message(channel="topics/requests", id=message_id, json=body or {"what": message_id})
        self._messages += 1
        envelope = f"envelope-{self._messages}"
        return Event(id=envelope, source="//pubsub", type="message", time=self.now, subject=None, payload=payload)

    def publish(self, message_id: str, body: Json = None) -> str:
        return self.send(self.message(message_id, body))

    def send(self, event: Event, process: int = 0) -> str:
        """Deliver once. -> the result, for the one trigger that it meets."""
        return self.outcome(event, process).result

    def outcome(self, event: Event, process: int = 0) -> Outcome:
        [outcome] = self.cores[process].handle(event)
        return outcome

    def tick(self, process: int = 0) -> Report:
        return Tick(self.cores[process]).run()

    def advance(self, by: timedelta = MINUTE) -> None:
        until = self.now + by
        while self.now < until:
            self.now = min(self.now + MINUTE, until)
            self.tick()

    def pause(self, *, on: bool) -> None:
        value = Pause(paused=on, at_ms=self.ledger.now_ms())
        self.ledger.pauses.update("t", lambda _: value, Pause(paused=False, at_ms=0))

    def finish(self, state: Literal["succeeded", "failed", "cancelled"] = "succeeded", run: int = -1) -> None:
        """Let the platform end a run's job, and give the tick time to see it."""
        self.platform.finish(self.runs()[run].job, JobStatus(state=state))
        self.advance(11 * MINUTE)

    def runs(self) -> list[RunView]:
        return self.journal.runs()

    def members(self) -> list[list[str]]:
        """The objects' names of each window run's window, oldest first."""
        windows = [run.window for run in self.runs() if run.window is not None]
        return [[uri.removeprefix("gs://landing/") for uri in self.journal.window(it)["uris"]] for it in windows]

    def slots(self) -> dict[str, str]:
        """Who holds a slot, of any gate, and why."""
        return {run: cause for gate in self.ledger.gates.list() for run, cause in gate.value.holds.items()}

    def line(self) -> dict[str, int]:
        """Who waits in line, before any gate, and since when."""
        return {run: since_ms for gate in self.ledger.gates.list() for run, since_ms in gate.value.waits.items()}

    def dead(self) -> list[str]:
        return [str(letter["reason"]) for letter in self.journal.dead_letters()]
