"""A state folder as an emulator leaves it: a compiled project and its ledger, with the core to send events to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from retrigger.handlers.adapters.memory import MemoryEndpoints, MemoryLauncher, MemoryObjects
from retrigger.handlers.adapters.sqlite import SqliteRecords
from retrigger.handlers.jobs import JobStatus
from retrigger.handlers.wiring import App, assemble
from retrigger.local_emulator.state import State
from retrigger.triggers.authoring.compile import compile_project
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.compiled import load
from retrigger.triggers.event import Event, Message, Object
from tests.cli.conftest import Called, retrigger

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

    from retrigger.triggers.event import Json

BUCKET = "acme-dev-landing"


@dataclass(frozen=True)
class Held:
    """No emulator runs here; the platform and the buckets are in memory, the ledger is the file that commands read."""

    state: State
    app: App
    platform: MemoryLauncher
    objects: MemoryObjects
    records: SqliteRecords
    endpoints: MemoryEndpoints

    @classmethod
    def of(cls, project: Path, folder: Path) -> Held:
        state = State.at(folder)
        text = compile_project(load_project(project), "dev")
        state.compiled.write_text(text, encoding="utf-8")
        records, platform, objects = SqliteRecords(state.ledger), MemoryLauncher(), MemoryObjects()
        endpoints = MemoryEndpoints()
        app = assemble(load(text), records, platform, objects, endpoints=endpoints)
        return cls(state, app, platform, objects, records, endpoints)

    def run(self, *arguments: str | Path) -> Called:
        return retrigger(*arguments, "--state", self.state.root)

    def publish(self, identity: str, **body: Json) -> str:
        """-> what became of the message at the trigger `requests`."""
        payload = Message(
            channel="projects/acme-dev/topics/requests",
            id=identity,
            json={"id": identity, "data": f"gs://d/{identity}", "seconds": "0", **body},
        )
        return self._send(
            Event(id=identity, source="//pubsub", type="message", time=_now(), subject=None, payload=payload)
        )

    def drop(self, name: str, data: bytes = b"x,y\n1,2\n", *, announced: bool = True) -> str:
        """Put an object below churn/, and send its event. -> what became of it at the trigger `tables`."""
        stat = self.objects.put(BUCKET, f"churn/{name}", data)
        uri = f"gs://{BUCKET}/churn/{name}"
        payload = Object(
            store="gcs", account=None, bucket=BUCKET, name=stat.name, version=stat.version, size=stat.size, uri=uri
        )
        event = Event(id=uri, source="//storage", type="finalized", time=_now(), subject=None, payload=payload)
        return self._send(event) if announced else "not announced"

    def _send(self, event: Event) -> str:
        [outcome] = self.app.core.handle(event)
        return outcome.result

    def wind(self, by: timedelta = timedelta(minutes=2)) -> None:
        """Let time pass, and the tick do what became due."""
        self.records.wind(timedelta(seconds=(self.records.now() - _now()).total_seconds()) + by)
        self.app.tick().run()

    def finish(self, state: Literal["succeeded", "failed", "cancelled", "lost"] = "succeeded") -> None:
        """End every job that runs, and let the tick see it."""
        for job in list(self.platform.jobs.values()):
            if self.platform.status(job).state == "running":
                self.platform.finish(job.id, JobStatus(state=state))
        self.wind(timedelta(minutes=11))


def _now() -> datetime:
    return datetime.now(UTC)
