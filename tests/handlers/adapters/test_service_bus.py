from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.service_bus import ServiceBusPublisher
from retrigger.handlers.transport.credentials import KeptToken
from retrigger.handlers.transport.service_bus import ServiceBusApi
from retrigger.triggers.errors import Refused, Unavailable, Unknown

if TYPE_CHECKING:
    from retrigger.handlers.transport.http import Http
    from retrigger.triggers.errors import RetriggerError
    from tests.handlers.conftest import Loopback

TOLD = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-id": "7",
    "ce-source": "//retrigger/environments/prod",
    "ce-type": "retrigger.outcome",
    "ce-subject": "churn",
    "ce-time": "2026-11-22T09:00:00Z",
}


@pytest.fixture
def api(http: Http) -> ServiceBusApi:
    return ServiceBusApi(http, KeptToken(lambda: ("secret-token", 3600.0), lambda: 0.0))


@pytest.fixture
def publisher(api: ServiceBusApi, loopback: Loopback) -> ServiceBusPublisher:
    return ServiceBusPublisher(api, "sb://acme.servicebus.windows.net/ml/told", endpoint=loopback.url)


def test_one_message_with_the_event_in_it_and_its_attributes_beside_it(
    publisher: ServiceBusPublisher, loopback: Loopback
) -> None:
    loopback.reply(201)
    publisher.publish(b'{"a": "\xc3\xa9"}', TOLD)
    (seen,) = loopback.requests
    assert (seen.method, seen.path) == ("POST", "/acme/ml/told/messages")
    assert json.loads(seen.body) == {
        "specversion": "1.0",
        "id": "7",
        "source": "//retrigger/environments/prod",
        "type": "retrigger.outcome",
        "subject": "churn",
        "time": "2026-11-22T09:00:00Z",
        "datacontenttype": "application/json",
        "data": {"a": "é"},
    }
    assert seen.headers["content-type"] == "application/cloudevents+json"
    assert seen.headers["authorization"] == "Bearer secret-token"
    assert json.loads(seen.headers["brokerproperties"]) == {"MessageId": "7", "Label": "retrigger.outcome"}
    beside = {name: json.loads(value) for name, value in seen.headers.items() if name.startswith("ce-")}
    assert beside == {name: value for name, value in TOLD.items() if name.startswith("ce-")}


def test_without_an_endpoint_it_goes_to_the_namespace(api: ServiceBusApi) -> None:
    publisher = ServiceBusPublisher(api, "sb://acme.servicebus.windows.net/told")
    assert publisher._url == "https://acme.servicebus.windows.net/told/messages"


DETAIL = b"<Error><Code>%d</Code><Detail>said so. TrackingId:1</Detail></Error>"


@pytest.mark.parametrize(
    ("status", "error", "step"),
    [
        (400, Refused, "check the endpoint"),
        (401, Unavailable, "Azure Service Bus Data Sender"),
        (403, Refused, "the queue is full"),
        (404, Refused, "make the queue or topic"),
        (410, Refused, "make the queue or topic"),
        (429, Unavailable, "check the endpoint"),
        (500, Unavailable, "try again"),
    ],
)
def test_what_the_service_does_not_take_is_told(
    publisher: ServiceBusPublisher, loopback: Loopback, status: int, error: type[RetriggerError], step: str
) -> None:
    loopback.reply(status, DETAIL % status)
    with pytest.raises(error, match=rf"http_{status}: said so\. TrackingId:1; .*{step}"):
        publisher.publish(b"{}", TOLD)


def test_an_answer_that_is_lost(publisher: ServiceBusPublisher, loopback: Loopback) -> None:
    loopback.break_off(b"")
    with pytest.raises(Unknown):
        publisher.publish(b"{}", TOLD)
