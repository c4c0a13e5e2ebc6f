from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from retrigger.local_emulator.backlog import Item
from retrigger.local_emulator.clock import WoundClock
from retrigger.local_emulator.delivery import Again, Delivered, Delivery, Exhausted, Policy, Subscription, fate
from retrigger.local_emulator.push import Answer
from tests.local_emulator.endpoint import Endpoint, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOON = timedelta(seconds=10)
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
ITEM = Item(1, "s", {}, b"", accepted=NOW, tries=0)


@contextmanager
def running(folder: Path, *subscriptions: Subscription, workers: int = 4) -> Iterator[tuple[Delivery, WoundClock]]:
    clock = WoundClock(folder / "clock.json")
    delivery = Delivery(folder / "queues.sqlite3", clock, workers=workers)
    for subscription in subscriptions:
        delivery.register(subscription)
    delivery.start()
    try:
        yield delivery, clock
    finally:
        delivery.stop(timedelta(0))


def a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


class TestFate:
    @pytest.mark.parametrize("status", [102, 200, 201, 202, 204])
    def test_these_answers_acknowledge(self, status: int) -> None:
        assert fate(Policy(), ITEM, Answer(status), NOW) == Delivered()

    @pytest.mark.parametrize("status", [0, 203, 206, 301, 400, 404, 429, 500, 503])
    def test_every_other_answer_does_not(self, status: int) -> None:
        assert fate(Policy(), ITEM, Answer(status), NOW) == Again(NOW + timedelta(seconds=10))

    def test_the_backoff_doubles_up_to_its_cap(self) -> None:
        waits = [fate(Policy(), replace(ITEM, tries=tries), Answer(500), NOW) for tries in (0, 1, 2, 5, 6, 10_000)]
        assert waits == [Again(NOW + timedelta(seconds=s)) for s in (10, 20, 40, 320, 600, 600)]

    def test_retry_after_is_honoured_and_capped(self) -> None:
        waits = [fate(Policy(), ITEM, Answer(503, retry_after=seconds), NOW) for seconds in (3, 1e300)]
        assert waits == [Again(NOW + timedelta(seconds=3)), Again(NOW + timedelta(seconds=600))]

    def test_the_last_attempt_ends_it_with_what_was_answered(self) -> None:
        last = fate(Policy(max_attempts=5), replace(ITEM, tries=4), Answer(503), NOW)
        assert last == Exhausted("not acknowledged in 5 attempts; the last answer was: HTTP 503")

    def test_age_ends_it_too(self) -> None:
        last = fate(Policy(), ITEM, Answer(0, error="lost"), NOW + timedelta(days=1))
        assert last == Exhausted("not acknowledged within 1 day, 0:00:00; the last answer was: lost")


def test_an_event_is_pushed_as_it_was_submitted_and_its_answer_is_kept(tmp_path: Path) -> None:
    answer = Response(200, b'{"outcome": "launched"}')
    with (
        Endpoint(lambda _: answer) as endpoint,
        running(tmp_path, Subscription(name="s", endpoint=endpoint.url + "/x")) as (delivery, clock),
    ):
        delivery.submit("s", {"ce-id": "1"}, b"{}", now=clock.now())
        assert delivery.wait_idle(SOON)
        (attempt,) = delivery.attempts()
    (request,) = endpoint.requests
    assert (request.path, request.headers["ce-id"], request.body) == ("/x", "1", b"{}")
    assert (attempt.number, attempt.status, attempt.answer, attempt.error) == (1, 200, {"outcome": "launched"}, None)


def test_copies_are_the_same_event(tmp_path: Path) -> None:
    with Endpoint() as endpoint, running(tmp_path, Subscription(name="s", endpoint=endpoint.url, copies=2)) as it:
        delivery, clock = it
        delivery.submit("s", {"ce-id": "1"}, b"{}", now=clock.now())
        assert delivery.wait_idle(SOON)
        assert [request.headers["ce-id"] for request in endpoint.requests] == ["1", "1"]
        assert delivery.tallies() == {"s": {"accepted": 2, "delivered": 2}}


def test_a_refused_event_comes_again_when_the_clock_is_wound_to_its_backoff(tmp_path: Path) -> None:
    answers = iter([Response(503), Response(503), Response(204)])
    with (
        Endpoint(lambda _: next(answers)) as endpoint,
        running(tmp_path, Subscription(name="s", endpoint=endpoint.url)) as (delivery, clock),
    ):
        delivery.submit("s", {}, b"", now=clock.now())
        for wind in (timedelta(seconds=5), timedelta(seconds=5), timedelta(seconds=19), timedelta(seconds=1)):
            assert delivery.wait_idle(SOON)
            clock.advance(wind)
        assert delivery.wait_idle(SOON)
        attempts = delivery.attempts()
        assert delivery.tallies() == {"s": {"accepted": 1, "delivered": 1, "refused": 2}}
    waited = [round((b.at - a.at).total_seconds()) for a, b in pairwise(attempts)]
    assert [(attempt.number, attempt.status) for attempt in attempts] == [(1, 503), (2, 503), (3, 204)]
    assert waited == [10, 20]


