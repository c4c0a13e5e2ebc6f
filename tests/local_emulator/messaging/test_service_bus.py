"""Service Bus over HTTPS: what a sender is answered, and what the entity is given."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.service_bus import ServiceBusPublisher
from retrigger.handlers.transport.credentials import KeptToken
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.handlers.transport.service_bus import ServiceBusApi
from retrigger.local_emulator.http import Server
from retrigger.local_emulator.messaging.messages import NotFound
from retrigger.local_emulator.messaging.service_bus import ROOT, routes
from retrigger.triggers.errors import Refused
from tests.handlers.adapters.test_service_bus import TOLD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.event import Json

Sent = tuple[str, str, bytes, dict[str, str], dict[str, str]]


class Recorded:
    """A bus with one entity, `acme` / `a/told`."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    def send_bus(
        self, namespace: str, entity: str, body: bytes, attributes: Mapping[str, str], told: Mapping[str, str]
    ) -> None:
        if (namespace, entity) != ("acme", "a/told"):
            raise NotFound(f"no <{entity}>")
        self.sent.append((namespace, entity, body, dict(attributes), dict(told)))

    def receive_bus(self, namespace: str, entity: str) -> tuple[bytes, Mapping[str, Json]] | None:
        del namespace
        if not self.sent:
            return None
        _, _, body, attributes, told = self.sent.pop(0)
        assert entity == "a/told"
        return body, {**told, "DeliveryCount": 1, "ApplicationProperties": {**attributes}}


@pytest.fixture
def bus() -> Recorded:
    return Recorded()


@pytest.fixture
def server(bus: Recorded) -> Iterator[Server]:
    made = Server(routes(bus))
    made.start()
    yield made
    made.stop()


def ask(
    server: Server, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, bytes, dict[str, str]]:
    with closing(http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)) as connection:
        connection.request(method, ROOT + path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}


def test_what_the_outbox_sends_comes_out_again(server: Server, bus: Recorded) -> None:
    api = ServiceBusApi(Http(HttpSettings()), KeptToken(lambda: ("token", 3600.0), lambda: 0.0))
    address = "sb://acme.servicebus.windows.net/a/told"
    publisher = ServiceBusPublisher(api, address, endpoint=server.url + ROOT)
    publisher.publish(b'{"a": 1}', TOLD)
    ((_, _, _, attributes, told),) = bus.sent
    assert attributes == {name: value for name, value in TOLD.items() if name.startswith("ce-")}
    structured = "application/cloudevents+json"
    assert told == {"MessageId": "7", "Subject": "retrigger.outcome", "ContentType": structured}
    status, body, headers = ask(server, "DELETE", "/acme/a/told/messages/head")
    assert (status, json.loads(body)["data"], headers["content-type"]) == (200, {"a": 1}, structured)
    broker = {"MessageId": "7", "Label": "retrigger.outcome", "DeliveryCount": 1}
    assert (json.loads(headers["brokerproperties"]), headers["ce-subject"]) == (broker, '"churn"')
    assert ask(server, "DELETE", "/acme/a/told/messages/head")[0] == 204


def test_a_property_that_http_cannot_name_is_left_out(server: Server, bus: Recorded) -> None:
    bus.sent.append(("acme", "a/told", b"x", {"a b": "1", "k\r\nevil": "2", "ü": "3", "fine": "ü"}, {}))
    status, _, headers = ask(server, "DELETE", "/acme/a/told/messages/head")
    told = {name for name in headers if name not in {"date", "server", "content-length", "brokerproperties"}}
    assert (status, told, json.loads(headers["fine"])) == (200, {"fine"}, "ü")


def test_an_entity_that_is_not_there_is_refused_as_the_adapter_reads_it(server: Server) -> None:
    api = ServiceBusApi(Http(HttpSettings()), KeptToken(lambda: ("token", 3600.0), lambda: 0.0))
    publisher = ServiceBusPublisher(api, "sb://acme.servicebus.windows.net/b", endpoint=server.url + ROOT)
    with pytest.raises(Refused, match="no &lt;b&gt;; make the queue or topic"):
        publisher.publish(b"{}", TOLD)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"BrokerProperties": "{"}, b"", 400),
        ({"BrokerProperties": "[" * 10_000}, b"", 400),
        ({"BrokerProperties": "[]"}, b"", 400),
        ({"k": '"open'}, b"", 400),
        ({"k": '"text"', "n": "1", "Authorization": "Bearer x"}, b"", 201),
        ({}, b"x" * (1024 * 1024 + 1), 400),
    ],
)
def test_whatever_is_sent_is_taken_or_refused_in_words(
    server: Server, bus: Recorded, headers: dict[str, str], body: bytes, status: int
) -> None:
    answered = ask(server, "POST", "/acme/a/told/messages", body, headers)
    assert (answered[0], b"<Detail>" in answered[1]) == (status, status != 201)
    assert [sent[3] for sent in bus.sent] == ([{"k": "text"}] if status == 201 else [])
