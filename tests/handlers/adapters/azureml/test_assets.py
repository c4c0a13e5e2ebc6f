"""A dataset is registered before its job is sent, once however often that is tried."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.azureml.client import AzureMlLauncher
from retrigger.handlers.jobs import Dataset
from retrigger.handlers.transport.azure import AzureApi
from retrigger.handlers.transport.credentials import KeptToken
from retrigger.triggers.errors import Refused, Unavailable, Unknown
from tests.handlers.adapters.azureml.test_request import QUOTED, TEMPLATE, WORKSPACE, a_job

if TYPE_CHECKING:
    from retrigger.handlers.transport.http import Http
    from tests.handlers.conftest import Loopback

URI = "https://acme.blob.core.windows.net/runs/retrigger/churn-0a1b/manifest"
JOB = a_job(dataset=Dataset(id="azureml:churn-mltable:0a1b", uri=URI, format="mltable", about={"members": 2}))
DATA = f"{QUOTED}/data/churn-mltable/versions/0a1b?api-version=2023-04-01-preview"
REGISTER, LOOK = ("PUT", DATA), ("GET", DATA)
LAUNCH = ("PUT", f"{QUOTED}/jobs/churn-0a1b?api-version=2024-01-01-preview")
MADE = {"name": "…"}


@pytest.fixture
def launcher(http: Http, loopback: Loopback) -> AzureMlLauncher:
    api = AzureApi(http, KeptToken(lambda: ("token", 3600.0), lambda: 0.0))
    return AzureMlLauncher(api, api, workspace=WORKSPACE, endpoint=loopback.url)


def asked(loopback: Loopback) -> list[tuple[str, str]]:
    return [(seen.method, seen.path) for seen in loopback.requests]


def test_what_is_sent_is_what_request_says_in_this_order(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    loopback.reply(201, MADE)
    loopback.reply(201, MADE)
    assert launcher.submit(JOB, TEMPLATE) == "created"
    request = launcher.request(JOB, TEMPLATE)
    (first,) = request.first
    assert [(seen.method, loopback.url + seen.path, json.loads(seen.body)) for seen in loopback.requests] == [
        (one.method, one.url, one.body) for one in (first, request)
    ]
    assert first.body == {
        "properties": {
            "dataType": "mltable",
            "dataUri": URI,
            "isAnonymous": False,
            "isArchived": False,
            "properties": {"members": "2"},
            "tags": {"team": "growth"},
        }
    }


@pytest.mark.parametrize("status", [400, 409])
def test_our_own_earlier_version_is_adopted_whatever_is_said_of_it(
    launcher: AzureMlLauncher, loopback: Loopback, status: int
) -> None:
    loopback.reply(status, {"error": {"code": "UserError"}})
    loopback.reply(200, {"properties": {"dataUri": URI}})
    loopback.reply(201, MADE)
    assert launcher.submit(JOB, TEMPLATE) == "created"
    assert asked(loopback) == [REGISTER, LOOK, LAUNCH]


@pytest.mark.parametrize("found", [{"dataUri": "https://elsewhere"}, {}])
def test_a_version_of_other_data_is_refused_and_nothing_is_launched(
    launcher: AzureMlLauncher, loopback: Loopback, found: dict[str, str]
) -> None:
    loopback.reply(409)
    loopback.reply(200, {"properties": found})
    with pytest.raises(Refused) as caught:
        launcher.submit(JOB, TEMPLATE)
    assert (caught.value.code, asked(loopback)) == ("dataset_conflict", [REGISTER, LOOK])


def test_a_version_that_is_being_made_is_looked_at_again(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    loopback.reply(409)
    loopback.reply(404)
    with pytest.raises(Unavailable) as caught:
        launcher.submit(JOB, TEMPLATE)
    assert (caught.value.code, asked(loopback)) == ("dataset_not_readable", [REGISTER, LOOK])


def test_what_is_wrong_with_what_was_asked_for_is_told(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    loopback.reply(400, {"error": {"code": "UserError", "message": "The type of data churn-mltable is uri_file."}})
    loopback.reply(404)
    with pytest.raises(Refused, match="The type of data churn-mltable is uri_file"):
        launcher.submit(JOB, TEMPLATE)


@pytest.mark.parametrize(("status", "kind"), [(403, Refused), (404, Refused), (429, Unavailable), (503, Unavailable)])
def test_the_classes_of_failure_are_those_of_a_launch(
    launcher: AzureMlLauncher, loopback: Loopback, status: int, kind: type[Exception]
) -> None:
    loopback.reply(status, {"error": {"code": "X"}})
    with pytest.raises(kind):
        launcher.submit(JOB, TEMPLATE)
    assert asked(loopback) == [REGISTER]


def test_a_proxys_page_is_no_registration(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    loopback.reply(200, b"<html>sign in")
    with pytest.raises(Unavailable):
        launcher.submit(JOB, TEMPLATE)
    assert asked(loopback) == [REGISTER]


def test_a_lost_answer_is_tried_again(launcher: AzureMlLauncher, loopback: Loopback) -> None:
    loopback.drop()
    with pytest.raises(Unknown):
        launcher.submit(JOB, TEMPLATE)
    loopback.reply(200, MADE)
    loopback.reply(201, MADE)
    assert launcher.submit(JOB, TEMPLATE) == "created"
