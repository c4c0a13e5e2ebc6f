from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import PROJECT, REQUESTS, TABLES, TEMPLATE, retrigger, uploaded, write_project

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[..., Path]

DAY = "churn/dt=2026-11-20"
JOBS = "https://europe-west4-aiplatform.googleapis.com/v1/projects/acme-dev/locations/europe-west4/pipelineJobs"


def message(body: Any) -> dict[str, Any]:
    data = base64.b64encode(json.dumps(body).encode()).decode()
    sent = {"data": data, "messageId": "m1", "publishTime": "2026-11-20T10:00:00Z"}
    topic = "//pubsub.googleapis.com/projects/acme-dev/topics/requests"
    kind = "google.cloud.pubsub.topic.v1.messagePublished"
    envelope = {"specversion": "1.0", "id": "m1", "source": topic, "type": kind, "time": "2026-11-20T10:00:00Z"}
    return {**envelope, "data": {"message": sent, "subscription": "projects/acme-dev/subscriptions/s"}}


def wake_up(at: str) -> dict[str, Any]:
    kind, source = "dev.retrigger.schedule.due.v1", "//retrigger/schedules/requests"
    envelope = {"specversion": "1.0", "id": "w1", "source": source, "type": kind, "time": at}
    return {**envelope, "data": {"name": "requests", "scheduled_for": at}}


def test_a_message_is_explained_down_to_the_request(project: Path, write: Write) -> None:
    asked = message({"id": "r1", "data": "gs://acme-dev-landing/x/", "seconds": "5"})
    called = retrigger("explain", write("m.json", asked), "--project", project, "--format", "json")
    (told,) = called.lines
    run = told["run"]
    assert called.code == 0
    assert told == {
        "event": "m1",
        "trigger": "requests",
        "result": "launched",
        "identity": '["key", "r1"]',
        "run": run,
        "window": None,
        "window_key": None,
        "saw": {"event.message.json.id": '"r1"'},
        "verdicts": [],
        "members": [],
        "not_checked": [],
        "steps": [],
        "waits": None,
        "parameters": {"data": "gs://acme-dev-landing/x/", "seconds": "5"},
        "job": {
            "kind": "pipeline",
            "display_name": "requests",
            "pipeline": "train",
            "template": told["job"]["template"],
            "root": "gs://acme-dev-pipelines",
            "service_account": "ml@acme-dev.iam.gserviceaccount.com",
            "caching": None,
            "compute": None,
            "experiment": None,
            "failure_policy": None,
            "network": None,
            "reserved_ip_ranges": [],
            "kms_key": None,
            "parameters": {"data": "gs://acme-dev-landing/x/", "seconds": "5"},
            "artifacts": {},
            "labels": {
                "retrigger-environment": "dev",
                "retrigger-event": told["job"]["labels"]["retrigger-event"],
                "retrigger-trigger": "requests",
                "retrigger-run": run,
            },
            "fingerprint": told["job"]["fingerprint"],
        },
        "request": {
            "method": "POST",
            "url": f"{JOBS}?pipelineJobId={run}",
            "body": {
                "displayName": "requests",
                "pipelineSpec": TEMPLATE,
                "labels": told["request"]["body"]["labels"],
                "runtimeConfig": {
                    "gcsOutputDirectory": "gs://acme-dev-pipelines",
                    "parameterValues": {"data": "gs://acme-dev-landing/x/", "seconds": "5"},
                },
                "serviceAccount": "ml@acme-dev.iam.gserviceaccount.com",
            },
            "first": [],
        },
    }


def test_the_same_payload_explains_the_same(project: Path, write: Write) -> None:
    payload = write("o.json", uploaded(f"{DAY}/a.csv"))
    first, second = (retrigger("explain", payload, "--project", project, "--format", "json").lines for _ in range(2))
    assert first == second


def test_what_nobody_listens_to_is_told_with_what_each_trigger_listens_to(project: Path, write: Write) -> None:
    called = retrigger("explain", write("o.json", uploaded("other/a.csv")), "--project", project)
    assert (called.code, "o.json: would be ignored\n" in called.out) == (1, True)
    assert "listens to gs://acme-dev-landing/churn/dt={dt}/*.csv (created)" in called.out
    assert "listens to projects/acme-dev/topics/requests" in called.out


