from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from retrigger.local_emulator.clock import WoundClock
from retrigger.local_emulator.delivery import Delivery
from retrigger.local_emulator.http import Server
from retrigger.local_emulator.messaging import pubsub
from retrigger.local_emulator.messaging.queues import Queues
from tests.local_emulator.endpoint import Endpoint, Response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOPIC = "projects/local-project/topics/retrain"
SUBSCRIPTION = "projects/local-project/subscriptions/mine"
SOON = timedelta(seconds=10)


@dataclass(frozen=True)
class PubSub:
    url: str
    delivery: Delivery
    clock: WoundClock

    def call(self, method: str, resource: str, body: Any = None) -> tuple[int, Any]:
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        response = urllib3.request(method, f"{self.url}/v1/{resource}", body=content, retries=False, timeout=10)
        return response.status, json.loads(response.data)

    def publish(self, *messages: dict[str, Any]) -> list[str]:
        status, answer = self.call("POST", f"{TOPIC}:publish", {"messages": list(messages)})
        assert status == 200, answer
        ids: list[str] = answer["messageIds"]
        return ids


@contextmanager
def running(folder: Path) -> Iterator[PubSub]:
    clock = WoundClock(folder / "clock.json")
    delivery = Delivery(folder / "queues.sqlite3", clock)
    queues = Queues(folder / "queues.sqlite3", delivery, clock.now)
    server = Server(pubsub.routes(queues))
    server.start()
    delivery.start()
    try:
        yield PubSub(server.url, delivery, clock)
    finally:
        delivery.stop(timedelta(0))
        server.stop()
        queues.close()


@pytest.fixture
def it(tmp_path: Path) -> Iterator[PubSub]:
    with running(tmp_path) as it:
        assert it.call("PUT", TOPIC, {})[0] == 200
        yield it


def code(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["status"]


def test_topics_are_made_read_listed_and_deleted(it: PubSub) -> None:
    assert it.call("GET", TOPIC) == (200, {"name": TOPIC})
    assert it.call("GET", "projects/local-project/topics") == (200, {"topics": [{"name": TOPIC}]})
    assert code(it.call("PUT", TOPIC, {})) == (409, "ALREADY_EXISTS")
    assert it.call("DELETE", TOPIC) == (200, {})
    assert code(it.call("GET", TOPIC)) == (404, "NOT_FOUND")
    assert code(it.call("DELETE", TOPIC)) == (404, "NOT_FOUND")


def test_a_message_is_pushed_wrapped(it: PubSub) -> None:
    with Endpoint() as endpoint:
        push = {"topic": TOPIC, "pushConfig": {"pushEndpoint": endpoint.url + "/pubsub"}}
        status, made = it.call("PUT", SUBSCRIPTION, push)
        assert (status, made["ackDeadlineSeconds"]) == (200, 10)
        assert it.call("GET", SUBSCRIPTION) == (200, made)
        (message_id,) = it.publish({"data": "aGk=", "attributes": {"k": "v"}, "orderingKey": "o"})
        (request,) = endpoint.wait_for(1)
    body = json.loads(request.body)
    published = body["message"]["publishTime"]
    assert (request.path, body) == (
        "/pubsub",
        {
            "message": {
                "data": "aGk=",
                "attributes": {"k": "v"},
                "orderingKey": "o",
                "messageId": message_id,
                "message_id": message_id,
                "publishTime": published,
                "publish_time": published,
            },
            "subscription": SUBSCRIPTION,
            "deliveryAttempt": 1,
        },
    )


def test_a_refused_message_says_which_attempt_it_is(it: PubSub) -> None:
    answers = iter([Response(500), Response(500)])
    with Endpoint(lambda _: next(answers, Response())) as endpoint:
        push = {
            "topic": TOPIC,
            "pushConfig": {"pushEndpoint": endpoint.url},
            "retryPolicy": {"minimumBackoff": "20s", "maximumBackoff": "30s"},
        }
        assert it.call("PUT", SUBSCRIPTION, push)[0] == 200
        it.publish({"data": "aGk="})
        for backoff in (20, 30):
            assert it.delivery.wait_idle(SOON)
            it.clock.advance(timedelta(seconds=backoff))
        assert it.delivery.wait_idle(SOON)
    assert [json.loads(request.body)["deliveryAttempt"] for request in endpoint.requests] == [1, 2, 3]


def test_message_ids_are_never_used_twice_even_over_a_restart(it: PubSub, tmp_path: Path) -> None:
    ids = it.publish({"data": "aGk="}, {"data": "aGk="})
    with running(tmp_path) as again:
        ids += again.publish({"data": "aGk="})
    assert sorted(set(ids), key=int) == ids


def test_subscriptions_outlive_a_restart(tmp_path: Path) -> None:
    with Endpoint() as endpoint:
        push = {"topic": TOPIC, "pushConfig": {"pushEndpoint": endpoint.url}, "enableMessageOrdering": True}
        with running(tmp_path) as it:
            it.call("PUT", TOPIC, {})
            _, made = it.call("PUT", SUBSCRIPTION, push)
        with running(tmp_path) as it:
            assert it.call("GET", SUBSCRIPTION) == (200, made)
            it.publish({"data": "aGk="})
            endpoint.wait_for(1)


def test_messages_of_one_ordering_key_keep_their_order(it: PubSub) -> None:
    with Endpoint() as endpoint:
        push = {"topic": TOPIC, "pushConfig": {"pushEndpoint": endpoint.url}, "enableMessageOrdering": True}
        it.call("PUT", SUBSCRIPTION, push)
        ids = it.publish(*({"data": "aGk=", "orderingKey": "k"} for _ in range(50)))
        assert it.delivery.wait_idle(SOON)
    assert [json.loads(request.body)["message"]["messageId"] for request in endpoint.requests] == ids


def test_a_deleted_subscription_gets_nothing_more(it: PubSub) -> None:
    with Endpoint(lambda _: Response(500)) as endpoint:
        it.call("PUT", SUBSCRIPTION, {"topic": TOPIC, "pushConfig": {"pushEndpoint": endpoint.url}})
        it.publish({"data": "aGk="})
        assert it.delivery.wait_idle(SOON)
        assert it.call("DELETE", SUBSCRIPTION) == (200, {})
        it.clock.advance(timedelta(hours=1))
        it.publish({"data": "aGk="})
        assert it.delivery.wait_idle(SOON)
        assert len(endpoint.requests) == 1
    assert code(it.call("GET", SUBSCRIPTION)) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        {"messages": []},
        {"messages": {}},
        {"messages": [{}]},
        {"messages": [1]},
        {"messages": [{"data": 1}]},
        {"messages": [{"data": "not base64!"}]},
        {"messages": [{"data": "ü"}]},
        {"messages": [{"attributes": {"k": 1}}]},
        {"messages": [{"attributes": {"": "v"}}]},
        {"messages": [{"attributes": {"k": "v" * 1025}}]},
        {"messages": [{"attributes": {"k": "\ud800"}}]},
        {"messages": [{"attributes": {str(n): "" for n in range(101)}}]},
        {"messages": [{"data": "aGk=", "orderingKey": "k" * 1025}]},
        {"messages": [{"data": "aGk="}] * 1001},
        {"messages": [{"data": base64.b64encode(bytes(12_000_000)).decode()}]},
    ],
    ids=range(20),
)
def test_what_is_no_publish_is_refused(it: PubSub, body: Any) -> None:
    assert code(it.call("POST", f"{TOPIC}:publish", body)) == (400, "INVALID_ARGUMENT")


