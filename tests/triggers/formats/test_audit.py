from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Lifecycle, Message
from retrigger.triggers.formats import audit
from retrigger.triggers.formats.envelope import Envelope
from retrigger.triggers.formats.wire import Request, json_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Json

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
LOG = "projects/p/logs/cloudaudit.googleapis.com%2Factivity"
SOURCE = "//cloudaudit.googleapis.com/projects/p/logs/activity"
CALL: dict[str, Json] = {"serviceName": "run.googleapis.com", "methodName": "v1.Services.Create", "resourceName": "r"}


def written(data: Json | bytes, others: Mapping[str, Json] | None = None, *, encoded: bool = False) -> Event:
    envelope = Envelope(
        id="7",
        source=SOURCE,
        type=audit.TYPE,
        time=None,
        subject="s",
        traceparent=None,
        data=data,
        others=others or {},
        encoded=encoded,
    )
    return audit.from_cloudevent(envelope, NOW)


def message(data: Json | bytes, others: Mapping[str, Json] | None = None, *, encoded: bool = False) -> Message:
    payload = written(data, others, encoded=encoded).payload
    assert isinstance(payload, Message)
    return payload


def alone(entry: Json) -> Event:
    return audit.from_entry(entry, Request(headers={}, body=b"", now=NOW))


def test_an_entry_alone_is_the_cloudevent_of_the_same_entry() -> None:
    entry: dict[str, Json] = {"logName": LOG, "insertId": "i", "protoPayload": CALL, "extra": [1]}
    timed = {**entry, "timestamp": "2026-03-02T07:00:00.593398572Z"}
    time = datetime(2026, 3, 2, 7, 0, 0, 593398, tzinfo=UTC)
    assert alone(timed) == Event(
        id=f"{LOG}/i/2026-03-02T07:00:00.593398572Z",
        source=SOURCE,
        type="google.cloud.audit.log.v1.written",
        time=time,
        subject="run.googleapis.com/r",
        payload=Message(
            channel=SOURCE,
            id=f"{LOG}/i/2026-03-02T07:00:00.593398572Z",
            attributes={**{name: str(value) for name, value in CALL.items()}, "insertId": "i"},
            body=json_bytes(timed),
            json=timed,
            published=time,
        ),
    )
    assert alone(entry).time == NOW


@pytest.mark.parametrize("names", [str.lower, str.upper, str], ids=["lower", "upper", "camel"])
@pytest.mark.parametrize("encoded", [True, False])
def test_what_the_entry_does_not_say_the_attributes_do_in_any_case(names: type[str], encoded: bool) -> None:
    others: dict[str, Json] = {names(name): str(value).replace("r", "%72") for name, value in CALL.items()}
    said = CALL if encoded else {name: str(value).replace("r", "%72") for name, value in CALL.items()}
    assert message({}, others, encoded=encoded).attributes == said


def test_the_entry_is_believed_before_the_attributes() -> None:
    assert message({"protoPayload": CALL}, {"servicename": "other"}).attributes == CALL


@pytest.mark.parametrize("data", [None, b"\xff", "text", [], {}, {"protoPayload": 1}, {"protoPayload": {"status": 1}}])
def test_what_is_no_entry_is_a_message_all_the_same(data: Json | bytes) -> None:
    assert message(data, {"Bad_Name": 1.5, "methodname": 7}).attributes == {}


