"""What a function is put together from: its ledger; and on Azure it reads Blob and launches on Azure ML."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

import pytest

from retrigger.handlers.journal import Journal
from retrigger.handlers.records import FORMAT
from retrigger.handlers.wiring import App, Settings, build, endpoints_of, publisher_of, records_of
from retrigger.local_emulator import metadata
from retrigger.local_emulator.http import Server
from retrigger.local_emulator.stores.blob_conditions import etag_of
from retrigger.local_emulator.stores.resource import Description
from retrigger.triggers.authoring.compile import compile_project
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.environment import Channel, Endpoint, Environment
from retrigger.triggers.errors import RetriggerError
from retrigger.triggers.event import Event, Message, Object
from tests.local_emulator.messaging.queue_store import QueueStore
from tests.local_emulator.stores.blob_store import BlobStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.handlers.conftest import Loopback

SECTION_6 = Path(__file__).parents[1] / "golden" / "section6"
BLOB = "https://acmeprod.blob.core.windows.net/landing/churn/dt=2026-11-20/a.csv"


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[BlobStore]:
    store = BlobStore(tmp_path / "blobs")
    store.objects.insert_bucket("acmeprod/landing", {})
    yield store
    store.close()


@pytest.fixture
def machine() -> Iterator[Server]:
    server = Server(metadata.routes(metadata.Identity("p", "l")))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def app(tmp_path: Path, blobs: BlobStore, machine: Server, loopback: Loopback) -> App:
    project = load_project(SECTION_6)
    services = {"metadata": machine.url, "blob": blobs.server.url, "azureml": loopback.url}
    prod = replace(project.environments["prod"], ledger=f"sqlite:{tmp_path / 'ledger'}", services=services)
    compiled = tmp_path / "compiled.json"
    compiled.write_text(compile_project(project, prod), encoding="utf-8")
    return build(Settings(compiled, {}))


def event(payload: Message | Object) -> Event:
    return Event(id="1", source="s", type="t", time=datetime(2026, 11, 20, tzinfo=UTC), subject=None, payload=payload)


def test_a_message_launches_on_azure_ml_as_the_machine(app: App, loopback: Loopback) -> None:
    loopback.reply(201, {})
    wanted = {"data": BLOB, "as_of": "2026-11-20"}
    body = json.dumps({"request_id": "r", **wanted}).encode()
    channel = "sb://acme.servicebus.windows.net/retrain-requests"
    asked = Message(channel=channel, id="1", body=body, json=json.loads(body))
    [outcome] = app.core.handle(event(asked))
    [run] = Journal(app.ledger).runs()
    assert (outcome.result, outcome.run, run.parameters) == ("launched", run.id, {**wanted, "min_auc": 0.9})
    [sent] = loopback.requests
    workspace = quote(app.core.catalog.environment.workspace)
    assert (sent.method, sent.path) == ("PUT", f"{workspace}/jobs/{run.id}?api-version=2024-01-01-preview")
    properties = json.loads(sent.body)["properties"]
    data = {"uri": BLOB, "mode": "ReadOnlyMount", "jobInputType": "uri_folder"}
    assert (properties["inputs"]["data"], properties["tags"]["retrigger-run"]) == (data, run.id)
    assert sent.headers["authorization"].startswith("Bearer ")
    assert sent.headers["x-azureml-token"] != ""
    assert app.core.handle(event(asked))[0].result == "duplicate"
    assert len(loopback.requests) == 1


def dropped(version: str) -> Event:
    return event(
        Object(
            store="blob",
            account="acmeprod",
            bucket="landing",
            name="churn/dt=2026-11-20/a.csv",
            version=version,
            uri=BLOB,
        )
    )


def test_the_gate_reads_the_version_that_was_announced(app: App, blobs: BlobStore) -> None:
    content = b"Customer_Age,Attrition_Flag\n45,Existing Customer\n"
    with blobs.objects.receive() as received:
        received.write(content)
        stored = blobs.objects.put("acmeprod/landing", "churn/dt=2026-11-20/a.csv", received, Description())
    [outcome] = app.core.handle(dropped(etag_of(stored)))
    assert outcome.result == "deferred"
    assert [(it.stage, it.says, it.reason) for it in outcome.verdicts] == [("gate", "pass", "1 rows fit")]


@pytest.mark.parametrize("version", ["0x1", "\r\nHost: evil"])
def test_a_version_that_is_not_there_is_gone(app: App, version: str) -> None:
    [outcome] = app.core.handle(dropped(version))
    assert [verdict.code for verdict in outcome.verdicts] == ["object_gone"]


def test_a_ledger_of_a_format_that_is_not_known_is_not_touched(app: App) -> None:
    meta = app.ledger.records.get("meta")
    assert meta is not None
    assert meta.body["format"] == FORMAT
    app.ledger.begin()
    app.ledger.records.swap(meta, {**meta.body, "format": FORMAT + 1})
    with pytest.raises(RetriggerError, match=f"the ledger's format is {FORMAT + 1}") as raised:
        app.ledger.begin()
    assert raised.value.code == "ledger_format"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("gs://acme-dev-retrigger", "ObjectRecords"),
        ("gs://acme-dev-retrigger/dev/one", "ObjectRecords"),
        ("https://acmeprod.blob.core.windows.net/retrigger", "ObjectRecords"),
        ("https://acmeprod.blob.core.windows.net/retrigger/prod", "ObjectRecords"),
        ("sqlite:{tmp}/ledger", "SqliteRecords"),
    ],
)
def test_an_address_says_where_the_ledger_is_and_opening_it_sends_nothing(
    tmp_path: Path, address: str, kind: str
) -> None:
    assert type(records_of(address.format(tmp=tmp_path), {}, {})).__name__ == kind


def test_an_address_of_no_ledger_is_refused_with_what_there_is() -> None:
    with pytest.raises(RetriggerError, match="there can be no ledger at s3://bucket: name it as sqlite:PATH") as raised:
        records_of("s3://bucket", {}, {})
    assert raised.value.code == "bad_ledger"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("projects/acme-dev/topics/told", "PubSubPublisher"),
        ("sb://acme.servicebus.windows.net/told", "ServiceBusPublisher"),
        ("https://acme.queue.core.windows.net/told", "StorageQueuePublisher"),
    ],
)
def test_an_address_says_how_what_leaves_is_sent(address: str, kind: str) -> None:
    channels = {"told": Channel(address=address), "other": Channel(address="projects/p/topics/other")}
    environment = Environment(name="it", cloud="azure", ledger="", channels=channels, outbox="told")
    assert type(publisher_of(environment, {})).__name__ == kind
    assert publisher_of(replace(environment, outbox=None), {}) is None


@pytest.mark.parametrize(
    "address",
    [
        "projects/acme-dev/subscriptions/told",
        "sb://acme.servicebus.windows.net/told/Subscriptions/s",
        "/subscriptions/1/resourceGroups/r/providers/Microsoft.EventGrid/topics/told",
        "https://acme.westeurope-1.eventgrid.azure.net/api/events",
    ],
)
def test_an_outbox_to_which_nothing_can_be_sent_is_refused(address: str) -> None:
    channels = {"told": Channel(address=address)}
    environment = Environment(name="it", cloud="azure", ledger="", channels=channels, outbox="told")
    with pytest.raises(RetriggerError, match="nothing can be sent to the outbox") as raised:
        publisher_of(environment, {})
    assert raised.value.code == "bad_outbox"


def test_what_leaves_on_azure_is_sent_with_the_functions_identity(
    tmp_path: Path, blobs: BlobStore, machine: Server
) -> None:
    queues = QueueStore(tmp_path)
    queues.queues.ensure("acmeprod/told")
    project = load_project(SECTION_6)
    services = {"metadata": machine.url, "blob": blobs.server.url, "queue": queues.server.url, "azureml": machine.url}
    prod = replace(
        project.environments["prod"],
        ledger=f"sqlite:{tmp_path / 'ledger'}",
        services=services,
        channels={
            **project.environments["prod"].channels,
            "told": Channel(address="https://acmeprod.queue.core.windows.net/told"),
        },
        outbox="told",
    )
    compiled = tmp_path / "compiled.json"
    compiled.write_text(compile_project(project, prod), encoding="utf-8")
    try:
        [outcome] = build(Settings(compiled, {})).core.handle(dropped("0x1"))
        (message,) = queues.queues.peek("acmeprod/told", 32)
    finally:
        queues.close()
    told = json.loads(base64.b64decode(message.text))
    assert (told["type"], told["subject"], told["data"]["result"]) == (
        "retrigger.outcome",
        outcome.trigger,
        outcome.result,
    )


@pytest.mark.parametrize(
    ("cloud", "endpoints", "found"),
    [
        ("azure", {"churn": Endpoint(name="churn-online")}, True),
        ("azure", {}, False),
        ("gcp", {"churn": Endpoint(name="1")}, True),
        ("gcp", {}, False),
    ],
)
def test_rollouts_have_endpoints_to_change_where_the_environment_names_some(
    cloud: Literal["gcp", "azure"], endpoints: dict[str, Endpoint], found: bool
) -> None:
    environment = Environment(name="prod", cloud=cloud, ledger="memory", workspace="/w", endpoints=endpoints)
    assert (endpoints_of(environment, {}) is not None) == found


def test_vertex_ai_and_cloud_monitoring_are_asked_where_the_environment_says(
    machine: Server, loopback: Loopback
) -> None:
    services = {"metadata": machine.url, "vertex": f"{loopback.url}/ai", "monitoring": f"{loopback.url}/watch"}
    environment = Environment(
        name="prod",
        cloud="gcp",
        ledger="memory",
        project="acme-prod",
        location="europe-west4",
        endpoints={"churn": Endpoint(name="1")},
        services=services,
    )
    endpoints = endpoints_of(environment, {})
    assert endpoints is not None
    for answer in ({}, {"name": "1", "etag": "e"}, {}, {}):
        loopback.reply(200, answer)
    assert endpoints.look("1").etag == "e"
    assert endpoints.health("1", "2", 0, 60_000) is None
    at = "/ai/v1/projects/acme-prod/locations/europe-west4/endpoints/1"
    asked = [seen.path.partition("?")[0] for seen in loopback.requests]
    assert asked == [f"{at}/operations", at, *["/watch/v3/projects/acme-prod/timeSeries"] * 2]