def test_an_object_is_explained_as_if_its_window_closed(project: Path, write: Write) -> None:
    payload = write("o.json", uploaded(f"{DAY}/a.csv"))
    called = retrigger("explain", payload, "--project", project)
    assert called.code == 0
    assert "o.json: tables: would be launched\n" in called.out
    assert f"the window waits for {DAY}/_SUCCESS; without it, it is rejected after 2:00:00\n" in called.out
    assert f'"data": "gs://acme-dev-landing/{DAY}/"' in called.out
    assert "… train, 1 task; --full prints it …" in called.out
    full = retrigger("explain", payload, "--project", project, "--full")
    assert '"executorLabel": "exec-rest"' in full.out


def test_checks_that_need_the_data_are_named(tmp_path: Path, write: Write) -> None:
    checked = TABLES + "validate:\n  object: {format: csv, max_bytes: 1kB}\n  window: {min_rows: 10}\n"
    project = write_project(tmp_path / "p", {"triggers/tables.yaml": checked})
    called = retrigger("explain", write("o.json", uploaded(f"{DAY}/a.csv")), "--project", project, "--format", "json")
    (told,) = called.lines
    assert (called.code, told["result"]) == (0, "launched")
    assert told["not_checked"] == ["the data of the object (csv)", "the whole window (at least 10 rows)"]
    called = retrigger(
        "explain", write("o.json", uploaded(f"{DAY}/a.csv", size=1001)), "--project", project, "--format", "json"
    )
    (told,) = called.lines
    assert (called.code, told["result"], told["verdicts"][0]["code"]) == (1, "rejected", "too_large")


def test_a_marker_a_false_filter_and_a_stranger_launch_nothing(project: Path, write: Write) -> None:
    for name, size, result, code in (
        (f"{DAY}/_SUCCESS", 0, "deferred", None),
        (f"{DAY}/a.csv", 3, "ignored", "filter_false"),
        ("other/a.csv", 100, "ignored", "no_match"),
    ):
        payload = write("o.json", uploaded(name, size))
        called = retrigger("explain", payload, "--project", project, "--format", "json")
        (told,) = called.lines
        codes = [verdict["code"] for verdict in told["verdicts"]] or [None]
        assert (called.code, told["result"], codes[-1]) == (1, result, code)


def test_what_a_filter_saw_is_shown_whether_it_passed_or_not(project: Path, write: Write) -> None:
    for size, code in ((3, 1), (100, 0)):
        called = retrigger("explain", write("o.json", uploaded(f"{DAY}/a.csv", size)), "--project", project)
        assert (called.code, f"filter saw           event.object.size = {size}\n" in called.out) == (code, True)
    called = retrigger("explain", write("m.json", message({"data": "d"})), "--project", project)
    assert (called.code, "event.message.json.id = absent\n" in called.out) == (1, True)


def test_a_parameter_of_the_wrong_type_would_be_rejected(project: Path, write: Write) -> None:
    asked = write("m.json", message({"id": "r1", "data": ["no text"], "seconds": "5"}))
    called = retrigger("explain", asked, "--project", project, "--format", "json")
    (told,) = called.lines
    assert (called.code, told["result"], told["request"]) == (1, "rejected", None)
    assert told["verdicts"][-1]["code"] == "bad_parameters"


def test_a_key_that_cannot_be_computed_would_be_rejected(tmp_path: Path, write: Write) -> None:
    unguarded = REQUESTS.replace("      filter: has(event.message.json.id)\n", "")
    project = write_project(tmp_path / "p", {"triggers/requests.yaml": unguarded})
    called = retrigger("explain", write("m.json", message({"data": "d", "seconds": "1"})), "--project", project)
    assert (called.code, "would be rejected" in called.out, "event.message.json.id" in called.out) == (1, True, True)


def test_a_wake_up_is_explained_by_its_own_time(project: Path, write: Write) -> None:
    due = retrigger(
        "explain", write("w.json", wake_up("2031-01-01T03:00:00Z")), "--project", project, "--format", "json"
    )
    assert (due.code, due.lines[0]["result"]) == (0, "launched")
    assert due.lines[0]["request"]["body"]["runtimeConfig"]["parameterValues"]["data"] == "nightly"
    early = retrigger(
        "explain", write("w.json", wake_up("2031-01-01T02:00:00Z")), "--project", project, "--format", "json"
    )
    assert (early.code, early.lines[0]["verdicts"][-1]["code"]) == (1, "nothing_due")