def test_publishing_to_no_topic_is_not_found(it: PubSub) -> None:
    answer = it.call("POST", "projects/local-project/topics/nothing:publish", {"messages": [{"data": "aGk="}]})
    assert code(answer) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 501),
        ({"topic": TOPIC}, 501),
        ({"topic": TOPIC, "filter": "x", "pushConfig": {"pushEndpoint": "http://127.0.0.1:1"}}, 501),
        ({"topic": TOPIC, "pushConfig": {"pushEndpoint": "http://127.0.0.1:1", "oidcToken": {}}}, 501),
        ({"topic": TOPIC, "pushConfig": {"pushEndpoint": "https://example.com/"}}, 400),
        ({"topic": TOPIC, "pushConfig": {"pushEndpoint": "http://127.0.0.1:x"}}, 400),
        ({"topic": TOPIC, "pushConfig": {"pushEndpoint": "http://127.0.0.1:1/\r\nX: y"}}, 400),
        ({"topic": TOPIC, "ackDeadlineSeconds": 5, "pushConfig": {"pushEndpoint": "http://127.0.0.1:1"}}, 400),
        ({"topic": "projects/x/topics/y", "pushConfig": {"pushEndpoint": "http://127.0.0.1:1"}}, 404),
    ],
)
def test_subscriptions_that_are_not_emulated_are_refused_and_not_made(it: PubSub, body: Any, status: int) -> None:
    assert it.call("PUT", SUBSCRIPTION, body)[0] == status
    assert code(it.call("GET", SUBSCRIPTION)) == (404, "NOT_FOUND")


@pytest.mark.parametrize("name", ["x", "goog-topic", "1abc", "a" * 256])
def test_names_that_pubsub_refuses_are_refused(it: PubSub, name: str) -> None:
    assert code(it.call("PUT", f"projects/local-project/topics/{name}", {})) == (400, "INVALID_ARGUMENT")
