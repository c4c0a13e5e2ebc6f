"""The ways into functions on Azure, with an endpoint in place of the Functions host."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.adapters.structured import CONTENT_TYPE, structured
from retrigger.local_emulator.azure import AzureSettings, AzureWays, connection_string, strike
from retrigger.local_emulator.clock import WoundClock
from retrigger.local_emulator.delivery import Delivery
from retrigger.local_emulator.messaging.messages import InvalidArgument, NotFound
from retrigger.local_emulator.messaging.pull_queues import PullQueues
from retrigger.local_emulator.stores.resource import ObjectChange
from retrigger.triggers.event import Event, Message
from retrigger.triggers.formats import parse
from tests.local_emulator.endpoint import Endpoint, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOON = timedelta(seconds=10)
QUEUE = "https://acme.queue.core.windows.net/asks"
UPLOADS = "https://acme.queue.core.windows.net/uploads"
BUS = "sb://acme.servicebus.windows.net/orders"
TOPIC = "sb://acme.servicebus.windows.net/news"
HEARD = f"{TOPIC}/subscriptions/train"
GRID = "/subscriptions/1/providers/Microsoft.EventGrid/topics/t"
TOLD = "https://acme.queue.core.windows.net/told"
TOLD_BUS = "sb://acme.servicebus.windows.net/ml/told"
SETTINGS = AzureSettings(
    watched=("acme/landing", "other/landing"),
    channels={QUEUE: QUEUE, UPLOADS: UPLOADS, BUS: BUS, TOPIC: HEARD, GRID: GRID, TOLD: TOLD, TOLD_BUS: TOLD_BUS},
    unheard=frozenset({TOLD, TOLD_BUS}),
    uploads={"acme": UPLOADS},
)


@contextmanager
def ways(folder: Path, endpoint: Endpoint, copies: int = 1) -> Iterator[tuple[AzureWays, Delivery, WoundClock]]:
    clock = WoundClock(folder / "clock.json")
    delivery = Delivery(folder / "queues.sqlite3", clock)
    queues = PullQueues(folder / "pulled.sqlite3", clock.now)
    made = AzureWays(SETTINGS, endpoint.url, delivery=delivery, queues=queues, now=clock.now, copies=copies)
    made.make_queues()
    delivery.start()
    try:
        yield made, delivery, clock
    finally:
        delivery.stop(timedelta(0))
        queues.close()


def uploaded(bucket: str) -> ObjectChange:
    resource: dict[str, object] = {
        "bucket": bucket, "name": "a.csv", "generation": "17", "metageneration": "1", "size": "5",
        "contentType": "text/csv",
    }  # fmt: skip
    return ObjectChange("finalized", resource, {"api": "PutBlob"}, datetime(2026, 11, 20, tzinfo=UTC))


def given(request: Request) -> tuple[dict[str, Any], bytes]:
    """A message as the Functions host is handed it: what its queue tells, and its body."""
    told = json.loads(request.body)
    return told["metadata"], base64.b64decode(told["body"])


def test_an_upload_comes_through_the_queue_of_its_account(tmp_path: Path) -> None:
    with Endpoint() as endpoint, ways(tmp_path, endpoint) as (azure, delivery, _):
        azure.announce(uploaded("acme/landing"))
        assert delivery.wait_idle(SOON)
        (request,) = endpoint.requests
    metadata, body = given(request)
    assert (request.path, metadata["DequeueCount"]) == ("/queue/uploads", 1)
    assert json.loads(base64.b64decode(body))["eventType"] == "Microsoft.Storage.BlobCreated"


def test_an_upload_to_another_account_is_pushed_by_event_grid(tmp_path: Path) -> None:
    with Endpoint() as endpoint, ways(tmp_path, endpoint, copies=2) as (azure, delivery, _):
        azure.announce(uploaded("other/landing"))
        assert delivery.wait_idle(SOON)
        first, again = endpoint.requests
    assert (first.path, first.headers["aeg-event-type"], first.body) == ("/eventgrid", "Notification", again.body)
    (event,) = json.loads(first.body)
    assert event["topic"].endswith("/providers/Microsoft.Storage/storageAccounts/other")


@pytest.mark.parametrize(
    ("address", "path", "told"),
    [
        (QUEUE, "/queue/asks", {"DequeueCount": 1}),
        (BUS, "/servicebus/orders", {"DeliveryCount": 1, "ApplicationProperties": {"k": "v"}}),
        (TOPIC, "/servicebus/news/subscriptions/train", {"DeliveryCount": 1, "UserProperties": {"k": "v"}}),
    ],
)
def test_a_message_reaches_who_hears_its_channel(tmp_path: Path, address: str, path: str, told: dict[str, Any]) -> None:
    with Endpoint() as endpoint, ways(tmp_path, endpoint) as (azure, delivery, _):
        identity = azure.send(address, b"{}", {} if address == QUEUE else {"k": "v"})
        assert delivery.wait_idle(SOON)
        (request,) = endpoint.requests
    metadata, body = given(request)
    assert (request.path, body, metadata.get("Id") or metadata["MessageId"]) == (path, b"{}", identity)
    assert told.items() <= metadata.items()


def test_what_no_function_hears_waits_for_a_reader(tmp_path: Path) -> None:
    with Endpoint() as endpoint, ways(tmp_path, endpoint) as (azure, delivery, _):
        azure.send(TOLD, b"to a queue", {})
        azure.send(TOLD_BUS, b"to a bus", {"k": "v"})
        (message,) = azure._queues.peek("acme/told", 32)
        received = azure.receive_bus("acme", "ml/told")
        assert received is not None
        assert (message.text, received[0], received[1]["ApplicationProperties"]) == (
            "to a queue",
            b"to a bus",
            {"k": "v"},
        )
        assert (azure.receive_bus("acme", "ml/told"), delivery.tallies(), endpoint.requests) == (None, {}, [])


def test_what_leaves_by_service_bus_reads_as_it_does_from_pubsub(tmp_path: Path) -> None:
    """A trigger that follows another is the same file on both clouds."""
    attributes = {"ce-specversion": "1.0", "ce-id": "7", "ce-source": "//s", "ce-type": "retrigger.run.ended"}
    attributes["ce-time"] = "2026-11-22T09:00:00Z"
    body = structured(b'{"run": "r"}', {**attributes, "content-type": "application/json"})
    with Endpoint() as endpoint, ways(tmp_path, endpoint) as (azure, delivery, _):
        azure.send_bus("acme", "orders", body, attributes, {"MessageId": "7", "ContentType": CONTENT_TYPE})
        assert delivery.wait_idle(SOON)
        (request,) = endpoint.requests
    metadata, handed = given(request)
    headers = {name: told if isinstance(told, str) else json.dumps(told) for name, told in metadata.items()}
    parsed = parse(headers, handed, f"servicebus/{BUS}")
    assert isinstance(parsed, list)
    (event,) = parsed
    assert isinstance(event, Event)
    assert isinstance(event.payload, Message)
    assert (event.payload.channel, event.payload.json) == (BUS, {"run": "r"})
    assert attributes.items() <= event.payload.attributes.items()


def test_what_a_client_puts_into_a_queue_reaches_the_functions_that_hear_it(tmp_path: Path) -> None:
    with Endpoint() as endpoint, ways(tmp_path, endpoint) as (azure, delivery, clock):
        heard = [azure._queues.draft("now"), azure._queues.draft("later", delay=timedelta(hours=1))]
        assert [azure.hear("acme/asks", it) for it in heard] == [True, True]
        assert azure.hear("acme/told", azure._queues.draft("x")) is False
        assert delivery.wait_idle(SOON)
        assert [given(request)[1] for request in endpoint.requests] == [b"now"]
        clock.advance(timedelta(hours=1))
        assert delivery.wait_idle(SOON)
        assert [given(request)[1] for request in endpoint.requests] == [b"now", b"later"]
        metadata, _ = given(endpoint.requests[0])
        assert (metadata["Id"], metadata["DequeueCount"]) == (heard[0].id, 1)


def test_event_grid_waits_and_tries_again(tmp_path: Path) -> None:
    answers = iter((Response(500), Response(202)))
    with Endpoint(lambda _: next(answers)) as endpoint, ways(tmp_path, endpoint) as (azure, delivery, clock):
        azure.announce(uploaded("other/landing"))
        assert delivery.wait_idle(SOON)
        clock.advance(timedelta(seconds=10))
        assert delivery.wait_idle(SOON)
        assert [it.status for it in delivery.attempts()] == [500, 202]


def test_service_bus_gives_up_after_ten_deliveries_and_counts_them(tmp_path: Path) -> None:
    refused = Response(503, headers=(("Retry-After", "0"),))
    with Endpoint(lambda _: refused) as endpoint, ways(tmp_path, endpoint) as (azure, delivery, _):
        azure.send(BUS, b"{}", {})
        assert delivery.wait_idle(SOON)
        assert [given(request)[0]["DeliveryCount"] for request in endpoint.requests] == list(range(1, 11))
        assert [letter.item.subscription for letter in delivery.dead()] == [BUS]


def test_what_cannot_be_sent_is_refused(tmp_path: Path) -> None:
    with Endpoint() as endpoint, ways(tmp_path, endpoint) as (azure, delivery, _):
        for address in ("sb://nowhere/x", GRID):
            with pytest.raises(NotFound, match="No queue or topic"):
                azure.send(address, b"", {})
        for address, body, attributes in (
            (QUEUE, b"x" * 65_537, {}),
            (QUEUE, b"", {"k": "v"}),
            (BUS, b"x" * 300_000, {}),
        ):
            with pytest.raises(InvalidArgument):
                azure.send(address, body, attributes)
        assert delivery.tallies() == {}


def test_a_timer_is_told_when_it_struck_before() -> None:
    assert json.loads(strike(None))["ScheduleStatus"]["Last"].startswith("0001-01-01")
    last = datetime(2026, 11, 20, 3, tzinfo=UTC)
    assert datetime.fromisoformat(json.loads(strike(last))["ScheduleStatus"]["Last"]) == last


def test_a_connection_string_names_the_account_in_the_path() -> None:
    parts = dict(
        part.partition("=")[::2]
        for part in connection_string("http://127.0.0.1:1", "http://127.0.0.1:2", "acme").split(";")
        if part
    )
    endpoints = ("http://127.0.0.1:1/acme", "http://127.0.0.1:2/acme")
    assert (parts["AccountName"], parts["BlobEndpoint"], parts["QueueEndpoint"]) == ("acme", *endpoints)
