"""functions/azure/function_app.py through azure-functions' own objects: a real ledger, a platform on loopback."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import azure.functions as func
import pytest
from azure.functions.queue import QueueMessage
from azure.functions.servicebus import ServiceBusMessage
from azure.functions.timer import TimerRequest

from retrigger.functions.azure import FOLDER
from retrigger.triggers.environment import KeyCaller
from retrigger.triggers.errors import RetriggerError
from tests.functions.azure.project import BUS, Project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.benchmarks.loopback import Platform

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/acme"
BLOB = {
    "api": "PutBlob",
    "eTag": "0x8D1",
    "contentLength": 3,
    "url": "https://acme.blob.core.windows.net/landing/a.csv",
    "sequencer": "01",
}
EVENT_GRID = {
    "id": "e-1",
    "topic": ACCOUNT,
    "subject": "/blobServices/default/containers/landing/blobs/a.csv",
    "eventType": "Microsoft.Storage.BlobCreated",
    "eventTime": "2026-01-05T09:00:00Z",
    "data": BLOB,
    "dataVersion": "",
    "metadataVersion": "1",
}
CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "e-2",
    "source": ACCOUNT,
    "subject": EVENT_GRID["subject"],
    "type": "Microsoft.Storage.BlobCreated",
    "time": "2026-01-05T09:00:00Z",
    "data": BLOB,
}


@pytest.fixture
def app(project: Project, load: Callable[[Project], Any]) -> Mapping[str, Callable[..., Any]]:
    """The functions, by name."""
    found = load(project).functions.get_functions()
    return {function.get_function_name(): function.get_user_function() for function in found}


def queued(body: bytes, message_id: str = "m-1") -> QueueMessage:
    return QueueMessage(id=message_id, body=body, dequeue_count=2, insertion_time=NOW)


def bused(body: bytes, message_id: str = "m-1") -> ServiceBusMessage:
    return ServiceBusMessage(
        body=body,
        message_id=message_id,
        delivery_count=2,
        enqueued_time_utc=NOW,
        application_properties={"team": "growth"},
        user_properties={},
    )


def struck(last: str | None = None) -> TimerRequest:
    return TimerRequest(past_due=False, schedule_status={"Last": last} if last else {})


def posted(body: object, route: str = "", method: str = "POST", **headers: str) -> func.HttpRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = f"https://acme.azurewebsites.net/api/events/{route}"
    return func.HttpRequest(method, url, headers=headers, route_params={"route": route} if route else {}, body=raw)


def told(response: func.HttpResponse) -> Any:
    return json.loads(response.get_body())


def test_the_host_is_told_what_there_is_to_listen_to(project: Project, load: Callable[[Project], Any]) -> None:
    module = load(project)
    triggers = {
        function.get_function_name(): next(json.loads(binding) for binding in function.get_raw_bindings())
        for function in module.functions.get_functions()
    }
    message = {"direction": "IN", "dataType": "BINARY", "name": "message"}
    queue = {**message, "type": "queueTrigger", "connection": "queue_acme"}
    bus = {**message, "type": "serviceBusTrigger", "connection": "servicebus_acme_ml"}
    assert triggers == {
        "event_grid": {"direction": "IN", "type": "eventGridTrigger", "name": "event"},
        "events": {
            "direction": "IN",
            "type": "httpTrigger",
            "name": "req",
            "methods": ["POST", "OPTIONS"],
            "authLevel": "FUNCTION",
            "route": "events/{*route}",
        },
        "minute": {"direction": "IN", "type": "timerTrigger", "name": "timer", "schedule": "0 * * * * *"},
        "queue_asks": {**queue, "queueName": "asks"},
        "poison_asks": {**queue, "queueName": "asks-poison"},
        "bus_retrain": {**bus, "queueName": "retrain"},
        "bus_news": {**bus, "topicName": "news", "subscriptionName": "train"},
    }


def test_an_app_without_its_project_is_not_loaded(project: Project, load: Callable[[Project], Any]) -> None:
    project.compiled.unlink()
    with pytest.raises(RetriggerError, match="cannot be read") as raised:
        load(project)
    assert raised.value.code == "not_configured"


@pytest.mark.parametrize("event", [EVENT_GRID, CLOUD_EVENT])
def test_an_upload_is_launched_once_in_either_schema(
    app: Mapping[str, Callable[..., Any]], project: Project, event: object
) -> None:
    for _ in range(2):
        app["event_grid"](json.dumps(event))
    assert project.runs() == ["train"]


def test_both_schemas_are_one_upload(app: Mapping[str, Callable[..., Any]], project: Project) -> None:
    app["event_grid"](json.dumps(EVENT_GRID))
    app["event_grid"](json.dumps(CLOUD_EVENT))
    app["queue_asks"](queued(json.dumps(EVENT_GRID).encode()))
    app["bus_news"](bused(json.dumps(CLOUD_EVENT).encode()))
    assert told(app["events"](posted([EVENT_GRID])))["outcomes"][0]["result"] == "duplicate"
    assert project.runs() == ["train"]


@pytest.mark.parametrize(("function", "message"), [("queue_asks", queued), ("bus_retrain", bused), ("bus_news", bused)])
def test_a_message_is_launched_once(
    app: Mapping[str, Callable[..., Any]], project: Project, function: str, message: Callable[..., Any]
) -> None:
    for _ in range(2):
        app[function](message(b'{"a": 1}'))
    app[function](message(b'{"a": 1}', "m-2"))
    assert project.runs() == ["train", "train"]


def test_what_the_host_gave_up_is_a_dead_letter(app: Mapping[str, Callable[..., Any]], project: Project) -> None:
    app["poison_asks"](queued(b"\xff"))
    assert project.dead_letters() == ["poisoned"]


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff"])
def test_what_is_no_event_is_acknowledged_and_kept(
    app: Mapping[str, Callable[..., Any]], project: Project, body: bytes
) -> None:
    app["event_grid"](body.decode(errors="replace"))
    assert len(project.dead_letters()) == 1


def test_a_time_that_has_come_is_launched_once(app: Mapping[str, Callable[..., Any]], project: Project) -> None:
    app["minute"](struck())
    app["minute"](struck("0001-01-01T00:00:00"))
    assert project.runs() == ["always"]


def test_each_strike_is_a_tick(app: Mapping[str, Callable[..., Any]], project: Project) -> None:
    app["minute"](struck())
    assert project.records.get("beat") is not None


def test_a_wake_up_that_fails_does_not_keep_the_tick_from_the_rest(
    app: Mapping[str, Callable[..., Any]], project: Project
) -> None:
    with pytest.raises(ValueError, match="isoformat"):
        app["minute"](struck("yesterday"))
    assert project.records.get("beat") is not None


@pytest.mark.parametrize(
    ("function", "argument"),
    [
        ("event_grid", json.dumps(EVENT_GRID)),
        ("event_grid", "{"),
        ("queue_asks", queued(b"{}")),
        ("poison_asks", queued(b"{}")),
        ("bus_retrain", bused(b"{}")),
        ("bus_news", bused(b"{}")),
        ("minute", struck()),
    ],
)
def test_what_finds_no_ledger_raises_and_is_delivered_again(
    app: Mapping[str, Callable[..., Any]], project: Project, function: str, argument: object
) -> None:
    app["minute"](struck())
    with project.without_ledger(), pytest.raises(RetriggerError) as raised:
        app[function](argument)
    assert raised.value.code == "ledger_unavailable"


def test_over_http_the_answer_says_what_became_of_it(app: Mapping[str, Callable[..., Any]], project: Project) -> None:
    response = app["events"](posted([EVENT_GRID, {**EVENT_GRID, "data": 7}], "eventgrid"))
    launched, malformed = told(response)["outcomes"]
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert (launched["result"], "error" in malformed) == ("launched", True)
    assert (project.runs(), len(project.dead_letters())) == (["train"], 1)


def test_over_http_an_outage_is_said(app: Mapping[str, Callable[..., Any]], project: Project) -> None:
    app["minute"](struck())
    with project.without_ledger():
        assert app["events"](posted([EVENT_GRID])).status_code == 503


def test_a_channels_messages_may_come_over_http(app: Mapping[str, Callable[..., Any]], project: Project) -> None:
    headers = {"messageid": "m-1", "enqueuedtimeutc": "2026-01-05T09:00:00Z"}
    assert app["events"](posted({"a": 1}, f"servicebus/{BUS}", **headers)).status_code == 200
    assert project.runs() == ["train"]


def test_event_grid_is_answered_with_its_code(app: Mapping[str, Callable[..., Any]], project: Project) -> None:
    validation = {
        **EVENT_GRID,
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "512d38b6", "validationUrl": "https://example.com/never-asked"},
    }
    headers = {"aeg-event-type": "SubscriptionValidation"}
    for route in ("", "eventgrid"):
        response = app["events"](posted([validation], route, **headers))
        assert (response.status_code, told(response)) == (200, {"validationResponse": "512d38b6"})
    assert project.dead_letters() == []


def test_a_sender_that_asks_first_is_allowed(app: Mapping[str, Callable[..., Any]]) -> None:
    asking = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    response = app["events"](posted(b"", "eventgrid", "OPTIONS", **asking))
    assert response.status_code == 200
    assert response.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"


def test_a_look_around_is_no_delivery(app: Mapping[str, Callable[..., Any]], project: Project) -> None:
    assert app["events"](posted(b"", "", "OPTIONS")).status_code == 405
    assert project.dead_letters() == []


def test_a_declared_key_is_asked_for_besides_the_hosts(
    tmp_path: Path, platform: Platform, load: Callable[[Project], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_KEY", "right")
    project = Project.make(tmp_path, platform.url, (KeyCaller(setting="WEBHOOK_KEY"),))
    events = load(project).events.build().get_user_function()
    assert events(posted([EVENT_GRID])).status_code == 401
    assert events(posted(b"{", **{"aeg-sas-key": "wrong"})).status_code == 401
    assert (project.runs(), project.dead_letters()) == ([], [])
    assert events(posted([EVENT_GRID], **{"aeg-sas-key": "right"})).status_code == 200
    assert project.runs() == ["train"]


def test_host_json_leaves_time_between_tries_and_enough_of_them() -> None:
    queues = json.loads((FOLDER / "host.json").read_text(encoding="utf-8"))["extensions"]["queues"]
    hours, minutes, seconds = map(int, queues["visibilityTimeout"].split(":"))
    pause = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    assert pause * queues["maxDequeueCount"] >= timedelta(hours=1)
    assert queues["messageEncoding"] == "none"


def test_every_setting_of_host_json_is_explained() -> None:
    settings = json.loads((FOLDER / "host.json").read_text(encoding="utf-8"))
    named = {*settings["extensions"]["queues"], *settings["extensions"]["serviceBus"], *settings["logging"]}
    named |= {*settings["logging"]["applicationInsights"], *settings}
    named -= {"version", "logging", "applicationInsights", "extensions"}
    page = (ROOT / "docs" / "azure-functions.md").read_text(encoding="utf-8").partition("## host.json")[2]
    assert {setting for setting in named if f"`{setting}`" not in page} == set()
