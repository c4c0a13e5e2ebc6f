from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from retrigger.triggers.authoring.scope import EVENT_VARIABLES
from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Lifecycle
from retrigger.triggers.expressions import compile_expression
from retrigger.triggers.formats import parse

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
RUN = {"runId": "r-1", "runStatus": "Failed"}


def found(kind: str, data: object, subject: str = "", id_: str = "1") -> Event | Malformed:
    event = {
        "topic": WORKSPACE,
        "subject": subject,
        "eventType": f"Microsoft.MachineLearningServices.{kind}",
        "eventTime": "2026-03-01T22:15:07Z",
        "id": id_,
        "data": data,
    }
    parsed = parse({}, json.dumps([event]).encode())
    assert isinstance(parsed, list)
    return parsed[0]


def event(kind: str, data: object, subject: str = "", id_: str = "1") -> Event:
    it = found(kind, data, subject, id_)
    assert isinstance(it, Event)
    return it


def lifecycle(kind: str, data: object, subject: str = "", id_: str = "1") -> Lifecycle:
    payload = event(kind, data, subject, id_).payload
    assert isinstance(payload, Lifecycle)
    return payload


def test_a_runs_change_of_status() -> None:
    assert event("RunStatusChanged", RUN, "experiments/e/runs/r-1") == Event(
        id="1",
        source=WORKSPACE,
        type="Microsoft.MachineLearningServices.RunStatusChanged",
        time=datetime(2026, 3, 1, 22, 15, 7, tzinfo=UTC),
        subject="experiments/e/runs/r-1",
        payload=Lifecycle(
            platform="azureml",
            resource=f"{WORKSPACE}/experiments/e/runs/r-1",
            name="r-1",
            status="failed",
            properties={"runId": "r-1", "runStatus": "Failed"},
        ),
    )


@pytest.mark.parametrize("spelling", ["RunTags", "runTags", "RUNTAGS", "runtags"])
def test_a_monitors_alarm_is_a_tag_however_its_key_is_spelled(spelling: str) -> None:
    text = "monitor_drift has failed due to one or more features violating metric thresholds"
    it = event("RunStatusChanged", {**RUN, spelling: {"azureml_modelmonitor_threshold_breached": text}})
    filter_ = "event.lifecycle.tags.azureml_modelmonitor_threshold_breached.startsWith('monitor_drift')"
    assert compile_expression(filter_, EVENT_VARIABLES["lifecycle"]).evaluate({"event": it.scope()}) is True


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"runId": "r-1"}, "completed"),
        ({"runId": "r-1", "runStatus": None}, "completed"),
        ({"RunId": "r-1", "RunStatus": "failed"}, "failed"),
        ({"RUNID": "r-1", "runstatus": "Canceled"}, "canceled"),
    ],
)
def test_a_completed_run_has_the_status_that_it_tells(data: object, status: str) -> None:
    assert lifecycle("RunCompleted", data).status == status


def test_each_run_and_each_status_is_an_occurrence() -> None:
    running = event("RunStatusChanged", {**RUN, "runStatus": "Running"}).identity
    failed = event("RunStatusChanged", RUN, id_="2").identity
    other = event("RunStatusChanged", {**RUN, "runId": "r-2"}).identity
    assert len({running, failed, other}) == 3
    assert event("RunCompleted", RUN, id_="3").identity == failed


@pytest.mark.parametrize(
    ("kind", "data"),
    [("ModelDeployed", {"ServiceName": "online"}), ("DatasetDriftDetected", {"DataDriftName": "monitor"})],
)
def test_what_happens_again_to_the_same_is_another_occurrence(kind: str, data: object) -> None:
    assert event(kind, data, id_="1").identity != event(kind, data, id_="2").identity
    assert event(kind, data, id_="1").identity == event(kind, data, id_="1").identity


@pytest.mark.parametrize(("version", "text"), [(7, "7"), ("7", "7"), ("2026-03-01", "2026-03-01")])
def test_a_models_version_is_text(version: object, text: str) -> None:
    it = lifecycle("ModelRegistered", {"modelName": "churn", "modelVersion": version})
    assert (it.name, it.version, it.status) == ("churn", text, "registered")
    assert it.resource == f"{WORKSPACE}/models/churn:{text}"


@pytest.mark.parametrize(
    ("subject", "resource"),
    [
        ("models/churn:7", f"{WORKSPACE}/models/churn:7"),
        ("/models/churn:7", f"{WORKSPACE}/models/churn:7"),
        (f"{WORKSPACE}/models/churn/versions/7", f"{WORKSPACE}/models/churn/versions/7"),
        ("", f"{WORKSPACE}/models/churn:7"),
    ],
)
def test_the_resource_is_the_subject_under_its_workspace(subject: str, resource: str) -> None:
    assert lifecycle("ModelRegistered", {"modelName": "churn", "modelVersion": 7}, subject).resource == resource


@pytest.mark.parametrize(
    ("ids", "listed"), [("a:1,b:2", ["a:1", "b:2"]), (" a:1 , ", ["a:1"]), ("", []), (["a:1"], ["a:1"])]
)
def test_the_models_of_a_deployment_are_a_list(ids: object, listed: list[str]) -> None:
    assert lifecycle("ModelDeployed", {"ServiceName": "online", "MODELIDS": ids}).properties["modelIds"] == listed


def test_tags_are_text() -> None:
    tags = {"a": "1", "b": 2, "c": None, "d": ["x"], "e": True}
    assert lifecycle("RunStatusChanged", {**RUN, "RunTags": tags}).tags == {
        "a": "1",
        "b": "2",
        "c": "",
        "d": '["x"]',
        "e": "true",
    }


def test_other_keys_begin_small() -> None:
    assert lifecycle("RunStatusChanged", {**RUN, "NewThing": {"AsItIs": 1}}).properties["newThing"] == {"AsItIs": 1}


@pytest.mark.parametrize(
    ("kind", "data", "code"),
    [
        ("RunStatusChanged", {"runId": "r"}, "missing_field"),
        ("RunStatusChanged", {"runStatus": "Failed"}, "missing_field"),
        ("RunStatusChanged", {**RUN, "runTags": ["a"]}, "bad_field"),
        ("RunCompleted", {}, "missing_field"),
        ("RunCompleted", {"runId": 7}, "bad_field"),
        ("RunCompleted", "text", "malformed_envelope"),
        ("RunCompleted", None, "malformed_envelope"),
        ("ModelRegistered", {"modelName": "m"}, "missing_field"),
        ("ModelRegistered", {"modelName": "m", "modelVersion": 1.5}, "bad_field"),
        ("ModelRegistered", {"modelName": "m", "modelVersion": True}, "bad_field"),
        ("ModelDeployed", {}, "missing_field"),
        ("DatasetDriftDetected", {}, "missing_field"),
    ],
)
def test_data_without_what_an_event_is_known_by_is_refused(kind: str, data: object, code: str) -> None:
    refused = found(kind, data)
    assert isinstance(refused, Malformed)
    assert refused.code == code
