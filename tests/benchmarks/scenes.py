"""Projects in code for the benchmarks: one trigger of each kind over any ledger, with a platform in memory."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from retrigger.handlers.adapters.memory import MemoryLauncher, MemoryObjects
from retrigger.handlers.wiring import assemble
from retrigger.triggers import compiled
from retrigger.triggers.environment import Channel, Environment, Pipeline, Store
from retrigger.triggers.event import Event, Message, Object
from retrigger.triggers.launches import PipelineLaunch
from retrigger.triggers.match import Index
from retrigger.triggers.spec import Concurrency, MessageSource, ObjectSource, Trigger, WindowRule

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.handlers.core import Core
    from retrigger.handlers.ports import Records
    from retrigger.handlers.wiring import App

NOW: Final = datetime(2026, 1, 5, 9, tzinfo=UTC)
TOPIC: Final = "projects/acme/topics/retrain"
QUIET: Final = timedelta(minutes=5)
_TEMPLATE: Final = json.dumps(
    {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "train"},
        "root": {"dag": {"tasks": {}}, "inputDefinitions": {"parameters": {"what": {"parameterType": "STRING"}}}},
    }
)
_SHA: Final = hashlib.sha256(_TEMPLATE.encode()).hexdigest()

ENVIRONMENT: Final = Environment(
    name="bench",
    cloud="gcp",
    project="acme",
    location="europe-west4",
    ledger="",
    stores={"landing": Store(kind="gcs", bucket="landing")},
    channels={"retrain": Channel(address=TOPIC)},
    pipelines={"train": Pipeline(template=_SHA, root="gs://acme-pipelines", service_account="ml@acme")},
)
WINDOWED: Final = Trigger(
    name="windowed",
    sources=(ObjectSource(store="landing", match="in/dt={dt}/*.csv"),),
    window=WindowRule(key="match.dt", quiet=QUIET),
    launch=PipelineLaunch(pipeline="train", parameters={"what": "${{ window.manifest }}"}),
)
DIRECT: Final = Trigger(
    name="direct",
    sources=(MessageSource(channel="retrain", key="event.message.json.id"),),
    concurrency=Concurrency(limit=1_000_000),
    launch=PipelineLaunch(pipeline="train", parameters={"what": "${{ event.message.json.id }}"}),
)
ONE_AT_A_TIME: Final = replace(DIRECT, name="one-at-a-time", concurrency=Concurrency(limit=1))


class Scene:
    """The core over `records`, and the platform that it launches on."""

    def __init__(self, records: Records, *triggers: Trigger) -> None:
        index = Index.build(triggers, ENVIRONMENT).to_json()
        loaded = compiled.load(compiled.dumps(ENVIRONMENT, triggers, {_SHA: _TEMPLATE}, index))
        self.platform = MemoryLauncher()
        self.app: App = assemble(loaded, records, self.platform, MemoryObjects())


def asked_of(core: Core, taken: Callable[[], dict[str, int]]) -> dict[str, dict[str, int]]:
    """What `taken` counted of the second event of each kind.

    The first finds the process cold, and opens what others join.
    """

    def asked(event: Event) -> dict[str, int]:
        taken()
        core.handle(event)
        return taken()

    cases = {
        "windowed_first": dropped("in/dt=1/a.csv"),
        "windowed": dropped("in/dt=1/b.csv"),
        "windowed_duplicate": dropped("in/dt=1/b.csv"),
        "direct_first": published("1"),
        "direct": published("2"),
        "direct_duplicate": published("2"),
    }
    return {name: asked(event) for name, event in cases.items()}


class Clock:
    """Stands still until it is wound."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def wind(self, by: timedelta) -> None:
        self.now += by


def dropped(name: str) -> Event:
    """A file that has just landed."""
    payload = Object(
        store="gcs", account=None, bucket="landing", name=name, version="1", size=1024, uri=f"gs://landing/{name}"
    )
    return _event(name, payload)


def published(name: str) -> Event:
    body = {"id": name}
    return _event(name, Message(channel=TOPIC, id=name, body=json.dumps(body).encode(), json=dict(body)))


def _event(name: str, payload: Object | Message) -> Event:
    return Event(id=name, source="//bench", type="bench", time=NOW, subject=None, payload=payload)
