from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from retrigger.local_emulator.clock import WoundClock
from retrigger.local_emulator.delivery import Delivery
from retrigger.local_emulator.scheduler import Scheduler, TriggerSchedule
from retrigger.triggers.event import Schedule
from retrigger.triggers.formats import parse
from tests.local_emulator.endpoint import Endpoint, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOON = timedelta(seconds=10)
HOUR = timedelta(hours=1)
HOURLY = TriggerSchedule("hourly", "0 * * * *", "Europe/Paris")


@contextmanager
def running(
    folder: Path, endpoint: Endpoint, *schedules: TriggerSchedule, tick_every: timedelta = 1000 * HOUR
) -> Iterator[tuple[Scheduler, Delivery, WoundClock]]:
    """The first tick, which a start brings, has been delivered."""
    clock = WoundClock(folder / "clock.json")
    delivery = Delivery(folder / "queues.sqlite3", clock)
    scheduler = Scheduler(schedules, endpoint.url, delivery=delivery, clock=clock, tick_every=tick_every)
    delivery.start()
    scheduler.start()
    try:
        endpoint.wait_for(1)
        assert delivery.wait_idle(SOON)
        yield scheduler, delivery, clock
    finally:
        scheduler.stop()
        delivery.stop(timedelta(0))


def wake_ups(requests: list[Request]) -> list[Schedule]:
    events = [parse(request.headers, request.body)[0] for request in requests if request.path != "/tick"]
    payloads = [event.payload for event in events]
    assert all(isinstance(payload, Schedule) for payload in payloads)
    return payloads  # type: ignore[return-value]  # just asserted


def ticks(requests: list[Request]) -> int:
    return sum(request.path == "/tick" for request in requests)


def test_each_slot_that_is_wound_over_is_one_wake_up_oldest_first(tmp_path: Path) -> None:
    with Endpoint() as endpoint, running(tmp_path, endpoint, HOURLY) as (_, delivery, clock):
        before = clock.now()
        clock.advance(3 * HOUR)
        assert delivery.wait_idle(SOON)
    first = before.replace(minute=0, second=0, microsecond=0) + HOUR
    expected = [Schedule(name="hourly", scheduled_for=first + n * HOUR, past_due=True) for n in range(3)]
    assert [it.scheduled_for for it in wake_ups(endpoint.requests)] == [it.scheduled_for for it in expected]


def test_only_the_latest_hundred_slots_are_announced(tmp_path: Path) -> None:
    with Endpoint() as endpoint, running(tmp_path, endpoint, HOURLY) as (_, delivery, clock):
        clock.advance(1000 * HOUR)
        assert delivery.wait_idle(SOON)
        last = clock.now().replace(minute=0, second=0, microsecond=0)
    slots = [it.scheduled_for for it in wake_ups(endpoint.requests)]
    assert slots == [last - n * HOUR for n in reversed(range(100))]


def test_a_winding_is_followed_by_one_tick_at_once(tmp_path: Path) -> None:
    with Endpoint() as endpoint, running(tmp_path, endpoint) as (_, delivery, clock):
        before = ticks(endpoint.requests)
        clock.advance(timedelta(seconds=1))
        assert delivery.wait_idle(SOON)
        assert ticks(endpoint.requests) == before + 1


def test_ticks_come_by_themselves(tmp_path: Path) -> None:
    with Endpoint() as endpoint, running(tmp_path, endpoint, tick_every=timedelta(seconds=0.05)):
        assert ticks(endpoint.wait_for(4)) == 4


def test_a_tick_that_fails_is_not_tried_again_and_is_no_dead_letter(tmp_path: Path) -> None:
    with Endpoint(lambda _: Response(500)) as endpoint, running(tmp_path, endpoint) as (_, delivery, _clock):
        assert (delivery.tallies()["tick"], delivery.dead()) == ({"accepted": 1, "dropped": 1}, [])


def test_a_wake_up_that_fails_is_tried_again(tmp_path: Path) -> None:
    answers = iter([Response(503)])

    def answer(request: Request) -> Response:
        return Response() if request.path == "/tick" else next(answers, Response())

    with Endpoint(answer) as endpoint, running(tmp_path, endpoint, HOURLY) as (scheduler, delivery, clock):
        scheduler.fire("hourly")
        assert delivery.wait_idle(SOON)
        clock.advance(timedelta(seconds=10))
        assert delivery.wait_idle(SOON)
        first, again, *_ = wake_ups(endpoint.requests)
    assert first == again


def test_a_trigger_is_fired_on_request(tmp_path: Path) -> None:
    with Endpoint() as endpoint, running(tmp_path, endpoint, HOURLY) as (scheduler, delivery, clock):
        before = clock.now()
        scheduler.fire("hourly")
        assert delivery.wait_idle(SOON)
        (fired,) = wake_ups(endpoint.requests)
        assert fired.name == "hourly"
        assert before <= fired.scheduled_for <= clock.now()
        with pytest.raises(KeyError):
            scheduler.fire("nobody")


def test_a_wake_up_is_our_schedule_event(tmp_path: Path) -> None:
    with Endpoint() as endpoint, running(tmp_path, endpoint, HOURLY) as (_, delivery, clock):
        clock.advance(HOUR)
        assert delivery.wait_idle(SOON)
    (request,) = [it for it in endpoint.requests if it.path == "/"]
    slot = datetime.fromisoformat(json.loads(request.body)["scheduled_for"])
    assert slot.astimezone(UTC).minute == 0
    assert (request.headers["ce-type"], request.headers["ce-source"], request.headers["ce-subject"]) == (
        "dev.retrigger.schedule.due.v1",
        "//retrigger/schedules/hourly",
        "hourly",
    )