@pytest.mark.parametrize(
    ("service", "payload"),
    [
        ("bigquery.googleapis.com", {"methodName": "jobservice.jobcompleted"}),
        ("bigquery.googleapis.com", {"metadata": {"jobChange": {"job": {}}}}),
        ("bigquery.googleapis.com", {"metadata": {"tableCreation": {}}}),
        ("bigquery.googleapis.com", {"metadata": {"tableDataChange": []}, "resourceName": "r"}),
        ("bigquery.googleapis.com", {"metadata": {"datasetCreation": {}}, "resourceName": "r"}),
        ("aiplatform.googleapis.com", {"methodName": "v1.PipelineService.GetPipelineJob", "resourceName": "r"}),
        ("aiplatform.googleapis.com", {"methodName": "v1.PipelineService.CreatePipelineJob", "resourceName": "parent"}),
        ("aiplatform.googleapis.com", {"methodName": "v1.ModelService.DeleteModel"}),
        ("aiplatform.googleapis.com", {"methodName": 7}),
    ],
)
def test_an_entry_that_names_nothing_of_ours_is_a_message(service: str, payload: dict[str, Json]) -> None:
    entry: Json = {"protoPayload": {"serviceName": service, **payload}}
    assert json.loads(message(entry).body) == entry


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ([], "malformed_envelope"),
        ({"insertId": "i"}, "missing_field"),
        ({"logName": LOG}, "missing_field"),
        ({"logName": LOG, "insertId": 7}, "bad_field"),
        ({"logName": LOG, "insertId": "i", "timestamp": "yesterday"}, "bad_time"),
    ],
)
def test_an_entry_alone_that_nothing_tells_from_the_next_is_refused(entry: Json, code: str) -> None:
    with pytest.raises(Malformed) as caught:
        alone(entry)
    assert caught.value.code == code


def lifecycle(service: str, method: str, resource: str, payload: dict[str, Json], **entry: Json) -> Lifecycle:
    said: dict[str, Json] = {"serviceName": service, "methodName": method, "resourceName": resource, **payload}
    found = written({"protoPayload": said, **entry}).payload
    assert isinstance(found, Lifecycle)
    return found


def bigquery(payload: dict[str, Json], resource: str = "") -> Lifecycle:
    return lifecycle("bigquery.googleapis.com", "m", resource, payload, timestamp="2026-03-02T07:00:00Z")


def job(**fields: Json) -> dict[str, Json]:
    return {"metadata": {"jobChange": {"job": {"jobName": "projects/p/jobs/j", **fields}}}}


@pytest.mark.parametrize(
    ("status", "means"),
    [
        ({"jobState": "DONE"}, "succeeded"),
        ({"jobState": "DONE", "errorResult": {}}, "succeeded"),
        ({"jobState": "DONE", "errorResult": {"code": 5}}, "failed"),
        ({"jobState": "RUNNING"}, "running"),
        ({"jobState": "PENDING"}, "pending"),
        (None, None),
    ],
)
def test_a_job_that_is_done_without_an_error_has_succeeded(status: Json, means: str | None) -> None:
    assert bigquery(job(jobStatus=status)).status == means


@pytest.mark.parametrize("kind", ["queryConfig", "loadConfig", "tableCopyConfig"])
def test_a_job_goes_by_the_table_that_it_fills(kind: str) -> None:
    table = "projects/example.com:p/datasets/d/tables/t$20260301"
    found = bigquery(job(jobConfig={kind: {"destinationTable": table, "statementType": "MERGE"}}))
    assert (found.name, found.resource) == ("example.com:p.d.t$20260301", "projects/p/jobs/j")
    assert found.properties == {
        "serviceName": "bigquery.googleapis.com",
        "methodName": "m",
        "project": "example.com:p",
        "dataset": "d",
        "table": "t$20260301",
        "jobId": "j",
        "statementType": "MERGE",
    }


@pytest.mark.parametrize("table", [None, "", "t", "projects/p/datasets/d", {"tableId": "t"}, 7])
def test_a_job_that_fills_no_table_goes_by_its_id(table: Json) -> None:
    assert bigquery(job(jobConfig={"queryConfig": {"destinationTable": table}})).name == "j"


def test_both_generations_tell_of_one_job_as_one_occurrence() -> None:
    legacy: dict[str, Json] = {
        "jobName": {"projectId": "p", "jobId": "j"},
        "jobConfiguration": {"load": {"destinationTable": {"projectId": "p", "datasetId": "d", "tableId": "t"}}},
        "jobStatus": {"state": "DONE", "error": {}},
    }
    old = {"serviceData": {"jobCompletedEvent": {"job": legacy}}}
    new = job(
        jobStatus={"jobState": "DONE"}, jobConfig={"loadConfig": {"destinationTable": "projects/p/datasets/d/tables/t"}}
    )
    assert bigquery(old) == bigquery(new)


