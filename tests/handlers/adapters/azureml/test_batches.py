from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.adapters.azureml.client import AzureMlLauncher
from retrigger.handlers.jobs import BatchJob, JobStatus, Request
from retrigger.handlers.transport.azure import AzureApi
from retrigger.triggers.errors import Refused, Unavailable, Unknown
from tests.handlers.adapters.azureml.test_client import kept
from tests.handlers.adapters.azureml.test_request import QUOTED, WORKSPACE

if TYPE_CHECKING:
    from retrigger.handlers.transport.http import Http
    from tests.handlers.conftest import Loopback

FOLDER = "https://acme.blob.core.windows.net/landing/dt=1/"
OUTPUT = "azureml://datastores/scores/paths/churn/"
JOB = f"{QUOTED}/jobs/score-0a1b"
ENDPOINT = f"{QUOTED}/batchEndpoints/churn-batch"


def a_batch(**changes: Any) -> BatchJob:
    usual: dict[str, Any] = {
        "id": "score-0a1b",
        "display_name": "score",
        "labels": {"team": "growth"},
        "fingerprint": "f00d",
        "input": [FOLDER],
        "output": OUTPUT,
        "endpoint": "churn-batch",
    }
    return BatchJob(**{**usual, **changes})


@pytest.fixture
def launcher(http: Http, loopback: Loopback) -> AzureMlLauncher:
    arm, ml = AzureApi(http, kept("arm")), AzureApi(http, kept("ml"))
    return AzureMlLauncher(arm, ml, workspace=WORKSPACE, endpoint=loopback.url)


@pytest.fixture
def score(loopback: Loopback) -> None:
    """The endpoint says where its jobs are posted."""
    loopback.reply(200, {"properties": {"scoringUri": f"{loopback.url}/jobs"}})