def test_what_was_never_acknowledged_becomes_a_dead_letter_with_its_body(tmp_path: Path) -> None:
    policy = Policy(max_attempts=2)
    with (
        Endpoint(lambda _: Response(500)) as endpoint,
        running(tmp_path, Subscription(name="s", endpoint=endpoint.url, policy=policy)) as (delivery, clock),
    ):
        delivery.submit("s", {"a": "b"}, b"body", now=clock.now())
        assert delivery.wait_idle(SOON)
        clock.advance(timedelta(seconds=10))
        assert delivery.wait_idle(SOON)
        (dead,) = delivery.dead()
    assert dead.reason == "not acknowledged in 2 attempts; the last answer was: HTTP 500"
    assert (dead.item.headers, dead.item.body) == ({"a": "b"}, b"body")


def test_a_subscription_without_dead_letters_forgets(tmp_path: Path) -> None:
    policy = Policy(max_attempts=1, dead_letter=False)
    with (
        Endpoint(lambda _: Response(500)) as endpoint,
        running(tmp_path, Subscription(name="s", endpoint=endpoint.url, policy=policy)) as (delivery, clock),
    ):
        delivery.submit("s", {}, b"", now=clock.now())
        assert delivery.wait_idle(SOON)
        assert (delivery.dead(), delivery.tallies()) == ([], {"s": {"accepted": 1, "dropped": 1}})


def test_a_silent_function_is_cut_off_at_the_ack_deadline(tmp_path: Path) -> None:
    release = threading.Event()

    def hang(_: Request) -> Response:
        release.wait(10)
        return Response()

    policy = Policy(ack_deadline=timedelta(seconds=0.2))
    with (
        Endpoint(hang) as endpoint,
        running(tmp_path, Subscription(name="s", endpoint=endpoint.url, policy=policy)) as (delivery, clock),
    ):
        delivery.submit("s", {}, b"", now=clock.now())
        assert delivery.wait_idle(SOON)
        release.set()
        (attempt,) = delivery.attempts()
    assert (attempt.status, attempt.error) == (0, "no answer within the ack deadline of 0.2 s")


def test_a_host_that_is_not_up_yet_costs_no_attempt(tmp_path: Path) -> None:
    port = a_free_port()
    subscription = Subscription(name="s", endpoint=f"http://127.0.0.1:{port}", policy=Policy(max_attempts=1))
    with running(tmp_path, subscription) as (delivery, clock):
        delivery.submit("s", {}, b"late", now=clock.now())
        assert not delivery.wait_idle(timedelta(seconds=0.2))
        with Endpoint(port=port) as endpoint:
            assert delivery.wait_idle(SOON)
            assert [request.body for request in endpoint.requests] == [b"late"]


def test_a_backlog_for_a_host_that_is_not_up_is_delivered_in_its_order(tmp_path: Path) -> None:
    port = a_free_port()
    with running(tmp_path, Subscription(name="s", endpoint=f"http://127.0.0.1:{port}"), workers=1) as (delivery, clock):
        for n in range(300):
            delivery.submit("s", {}, b"%d" % n, now=clock.now())
        assert not delivery.wait_idle(timedelta(seconds=0.2))
        with Endpoint(port=port) as endpoint:
            assert delivery.wait_idle(SOON)
            assert [request.body for request in endpoint.requests] == [b"%d" % n for n in range(300)]


def test_what_nobody_ever_took_dies_of_age(tmp_path: Path) -> None:
    subscription = Subscription(name="s", endpoint=f"http://127.0.0.1:{a_free_port()}")
    with running(tmp_path, subscription) as (delivery, clock):
        delivery.submit("s", {}, b"", now=clock.now())
        clock.advance(timedelta(days=2))
        assert delivery.wait_idle(SOON)
        assert len(delivery.dead()) == 1


def test_undelivered_events_outlive_the_engine(tmp_path: Path) -> None:
    with (
        Endpoint(lambda _: Response(503)) as endpoint,
        running(tmp_path, Subscription(name="s", endpoint=endpoint.url)) as (delivery, clock),
    ):
        for n in range(20):
            delivery.submit("s", {}, b"%d" % n, now=clock.now())
    with Endpoint() as endpoint, running(tmp_path, Subscription(name="s", endpoint=endpoint.url)) as (delivery, clock):
        clock.advance(timedelta(seconds=10))
        endpoint.wait_for(20)
        assert delivery.wait_idle(SOON)
    assert Counter(request.body for request in endpoint.requests) == Counter(b"%d" % n for n in range(20))


