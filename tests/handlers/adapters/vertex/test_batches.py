"""Batch predictions over REST: sent once, found again by their label."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from retrigger.handlers.adapters.vertex.batch_status import batch_status
from retrigger.handlers.adapters.vertex.client import VertexLauncher
from retrigger.handlers.jobs import JobStatus
from retrigger.triggers.errors import Refused, RetriggerError, Unavailable, Unknown
from tests.handlers.adapters.vertex.test_batch_request import a_job

if TYPE_CHECKING:
    from retrigger.handlers.jobs import BatchJob
    from retrigger.handlers.transport.google import GoogleApi
    from tests.handlers.conftest import Loopback

JOBS = "/v1/projects/p/locations/l/batchPredictionJobs"
NAME = "projects/1/locations/l/batchPredictionJobs/4711"


@pytest.fixture
def launcher(api: GoogleApi, loopback: Loopback) -> VertexLauncher:
    return VertexLauncher(api, project="p", location="l", endpoint=loopback.url)


def asked(loopback: Loopback) -> list[tuple[str, str, dict[str, list[str]]]]:
    parts = [(seen.method, urlsplit(seen.path)) for seen in loopback.requests]
    return [(method, url.path, parse_qs(url.query)) for method, url in parts]


def test_what_is_sent_is_what_request_says_in_one_post(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(200, {"name": NAME})
    assert launcher.submit(a_job(), None) == "created"
    (seen,) = loopback.requests
    request = launcher.request(a_job(), None)
    assert (seen.method, loopback.url + seen.path, json.loads(seen.body)) == (request.method, request.url, request.body)


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Refused), (403, Refused), (404, Refused), (401, Unavailable), (429, Unavailable)]
    + [(code, Unknown) for code in (408, 500, 502, 503, 504)],
)
def test_only_a_certain_no_is_no_unknown(
    launcher: VertexLauncher, loopback: Loopback, status: int, error: type[RetriggerError]
) -> None:
    loopback.reply(status, {"error": {"status": "SOME_CODE", "message": "no"}})
    with pytest.raises(RetriggerError) as raised:
        launcher.submit(a_job(), None)
    assert (type(raised.value), raised.value.code, len(loopback.requests)) == (error, "some_code", 1)


def test_a_lost_answer_is_unknown_and_a_closed_door_is_not(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.drop()
    with pytest.raises(Unknown):
        launcher.submit(a_job(), None)
    loopback.close()
    with pytest.raises(Unavailable) as raised:
        launcher.submit(a_job(), None)
    assert type(raised.value) is Unavailable


def test_it_is_looked_up_by_the_label_of_our_id(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(200, {"batchPredictionJobs": [{"name": NAME, "state": "JOB_STATE_RUNNING"}]})
    assert launcher.status(a_job()) == JobStatus(state="running")
    assert asked(loopback) == [("GET", JOBS, {"filter": ['labels.retrigger-job="churn-0a1b"']})]


def test_an_empty_page_is_not_the_end_of_a_list(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(200, {"nextPageToken": "more"})
    loopback.reply(200, {"batchPredictionJobs": [{"name": NAME, "state": "JOB_STATE_SUCCEEDED"}]})
    assert launcher.status(a_job()) == JobStatus(state="succeeded")
    assert [query.get("pageToken") for _, _, query in asked(loopback)] == [None, ["more"]]


def test_a_list_without_it_says_lost_and_one_without_end_says_nothing(
    launcher: VertexLauncher, loopback: Loopback
) -> None:
    loopback.reply(200, {})
    assert launcher.status(a_job()) == JobStatus(state="lost")
    for _ in range(20):
        loopback.reply(200, {"nextPageToken": "more"})
    with pytest.raises(Unavailable, match="does not end"):
        launcher.status(a_job())


def test_a_cancel_goes_to_the_name_that_the_platform_gave(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(200, {"batchPredictionJobs": [{"name": NAME}]})
    loopback.reply(200, {})
    launcher.cancel(a_job())
    assert [(method, path) for method, path, _ in asked(loopback)] == [("GET", JOBS), ("POST", f"{JOBS}/4711:cancel")]


def test_what_has_ended_or_is_not_there_is_as_good_as_cancelled(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(200, {})
    launcher.cancel(a_job())
    loopback.reply(200, {"batchPredictionJobs": [{"name": NAME}]})
    loopback.reply(400, {"error": {"status": "FAILED_PRECONDITION", "message": "it has ended"}})
    launcher.cancel(a_job())
    assert [method for method, _, _ in asked(loopback)] == ["GET", "GET", "POST"]


def test_another_refusal_of_a_cancel_is_told(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(200, {"batchPredictionJobs": [{"name": NAME}]})
    loopback.reply(403, {"error": {"status": "PERMISSION_DENIED", "message": "no"}})
    with pytest.raises(Refused):
        launcher.cancel(a_job())


COUNTS = {"successfulCount": "90", "failedCount": "10", "incompleteCount": "-1"}


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({}, JobStatus(state="running")),
        ({"state": "JOB_STATE_CANCELLING"}, JobStatus(state="running")),
        ({"state": "JOB_STATE_CANCELLED"}, JobStatus(state="cancelled")),
        (
            {
                "state": "JOB_STATE_SUCCEEDED",
                "completionStats": {"successfulCount": "100"},
                "resourcesConsumed": {"replicaHours": 0.25},
            },
            JobStatus(state="succeeded", metrics={"successful_count": 100.0, "replica_hours": 0.25}),
        ),
        (
            {"state": "JOB_STATE_FAILED", "error": {"code": 3, "message": "no such model\nmore"}},
            JobStatus(state="failed", error="no such model"),
        ),
        (
            {
                "state": "JOB_STATE_PARTIALLY_SUCCEEDED",
                "completionStats": COUNTS,
                "partialFailures": [{"message": "a row is too long"}],
            },
            JobStatus(
                state="failed", error="a row is too long", metrics={"successful_count": 90.0, "failed_count": 10.0}
            ),
        ),
        ({"state": "JOB_STATE_EXPIRED"}, JobStatus(state="failed", error="expired")),
    ],
)
def test_what_the_platform_says_of_a_job(document: dict[str, Any], status: JobStatus) -> None:
    assert batch_status(document) == status


def test_a_state_that_is_not_known_is_no_end() -> None:
    with pytest.raises(Unavailable, match="JOB_STATE_NEW"):
        batch_status({"state": "JOB_STATE_NEW"})


def test_the_retry_of_the_longest_id_is_sent_and_found_by_what_tells_it_from_the_first(
    launcher: VertexLauncher, loopback: Loopback
) -> None:
    first = f"{'t' * 30}-{'0a1b' * 8}"
    labels = [label_of(launcher, a_job(id=name)) for name in (first, f"{first}-1", f"{first}-10")]
    assert (len(set(labels)), [len(label) for label in labels], labels[0]) == (3, [63, 63, 63], first)
    loopback.reply(200, {})
    launcher.status(a_job(id=f"{first}-1"))
    assert asked(loopback)[0][2] == {"filter": [f'labels.retrigger-job="{labels[1]}"']}


def label_of(launcher: VertexLauncher, job: BatchJob) -> str:
    body: Any = launcher.request(job, None).body
    return str(body["labels"]["retrigger-job"])


@pytest.mark.parametrize("body", [b"<html>sign in</html>", b"", b"[]", b"{}"])
def test_an_answer_that_names_no_job_may_have_made_one(
    launcher: VertexLauncher, loopback: Loopback, body: bytes
) -> None:
    loopback.reply(200, body)
    with pytest.raises(Unknown) as raised:
        launcher.submit(a_job(), None)
    assert raised.value.code == "no_name"


@pytest.mark.parametrize("listed", [{}, "x", 5, [None], [[]], [{"state": "JOB_STATE_RUNNING"}]])
def test_an_odd_list_says_nothing(launcher: VertexLauncher, loopback: Loopback, listed: object) -> None:
    loopback.reply(200, {"batchPredictionJobs": listed})
    with pytest.raises(Unavailable, match="is none"):
        launcher.status(a_job())


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"state": "JOB_STATE_FAILED", "error": None, "partialFailures": None}, JobStatus(state="failed")),
        ({"state": "JOB_STATE_FAILED", "error": "x", "partialFailures": ["y"]}, JobStatus(state="failed")),
        ({"state": "JOB_STATE_FAILED", "error": {"message": None}}, JobStatus(state="failed")),
        ({"completionStats": None, "resourcesConsumed": []}, JobStatus(state="running")),
        (
            {"completionStats": {"successfulCount": "many"}, "resourcesConsumed": {"replicaHours": "NaN"}},
            JobStatus(state="running"),
        ),
    ],
)
def test_what_is_odd_of_a_job_is_left_out(document: dict[str, Any], status: JobStatus) -> None:
    assert batch_status(document) == status


@pytest.mark.parametrize("state", [None, [], {}, 5])
def test_an_odd_state_is_no_end(state: object) -> None:
    with pytest.raises(Unavailable) as raised:
        batch_status({"state": state})
    assert raised.value.code == "unknown_state"
