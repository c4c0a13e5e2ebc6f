"""The project under fire, and its events: files that gather by day, and messages that each ask for a run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from retrigger.triggers import compiled
from retrigger.triggers.environment import Channel, Environment, Pipeline, Store
from retrigger.triggers.event import Event, Message, Object
from retrigger.triggers.launches import PipelineLaunch
from retrigger.triggers.match import Index
from retrigger.triggers.spec import Concurrency, MessageSource, ObjectSource, OnFailure, Trigger, WindowRule

if TYPE_CHECKING:
    from pathlib import Path

_TOPIC: Final = "projects/acme/topics/retrain"
_TIME: Final = datetime(2026, 1, 5, 9, tzinfo=UTC)
_MESSAGES: Final = 10  # one event in so many is a message
_FILES_A_DAY: Final = 100
_TEMPLATE: Final = json.dumps(
    {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "train"},
        "root": {
            "dag": {"tasks": {}},
            "inputDefinitions": {
                "parameters": {
                    "files": {"parameterType": "LIST", "isOptional": True},
                    "what": {"parameterType": "STRING", "isOptional": True},
                }
            },
        },
    }
)
_SHA: Final = hashlib.sha256(_TEMPLATE.encode()).hexdigest()
_ENVIRONMENT: Final = Environment(
    name="fire",
    cloud="gcp",
    project="acme",
    location="europe-west4",
    ledger="",
    stores={"landing": Store(kind="gcs", bucket="landing")},
    channels={"retrain": Channel(address=_TOPIC)},
    pipelines={"train": Pipeline(template=_SHA, root="gs://acme-pipelines", service_account="ml@acme")},
)
_EAGER: Final = Trigger(
    name="eager",
    sources=(ObjectSource(store="landing", match="eager/dt={dt}/*.csv"),),
    window=WindowRule(key="match.dt"),
    concurrency=Concurrency(key="match.dt"),
    launch=PipelineLaunch(pipeline="train", parameters={"files": "${{ window.uris }}"}),
)
_PATIENT: Final = replace(
    _EAGER,
    name="patient",
    sources=(ObjectSource(store="landing", match="patient/dt={dt}/*.csv"),),
    window=WindowRule(key="match.dt", quiet=timedelta(minutes=5)),
)
_ASKED: Final = Trigger(
    name="asked",
    sources=(MessageSource(channel="retrain"),),
    concurrency=Concurrency(key="event.message.json.group"),
    on_failure=OnFailure(then="dead"),
    launch=PipelineLaunch(pipeline="train", parameters={"what": "${{ event.message.json.id }}"}),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker finds its world. `ledger` is an address as retrigger.yaml has it."""

    compiled: Path
    ledger: str


def compile_for(folder: Path, ledger: str, services: dict[str, str]) -> Place:
    """Write the compiled project into `folder`, with these addresses of the platform."""
    environment = replace(_ENVIRONMENT, ledger=ledger, services=services)
    triggers = [_EAGER, _PATIENT, _ASKED]
    index = Index.build(triggers, environment).to_json()
    path = folder / "compiled.json"
    path.write_text(compiled.dumps(environment, triggers, {_SHA: _TEMPLATE}, index), encoding="utf-8")
    return Place(path, ledger)


def is_message(number: int) -> bool:
    return number % _MESSAGES == 0


def what(number: int) -> str:
    """How the platform knows event `number`: the file's URI, or the message's own id."""
    return f"m{number}" if is_message(number) else f"gs://landing/{_name(number)}"


def event(number: int) -> Event:
    """The same occurrence whenever it is asked for."""
    payload: Object | Message
    if is_message(number):
        asked: dict[str, Any] = {"id": what(number), "group": number // _MESSAGES % 50}
        payload = Message(channel=_TOPIC, id=what(number), body=json.dumps(asked).encode(), json=asked)
    else:
        payload = Object(
            store="gcs",
            account=None,
            bucket="landing",
            name=_name(number),
            version="1",
            size=1024,
            uri=what(number),
        )
    return Event(id=what(number), source="//fire", type="fire", time=_TIME, subject=None, payload=payload)


def _name(number: int) -> str:
    day = number // _FILES_A_DAY
    return f"{'patient' if day % 4 else 'eager'}/dt={day}/part-{number:06}.csv"
