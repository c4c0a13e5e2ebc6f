"""A project, its ledger, and a platform on loopback that remembers its jobs: what every scenario plays in.

One project for both clouds' functions. The stores and channels are the cloud's own; the jobs go to Vertex AI in both.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

from retrigger.handlers.adapters.sqlite import SqliteRecords
from retrigger.handlers.journal import EventView, Journal, RunView
from retrigger.handlers.ledger import Ledger
from retrigger.triggers.authoring.compile import compile_project, local_environment
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.environment import Channel, Store
from tests.benchmarks.loopback import Platform
from tests.projects import template, without_ledger, write_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta
    from pathlib import Path

    from retrigger.triggers.event import Json

Cloud = Literal["gcp", "azure"]

_FILES = {
    "retrigger.yaml": """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-retrigger
    stores: {landing: gs://landing}
    channels: {retrain: projects/acme-dev/topics/retrain, again: projects/acme-dev/topics/again}
    pipelines: {train: {template: pipelines/train.json, root: gs://acme-pipelines}}
""",
    "triggers/single.yaml": """\
name: single
source: [{object: {in: landing, match: "single/{name}"}}]
admit: {window: {key: match.name, max_members: 1}, concurrency: {limit: 1000}}
launch: {pipeline: train, parameters: {what: "${{ match.name }}", uris: "${{ window.uris }}"}}
""",
    "triggers/daily.yaml": """\
name: daily
source: [{object: {in: landing, match: "daily/{day}/*.csv"}}]
admit: {window: {key: match.day, quiet: 5m, max_wait: 1h}, concurrency: {limit: 1000}}
launch: {pipeline: train, parameters: {what: "${{ match.day }}", uris: "${{ window.uris }}"}}
""",
    "triggers/retrain.yaml": """\
name: retrain
source: [{message: {in: retrain, schema: schema.json}}, {message: {in: again, schema: schema.json}}]
admit: {concurrency: {limit: 1000}}
launch: {pipeline: train, parameters: {what: "${{ event.message.json.what }}"}}
""",
    "triggers/nightly.yaml": """\
name: nightly
source:
  - schedule: {cron: "0 3 * * *", timezone: Europe/Paris, missed: last,
               parameters: {as_of: "${{ date(event.schedule.scheduled_for, 'Europe/Paris') }}"}}
admit: {concurrency: {limit: 1000}}
launch: {pipeline: train, parameters: {what: nightly}}
""",
    "triggers/clocks.yaml": """\
name: clocks
source:
  - schedule: {cron: "0 1 * * *", parameters: {as_of: "${{ 'night ' + date(event.schedule.scheduled_for, 'UTC') }}"}}
  - schedule: {cron: "0 13 * * *", parameters: {as_of: "${{ 'noon ' + date(event.schedule.scheduled_for, 'UTC') }}"}}
admit: {concurrency: {limit: 1000}}
launch: {pipeline: train, parameters: {what: clocks}}
""",
    "schema.json": json.dumps(
        {"type": "object", "required": ["what"], "properties": {"what": {"type": "string", "maxLength": 2000}}}
    ),
    "pipelines/train.json": template("train", what="STRING", uris="LIST", as_of="STRING"),
}
STORES: Mapping[Cloud, Store] = {
    "gcp": Store(kind="gcs", bucket="landing"),
    "azure": Store(kind="blob", account="acme", bucket="landing"),
}
CHANNELS: Mapping[Cloud, Mapping[str, str]] = {
    "gcp": {"retrain": "projects/acme-dev/topics/retrain", "again": "projects/acme-dev/topics/again"},
    "azure": {
        "retrain": "sb://acme.servicebus.windows.net/retrain",
        "again": "https://acme.queue.core.windows.net/again",
        "blobs": "https://acme.queue.core.windows.net/blobs",  # Event Grid writes here, and the functions hear it
    },
}


class Jobs(Platform):
    """Vertex AI: an id is taken once, whoever asks."""

    def __init__(self) -> None:
        super().__init__()
        self._jobs: dict[str, dict[str, Any]] = {}
        self._taking = threading.Lock()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Json]:
        parts = urlsplit(path)
        place, _, name = parts.path.partition("/pipelineJobs")
        if method == "POST" and place and not name:
            job_id = parse_qs(parts.query)["pipelineJobId"][0]
            with self._taking:
                if job_id in self._jobs:
                    return 409, {"error": {"code": 409, "message": "exists", "status": "ALREADY_EXISTS"}}
                self._jobs[job_id] = json.loads(body) | {"name": job_id, "state": "PIPELINE_STATE_RUNNING"}
            return 200, self._jobs[job_id]
        if method == "GET" and name.strip("/") in self._jobs:
            return 200, self._jobs[name.strip("/")]
        return super().answer(method, path, body)

    def parameters(self) -> list[dict[str, Json]]:
        """Of every job, in the order in which they were launched."""
        return [job["runtimeConfig"].get("parameterValues", {}) for job in self._jobs.values()]


@dataclass(frozen=True)
class World:
    """One project, compiled for a cloud's functions, and what they left behind."""

    cloud: Cloud
    folder: Path
    jobs: Jobs
    _wound: list[timedelta] = field(default_factory=list)

    @classmethod
    def make(cls, cloud: Cloud, folder: Path, jobs: Jobs) -> World:
        write_files(folder, _FILES)
        project = load_project(folder)
        services = dict.fromkeys(("storage", "vertex", "metadata"), jobs.url)
        local = local_environment(project, like="dev", ledger=f"sqlite:{folder / 'ledger'}", services=services)
        channels = {name: Channel(address=address) for name, address in CHANNELS[cloud].items()}
        placed = replace(local, stores={"landing": STORES[cloud]}, channels=channels)
        (folder / "compiled.json").write_text(compile_project(project, placed), encoding="utf-8")
        return cls(cloud, folder, jobs)

    @property
    def environ(self) -> dict[str, str]:
        """Of the functions' process."""
        return {**os.environ, "RETRIGGER_COMPILED": str(self.folder / "compiled.json")}

    def events(self, subject: str) -> list[EventView]:
        """What the ledger knows of a URI, channel or schedule."""
        return [event for event in self._journal().events() if event.subject == subject]

    def every_event(self) -> list[EventView]:
        return self._journal().events()

    def sizes_of(self, run: RunView) -> list[int]:
        """Of a windowed run's members."""
        assert run.window is not None
        manifest = self._ledger().manifests.get(run.window)
        assert manifest is not None
        return [entry["size"] for entry in manifest.value.entries.values()]

    def runs(self, what: str) -> list[RunView]:
        return [run for run in self._journal().runs() if run.parameters.get("what") == what]

    def launched(self, what: str) -> list[dict[str, Json]]:
        """The parameters of the jobs on the platform."""
        return [parameters for parameters in self.jobs.parameters() if parameters.get("what") == what]

    def dead_letters(self) -> list[Mapping[str, Any]]:
        records = self._records()
        found = [records.get(entry.key) for entry in records.list("d/")]
        return [record.body for record in found if record is not None]

    @staticmethod
    def buried_as(raw: bytes) -> str:
        return f"malformed:{hashlib.sha256(raw).hexdigest()}"

    def now(self) -> datetime:
        return self._records().now()

    def wind(self, offset: timedelta) -> None:
        """Let time pass for the ledger, and so for every function."""
        self._wound.append(offset)
        self._records().wind(sum(self._wound[1:], self._wound[0]))

    def without_ledger(self) -> AbstractContextManager[None]:
        return without_ledger(self.folder / "ledger")

    def _records(self) -> SqliteRecords:
        return SqliteRecords(self.folder / "ledger")

    def _ledger(self) -> Ledger:
        return Ledger(self._records(), "local")

    def _journal(self) -> Journal:
        return Journal(self._ledger())
