from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Schedule
from retrigger.triggers.formats import parse, schedule
from retrigger.triggers.formats.wire import Request

NOW = datetime(2026, 3, 2, 3, 0, 4, tzinfo=UTC)
DUE = datetime(2026, 3, 2, 3, tzinfo=UTC)


def knock(place: str = "weekly", now: datetime | None = NOW, **headers: str) -> Event:
    lower = {name.replace("_", "-"): value for name, value in headers.items()}
    return schedule.read(Request(headers=lower, body=b"ignored", place=place, now=now))


def test_cloud_scheduler_announces_the_slot_that_our_own_clock_announces() -> None:
    ours = schedule.due("weekly", DUE)
    assert knock(x_cloudscheduler="true", x_cloudscheduler_scheduletime="2026-03-02T04:00:00+01:00") == ours
    assert ours.payload == Schedule(name="weekly", scheduled_for=DUE)
    assert (ours.id, ours.source, ours.subject) == (
        "weekly@2026-03-02T03:00:00Z",
        "//retrigger/schedules/weekly",
        "weekly",
    )


def test_a_forced_job_stands_for_the_time_of_receipt() -> None:
    assert knock(x_cloudscheduler="true") == schedule.due("weekly", NOW)


@pytest.mark.parametrize(
    ("headers", "place", "now", "code"),
    [
        ({}, "weekly", NOW, "malformed_envelope"),
        ({"x_cloudscheduler": "true"}, "", NOW, "unknown_route"),
        ({"x_cloudscheduler": "true"}, "weekly", None, "missing_field"),
        ({"x_cloudscheduler": "true", "x_cloudscheduler_scheduletime": "soon"}, "weekly", NOW, "bad_time"),
    ],
)
def test_other_requests_are_refused(headers: dict[str, str], place: str, now: datetime | None, code: str) -> None:
    with pytest.raises(Malformed) as caught:
        knock(place, now, **headers)
    assert caught.value.code == code


def pushed(route: str) -> list[Event]:
    message = {"messageId": "1", "publishTime": "2026-03-02T03:00:00.5Z", "data": "e30="}
    body = json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}).encode()
    return parse({}, body, route, now=NOW)  # type: ignore[return-value]  # neither a handshake nor malformed


def test_a_message_on_a_triggers_route_knocks_for_when_it_was_published() -> None:
    assert pushed("schedule/weekly") == [schedule.due("weekly", DUE.replace(microsecond=500_000))]
    assert [event.kind for event in pushed("pubsub")] == ["message"]


def executed(source: str, **headers: str) -> Event:
    known = {"Ce-SpecVersion": "1.0", "Ce-Id": "1", "Ce-Type": schedule.EXECUTED, "Ce-Source": source}
    (event,) = parse({**known, **headers}, b'{"customData": "e30="}', now=NOW)  # type: ignore[misc]  # no handshake
    assert isinstance(event, Event)
    return event


def test_eventarc_knocks_for_the_trigger_that_is_called_as_its_job() -> None:
    jobs = "//cloudscheduler.googleapis.com/projects/p/locations/l/jobs/"
    event = executed(f"{jobs}weekly", **{"Ce-Time": "2026-03-02T03:00:00.861Z"})
    time = DUE.replace(microsecond=861_000)
    assert (event.payload, event.time, event.id) == (Schedule(name="weekly", scheduled_for=time), time, "1")
    assert executed(f"{jobs}weekly").payload == Schedule(name="weekly", scheduled_for=NOW)


@pytest.mark.parametrize("source", ["/jobs/", "//cloudscheduler.googleapis.com/projects/p", "/jobs/a/b", "weekly"])
def test_an_event_of_no_job_is_refused(source: str) -> None:
    with pytest.raises(Malformed) as caught:
        executed(source)
    assert caught.value.code == "bad_field"


@pytest.mark.parametrize("body", [b'{"customData": "e30="}', b'{"custom_data": ""}'])
def test_a_jobs_data_alone_is_refused_by_naming_the_headers(body: bytes) -> None:
    with pytest.raises(Malformed, match="ce-source and ce-time") as caught:
        parse({}, body, now=NOW)
    assert caught.value.code == "missing_field"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ('{"scheduled_for": "2026-03-02T03:00:00Z"}', "missing_field"),
        ('{"name": "weekly"}', "missing_field"),
        ('{"name": "weekly", "scheduled_for": "2026-03-02"}', "bad_time"),
        ('{"name": "weekly", "scheduled_for": "2026-03-02T03:00:00Z", "past_due": "no"}', "bad_field"),
        ("[]", "malformed_envelope"),
    ],
)
def test_a_wrong_wake_up_is_refused(data: str, code: str) -> None:
    headers = {"Ce-SpecVersion": "1.0", "Ce-Id": "1", "Ce-Source": "/", "Ce-Type": schedule.TYPE}
    with pytest.raises(Malformed) as caught:
        parse(headers, data.encode(), now=NOW)
    assert caught.value.code == code
