from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.adapters.azureml.client import AzureMlLauncher
from retrigger.handlers.jobs import JobStatus
from retrigger.handlers.transport.azure import AzureApi
from retrigger.handlers.transport.credentials import KeptToken
from retrigger.triggers.errors import Refused, Unavailable, Unknown
from tests.handlers.adapters.azureml.test_request import QUOTED, TEMPLATE, WORKSPACE, a_job
from tests.handlers.conftest import Reply

if TYPE_CHECKING:
    from retrigger.handlers.transport.http import Http
    from tests.handlers.conftest import Loopback, Received

JOB = f"{QUOTED}/jobs/churn-0a1b"
OURS = {"name": "churn-0a1b", "properties": {"tags": {"retrigger-fingerprint": "f00d"}, "status": "Running"}}
EXISTS = {"error": {"code": "UserError", "message": "A job with this name already exists. If you are trying to …"}}


def kept(name: str) -> KeptToken:
    """Another token each time that one is asked for."""
    numbers = iter(range(1, 100))
    return KeptToken(lambda: (f"{name}-{next(numbers)}", 3600.0), lambda: 0.0)


@pytest.fixture
def launcher(http: Http, loopback: Loopback) -> AzureMlLauncher:
    arm, ml = AzureApi(http, kept("arm")), AzureApi(http, kept("ml"))
    return AzureMlLauncher(arm, ml, workspace=WORKSPACE, endpoint=loopback.url)


def asked(loopback: Loopback) -> list[tuple[str, str]]:
    return [(seen.method, seen.path) for seen in loopback.requests]


