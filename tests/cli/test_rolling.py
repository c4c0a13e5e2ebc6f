"""Rollouts from the command line: what is listed, and what people may do with one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import PROJECT, retrigger, write_project
from tests.cli.held import Held

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

SERVE = """\
name: requests
source: [{message: {in: requests, key: event.message.json.id}}]
launch:
  online_deployment:
    endpoint: churn
    model: {name: churn, version: "7"}
    smoke: smoke.json
    steps: [10, 100]
    bake: 30m
    rollback_if: {error_rate: 1%}
    approve: {before: 100, within: 3d}
"""


@pytest.fixture
def held(tmp_path: Path) -> Held:
    files = {
        "retrigger.yaml": PROJECT + '    endpoints: {churn: "42"}\n',
        "triggers/requests.yaml": SERVE,
        "smoke.json": "{}",
    }
    held = Held.of(write_project(tmp_path / "project", files), tmp_path / "state")
    held.endpoints.put("42", {"blue": "churn:6"}, {"blue": 100})
    return held


def begun(held: Held, minutes: int) -> str:
    """A rollout that has gone on for so long. -> its id"""
    assert held.publish("a") == "launched"
    for _ in range(minutes):
        held.wind(timedelta(minutes=1))
    return str(listed(held)["id"])


def listed(held: Held) -> dict[str, Any]:
    (told,) = held.run("rollouts", "--format", "json").lines
    return told


def test_there_may_be_none(held: Held) -> None:
    called = held.run("rollouts")
    assert (called.code, called.out, called.err) == (0, "", "There is no rollout.\n")


def test_a_program_is_told_all_of_it(held: Held) -> None:
    name = begun(held, 8)
    told = listed(held)
    new = told.pop("deployment")
    since = told.pop("since")
    assert since.endswith("Z")
    assert told == {
        "id": name,
        "trigger": "requests",
        "state": "running",
        "phase": "bake",
        "endpoint": "42",
        "model": "churn",
        "version": "7",
        "steps": [10, 100],
        "percent": 10,
        "split": {"blue": 90, new: 10},
        "before": {"blue": 100},
        "until": None,
        "by": "",
        "reason": None,
    }


def test_a_person_is_told_what_it_waits_for(held: Held) -> None:
    begun(held, 40)
    called = held.run("rollouts")
    assert "waiting  approve 100 %" in called.out
    assert "until " in called.out
    assert "approve 100 %" in held.run("runs").out


def test_consent_lets_it_go_on_once(held: Held) -> None:
    name = begun(held, 40)
    called = held.run("rollout", "approve", name, "--by", "ann")
    assert (called.code, called.out) == (0, f"{name} is approved: the next tick, within a minute, does it.\n")
    assert (listed(held)["by"], listed(held)["state"]) == ("ann", "running")
    again = held.run("rollout", "approve", name)
    assert (again.code, again.err.endswith("nothing changed.\n")) == (1, True)
    for _ in range(60):
        held.wind(timedelta(minutes=1))
    assert listed(held)["state"] == "succeeded"


def test_it_is_paused_and_resumed(held: Held) -> None:
    name = begun(held, 8)
    assert held.run("rollout", "pause", name, "--reason", "a look", "--by", "ann").code == 0
    told = listed(held)
    assert (told["state"], told["reason"], told["by"]) == ("paused", "a look", "ann")
    assert held.run("rollout", "resume", name).code == 0
    assert listed(held)["state"] == "running"
    assert held.run("rollout", "resume", name).code == 1


def test_it_is_rolled_back(held: Held) -> None:
    name = begun(held, 8)
    assert held.run("rollout", "rollback", name, "--reason", "wrong features").code == 0
    assert listed(held)["state"] == "rolling back"
    for _ in range(30):
        held.wind(timedelta(minutes=1))
    assert (listed(held)["state"], listed(held)["reason"]) == ("cancelled", "wrong features")
    assert held.run("rollout", "rollback", name, "--reason", "twice").code == 1


def test_one_that_is_not_there_is_said_with_what_is_near(held: Held) -> None:
    name = begun(held, 1)
    called = held.run("rollout", "approve", name[:-1])
    assert (called.code, f"did you mean `{name}`" in called.err) == (1, True)


def test_explain_tells_the_first_request_and_the_steps(tmp_path: Path) -> None:
    azure = """\
