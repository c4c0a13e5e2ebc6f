"""The emulator of an environment on Azure, as its user drives it: Microsoft's worker library runs the functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from azure.core.messaging import CloudEvent
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from tests.cli.conftest import REQUESTS, TABLES, retrigger, write_project
from tests.cli.test_emulator import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Called

pytest.importorskip("azure_functions_runtime", reason="Microsoft's worker library is not installed")
pytestmark = pytest.mark.xdist_group("emulator of the command line")

LANDING = "https://acmeprod.blob.core.windows.net/landing"
UPLOADS = "https://acmeprod.queue.core.windows.net/uploads"
TOLD = "https://acmeprod.queue.core.windows.net/told"
BUS = "sb://acme.servicebus.windows.net/requests"
PROJECT = f"""\
environments:
  prod:
    cloud: azure
    workspace: /subscriptions/1/resourceGroups/ml/providers/Microsoft.MachineLearningServices/workspaces/ml
    ledger: https://acmeprod.blob.core.windows.net/retrigger
    stores: {{landing: "{LANDING}"}}
    channels: {{requests: "{BUS}", others: "{BUS}-others", uploads: "{UPLOADS}", told: "{TOLD}"}}
    outbox: told
    pipelines: {{train: {{template: pipelines/train.yaml}}, lacking: {{template: pipelines/lacking.yaml}}}}
"""
PIPELINE = """\
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
inputs:
  data: {type: string}
  seconds: {type: string, optional: true, default: "0"}
jobs:
  rest:
    type: command
    component: azureml:rest:1
    inputs: {data: "${{parent.inputs.data}}", seconds: "${{parent.inputs.seconds}}"}