def test_a_trigger_that_observes_launches_nothing_and_shows_what_it_would(tmp_path: Path, write: Write) -> None:
    project = write_project(tmp_path / "p", {"triggers/tables.yaml": TABLES + "mode: observe\n"})
    payload = write("o.json", uploaded(f"{DAY}/a.csv"))
    called = retrigger("explain", payload, "--project", project, "--format", "json")
    (told,) = called.lines
    assert (called.code, told["result"], told["verdicts"][-1]["code"]) == (1, "skipped", "observed")
    assert told["request"]["url"] == f"{JOBS}?pipelineJobId={told['run']}"


def test_malformed_payloads_are_told_beside_the_others(project: Path, write: Write) -> None:
    good, bad = write("m.json", message({"id": "r", "data": "d", "seconds": "0"})), write("b.json", "{")
    called = retrigger("explain", bad, good, "--project", project, "--format", "json")
    assert (called.code, [set(line) >= {"error"} for line in called.lines]) == (0, [True, False])
    assert retrigger("explain", bad, "--project", project).code == 1


def test_it_refuses_a_project_with_mistakes_and_an_unknown_environment(project: Path, write: Write) -> None:
    payload = write("o.json", uploaded("x"))
    called = retrigger("explain", payload, "--project", project, "--env", "prod")
    assert (called.code, "unknown_environment" in called.err) == (1, True)
    (project / "triggers" / "tables.yaml").write_text("name: [")
    called = retrigger("explain", payload, "--project", project)
    assert (called.code, "yaml_syntax" in called.err) == (1, True)


SECTION_6 = Path(__file__).parents[1] / "golden" / "section6"
BLOB = {
    "specversion": "1.0",
    "id": "b1",
    "source": "/subscriptions/1/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/acmeprod",
    "type": "Microsoft.Storage.BlobCreated",
    "subject": f"/blobServices/default/containers/landing/blobs/{DAY}/a.csv",
    "time": "2026-11-20T10:00:00Z",
    "data": {
        "api": "PutBlob",
        "eTag": "0x8D4BCC2E4835CD0",
        "contentLength": 100,
        "url": f"https://acmeprod.blob.core.windows.net/landing/{DAY}/a.csv",
    },
}


@pytest.mark.parametrize(
    ("environment", "event", "landing", "sent"),
    [
        ("dev", uploaded(f"{DAY}/a.csv"), "gs://acme-dev-landing", "POST https://europe-west4-aiplatform"),
        ("prod", BLOB, "https://acmeprod.blob.core.windows.net/landing", "PUT https://management.azure.com/"),
    ],
)
def test_the_example_of_the_design_is_explained_in_both_of_its_environments(
    write: Write, environment: str, event: object, landing: str, sent: str
) -> None:
    payload = write("e.json", event)
    called = retrigger("explain", payload, "--project", SECTION_6, "--env", environment, "--format", "json")
    (found,) = called.lines
    assert (called.code, found["trigger"], found["result"]) == (0, "churn-retrain", "launched")
    assert found["parameters"] == {"data": f"{landing}/{DAY}/", "as_of": "2026-11-20", "min_auc": 0.9}
    assert found["verdicts"][-1]["code"] == "quiet"
    shown = retrigger("explain", payload, "--project", SECTION_6, "--env", environment).out
    assert (sent in shown, f"{landing}/{DAY}/" in shown) == (True, True)
    assert ("; --full prints" in shown, "component" in shown, "executors" in shown) == (True, False, False)


ANNOUNCED = """\
name: announced
source:
  - object: {in: landing, match: "churn/dt={dt}/*.csv", filter: event.object.name != "churn/dt=2/no.csv"}
  - message: {in: requests, joins: window, members: event.message.json.files}
admit:
  window: {key: match.dt, until: {object: "churn/dt={dt}/_SUCCESS"}, max_wait: 2h}
launch: {pipeline: train, parameters: {data: "${{ window.manifest }}"}}
"""


def announcing(*names: str) -> dict[str, Any]:
    return message({"files": [f"gs://acme-dev-landing/churn/{name}" for name in names]})