def test_what_is_sent_is_what_request_says_with_both_tokens(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    loopback.reply(201, OURS)
    assert launcher.submit(a_job(), TEMPLATE) == "created"
    (seen,) = loopback.requests
    request = launcher.request(a_job(), TEMPLATE)
    assert (seen.method, loopback.url + seen.path, json.loads(seen.body)) == (request.method, request.url, request.body)
    wanted = {"authorization": "Bearer arm-1", "x-azureml-token": "ml-1", "content-type": "application/json"}
    assert {name: seen.headers[name] for name in wanted} == wanted


def test_the_same_job_again_is_adopted(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    loopback.reply(200, OURS)
    assert launcher.submit(a_job(), TEMPLATE) == "adopted"


@pytest.mark.parametrize("status", [400, 409])
def test_our_own_earlier_launch_is_adopted_whatever_is_said_of_it(
    launcher: AzureMlLauncher, loopback: Loopback, status: int
) -> None:
    loopback.reply(status, EXISTS)
    loopback.reply(200, OURS)
    assert launcher.submit(a_job(), TEMPLATE) == "adopted"
    assert asked(loopback) == [
        ("PUT", f"{JOB}?api-version=2024-01-01-preview"),
        ("GET", f"{JOB}?api-version=2024-01-01-preview"),
    ]


@pytest.mark.parametrize(
    "job", [{}, {"properties": None}, {"properties": {"tags": None}}, {"properties": {"tags": {"a": "b"}}}]
)
def test_somebody_elses_job_of_that_name_is_a_conflict(
    launcher: AzureMlLauncher, loopback: Loopback, job: dict[str, object]
) -> None:
    loopback.reply(400, EXISTS)
    loopback.reply(200, job)
    assert launcher.submit(a_job(), TEMPLATE) == "conflict"


def test_a_request_that_is_wrong_is_refused_in_the_platforms_words(
    launcher: AzureMlLauncher, loopback: Loopback
) -> None:
    loopback.reply(400, {"error": {"code": "ValidationError", "message": "Component train:3 not found\nmore"}})
    loopback.reply(404)
    told = f"{loopback.host} answered 400 ValidationError: Component train:3 not found; correct the request "
    with pytest.raises(Refused, match=told) as caught:
        launcher.submit(a_job(), TEMPLATE)
    assert caught.value.code == "ValidationError"


def test_a_name_that_is_being_taken_is_looked_at_again(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    loopback.reply(409)
    loopback.reply(404)
    with pytest.raises(Unavailable) as caught:
        launcher.submit(a_job(), TEMPLATE)
    assert caught.value.code == "job_not_readable"


@pytest.mark.parametrize(("status", "step"), [(403, "AzureML Data Scientist"), (404, "`workspace` in retrigger.yaml")])
def test_what_is_not_allowed_or_not_there_is_refused_with_the_next_step(
    launcher: AzureMlLauncher, loopback: Loopback, status: int, step: str
) -> None:
    loopback.reply(status, {"error": {"code": "AuthorizationFailed", "message": "no"}})
    with pytest.raises(Refused, match=step):
        launcher.submit(a_job(), TEMPLATE)


@pytest.mark.parametrize("status", [401, 408, 429, 500, 503, 504])
def test_what_may_pass_is_unavailable(launcher: AzureMlLauncher, loopback: Loopback, status: int) -> None:
    loopback.reply(status, b"<html>", Retry_After="12")
    with pytest.raises(Unavailable) as caught:
        launcher.submit(a_job(), TEMPLATE)
    assert (type(caught.value), caught.value.retry_after) == (Unavailable, 12.0)


def test_tokens_that_were_not_accepted_are_both_forgotten(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    loopback.reply(401, {"error": {"code": "ExpiredAuthenticationToken", "message": "…"}})
    with pytest.raises(Unavailable):
        launcher.submit(a_job(), TEMPLATE)
    loopback.reply(201, OURS)
    launcher.submit(a_job(), TEMPLATE)
    seen = loopback.requests[-1].headers
    assert (seen["authorization"], seen["x-azureml-token"]) == ("Bearer arm-2", "ml-2")


def test_a_lost_answer_is_unknown_and_the_same_submission_then_adopts(
    launcher: AzureMlLauncher, loopback: Loopback
) -> None:
    loopback.drop()
    with pytest.raises(Unknown):
        launcher.submit(a_job(), TEMPLATE)
    loopback.reply(200, OURS)
    assert launcher.submit(a_job(), TEMPLATE) == "adopted"


def test_of_concurrent_duplicates_one_creates_and_the_others_adopt(
    launcher: AzureMlLauncher, loopback: Loopback
) -> None:
    loopback.always = Platform()
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(launcher.submit(a_job(), TEMPLATE))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(answers) == ["adopted"] * 15 + ["created"]
    assert (
        launcher.submit(a_job(fingerprint="beef", parameters={"data": "https://b.example/y"}), TEMPLATE) == "conflict"
    )


def test_a_request_that_cannot_be_made_is_not_sent(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    with pytest.raises(Refused):
        launcher.submit(a_job(parameters={"data": "azureml:table@latest"}), TEMPLATE)
    assert loopback.requests == []


def test_the_status_of_a_job_and_of_one_that_is_not_there(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    loopback.reply(200, OURS)
    assert launcher.status(a_job()) == JobStatus(state="running", tags={"retrigger-fingerprint": "f00d"})
    loopback.reply(404, {"error": {"code": "UserError", "message": "not found"}})
    assert launcher.status(a_job()) == JobStatus(state="lost")
    assert asked(loopback) == [("GET", f"{JOB}?api-version=2024-01-01-preview")] * 2
    assert "x-azureml-token" not in loopback.requests[0].headers


@pytest.mark.parametrize("status", [200, 202, 404])
def test_cancelling_what_runs_or_is_not_there(launcher: AzureMlLauncher, loopback: Loopback, status: int) -> None:
    loopback.reply(status)
    launcher.cancel(a_job())
    assert asked(loopback) == [("POST", f"{JOB}/cancel?api-version=2023-04-01-preview")]


def test_cancelling_what_has_ended_is_no_error(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    loopback.reply(400, {"error": {"code": "UserError", "message": "the job has ended"}})
    loopback.reply(200, {"properties": {"status": "Completed"}})
    launcher.cancel(a_job())


@pytest.mark.parametrize("status", [400, 403])
def test_a_cancel_that_is_refused_while_it_runs_is_told(
    launcher: AzureMlLauncher, loopback: Loopback, status: int
) -> None:
    loopback.reply(status)
    loopback.reply(200, OURS)
    with pytest.raises(Refused):
        launcher.cancel(a_job())


class Platform:
    """Takes a name once: the same job again changes nothing, another is refused."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}

    def __call__(self, received: Received) -> Reply:
        """Under the server's lock."""
        path = received.path.partition("?")[0]
        if received.method == "GET":
            return Reply(200, json.dumps(self.jobs[path]).encode())
        body = json.loads(received.body)
        there = self.jobs.setdefault(path, body)
        if there is body:
            return Reply(201, b"{}")
        same = there["properties"]["inputs"] == body["properties"]["inputs"]
        return Reply(200, b"{}") if same else Reply(400, json.dumps(EXISTS).encode())


@pytest.mark.parametrize("page", [b"<html>sign in</html>", b"", b"[]"])
def test_a_page_of_a_proxy_is_no_launch(launcher: AzureMlLauncher, loopback: Loopback, page: bytes) -> None:
    loopback.reply(201, page)
    with pytest.raises(Unavailable) as raised:
        launcher.submit(a_job(), TEMPLATE)
    assert raised.value.code == "not_json"
