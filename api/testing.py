"""A project in memory: no ports, no processes, milliseconds. For a team's own tests of its triggers.

sandbox = Sandbox(Path("my-project"), environment="dev")
sandbox.drop("gs://landing/churn/dt=2026-11-20/part-1.csv", b"…")
sandbox.drop("gs://landing/churn/dt=2026-11-20/_SUCCESS", b"")
[run] = sandbox.runs()
assert run.parameters["as_of"] == "2026-11-20"
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote

from retrigger.handlers.adapters.memory import (
    MemoryEndpoints,
    MemoryLauncher,
    MemoryObjects,
    MemoryPublisher,
    MemoryRecords,
)
from retrigger.handlers.jobs import JobStatus
from retrigger.handlers.journal import Journal, RunView
from retrigger.handlers.wiring import assemble
from retrigger.triggers.authoring.compile import compile_project
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.compiled import load
from retrigger.triggers.event import FIRED, Event, Message, Object, Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Literal

    from retrigger.handlers.outcome import Outcome
    from retrigger.triggers.event import Json

_MINUTE = timedelta(minutes=1)


class Sandbox:
    """The real core over a ledger, a store and a platform in memory. Time stands still until `advance`.

    The platform in memory takes pipelines of either cloud, also those of Azure ML that functions cannot launch yet.
    Raises ProjectError if the project has mistakes. `now` is aware; the default is as good as any other day.
    """

    def __init__(self, project: Path, environment: str, now: datetime = datetime(2026, 1, 5, 9, tzinfo=UTC)) -> None:
        self.now = now
        self.objects = MemoryObjects()
        self.platform = MemoryLauncher()
        self._count = 0
        compiled = load(compile_project(load_project(project), environment))
        self._environment = compiled.environment
        self.outbox = MemoryPublisher()
        publisher = None if compiled.environment.outbox is None else self.outbox
        self.endpoints = MemoryEndpoints()
        for endpoint in compiled.environment.endpoints.values():
            self.endpoints.put(endpoint.name, {}, {})
        records = MemoryRecords(lambda: self.now)
        self.app = assemble(compiled, records, self.platform, self.objects, publisher, endpoints=self.endpoints)

    def drop(self, uri: str, data: bytes) -> list[Outcome]:
        """Put an object (`gs://bucket/name`, or the URL of a blob) into the store and send its event once."""
        account, bucket, name = _place(uri)
        stat = self.objects.put(bucket if account is None else f"{account}/{bucket}", name, data)
        payload = Object(
            store="gcs" if account is None else "blob",
            account=account,
            bucket=bucket,
            name=name,
            version=stat.version,
            sequencer=stat.version,
            size=stat.size,
            complete=not name.endswith("/"),
            uri=uri,
        )
        kind = "google.cloud.storage.object.v1.finalized" if account is None else "Microsoft.Storage.BlobCreated"
        return self.send(self._event(kind, f"//storage/{bucket}", payload))

    def publish(
        self, channel: str, body: Json, *, message_id: str | None = None, attributes: Mapping[str, str] | None = None
    ) -> list[Outcome]:
        """Publish JSON on a channel, by its name in the environment. A new message has a new id unless one is given."""
        payload = Message(
            channel=self._environment.channels[channel].address,
            id=message_id or f"message-{self._count}",
            attributes=attributes or {},
            body=json.dumps(body).encode(),
            json=body,
            published=self.now,
        )
        return self.send(self._event("google.cloud.pubsub.topic.v1.messagePublished", f"//pubsub/{channel}", payload))

    def fire(self, trigger: str) -> list[Outcome]:
        """Let a trigger's schedule strike now, whatever its cron says."""
        return self.send(self._event(FIRED, "//retrigger", Schedule(name=trigger, scheduled_for=self.now)))

    def send(self, event: Event) -> list[Outcome]:
        """Deliver an event; the same event again is a redelivery."""
        return self.app.core.handle(event)

    def advance(self, by: timedelta) -> None:
        """Wind the clock, with a tick every minute on the way and one at the end."""
        until = self.now + by
        while self.now < until:
            self.now = min(self.now + _MINUTE, until)
            self.app.tick().run()

    def finish(
        self,
        run: str,
        state: Literal["succeeded", "failed", "cancelled"] = "succeeded",
        *,
        metrics: Mapping[str, float] | None = None,
        error: str | None = None,
        tags: Mapping[str, str] | None = None,
        models: Mapping[str, str] | None = None,
    ) -> None:
        """Let the platform end a run's present job, and wind the clock until the tick has seen it.

        What it told by then: `metrics`; the `models` that it registered, resource -> version; `tags` of its own.
        """
        view = self.journal.run(run)
        assert view is not None, f"there is no run {run}"
        self.platform.finish(
            view.job, JobStatus(state=state, error=error, metrics=metrics or {}, tags=tags or {}, models=models or {})
        )
        self.advance(11 * _MINUTE)

    def runs(self) -> list[RunView]:
        """Every run so far, oldest first."""
        return self.journal.runs()

    @property
    def journal(self) -> Journal:
        return Journal(self.app.ledger)

    def _event(self, kind: str, source: str, payload: Object | Message | Schedule) -> Event:
        self._count += 1
        return Event(id=f"event-{self._count}", source=source, type=kind, time=self.now, subject=None, payload=payload)


def _place(uri: str) -> tuple[str | None, str, str]:
    """-> (storage account of a blob, bucket or container, name of the object)."""
    if uri.startswith("https://"):
        host, container, name = uri.removeprefix("https://").split("/", 2)
        return host.partition(".")[0], container, unquote(name)
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return None, bucket, name