def test_of_a_message_that_names_objects_each_of_them_is_explained(tmp_path: Path, write: Write) -> None:
    project = write_project(tmp_path / "announced", {"triggers/requests.yaml": ANNOUNCED})
    asked = write("m.json", announcing("dt=1/a.csv", "dt=2/no.csv", "dt=2/b.csv", "dt=1/_SUCCESS"))
    called = retrigger("explain", asked, "--project", project, "--format", "json")
    (told,) = called.lines
    assert (called.code, told["result"], [it["code"] for it in told["verdicts"]][:1]) == (0, "launched", ["joined"])
    uri = "gs://acme-dev-landing/churn"
    assert [(it["uri"], it["result"], it["window_key"]) for it in told["members"]] == [
        (f"{uri}/dt=1/a.csv", "deferred", "1"),
        (f"{uri}/dt=2/no.csv", "ignored", None),
        (f"{uri}/dt=2/b.csv", "deferred", "2"),
        (f"{uri}/dt=1/_SUCCESS", "deferred", "1"),
    ]
    assert [it["code"] for it in told["members"][1]["verdicts"]] == ["filter_false"]
    assert told["not_checked"] == ["whether the objects that it names are there (each is taken to be, with 1 MiB)"]
    shown = retrigger("explain", asked, "--project", project)
    assert "gs://acme-dev-landing/churn/dt=2/b.csv: deferred, window key 2" in shown.out
    assert "filter_false" in shown.out


def test_of_many_objects_ten_are_shown_and_of_a_wrong_message_none(tmp_path: Path, write: Write) -> None:
    project = write_project(tmp_path / "announced", {"triggers/requests.yaml": ANNOUNCED})
    asked = write("m.json", announcing(*(f"dt=1/{number}.csv" for number in range(12))))
    assert "and 2 more" in retrigger("explain", asked, "--project", project).out
    wrong = retrigger("explain", write("w.json", announcing("a.csv")), "--project", project, "--format", "json")
    (told,) = wrong.lines
    assert (wrong.code, told["result"], told["members"], told["not_checked"]) == (1, "rejected", [], [])
    assert [it["code"] for it in told["verdicts"]] == ["bad_members"]


REGISTERED = """\
name: registered
source: [{object: {in: landing, match: "churn/dt={dt}/*.csv"}}]
launch: {pipeline: train, register: dataset, parameters: {data: "${{ window.dataset }}"}}
"""


def test_what_registers_a_dataset_is_shown_before_what_launches(tmp_path: Path, write: Write) -> None:
    project = write_project(tmp_path / "registered", {"triggers/tables.yaml": REGISTERED})
    event = write("e.json", uploaded("churn/dt=2026-11-20/a.csv"))
    (told,) = retrigger("explain", event, "--project", project, "--format", "json").lines
    (first,) = told["request"]["first"]
    place = f"/metadataStores/default/artifacts?artifactId={told['run']}"
    assert (told["result"], told["parameters"]) == ("launched", {"data": told["run"]})
    assert first["url"].endswith(place)
    assert first["body"]["uri"].endswith(f"/retrigger/{told['run']}/manifest.json")
    shown = retrigger("explain", event, "--project", project).out
    assert shown.index(place) < shown.index("/pipelineJobs?pipelineJobId=")


SCORE = """\
name: score
source: [{object: {in: landing, match: "churn/dt={dt}/*.csv"}}]
launch: {batch_prediction: {model: churn, input: "${{ window.uris }}", output: "gs://acme-dev-scores"}}
"""


def test_a_batch_prediction_is_explained_down_to_the_request(tmp_path: Path, write: Write) -> None:
    models = "    models: {churn: {resource: 4711@prod, batch: {machine_type: n1-standard-4}}}\n"
    project = write_project(tmp_path, {"retrigger.yaml": PROJECT + models, "triggers/score.yaml": SCORE})
    (project / "triggers" / "tables.yaml").unlink()
    payload = write("o.json", uploaded(f"{DAY}/a.csv"))
    (told,) = retrigger("explain", payload, "--project", project, "--format", "json").lines
    uri = f"gs://acme-dev-landing/{DAY}/a.csv"
    assert (told["result"], told["parameters"]) == ("launched", {"input": [uri], "output": "gs://acme-dev-scores"})
    body = told["request"]["body"]
    assert (told["request"]["url"], body["model"], body["inputConfig"], body["labels"]["retrigger-job"]) == (
        JOBS.replace("pipelineJobs", "batchPredictionJobs"),
        "projects/acme-dev/locations/europe-west4/models/4711@prod",
        {"instancesFormat": "csv", "gcsSource": {"uris": [uri]}},
        told["run"],
    )
    shown = retrigger("explain", payload, "--project", project)
    assert (shown.code, "batchPredictionJobs" in shown.out, '"machineType": "n1-standard-4"' in shown.out) == (
        0,
        True,
        True,
    )
