from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.adapters.vertex.client import VertexLauncher
from retrigger.handlers.jobs import JobStatus, PipelineJob
from retrigger.triggers.errors import Refused, Unavailable, Unknown
from tests.handlers.adapters.vertex.test_serving import a_rollout

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.handlers.transport.google import GoogleApi
    from tests.handlers.conftest import Loopback, Received

TEMPLATE: dict[str, Any] = {
    "schemaVersion": "2.1.0",
    "root": {"inputDefinitions": {"parameters": {"rate": {"parameterType": "NUMBER_DOUBLE"}}}},
}
JOBS = "/v1/projects/p/locations/l/pipelineJobs"


def a_job(**changes: Any) -> PipelineJob:
    usual: dict[str, Any] = {
        "id": "churn-0a1b",
        "display_name": "churn",
        "pipeline": "churn",
        "template": "0" * 64,
        "root": "gs://b/root",
        "service_account": "sa@p.iam.gserviceaccount.com",
        "caching": None,
        "parameters": {"rate": 0.5},
        "labels": {},
        "fingerprint": "f00d",
    }
    return PipelineJob(**{**usual, **changes})


@pytest.fixture
def launcher(api: GoogleApi, loopback: Loopback) -> VertexLauncher:
    return VertexLauncher(api, project="p", location="l", endpoint=loopback.url)


def test_a_rollout_is_no_job_of_the_platform(launcher: VertexLauncher, loopback: Loopback) -> None:
    job = a_rollout()
    calls: list[Callable[[], object]] = [
        lambda: launcher.request(job, None),
        lambda: launcher.submit(job, None),
        lambda: launcher.status(job),
        lambda: launcher.cancel(job),
    ]
    for call in calls:
        with pytest.raises(Refused) as raised:
            call()
        assert raised.value.code == "no_endpoint"
    assert loopback.requests == []