environments:
  dev:
    cloud: azure
    workspace: /subscriptions/1/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/ml
    ledger: https://acmedev.blob.core.windows.net/retrigger
    stores: {landing: https://acmedev.blob.core.windows.net/landing}
    endpoints: {churn: {name: churn-online, instance_type: Standard_F4s_v2, health: platform}}
"""
    object_source = "source: [{object: {in: landing, match: '*.csv'}}]"
    trigger = SERVE.replace("source: [{message: {in: requests, key: event.message.json.id}}]", object_source)
    trigger = trigger.replace("    smoke: smoke.json\n", "    smoke: smoke.json\n    mirror: {percent: 10, for: 1h}\n")
    files = {"retrigger.yaml": azure, "triggers/requests.yaml": trigger, "smoke.json": "{}"}
    project = write_project(tmp_path / "project", files)
    (project / "triggers" / "tables.yaml").unlink()
    event = tmp_path / "event.json"
    event.write_text(CREATED)
    called = retrigger("explain", event, "--project", project, "--format", "json")
    assert called.code == 0, called.err
    (told,) = called.lines
    assert told["request"]["method"] == "PUT"
    assert "/onlineEndpoints/churn-online/deployments/rt-" in told["request"]["url"]
    assert told["request"]["body"]["properties"]["instanceType"] == "Standard_F4s_v2"
    assert told["steps"] == [
        "deploy model churn, version 7, to churn-online, without traffic",
        "send the smoke test to the new deployment (on Vertex AI at the first step): any 2xx is good",
        "copy 10 % of the traffic to it, watched for 1h",
        "10 % of the traffic, watched for 30m",
        "wait for `retrigger rollout approve`, 3d at the most",
        "100 % of the traffic, watched for 30m",
        "back to the split that was there, as soon as the platform's figures pass a bound of `rollback_if`",
        "remove the deployments that had the traffic before",
    ]
    assert "step 3" in retrigger("explain", event, "--project", project).out


def test_explain_tells_what_vertex_ai_is_asked_first(tmp_path: Path) -> None:
    serving = """\
    endpoints:
      churn: {name: "42", accelerator_type: NVIDIA_TESLA_T4, accelerator_count: 1}
"""
    files = {"retrigger.yaml": PROJECT + serving, "triggers/requests.yaml": SERVE, "smoke.json": "{}"}
    project = write_project(tmp_path / "project", files)
    event = tmp_path / "event.json"
    event.write_text(PUBLISHED)
    called = retrigger("explain", event, "--project", project, "--format", "json")
    assert called.code == 0, called.err
    (told,) = called.lines
    assert told["request"]["url"].endswith("/endpoints/42:deployModel")
    deployed = told["request"]["body"]["deployedModel"]
    assert deployed["model"].endswith("/models/churn@7")
    assert deployed["dedicatedResources"]["machineSpec"] == {
        "machineType": "n1-standard-2",
        "acceleratorType": "NVIDIA_TESLA_T4",
        "acceleratorCount": 1,
    }


CREATED = """\
[{"id": "1", "topic": "/subscriptions/1/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/acmedev",
  "subject": "/blobServices/default/containers/landing/blobs/a.csv", "eventType": "Microsoft.Storage.BlobCreated",
  "eventTime": "2026-03-01T00:00:00Z", "dataVersion": "", "metadataVersion": "1",
  "data": {"api": "PutBlob", "eTag": "0x1", "contentType": "text/csv", "contentLength": 9, "blobType": "BlockBlob",
           "url": "https://acmedev.blob.core.windows.net/landing/a.csv", "sequencer": "01"}}]
"""

PUBLISHED = """\
{"specversion": "1.0", "id": "1", "type": "google.cloud.pubsub.topic.v1.messagePublished",
 "source": "//pubsub.googleapis.com/projects/acme-dev/topics/requests", "time": "2026-03-01T00:00:00Z",
 "data": {"message": {"messageId": "1", "publishTime": "2026-03-01T00:00:00Z", "data": "eyJpZCI6ICJhIn0="}}}
"""