"""
REST = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: rest
version: 1
inputs: {data: {type: string}, seconds: {type: integer}}
outputs: {said: {type: uri_file}}
command: sleep ${{inputs.seconds}}; echo "${{inputs.data}}" > ${{outputs.said}}
"""
OTHERS = """\
name: others
source: [{message: {in: others, parameters: {data: "${{ event.message.json.data }}"}}}]
launch: {pipeline: lacking}
"""
CHAINED = """\
name: chained
source:
  - lifecycle:
      type: Microsoft.MachineLearningServices.ModelRegistered
      parameters: {data: "${{ event.lifecycle.name + ':' + event.lifecycle.version }}"}
launch: {pipeline: train}
"""
GATED = TABLES + "validate: {object: {format: csv, columns: {x: int, y: int}}}\n"


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of a running emulator."""
    files = {
        "retrigger.yaml": PROJECT,
        "pipelines/train.yaml": PIPELINE,
        "pipelines/lacking.yaml": PIPELINE.replace("azureml:rest:1", "azureml:lacking:1"),
        "components/rest.yaml": REST,
        "triggers/tables.yaml": GATED,
        "triggers/requests.yaml": REQUESTS,
        "triggers/others.yaml": OTHERS,
        "triggers/chained.yaml": CHAINED,
    }
    project = write_project(tmp_path_factory.mktemp("azure") / "project", files)
    called = retrigger("up", "--project", project, "--detach")
    assert called.code == 0, called.err
    yield project / ".retrigger"
    assert retrigger("down", "--state", project / ".retrigger").code == 0


def on(laptop: Path, *arguments: str | Path) -> Called:
    return retrigger(*arguments, "--state", laptop)


def listed(laptop: Path, command: str, **fields: str) -> list[Any]:
    lines = on(laptop, command, "--format", "json").lines
    return [line for line in lines if fields.items() <= line.items()]


def ended(laptop: Path, run: str) -> str:
    """The state of a run, once a tick has asked how it is."""
    assert on(laptop, "clock", "advance", "1m").code == 0
    (found,) = listed(laptop, "runs", id=run)
    return str(found["state"])


def deliveries(laptop: Path) -> dict[str, Any]:
    told: dict[str, Any] = on(laptop, "status", "--format", "json").lines[0]["deliveries"]
    return told


def test_an_upload_comes_through_the_queue_and_its_content_is_looked_at(laptop: Path, tmp_path: Path) -> None:
    for name, content in (("good file.csv", "x,y\n1,2\n"), ("bad.csv", "x,y\n1,two\n")):
        (tmp_path / name).write_text(content)
        called = on(laptop, "drop", tmp_path / name, f"{LANDING}/churn/dt=2026-11-20/", "--format", "json")
        assert (called.code, called.lines[0]["size"]) == (0, len(content)), called.err
    day = f"{LANDING}/churn/dt=2026-11-20"
    until(lambda: listed(laptop, "events", subject=f"{day}/bad.csv", result="rejected"))
    until(lambda: listed(laptop, "events", subject=f"{day}/good%20file.csv", result="deferred"))
    until(lambda: deliveries(laptop)[UPLOADS] == {"accepted": 2, "delivered": 2})
    called = on(laptop, "why", f"{day}/bad.csv")
    assert (called.code, "bad_data: row 2, column y: no int" in called.out) == (0, True), called.err


def test_what_no_trigger_claimed_is_explained(laptop: Path, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("12")
    assert on(laptop, "drop", tmp_path / "x.csv", f"{LANDING}/churn/dt=1/").code == 0
    called = on(laptop, "why", f"{LANDING}/churn/dt=1/x.csv")
    assert (called.code, "filter_false: event.object.size > 3 is not true" in called.out) == (1, True), called.out
    missing = on(laptop, "why", f"{LANDING}/nothing.csv")
    assert (missing.code, "is not in the emulator" in missing.err) == (1, True)


def exported(laptop: Path, variable: str) -> str:
    exports = retrigger("up", "--project", laptop.parent, "--state", laptop, "--print-env").out.splitlines()
    (line,) = [line for line in exports if line.startswith(f"export {variable}=")]
    return line.partition("=")[2].strip("'")


def connection_string(laptop: Path) -> str:
    return exported(laptop, "AZURE_STORAGE_CONNECTION_STRING")


def test_what_the_real_client_uploads_is_announced_too(laptop: Path) -> None:
    with BlobServiceClient.from_connection_string(connection_string(laptop)) as client:
        client.get_blob_client("landing", "churn/dt=2026-11-21/a.csv").upload_blob(b"x,y\n1,2\n")
    until(lambda: listed(laptop, "events", subject=f"{LANDING}/churn/dt=2026-11-21/a.csv"))


def test_a_message_starts_a_pipeline_that_really_runs(laptop: Path) -> None:
    called = on(laptop, "publish", "requests", '{"id": "r1", "data": "d", "seconds": "0"}', "--format", "json")
    assert (called.code, called.lines[0]["topic"]) == (0, BUS)
    (event,) = until(lambda: listed(laptop, "events", id=called.lines[0]["id"]))
    with BlobServiceClient.from_connection_string(connection_string(laptop)) as client:
        said = client.get_blob_client("azureml", f"azureml/{event['run']}/rest/said")
        until(said.exists)
        assert said.download_blob().readall() == b"d\n"
    until(lambda: ended(laptop, event["run"]) == "succeeded")


def test_a_launch_that_azure_ml_refuses_is_kept_with_its_reason(laptop: Path) -> None:
    called = on(laptop, "publish", "others", '{"data": "d"}', "--format", "json")
    (event,) = until(lambda: listed(laptop, "events", id=called.lines[0]["id"]))
    (run,) = until(lambda: listed(laptop, "runs", id=event["run"], state="failed"))
    assert run["parameters"]["data"] == "d"
    assert "/components/lacking/versions/1 is not registered" in run["error"]


def test_no_empty_variable_is_exported(laptop: Path) -> None:
    exports = retrigger("up", "--project", laptop.parent, "--state", laptop, "--print-env").out.splitlines()
    assert [line for line in exports if line.endswith(("=", "=''")) or "GOOGLE_CLOUD_PROJECT" in line] == []


def registered(laptop: Path, name: str, version: str, **properties: str) -> None:
    workspace = "/subscriptions/1/resourceGroups/ml/providers/Microsoft.MachineLearningServices/workspaces/ml"
    path = f"{workspace}/models/{name}/versions/{version}?api-version=2023-08-01"
    body = {"properties": {"modelUri": f"https://acmeprod.blob.core.windows.net/m/{version}", **properties}}
    url = f"{exported(laptop, 'RETRIGGER_AZUREML_ENDPOINT')}{path}"
    assert urllib3.request("PUT", url, body=json.dumps(body)).status == 201


def test_a_model_that_is_registered_starts_what_waits_for_models(laptop: Path) -> None:
    registered(laptop, "churn", "7")
    (run,) = until(lambda: listed(laptop, "runs", trigger="chained"))
    assert run["parameters"]["data"] == "churn:7"
    assert "model " not in on(laptop, "why", run["id"]).out
    registered(laptop, "scored", "2", jobName=run["job"])
    assert "model scored:2\n" in on(laptop, "why", run["id"]).out


def test_what_leaves_is_read_by_the_real_client(laptop: Path) -> None:
    called = on(laptop, "publish", "requests", '{"id": "r2", "data": "d", "seconds": "0"}', "--format", "json")
    policy = TextBase64DecodePolicy()
    with QueueClient.from_connection_string(connection_string(laptop), "told", message_decode_policy=policy) as told:

        def outcomes() -> list[CloudEvent]:
            events = [CloudEvent.from_json(message) for message in told.peek_messages(32)]
            return [it for it in events if it.data.get("event") == called.lines[0]["id"]]

        (event,) = until(outcomes)
    assert (event.type, event.subject, event.source) == (
        "retrigger.outcome",
        "requests",
        "//retrigger/environments/local",
    )
    assert TOLD not in deliveries(laptop)


def test_what_the_real_client_puts_into_a_queue_reaches_the_functions(laptop: Path) -> None:
    name = f"{LANDING}/churn/dt=2026-11-22/a.csv"
    upload = {
        "topic": "/subscriptions/1/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/acmeprod",
        "subject": "/blobServices/default/containers/landing/blobs/churn/dt=2026-11-22/a.csv",
        "eventType": "Microsoft.Storage.BlobCreated",
        "id": "e1",
        "data": {"api": "PutBlob", "eTag": "0x1", "contentLength": 8, "url": name, "sequencer": "01"},
        "dataVersion": "",
        "eventTime": "2026-11-22T09:00:00Z",
    }
    with QueueClient.from_connection_string(connection_string(laptop), "uploads") as uploads:
        uploads.send_message(json.dumps(upload))
    until(lambda: listed(laptop, "events", subject=name, result="rejected"))  # nobody has uploaded it


def test_a_schedule_is_found_by_the_timer(laptop: Path) -> None:
    assert on(laptop, "fire", "requests").code == 0
    (event,) = until(lambda: listed(laptop, "events", kind="schedule"))
    until(lambda: ended(laptop, event["run"]) == "succeeded")  # two may run at once, and one has begun before this
    before = len(listed(laptop, "runs", trigger="requests"))
    assert on(laptop, "clock", "advance", "366d").code == 0  # over the first of January
    until(lambda: len(listed(laptop, "runs", trigger="requests")) > before)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ("drop", __file__, "https://acmeprod.blob.core.windows.net/nope/x"),
            1,
            "containers of acmeprod are azureml, landing",
        ),
        (("drop", __file__, "https://example.com/nope/x"), 2, "is no place"),
        (("publish", "sb://elsewhere/x", "{}"), 1, "No queue or topic at sb://elsewhere/x"),
        (("publish", "uploads", "{}", "--attribute", "k=v"), 1, "has no attributes"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_message(
    laptop: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    called = on(laptop, *arguments)
    assert (called.code, said in called.err) == (code, True), called.err


def test_it_says_at_its_start_which_component_it_lacks(laptop: Path) -> None:
    assert (
        "azureml:lacking:1 is not registered: put its YAML into components/"
        in (laptop / "logs" / "emulator.log").read_text()
    )