def test_what_is_sent_is_what_request_says(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(200, {"name": "…"})
    assert launcher.submit(a_job(), TEMPLATE) == "created"
    (seen,) = loopback.requests
    request = launcher.request(a_job(), TEMPLATE)
    assert (seen.method, loopback.url + seen.path, json.loads(seen.body)) == (request.method, request.url, request.body)
    assert seen.headers["content-type"] == "application/json"


def test_our_own_earlier_launch_is_adopted(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(409, {"error": {"status": "ALREADY_EXISTS"}})
    loopback.reply(200, {"labels": {"retrigger-fingerprint": "f00d"}})
    assert launcher.submit(a_job(), TEMPLATE) == "adopted"
    assert [(seen.method, seen.path) for seen in loopback.requests] == [
        ("POST", f"{JOBS}?pipelineJobId=churn-0a1b"),
        ("GET", f"{JOBS}/churn-0a1b"),
    ]


@pytest.mark.parametrize("job", [{"labels": {"retrigger-fingerprint": "beef"}}, {"labels": {}}, {}])
def test_somebody_elses_job_of_that_id_is_a_conflict(
    launcher: VertexLauncher, loopback: Loopback, job: dict[str, object]
) -> None:
    loopback.reply(409)
    loopback.reply(200, job)
    assert launcher.submit(a_job(), TEMPLATE) == "conflict"


def test_a_job_that_would_run_as_the_default_account_is_not_sent(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(404)
    with pytest.raises(Refused) as caught:
        launcher.submit(a_job(service_account=None), TEMPLATE)
    assert caught.value.code == "default_service_account"
    assert [(seen.method, seen.path) for seen in loopback.requests] == [("GET", f"{JOBS}/churn-0a1b")]


def test_one_that_an_older_version_had_sent_is_adopted_and_somebody_elses_is_not(
    launcher: VertexLauncher, loopback: Loopback
) -> None:
    loopback.reply(200, {"labels": {"retrigger-fingerprint": "f00d"}})
    assert launcher.submit(a_job(service_account=None), TEMPLATE) == "adopted"
    loopback.reply(200, {"labels": {"retrigger-fingerprint": "beef"}})
    with pytest.raises(Refused, match="would run as the default service account"):
        launcher.submit(a_job(service_account=None), TEMPLATE)
    assert [seen.method for seen in loopback.requests] == ["GET", "GET"]


def test_whether_it_was_sent_is_asked_again_where_the_platform_does_not_say(
    launcher: VertexLauncher, loopback: Loopback
) -> None:
    loopback.reply(503)
    with pytest.raises(Unavailable):
        launcher.submit(a_job(service_account=None), TEMPLATE)


def test_an_id_that_is_taken_and_cannot_be_read_is_looked_at_again(
    launcher: VertexLauncher, loopback: Loopback
) -> None:
    loopback.reply(409)
    loopback.reply(404)
    with pytest.raises(Unavailable) as caught:
        launcher.submit(a_job(), TEMPLATE)
    assert caught.value.code == "job_not_readable"


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_permanent_no_is_refused_in_the_platforms_words(
    launcher: VertexLauncher, loopback: Loopback, status: int
) -> None:
    loopback.reply(status, {"error": {"status": "INVALID_ARGUMENT", "message": "actAs denied\nfurther lines"}})
    with pytest.raises(Refused, match=rf"{loopback.host} answered {status} invalid_argument: actAs denied; "):
        launcher.submit(a_job(), TEMPLATE)


@pytest.mark.parametrize("status", [401, 408, 429, 500, 503, 504])
def test_what_may_pass_is_unavailable(launcher: VertexLauncher, loopback: Loopback, status: int) -> None:
    loopback.reply(status, b"", Retry_After="12")
    with pytest.raises(Unavailable) as caught:
        launcher.submit(a_job(), TEMPLATE)
    assert (type(caught.value), caught.value.retry_after) == (Unavailable, 12.0)


def test_a_lost_answer_is_unknown_and_the_same_submission_then_adopts(
    launcher: VertexLauncher, loopback: Loopback
) -> None:
    loopback.drop()
    with pytest.raises(Unknown):
        launcher.submit(a_job(), TEMPLATE)
    loopback.reply(409)
    loopback.reply(200, {"labels": {"retrigger-fingerprint": "f00d"}})
    assert launcher.submit(a_job(), TEMPLATE) == "adopted"


def test_of_concurrent_duplicates_one_creates_and_the_others_adopt(
    launcher: VertexLauncher, loopback: Loopback
) -> None:
    loopback.always = Platform(type_of_reply(loopback))
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(launcher.submit(a_job(), TEMPLATE))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(answers) == ["adopted"] * 15 + ["created"]


def test_a_number_that_json_cannot_carry_is_refused_before_anything_is_sent(
    launcher: VertexLauncher, loopback: Loopback
) -> None:
    with pytest.raises(Refused) as caught:
        launcher.submit(a_job(parameters={"rate": float("nan")}), TEMPLATE)
    assert (caught.value.code, loopback.requests) == ("not_finite", [])


def test_a_job_that_the_platform_does_not_know_is_lost(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(404)
    assert launcher.status(a_job()) == JobStatus(state="lost")


def test_the_status_of_a_job(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(200, {"state": "PIPELINE_STATE_FAILED", "error": {"code": 9, "message": "task train failed\nmore"}})
    assert launcher.status(a_job()) == JobStatus(state="failed", error="task train failed")


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, {}), (404, {}), (400, {"error": {"status": "FAILED_PRECONDITION", "message": "has ended"}})],
)
def test_cancelling_what_has_ended_is_no_error(
    launcher: VertexLauncher, loopback: Loopback, status: int, body: dict[str, object]
) -> None:
    loopback.reply(status, body)
    launcher.cancel(a_job())
    (seen,) = loopback.requests
    assert (seen.method, seen.path, seen.body) == ("POST", f"{JOBS}/churn-0a1b:cancel", b"{}")


def test_a_cancel_that_is_not_allowed_is_refused(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(403)
    with pytest.raises(Refused):
        launcher.cancel(a_job())


class Platform:
    """Accepts every id once."""

    def __init__(self, reply: Any) -> None:
        self.reply = reply
        self.jobs: dict[str, bytes] = {}

    def __call__(self, received: Received) -> Any:
        """Under the server's lock."""
        if received.method == "GET":
            return self.reply(200, self.jobs[received.path.rpartition("/")[2]])
        name = received.path.rpartition("=")[2]
        if name in self.jobs:
            return self.reply(409)
        self.jobs[name] = received.body
        return self.reply(200, b"{}")


def type_of_reply(loopback: Loopback) -> Any:
    loopback.reply()
    return type(loopback.script.pop())


@pytest.mark.parametrize("page", [b"<html>sign in</html>", b"", b"[]"])
def test_a_page_of_a_proxy_is_no_launch(launcher: VertexLauncher, loopback: Loopback, page: bytes) -> None:
    loopback.reply(200, page)
    with pytest.raises(Unavailable) as raised:
        launcher.submit(a_job(), TEMPLATE)
    assert raised.value.code == "not_json"
