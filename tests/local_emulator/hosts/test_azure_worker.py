"""Our host around Microsoft's worker library: a recording app, then the functions that we ship."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.functions.azure import FOLDER
from retrigger.local_emulator.clock import WoundClock
from retrigger.local_emulator.delivery import Delivery as Engine
from retrigger.local_emulator.delivery import Policy, Subscription
from retrigger.local_emulator.hosts.azure_deliveries import Delivery, given_out
from retrigger.local_emulator.hosts.azure_worker import AzureApp
from retrigger.local_emulator.hosts.functions_framework import FunctionsHost, HostFailed
from tests.benchmarks.loopback import Platform
from tests.functions.azure.project import Project
from tests.local_emulator.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytest.importorskip("azure_functions_runtime", reason="Microsoft's worker library is not installed")

APP = Path(__file__).parent / "azure_app"
INSERTED = "2026-01-05T09:00:00Z"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Served:
    """A worker, and what its recording app was given."""

    host: FunctionsHost
    folder: Path

    def ask(self, path: str, body: object = b"", method: str = "POST", **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.host.port, timeout=30)
        try:
            connection.request(method, path, raw, headers)
            response = connection.getresponse()
            return Answer(response.status, {n.lower(): v for n, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def recorded(self) -> list[Any]:
        """Since the last time."""
        record = self.folder / "record"
        lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
        record.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("worker")
    environment = {**os.environ, "RECORD": str(folder / "record")}
    host = FunctionsHost(AzureApp(folder=APP, environment=environment), folder / "log")
    host.start()
    host.wait_ready(30)
    yield Served(host, folder)
    host.stop()


def queued(body: bytes, count: int = 1) -> bytes:
    return Delivery({"Id": "m-1", "DequeueCount": count, "InsertionTime": INSERTED}, body).write()


def bused(body: bytes, **properties: str) -> bytes:
    headers = {"MessageId": "m-1", "DeliveryCount": "2", "EnqueuedTimeUtc": INSERTED}
    return Delivery.of(
        {**headers, **({"ApplicationProperties": json.dumps(properties)} if properties else {})}, body
    ).write()


def test_a_queues_message_arrives_with_what_its_queue_tells(worker: Served) -> None:
    assert worker.ask("/queue/jobs", queued(b"\xff\x00")).status == 200
    assert worker.recorded() == [["jobs", "m-1", 1, "2026-01-05 09:00:00+00:00", "b'\\xff\\x00'"]]


@pytest.mark.parametrize("count", [1, 2])
def test_a_message_that_fails_is_visible_again_after_the_timeout(worker: Served, count: int) -> None:
    answer = worker.ask("/queue/jobs", queued(b"fail", count))
    assert (answer.status, answer.headers["retry-after"]) == (503, "90")
    assert json.loads(answer.body) == {"error": "ValueError('asked to fail')"}
    assert [told[0] for told in worker.recorded()] == ["jobs"]


def test_after_the_last_try_a_message_is_a_new_one_in_the_poison_queue(worker: Served) -> None:
    assert worker.ask("/queue/jobs", queued(b"fail", 3)).status == 200
    tried, given_up = worker.recorded()
    assert (tried[0], given_up) == ("jobs", ["given_up", True, 1, "f-a-i-l"])


def test_a_message_that_was_read_too_often_is_not_tried_again(worker: Served) -> None:
    assert worker.ask("/queue/jobs", queued(b"fine", 4)).status == 200
    assert worker.recorded() == [["given_up", True, 1, "fine"]]


@pytest.mark.parametrize(("queue", "count"), [("jobs", 3), ("jobs", 30), ("jobs-poison", 30)])
def test_what_fails_in_the_poison_queue_is_never_given_up(worker: Served, queue: str, count: int) -> None:
    answer = worker.ask(f"/queue/{queue}", queued(b"fail poison", count))
    assert (answer.status, answer.headers["retry-after"]) == (503, "600")
    worker.recorded()


def test_a_message_that_no_function_would_hear_stays_with_who_delivers_it(worker: Served) -> None:
    assert worker.ask("/queue/nobody", queued(b"")).status == 404
    assert worker.ask("/queue/lonely", queued(b"fail", 3)).status == 404
    assert worker.ask("/servicebus/nobody", bused(b"")).status == 404
    worker.recorded()


def test_service_bus_tells_its_own_names(worker: Served) -> None:
    assert worker.ask("/servicebus/orders", bused(b"{}", team="growth")).status == 200
    assert worker.ask("/servicebus/news/subscriptions/train", bused(b"text")).status == 200
    assert worker.recorded() == [["orders", "m-1", 2, {"team": "growth"}, "{}"], ["news", "text"]]


def test_service_bus_delivers_again_at_once(worker: Served) -> None:
    answer = worker.ask("/servicebus/orders", bused(b"fail"))
    assert (answer.status, answer.headers["retry-after"]) == (503, "0")
    worker.recorded()


def test_event_grid_hands_over_each_event_as_it_came(worker: Served) -> None:
    events = [{"specversion": "1.0", "type": "a", "source": "/s"}, {"eventType": "b", "topic": "/t"}]
    assert worker.ask("/eventgrid", events).status == 202
    assert worker.ask("/eventgrid", events[0]).status == 202
    assert worker.recorded() == [["event_grid", event] for event in [*events, events[0]]]


def test_one_event_that_fails_has_the_batch_delivered_again(worker: Served) -> None:
    assert worker.ask("/eventgrid", [{"id": "fail"}, {"id": "fine"}]).status == 500
    assert worker.recorded() == [["event_grid", {"id": "fail"}], ["event_grid", {"id": "fine"}]]


def test_the_host_answers_the_handshake_itself(worker: Served) -> None:
    asked = [{"data": {"validationCode": "512d38b6"}}]
    answer = worker.ask("/eventgrid", asked, **{"aeg-event-type": "SubscriptionValidation"})
    assert (answer.status, json.loads(answer.body)) == (200, {"validationResponse": "512d38b6"})
    assert worker.recorded() == []


def test_a_timer_is_struck_and_tried_again_as_its_policy_says(worker: Served) -> None:
    assert worker.ask("/timer", {"IsPastDue": True, "ScheduleStatus": {"Last": INSERTED}}).status == 200
    assert worker.recorded() == [["minute", True, {"Last": INSERTED}]]
    answer = worker.ask("/timer", {"ScheduleStatus": {"Last": "fail"}})
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    worker.recorded()


def test_http_reaches_the_function_of_its_route_and_verb(worker: Served) -> None:
    answer = worker.ask("/api/greet/Ann%20B/x/y?q=1", "hé".encode(), "PUT", **{"x-told": "so"})
    assert (answer.status, answer.headers["x-answer"], answer.body) == (201, "yes", b"hello")
    assert worker.recorded() == [["greet", "PUT", "so", {"q": "1"}, {"who": "Ann B", "rest": "x/y"}, "hé"]]
    assert worker.ask("/api/greet/Ann", b"", "PUT", **{"x-told": "so"}).status == 201
    assert worker.recorded() == [["greet", "PUT", "so", {}, {"who": "Ann"}, ""]]
    assert worker.ask("/api/plain", method="PATCH").body == b"PATCH"


def test_http_that_fails_is_an_error_without_a_traceback(worker: Served) -> None:
    answer = worker.ask("/api/greet/Ann", b"fail", "PUT", **{"x-told": "so"})
    assert (answer.status, answer.body) == (500, b"")
    worker.recorded()


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/greet/Ann"), ("PUT", "/api/greet"), ("GET", "/api/"), ("GET", "/")]
)
def test_what_no_function_answers_is_not_found(worker: Served, method: str, path: str) -> None:
    assert worker.ask(path, method=method).status == 404


@pytest.mark.parametrize("path", ["/queue/jobs", "/servicebus/orders", "/eventgrid", "/timer"])
@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_delivery_is_refused(worker: Served, path: str, body: bytes) -> None:
    assert worker.ask(path, body).status == 400
    assert worker.recorded() == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"metadata": {}, "body": ""},
        {"metadata": [], "body": ""},
        {"metadata": {"DequeueCount": "1"}, "body": ""},
    ],
)
def test_a_delivery_that_tells_too_little_is_refused(worker: Served, body: object) -> None:
    assert worker.ask("/queue/jobs", body).status == 400


def test_it_comes_back_after_a_kill(worker: Served) -> None:
    deaths = worker.host.deaths
    assert worker.host.pid
    os.kill(worker.host.pid, signal.SIGKILL)
    eventually(lambda: worker.host.deaths > deaths, 20)
    eventually(lambda: listens(worker), 20)
    assert worker.ask("/queue/jobs", queued(b"again")).status == 200
    worker.recorded()


def test_it_ends_when_whoever_started_it_is_gone(tmp_path: Path) -> None:
    app = AzureApp(folder=APP, environment={**os.environ, "RECORD": str(tmp_path / "record")})
    process = subprocess.Popen(app.command(0), stdin=subprocess.PIPE, env=dict(app.environment), start_new_session=True)
    assert process.stdin
    process.stdin.close()  # as the kernel does when a process is killed
    assert process.wait(20) == -signal.SIGKILL


@pytest.mark.parametrize("headers", [{"Origin": "https://example.com"}, {"Host": "evil.example.com"}])
def test_web_pages_reach_no_function(worker: Served, headers: dict[str, str]) -> None:
    for path in ("/queue/jobs", "/api/plain"):
        assert worker.ask(path, queued(b""), **headers).status == 403
    assert worker.recorded() == []


def listens(worker: Served) -> bool:
    try:
        return worker.ask("/").status == 404
    except OSError:
        return False


def failed(tmp_path: Path, environment: Mapping[str, str]) -> str:
    host = FunctionsHost(AzureApp(folder=tmp_path, environment=environment), tmp_path / "log")
    host.start()
    try:
        with pytest.raises(HostFailed) as raised:
            host.wait_ready(30)
        return str(raised.value)
    finally:
        host.stop()


@pytest.mark.parametrize(
    ("source", "host_json", "told"),
    [
        (None, "{}", "has no function_app.py with functions in it"),
        ("raise ValueError('broken here')", "{}", "broken here"),
        (
            "import azure.functions as func\napp = func.FunctionApp()",
            "{}",
            "has no function_app.py with functions in it",
        ),
        ((APP / "function_app.py").read_text(), "{", "cannot be served"),
        (
            (APP / "function_app.py").read_text(),
            '{"extensions": {"queues": {"visibilityTimeout": "30s"}}}',
            "no time span",
        ),
    ],
)
def test_an_app_that_cannot_be_loaded_says_why(tmp_path: Path, source: str | None, host_json: str, told: str) -> None:
    if source is not None:
        (tmp_path / "function_app.py").write_text(source, encoding="utf-8")
    (tmp_path / "host.json").write_text(host_json, encoding="utf-8")
    assert told in failed(tmp_path, os.environ)


# The functions that we ship, behind the emulator's own queues.


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform() as started:
        yield started


@pytest.fixture
def project(tmp_path: Path, platform: Platform) -> Project:
    return Project.make(tmp_path, platform.url)


@pytest.fixture
def shipped(project: Project) -> Iterator[Served]:
    environment = {**os.environ, "RETRIGGER_COMPILED": str(project.compiled)}
    host = FunctionsHost(AzureApp(folder=FOLDER, environment=environment), project.folder / "log")
    host.start()
    host.wait_ready(30)
    served = Served(host, project.folder)
    assert (
        served.ask("/api/events", method="OPTIONS", **{"WebHook-Request-Origin": "me"}).status == 200
    )  # opens the ledger
    yield served
    host.stop()


@dataclass(frozen=True)
class Queue:
    """A storage queue in front of the app: what fails waits as long as the host says, on a clock that can be wound."""

    engine: Engine
    clock: WoundClock

    def put(self, body: bytes, message_id: str = "m-1") -> None:
        headers = {"Id": message_id, "DequeueCount": "1", "InsertionTime": INSERTED}
        self.engine.submit("asks", {}, Delivery.of(headers, body).write(), now=self.clock.now())

    def settle(self) -> list[int]:
        """-> the answers so far."""
        assert self.engine.wait_idle(timedelta(seconds=30))
        return [attempt.status for attempt in self.engine.attempts()]


@pytest.fixture
def queue(shipped: Served) -> Iterator[Queue]:
    clock = WoundClock(shipped.folder / "clock")
    engine = Engine(shipped.folder / "queues", clock, workers=2)
    policy = Policy(max_age=timedelta(days=7), ack_deadline=timedelta(seconds=30))
    engine.register(
        Subscription(name="asks", endpoint=f"{shipped.host.url}/queue/asks", policy=policy, body_of=given_out)
    )
    engine.start()
    yield Queue(engine, clock)
    engine.stop()


def test_a_message_waits_out_an_outage_in_its_queue(queue: Queue, project: Project) -> None:
    with project.without_ledger():
        queue.put(b'{"a": 1}')
        assert queue.settle() == [503]
        queue.clock.advance(timedelta(seconds=29))
        assert queue.settle() == [503]
        queue.clock.advance(timedelta(seconds=1))
        assert queue.settle() == [503, 503]
    queue.clock.advance(timedelta(seconds=31))
    assert queue.settle() == [503, 503, 200]
    assert (project.runs(), project.dead_letters()) == (["train"], [])


def test_a_message_that_is_given_up_becomes_a_dead_letter_once_that_can_be_written(
    queue: Queue, project: Project
) -> None:
    most = json.loads((FOLDER / "host.json").read_text())["extensions"]["queues"]["maxDequeueCount"]
    with project.without_ledger():
        queue.put(b'{"a": 1}')
        for _ in range(most - 1):
            queue.settle()
            queue.clock.advance(timedelta(seconds=31))
        assert queue.settle() == [503] * most  # the last went on to the poison queue, and could not be buried either
    queue.clock.advance(timedelta(seconds=599))
    assert len(queue.settle()) == most
    queue.clock.advance(timedelta(seconds=2))
    assert queue.settle()[-1] == 200
    assert (project.runs(), project.dead_letters()) == ([], ["poisoned"])


def test_every_way_in_leads_to_the_same_core(shipped: Served, project: Project) -> None:
    assert shipped.ask("/queue/asks", queued(b"{}")).status == 200
    assert shipped.ask("/servicebus/retrain", bused(b"{}")).status == 200
    assert shipped.ask("/servicebus/news/subscriptions/train", bused(b"{}")).status == 200
    assert shipped.ask("/timer", {"ScheduleStatus": {"Last": "0001-01-01T00:00:00"}}).status == 200
    assert project.runs() == ["always", "train", "train", "train"]
    assert shipped.ask("/eventgrid", [{"id": "no event"}]).status == 202
    assert shipped.ask("/api/events", b"{").status == 200
    assert len(project.dead_letters()) == 2
