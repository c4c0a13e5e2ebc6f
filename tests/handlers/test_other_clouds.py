"""Clouds and addresses other than the public ones, from the project's files to what goes over the wire."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from retrigger.handlers.wiring import App, Settings, build
from retrigger.triggers.authoring.compile import check, compile_project
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.formats import parse
from tests.handlers.conftest import Received, Reply
from tests.handlers.transport.pretender import Pretender
from tests.projects import template, write_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.handlers.conftest import Loopback

    Start = Callable[[str, Mapping[str, str]], tuple[App, Pretender]]

WORKSPACE = "/subscriptions/1/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/ml"
GOVERNMENT = f"""\
environments:
  it:
    cloud: azure
    workspace: {WORKSPACE}
    ledger: https://acmegov.blob.core.usgovcloudapi.net/retrigger
    services: {{azureml: "https://management.usgovcloudapi.net"}}
    stores: {{landing: https://acmegov.blob.core.usgovcloudapi.net/landing}}
    pipelines: {{train: {{template: pipelines/train.yaml}}}}
"""
PRIVATE = """\
environments:
  it:
    cloud: gcp
    project: acme-dev
    location: us-central1
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-ledger
    services:
      vertex: https://us-central1-aiplatform-xyz.p.googleapis.com
      storage: https://storage-xyz.p.googleapis.com
    stores: {landing: gs://landing}
    pipelines: {train: {template: pipelines/train.yaml, root: gs://acme-runs}}
"""
TRIGGER = """\
name: churn
source: [{object: {in: landing, match: "{dt}/*.csv"}}]
validate: {object: {columns: {age: int}}}
admit: {window: {max_members: 1}}
launch: {pipeline: train, parameters: {data: "${{ window.uri }}"}}
"""
JOB = "type: pipeline\ninputs: {data: {type: uri_file}}\njobs: {a: {component: azureml:train:1}}\n"
HOSTS = (
    "acmegov.blob.core.usgovcloudapi.net",
    "management.usgovcloudapi.net",
    "storage-xyz.p.googleapis.com",
    "us-central1-aiplatform-xyz.p.googleapis.com",
)


def answers(url: str, _: Mapping[str, str]) -> tuple[int, Any]:
    return 200, b"age\n45\n" if "a.csv" in url else {}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function of a project whose pipeline is this text, on a network that is all pretended."""
    network = Pretender(tmp_path, answers, HOSTS)

    def started(project: str, environ: Mapping[str, str]) -> tuple[App, Pretender]:
        job = JOB if "azure" in project else template("train", data="STRING")
        write_files(tmp_path, {"retrigger.yaml": project, "triggers/churn.yaml": TRIGGER, "pipelines/train.yaml": job})
        assert check(tmp_path) == []
        loaded = load_project(tmp_path)
        environment = replace(loaded.environments["it"], ledger=f"sqlite:{tmp_path / 'ledger'}")
        compiled = tmp_path / "compiled.json"
        compiled.write_text(compile_project(loaded, environment), encoding="utf-8")
        way = {"https_proxy": network.url, "SSL_CERT_FILE": str(network.authority)}
        return build(Settings(compiled, {**way, **environ})), network

    yield started
    network.close()


def token(asked: Received) -> Reply:
    """A token that says for which resource it is."""
    [resource] = parse_qs(urlsplit(asked.path).query).get("resource", ["google"])
    body = {"access_token": f"for-{resource}", "expires_on": "4102444800", "expires_in": 3600}
    return Reply(200, json.dumps(body).encode())


def blob_created(host: str) -> bytes:
    """As Event Grid tells it."""
    storage = "/subscriptions/1/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/acmegov"
    return json.dumps(
        [
            {
                "topic": storage,
                "subject": "/blobServices/default/containers/landing/blobs/dt=1/a.csv",
                "eventType": "Microsoft.Storage.BlobCreated",
                "id": "1",
                "eventTime": "2026-11-22T12:00:00Z",
                "dataVersion": "",
                "metadataVersion": "1",
                "data": {
                    "api": "PutBlob",
                    "eTag": "0x1",
                    "contentLength": 7,
                    "url": f"https://{host}/landing/dt=1/a.csv",
                    "sequencer": "1",
                },
            }
        ]
    ).encode()


@pytest.mark.parametrize("told", ["acmegov.blob.core.usgovcloudapi.net", "acmegov.blob.core.windows.net"])
def test_in_azure_government_data_is_read_and_pipelines_are_launched_there_with_its_tokens(
    start: Start, loopback: Loopback, told: str
) -> None:
    loopback.always = token
    app, network = start(GOVERNMENT, {"IDENTITY_ENDPOINT": loopback.url, "IDENTITY_HEADER": "secret"})
    [event] = app.parse({}, blob_created(told), "eventgrid")
    [outcome] = app.core.handle(event)  # type: ignore[arg-type]  # what was sent is an event
    assert (outcome.result, [it.says for it in outcome.verdicts if it.stage == "gate"]) == ("launched", ["pass"])
    blob = "https://acmegov.blob.core.usgovcloudapi.net/landing/dt=1/a.csv"
    (_, read, reading, _), (_, launched, launching, body) = network.seen
    assert (read, reading["authorization"]) == (
        blob.replace("dt=1/", "dt%3D1%2F"),
        "Bearer for-https://storage.azure.com/",
    )
    assert launched.startswith(f"https://management.usgovcloudapi.net{WORKSPACE}/jobs/churn-")
    assert launching["authorization"] == "Bearer for-https://management.usgovcloudapi.net/"
    assert launching["x-azureml-token"] == "for-https://ml.azure.us/"
    assert json.loads(body)["properties"]["inputs"]["data"]["uri"] == blob


def test_on_google_data_is_read_and_pipelines_are_launched_by_private_endpoints(
    start: Start, loopback: Loopback
) -> None:
    loopback.always = token
    app, network = start(PRIVATE, {"GCE_METADATA_HOST": loopback.host})
    resource = {"bucket": "landing", "name": "dt=1/a.csv", "generation": "7", "metageneration": "1", "size": "7"}
    headers = {
        "ce-id": "1",
        "ce-source": "//storage.googleapis.com/projects/_/buckets/landing",
        "ce-type": "google.cloud.storage.object.v1.finalized",
        "ce-subject": "objects/dt=1/a.csv",
        "ce-specversion": "1.0",
        "content-type": "application/json",
    }
    [event] = app.parse(headers, json.dumps(resource).encode(), "events")
    [outcome] = app.core.handle(event)  # type: ignore[arg-type]  # what was sent is an event
    assert (outcome.result, [it.says for it in outcome.verdicts if it.stage == "gate"]) == ("launched", ["pass"])
    (_, read, reading, _), (_, launched, launching, body) = network.seen
    assert read.startswith("https://storage-xyz.p.googleapis.com/storage/v1/b/landing/o/dt%3D1%2Fa.csv?")
    jobs = "/v1/projects/acme-dev/locations/us-central1/pipelineJobs?pipelineJobId=churn-"
    assert launched.startswith(f"https://us-central1-aiplatform-xyz.p.googleapis.com{jobs}")
    assert (reading["authorization"], launching["authorization"]) == ("Bearer for-google", "Bearer for-google")
    assert json.loads(body)["serviceAccount"] == "ml@acme-dev.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("host", "uri"),
    [
        ("acmegov.blob.core.usgovcloudapi.net", "acmegov.blob.core.usgovcloudapi.net"),
        ("acmegov.dfs.core.chinacloudapi.cn", "acmegov.blob.core.chinacloudapi.cn"),
        ("acmegov.dfs.core.windows.net", "acmegov.blob.core.windows.net"),
        ("acmegov.privatelink.blob.core.windows.net", "acmegov.blob.core.windows.net"),
        ("acmegov.z07.dfs.storage.azure.net", "acmegov.z07.blob.storage.azure.net"),
        ("acmegov.blob.core.evil.example", "acmegov.blob.core.windows.net"),
        ("acmegov.z07.blob.evil.example", "acmegov.blob.core.windows.net"),
        ("acmegov.evil.blob.storage.azure.net", "acmegov.blob.core.windows.net"),
    ],
)
def test_an_event_is_believed_which_of_azures_clouds_it_is_of_and_no_other_host(host: str, uri: str) -> None:
    [event] = parse({}, blob_created(host), "eventgrid", now=datetime(2026, 11, 22, 12, tzinfo=UTC))
    assert event.payload.uri == f"https://{uri}/landing/dt=1/a.csv"  # type: ignore[union-attr]