def test_what_was_in_flight_at_a_stop_is_due_again(tmp_path: Path) -> None:
    release = threading.Event()

    def hang(_: Request) -> Response:
        release.wait(10)
        return Response()

    with Endpoint(hang) as endpoint, running(tmp_path, Subscription(name="s", endpoint=endpoint.url)) as it:
        it[0].submit("s", {}, b"x", now=it[1].now())
        endpoint.wait_for(1)
        it[0].stop(timedelta(0))
        release.set()
    with Endpoint() as endpoint, running(tmp_path, Subscription(name="s", endpoint=endpoint.url)) as (delivery, _):
        assert delivery.wait_idle(SOON)
        assert [request.body for request in endpoint.requests] == [b"x"]


def test_a_lane_keeps_its_order_through_refusals_and_blocks_nobody_else(tmp_path: Path) -> None:
    answers = iter([Response(503)])

    def answer(request: Request) -> Response:
        return next(answers, Response()) if request.body == b"a1" else Response()

    with (
        Endpoint(answer) as endpoint,
        running(tmp_path, Subscription(name="s", endpoint=endpoint.url)) as (delivery, clock),
    ):
        for body in (b"a1", b"a2", b"b1", b"a3"):
            delivery.submit("s", {}, body, lane=body[:1].decode(), now=clock.now())
        assert delivery.wait_idle(SOON)
        clock.advance(timedelta(seconds=10))
        assert delivery.wait_idle(SOON)
    bodies = [request.body for request in endpoint.requests]
    assert [body for body in bodies if body != b"b1"] == [b"a1", b"a1", b"a2", b"a3"]
    assert bodies.index(b"b1") < bodies.index(b"a2")


def test_items_of_a_deleted_subscription_go_with_it(tmp_path: Path) -> None:
    with running(tmp_path, Subscription(name="s", endpoint=f"http://127.0.0.1:{a_free_port()}")) as (delivery, clock):
        delivery.submit("s", {}, b"", now=clock.now())
        delivery.unregister("s")
        assert delivery.wait_idle(SOON)


def test_items_whose_subscription_is_gone_after_a_restart_are_dead_letters(tmp_path: Path) -> None:
    with running(tmp_path, Subscription(name="old", endpoint=f"http://127.0.0.1:{a_free_port()}")) as (delivery, clock):
        delivery.submit("old", {}, b"", now=clock.now())
    with running(tmp_path) as (delivery, clock):
        clock.advance(timedelta(seconds=1))
        assert delivery.wait_idle(SOON)
        assert [dead.reason for dead in delivery.dead()] == ["there is no subscription 'old' any more"]


def test_no_more_are_in_flight_than_there_are_workers(tmp_path: Path) -> None:
    at_once, most, lock = 0, 0, threading.Lock()

    def count(_: Request) -> Response:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        with lock:
            at_once -= 1
        return Response()

    with (
        Endpoint(count) as endpoint,
        running(tmp_path, Subscription(name="s", endpoint=endpoint.url), workers=3) as (delivery, clock),
    ):
        for _ in range(200):
            delivery.submit("s", {}, b"", now=clock.now())
        assert delivery.wait_idle(SOON)
        assert delivery.tallies() == {"s": {"accepted": 200, "delivered": 200}}
    assert most <= 3


@pytest.mark.parametrize("value", ["a\r\nX: 1", "\x00", "ü"])
def test_headers_that_http_cannot_carry_are_refused_at_the_door(tmp_path: Path, value: str) -> None:
    with running(tmp_path, Subscription(name="s", endpoint="http://127.0.0.1:1")) as (delivery, clock):
        with pytest.raises(ValueError, match="printable ASCII"):
            delivery.submit("s", {"ce-subject": value}, b"", now=clock.now())
        assert delivery.tallies() == {}


def test_an_attempt_writes_its_own_body(tmp_path: Path) -> None:
    answers = iter([Response(500), Response()])

    def numbered(body: bytes, attempt: int) -> bytes:
        return json.dumps({**json.loads(body), "attempt": attempt}).encode()

    with Endpoint(lambda _: next(answers)) as endpoint:
        subscription = Subscription(name="s", endpoint=endpoint.url, body_of=numbered)
        with running(tmp_path, subscription) as (delivery, clock):
            delivery.submit("s", {}, b"{}", now=clock.now())
            assert delivery.wait_idle(SOON)
            clock.advance(timedelta(seconds=10))
            assert delivery.wait_idle(SOON)
    assert [json.loads(request.body) for request in endpoint.requests] == [{"attempt": 1}, {"attempt": 2}]
