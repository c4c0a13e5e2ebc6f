"""A dataset is registered before its job is sent, once however often that is tried."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.vertex.client import VertexLauncher
from retrigger.handlers.jobs import Dataset
from retrigger.triggers.errors import Refused, Unavailable, Unknown
from tests.handlers.adapters.vertex.test_client import JOBS, TEMPLATE, a_job

if TYPE_CHECKING:
    from retrigger.handlers.transport.google import GoogleApi
    from tests.handlers.conftest import Loopback

ARTIFACTS = "/v1/projects/p/locations/l/metadataStores/default/artifacts"
URI = "gs://b/root/retrigger/churn-0a1b/manifest.json"
JOB = a_job(dataset=Dataset(id="churn-0a1b", uri=URI, format="json", about={"members": 2}), labels={"team": "x"})
REGISTER = ("POST", f"{ARTIFACTS}?artifactId=churn-0a1b")
LOOK = ("GET", f"{ARTIFACTS}/churn-0a1b")
LAUNCH = ("POST", f"{JOBS}?pipelineJobId=churn-0a1b")


@pytest.fixture
def launcher(api: GoogleApi, loopback: Loopback) -> VertexLauncher:
    return VertexLauncher(api, project="p", location="l", endpoint=loopback.url)


def asked(loopback: Loopback) -> list[tuple[str, str]]:
    return [(seen.method, seen.path) for seen in loopback.requests]


def test_what_is_sent_is_what_request_says_in_this_order(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(200, {"name": "…"})
    loopback.reply(200, {"name": "…"})
    assert launcher.submit(JOB, TEMPLATE) == "created"
    request = launcher.request(JOB, TEMPLATE)
    (first,) = request.first
    assert [(seen.method, loopback.url + seen.path, json.loads(seen.body)) for seen in loopback.requests] == [
        (one.method, one.url, one.body) for one in (first, request)
    ]
    assert first.body == {
        "displayName": "churn",
        "uri": URI,
        "state": "LIVE",
        "schemaTitle": "system.Dataset",
        "schemaVersion": "0.0.1",
        "labels": {"team": "x"},
        "metadata": {"members": 2, "format": "json"},
    }


def test_our_own_earlier_artifact_is_adopted(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(409, {"error": {"status": "ALREADY_EXISTS"}})
    loopback.reply(200, {"uri": URI})
    loopback.reply(200, {"name": "…"})
    assert launcher.submit(JOB, TEMPLATE) == "created"
    assert asked(loopback) == [REGISTER, LOOK, LAUNCH]


@pytest.mark.parametrize("found", [{"uri": "gs://elsewhere"}, {}])
def test_an_artifact_of_other_data_is_refused_and_nothing_is_launched(
    launcher: VertexLauncher, loopback: Loopback, found: dict[str, str]
) -> None:
    loopback.reply(409)
    loopback.reply(200, found)
    with pytest.raises(Refused) as caught:
        launcher.submit(JOB, TEMPLATE)
    assert (caught.value.code, asked(loopback)) == ("dataset_conflict", [REGISTER, LOOK])


def test_an_artifact_that_cannot_be_read_yet_is_looked_at_again(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(409)
    loopback.reply(404)
    with pytest.raises(Unavailable) as caught:
        launcher.submit(JOB, TEMPLATE)
    assert (caught.value.code, asked(loopback)) == ("dataset_not_readable", [REGISTER, LOOK])


def test_a_project_without_a_metadata_store_is_told_what_makes_one(
    launcher: VertexLauncher, loopback: Loopback
) -> None:
    loopback.reply(404, {"error": {"status": "NOT_FOUND", "message": "MetadataStore default is not found."}})
    with pytest.raises(Refused, match="made by the first pipeline that runs there") as caught:
        launcher.submit(JOB, TEMPLATE)
    assert (caught.value.code, asked(loopback)) == ("not_found", [REGISTER])


@pytest.mark.parametrize(("status", "kind"), [(400, Refused), (403, Refused), (429, Unavailable), (503, Unavailable)])
def test_the_classes_of_failure_are_those_of_a_launch(
    launcher: VertexLauncher, loopback: Loopback, status: int, kind: type[Exception]
) -> None:
    loopback.reply(status, {"error": {"status": "X"}})
    with pytest.raises(kind):
        launcher.submit(JOB, TEMPLATE)
    assert asked(loopback) == [REGISTER]


def test_a_proxys_page_is_no_registration(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.reply(200, b"<html>sign in")
    with pytest.raises(Unavailable):
        launcher.submit(JOB, TEMPLATE)
    assert asked(loopback) == [REGISTER]


def test_a_lost_answer_is_tried_again(launcher: VertexLauncher, loopback: Loopback) -> None:
    loopback.drop()
    with pytest.raises(Unknown):
        launcher.submit(JOB, TEMPLATE)
    loopback.reply(409)
    loopback.reply(200, {"uri": URI})
    loopback.reply(200, {"name": "…"})
    assert launcher.submit(JOB, TEMPLATE) == "created"