def test_a_table_that_changed_without_a_job_is_told_by_the_time_of_the_change() -> None:
    table = "projects/p/datasets/d/tables/t"
    streamed = bigquery({"metadata": {"tableDataChange": {"reason": "WRITE_API"}}}, table)
    assert (streamed.resource, streamed.name, streamed.version, streamed.status) == (
        table,
        "p.d.t",
        "2026-03-02T07:00:00Z",
        "changed",
    )
    by_job = bigquery({"metadata": {"tableDataChange": {"jobName": "projects/p/jobs/j"}}}, table)
    assert (by_job.resource, by_job.name, by_job.version) == ("projects/p/jobs/j", "p.d.t", None)


PARENT = "projects/p/locations/l"


def vertex(call: str, payload: dict[str, Json], **entry: Json) -> Lifecycle:
    return lifecycle("aiplatform.googleapis.com", f"google.cloud.aiplatform.v1.{call}", PARENT, payload, **entry)


@pytest.mark.parametrize("call", ["PipelineService.CreatePipelineJob", "ui.PipelineService.CreatePipelineJob"])
def test_a_pipeline_job_goes_by_its_id_and_keeps_its_labels(call: str) -> None:
    response: Json = {
        "name": "projects/1/x/pipelineJobs/churn-1",
        "state": "PIPELINE_STATE_PENDING",
        "labels": {"a": "b"},
    }
    found = vertex(call, {"response": response})
    assert (found.resource, found.name, found.status, found.tags) == (
        "projects/1/x/pipelineJobs/churn-1",
        "churn-1",
        "pending",
        {"a": "b"},
    )


def test_a_pipeline_job_that_the_answer_does_not_name_the_request_does() -> None:
    found = vertex(
        "PipelineService.CreatePipelineJob",
        {
            "request": {
                "pipelineJobId": "churn-1",
                "pipelineJob": {"displayName": "churn", "labels": {"a": 1, "b": "c"}},
            }
        },
    )
    assert (found.resource, found.status, found.tags) == (f"{PARENT}/pipelineJobs/churn-1", "created", {"b": "c"})
    assert found.properties["displayName"] == "churn"


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("PipelineService.CancelPipelineJob", "cancelling"),
        ("PipelineService.DeletePipelineJob", "deleted"),
        ("ModelService.DeleteModel", "deleted"),
    ],
)
def test_what_is_ended_is_named_by_the_request(call: str, status: str) -> None:
    found = vertex(call, {"request": {"name": "projects/1/x/y/z"}, "response": {"name": "projects/1/operations/2"}})
    assert (found.resource, found.name, found.status) == ("projects/1/x/y/z", "z", status)


def test_an_upload_begins_as_its_operation_and_ends_as_the_model() -> None:
    begun = vertex(
        "ModelService.UploadModel",
        {"request": {"model": {"displayName": "churn"}}, "response": {"name": "projects/1/operations/2"}},
        operation={"id": "projects/1/operations/2", "first": True},
    )
    ended = vertex(
        "ModelService.UploadModel",
        {"response": {"model": "projects/1/x/models/5", "modelVersionId": "3"}},
        operation={"id": "projects/1/operations/2", "last": True},
    )
    assert (begun.resource, begun.name, begun.version, begun.status) == (
        "projects/1/operations/2",
        "churn",
        None,
        "running",
    )
    assert (ended.resource, ended.name, ended.version, ended.status) == ("projects/1/x/models/5", "5", "3", "created")


def test_a_call_that_was_refused_changed_nothing() -> None:
    payload: dict[str, Json] = {"request": {"pipelineJobId": "churn-1"}, "status": {"code": 7}}
    said = {"serviceName": "aiplatform.googleapis.com", "methodName": "x.PipelineService.CreatePipelineJob", **payload}
    assert isinstance(written({"protoPayload": said}).payload, Message)


def test_who_did_it_is_no_property() -> None:
    entry = bigquery({**job(), "authenticationInfo": {"principalEmail": "somebody@example.com"}})
    assert "somebody" not in json.dumps({**entry.properties, **entry.tags})