def test_the_whole_request(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    assert launcher.request(a_batch(experiment="churn"), None) == Request(
        method="POST",
        url=f"{loopback.url}{ENDPOINT}#properties.scoringUri",
        body={
            "properties": {
                "name": "score-0a1b",
                "tags": {"team": "growth", "retrigger-fingerprint": "f00d"},
                "inputData": {"UriFolder": {"jobInputType": "UriFolder", "uri": FOLDER}},
                "outputData": {"score": {"jobOutputType": "UriFolder", "uri": OUTPUT}},
                "properties": {"experimentName": "churn"},
            }
        },
    )


@pytest.mark.usefixtures("score")
def test_the_endpoint_is_asked_where_to_and_given_the_job_with_a_token_of_azure_ml(
    launcher: AzureMlLauncher, loopback: Loopback
) -> None:
    loopback.reply(201, {"name": "score-0a1b"})
    assert launcher.submit(a_batch(deployment="blue"), None) == "created"
    asked, posted = loopback.requests
    assert (asked.method, asked.path) == ("GET", f"{ENDPOINT}?api-version=2023-10-01")
    assert (posted.method, posted.path) == ("POST", "/jobs")
    assert [it.headers["authorization"] for it in (asked, posted)] == ["Bearer arm-1", "Bearer ml-1"]
    assert json.loads(posted.body) == launcher.request(a_batch(deployment="blue"), None).body
    assert posted.headers["azureml-model-deployment"] == "blue"


def test_a_request_has_the_same_id_whenever_it_is_sent(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    for job in (a_batch(), a_batch(), a_batch(id="score-1")):
        loopback.reply(200, {"properties": {"scoringUri": f"{loopback.url}/jobs"}})
        loopback.reply(201, {"name": job.id})
        launcher.submit(job, None)
    first, again, other = (it.headers["repeatability_request-id"] for it in loopback.requests if it.method == "POST")
    assert (first == again, first == other) == (True, False)


@pytest.mark.usefixtures("score")
@pytest.mark.parametrize("status", [408, 500, 502, 503])
def test_an_error_of_the_servers_is_no_certain_no(launcher: AzureMlLauncher, loopback: Loopback, status: int) -> None:
    loopback.reply(status)
    with pytest.raises(Unknown):
        launcher.submit(a_batch(), None)


@pytest.mark.usefixtures("score")
@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"name": "batchjob-1"}'])
def test_a_job_that_was_made_under_no_name_of_ours_is_not_sure_to_be_ours(
    launcher: AzureMlLauncher, loopback: Loopback, body: bytes
) -> None:
    loopback.reply(201, body)
    with pytest.raises(Unknown) as caught:
        launcher.submit(a_batch(), None)
    assert caught.value.code == "no_name"


@pytest.mark.usefixtures("score")
def test_a_lost_answer_is_unknown(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    loopback.drop()
    with pytest.raises(Unknown):
        launcher.submit(a_batch(), None)


@pytest.mark.usefixtures("score")
@pytest.mark.parametrize(("status", "error"), [(400, Refused), (403, Refused), (401, Unavailable), (429, Unavailable)])
def test_a_certain_no_is_told(
    launcher: AzureMlLauncher, loopback: Loopback, status: int, error: type[Exception]
) -> None:
    loopback.reply(status, {"error": {"code": "UserError", "message": "no"}})
    with pytest.raises(error) as caught:
        launcher.submit(a_batch(), None)
    assert type(caught.value) is error


@pytest.mark.usefixtures("score")
@pytest.mark.parametrize(
    ("tags", "whose"),
    [({"retrigger-fingerprint": "f00d"}, "adopted"), ({}, "adopted"), ({"retrigger-fingerprint": "beef"}, "conflict")],
)
def test_a_name_that_is_taken_is_ours_unless_it_says_otherwise(
    launcher: AzureMlLauncher, loopback: Loopback, tags: dict[str, str], whose: str
) -> None:
    loopback.reply(409, {"error": {"code": "Conflict", "message": "exists"}})
    loopback.reply(200, {"properties": {"tags": tags}})
    assert launcher.submit(a_batch(), None) == whose


@pytest.mark.usefixtures("score")
def test_a_name_that_is_being_taken_is_unknown(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    loopback.reply(409)
    loopback.reply(404)
    with pytest.raises(Unknown):
        launcher.submit(a_batch(), None)


@pytest.mark.parametrize("address", [None, "", "http://evil.example/jobs", "ftp://x", 5])
def test_an_endpoint_without_a_safe_address_gets_no_token(
    launcher: AzureMlLauncher, loopback: Loopback, address: object
) -> None:
    loopback.reply(200, {"properties": {"scoringUri": address}})
    with pytest.raises(Refused) as caught:
        launcher.submit(a_batch(), None)
    assert (caught.value.code, len(loopback.requests)) == ("no_address", 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"input": [FOLDER, FOLDER]},
        {"input": ["gs://b/x/"]},
        {"input": ["azureml:table@latest"]},
        {"output": "./scores"},
        {"endpoint": None, "model": "churn"},
    ],
)
def test_what_an_endpoint_cannot_be_given_is_refused_before_anything_is_sent(
    launcher: AzureMlLauncher, loopback: Loopback, changes: dict[str, Any]
) -> None:
    with pytest.raises(Refused) as caught:
        launcher.submit(a_batch(**changes), None)
    assert (caught.value.code, loopback.requests) == ("bad_parameters", [])


@pytest.mark.parametrize(
    ("given", "kind"),
    [(FOLDER, "UriFolder"), (f"{FOLDER}a.csv", "UriFile"), ("azureml:table:3", "UriFolder")],
)
def test_an_input_is_a_folder_or_a_file(launcher: AzureMlLauncher, given: str, kind: str) -> None:
    properties: Any = launcher.request(a_batch(input=[given]), None).body["properties"]
    assert {name: it["jobInputType"] for name, it in properties["inputData"].items()} == {kind: kind}


def test_a_batch_is_watched_and_cancelled_by_its_name(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    loopback.reply(404)
    loopback.reply(200, {"properties": {"status": "Completed"}})
    loopback.reply(200)
    assert [launcher.status(a_batch()) for _ in range(2)] == [JobStatus(state="lost"), JobStatus(state="succeeded")]
    launcher.cancel(a_batch())
    assert [(it.method, it.path.partition("?")[0]) for it in loopback.requests] == [
        ("GET", JOB),
        ("GET", JOB),
        ("POST", f"{JOB}/cancel"),
    ]


@pytest.mark.usefixtures("score")
@pytest.mark.parametrize("status", [403, 401, 503])
def test_a_name_that_is_taken_by_who_may_not_be_asked_is_unknown(
    launcher: AzureMlLauncher, loopback: Loopback, status: int
) -> None:
    loopback.reply(409)
    loopback.reply(status, {"error": {"code": "SomeCode", "message": "no"}})
    with pytest.raises(Unknown):
        launcher.submit(a_batch(), None)


@pytest.mark.parametrize("properties", [[], "x", 5, [{"scoringUri": "https://x"}]])
def test_an_endpoint_that_answers_oddly_has_no_address(
    launcher: AzureMlLauncher, loopback: Loopback, properties: object
) -> None:
    loopback.reply(200, {"properties": properties})
    with pytest.raises(Refused) as caught:
        launcher.submit(a_batch(), None)
    assert (caught.value.code, len(loopback.requests)) == ("no_address", 1)


@pytest.mark.usefixtures("score")
@pytest.mark.parametrize("existing", [{"properties": []}, {"properties": {"tags": ["x"]}}, {"properties": {"tags": 5}}])
def test_a_name_that_is_taken_by_a_job_without_tags_is_ours(
    launcher: AzureMlLauncher, loopback: Loopback, existing: dict[str, Any]
) -> None:
    loopback.reply(409)
    loopback.reply(200, existing)
    assert launcher.submit(a_batch(), None) == "adopted"


@pytest.mark.parametrize("field", ["input", "output"])
def test_a_binding_is_not_sent(launcher: AzureMlLauncher, loopback: Loopback, field: str) -> None:
    given = f"{FOLDER}${{{{name}}}}/"
    with pytest.raises(Refused) as caught:
        launcher.submit(a_batch(**{field: [given] if field == "input" else given}), None)
    assert (caught.value.code, loopback.requests) == ("bad_parameters", [])
