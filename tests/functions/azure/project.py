"""A project with a channel of each kind, compiled for Azure's functions. Its jobs go to a platform on loopback."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from retrigger.handlers.adapters.sqlite import SqliteRecords
from retrigger.triggers.authoring.compile import compile_project, local_environment
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.environment import Channel, Store
from tests.projects import template, without_ledger, write_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from retrigger.triggers.environment import Caller

QUEUE = "https://acme.queue.core.windows.net/asks"
BUS = "sb://acme-ml.servicebus.windows.net/retrain"
TOPIC = "sb://acme-ml.servicebus.windows.net/news/subscriptions/train"
_CHANNELS = {"asks": QUEUE, "retrain": BUS, "news": TOPIC, "elsewhere": "projects/acme-dev/topics/elsewhere"}
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
    channels: {asks: projects/p/topics/asks, retrain: projects/p/topics/ret, news: projects/p/topics/new}
    pipelines: {train: {template: train.json, root: gs://acme-pipelines}}
""",
    "triggers/train.yaml": """\
name: train
source:
  - object: {in: landing, match: "{name}.csv"}
  - message: {in: asks}
  - message: {in: retrain}
  - message: {in: news}
admit: {window: {key: match.name}, concurrency: {limit: 100}}
launch: {pipeline: train}
""",
    "triggers/always.yaml": """\
name: always
source: [{schedule: {cron: "* * * * *", missed: last}}]
admit: {concurrency: {limit: 100}}
launch: {pipeline: train}
""",
    "train.json": template("train"),
}


@dataclass(frozen=True)
class Project:
    folder: Path

    @classmethod
    def make(cls, folder: Path, platform_url: str, callers: tuple[Caller, ...] = ()) -> Project:
        write_files(folder, _FILES)
        authored = load_project(folder)
        services = dict.fromkeys(("storage", "vertex", "metadata"), platform_url)
        local = local_environment(authored, like="dev", ledger=f"sqlite:{folder / 'ledger'}", services=services)
        landing = Store(kind="blob", account="acme", bucket="landing")
        channels = {name: Channel(address=address) for name, address in _CHANNELS.items()}
        placed = replace(local, stores={"landing": landing}, channels=channels, callers=callers)
        made = cls(folder)
        made.compiled.write_text(compile_project(authored, placed), encoding="utf-8")
        to_second_20 = timedelta(seconds=(80 - datetime.now(UTC).second) % 60)
        made.records.wind(to_second_20)  # so that no minute ends within a test
        return made

    @property
    def compiled(self) -> Path:
        return self.folder / "compiled.json"

    @property
    def records(self) -> SqliteRecords:
        return SqliteRecords(self.folder / "ledger")

    def runs(self) -> list[str]:
        """The triggers of the runs that were launched."""
        return sorted(run["job"]["labels"]["retrigger-trigger"] for run in self._bodies("r/"))

    def dead_letters(self) -> list[str]:
        """Their codes."""
        return [letter["code"] for letter in self._bodies("d/")]

    def without_ledger(self) -> AbstractContextManager[None]:
        return without_ledger(self.folder / "ledger")

    def _bodies(self, prefix: str) -> list[Mapping[str, Any]]:
        records = self.records
        found = [records.get(entry.key) for entry in records.list(prefix)]
        return [record.body for record in found if record is not None]
