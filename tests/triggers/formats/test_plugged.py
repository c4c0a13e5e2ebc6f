from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrigger.triggers.errors import Malformed, RetriggerError, Unavailable
from retrigger.triggers.event import ENDED, Event, Lifecycle, Message, Object, Schedule
from retrigger.triggers.formats import parse, plugged
from retrigger.triggers.formats.wire import Request
from retrigger.triggers.spec import PlugIn

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
ANSWER: list[Any] = []
"""What the format under test gives, or raises."""


def answers(headers: Mapping[str, str], body: bytes, now: datetime | None) -> Any:
    del headers, body, now
    [answer] = ANSWER
    if isinstance(answer, Exception) and not isinstance(answer, Malformed):
        raise answer
    return answer


def echo(headers: Mapping[str, str], body: bytes, now: datetime | None) -> list[Event | Malformed]:
    """A message of what it was called with."""
    assert now is not None
    message = Message(channel="c", id="1", attributes=headers, body=body, published=now)
    return [Event(id="1", source="s", type="t", time=now, subject=None, payload=message)]


def refuses(headers: Mapping[str, str], body: bytes, now: datetime | None) -> list[Event | Malformed]:
    del headers, body, now
    raise Malformed("no task " * 200, code="not_a_task")


def of(attribute: str) -> PlugIn:
    return PlugIn(name="labels", target=f"{__name__}:{attribute}", package="acme==1")


def read(answer: object) -> Any:
    ANSWER[:] = [answer]
    return plugged.read(of("answers"), Request(headers={}, body=b"", now=NOW))


MESSAGE = Message(channel="c", id="1", body=b"\xff", json={"n": [1, None, 2.5]}, published=NOW)
EVENT = Event(id="1", source="s", type="t", time=NOW, subject="é", payload=MESSAGE)
OBJECT = Object(store="gcs", account=None, bucket="b", name="n", version="1", size=3, uri="gs://b/n")
SCHEDULE = Schedule(name="t", scheduled_for=NOW)
LIFECYCLE = Lifecycle(platform="vertex", resource="r", name="n", status="succeeded", tags={"a": "b"})


def failure(answer: object) -> tuple[str, str]:
    """What became of one that gives this: raised as a whole, or in the place of the member."""
    try:
        [member] = read(answer)
    except Malformed as error:
        member = error
    assert isinstance(member, Malformed)
    return member.code, str(member)


def test_a_route_of_the_project_is_read_by_its_format_after_the_bounds_of_all_requests() -> None:
    [event] = parse({"X-Tool": "1"}, b"{}", "labels", now=NOW, plugins={"labels": of("echo")})  # type: ignore[misc]  # it is no handshake
    assert isinstance(event, Event)
    assert event.payload == Message(channel="c", id="1", attributes={"x-tool": "1"}, body=b"{}", published=NOW)


@pytest.mark.parametrize("route", ["labels", "events/labels", None, "labels/more"])
def test_no_other_route_is(route: str | None) -> None:
    plugins = {"labels": of("echo")} if route != "labels" else {}
    with pytest.raises(Malformed):
        parse({}, b"{}", route, now=NOW, plugins=plugins)


def test_a_route_of_retrigger_s_own_is_never_a_plug_in_s() -> None:
    with pytest.raises(Malformed) as error:
        parse({}, b"{}", "pubsub", now=NOW, plugins={"pubsub": of("echo")})
    assert error.value.code == "malformed_envelope"


@pytest.mark.parametrize("payload", [MESSAGE, OBJECT, SCHEDULE, LIFECYCLE])
def test_events_of_every_kind_pass_as_they_are(payload: Any) -> None:
    event = replace(EVENT, payload=payload)
    assert read([event, event]) == [event, event]


def test_what_the_format_finds_malformed_keeps_its_code_and_place() -> None:
    first, wrong, third = read([EVENT, Malformed("no id", code="no_id"), EVENT])
    assert (first, type(wrong), wrong.code, str(wrong), third) == (EVENT, Malformed, "no_id", "no id", EVENT)


def test_a_request_that_it_refuses_is_malformed_with_a_bounded_message() -> None:
    with pytest.raises(Malformed) as error:
        plugged.read(of("refuses"), Request(headers={}, body=b"", now=NOW))
    assert (error.value.code, len(str(error.value))) == ("not_a_task", 500)


def test_an_exception_is_told_by_its_type_alone() -> None:
    told = "The format labels (acme==1) raised KeyError; its log says where; mend the plug-in, then send it again."
    assert failure(KeyError("a secret")) == ("format_failed", told)


def test_nothing_it_raises_makes_a_sender_deliver_for_ever() -> None:
    assert failure(Unavailable("later", code="later"))[0] == "format_failed"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "gave a NoneType, and no list of events"),
        ((EVENT,), "gave a tuple, and no list"),
        ([5], "gave a int where an event was expected"),
        ([{"id": "1"}], "gave a dict where"),
        ([replace(EVENT, payload="text")], "payload is a str"),
        ([replace(EVENT, payload=EVENT)], "payload is a Event"),
        ([replace(EVENT, id=5)], "whose `id` is a int"),
        ([replace(EVENT, subject=b"s")], "whose `subject` is a bytes"),
        ([replace(EVENT, time="2026-11-20")], "whose `time` is a str"),
        ([replace(EVENT, time=NOW.replace(tzinfo=None))], "do its times have a zone?"),
        ([replace(EVENT, notes=["a"])], "whose `notes` is a list"),
        ([replace(EVENT, source="\ud800")], "that is no JSON: UnicodeEncodeError"),
        ([replace(EVENT, payload=replace(MESSAGE, body="text"))], "whose `body` is a str"),
        ([replace(EVENT, payload=replace(MESSAGE, json={"a": NOW}))], "that is no JSON: TypeError"),
        ([replace(EVENT, payload=replace(MESSAGE, json={"a": float("nan")}))], "that is no JSON: ValueError"),
        ([replace(EVENT, payload=replace(MESSAGE, json={1: 2}))], "would not give back as it was"),
        ([replace(EVENT, payload=replace(MESSAGE, published=NOW.replace(tzinfo=None)))], "have a zone?"),
        ([replace(EVENT, payload=replace(OBJECT, change="moved"))], "whose `change` is none of created, deleted"),
        ([replace(EVENT, payload=replace(OBJECT, store=["gcs"]))], "whose `store` is none of gcs, blob"),
        ([replace(EVENT, payload=replace(OBJECT, size="3"))], "whose `size` is a str"),
    ],
)
def test_what_is_no_sound_event_is_malformed(answer: object, reason: str) -> None:
    code, message = failure(answer)
    assert (code, reason in message) == ("format_failed", True), message


def test_an_event_is_no_deeper_than_a_body_may_be() -> None:
    deep: Any = None
    for _ in range(70):
        deep = [deep]
    assert failure([replace(EVENT, payload=replace(MESSAGE, json=deep))])[0] == "too_deep"


def test_more_events_than_a_batch_may_hold_are_refused() -> None:
    assert failure([EVENT] * 5001)[0] == "too_large"


def test_a_sound_member_does_not_suffer_from_another() -> None:
    first, wrong = read([EVENT, 5])
    assert (first, wrong.code) == (EVENT, "format_failed")


def test_one_that_is_not_there_may_be_delivered_again() -> None:
    with pytest.raises(RetriggerError) as error:
        parse({}, b"", "labels", now=NOW, plugins={"labels": of("absent")})
    assert (error.value.code, isinstance(error.value, Malformed)) == ("plugin_not_loaded", False)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(NOW) | st.just(MESSAGE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(["id", "source", "type", "time", "subject", "payload", "attempt", "notes"], junk)
    ),
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(["channel", "id", "attributes", "body", "json", "published"], junk)
    ),
)
def test_whatever_stands_in_an_event_it_is_sound_or_malformed(
    envelope: dict[str, Any], payload: dict[str, Any]
) -> None:
    event = replace(EVENT, **{"payload": replace(MESSAGE, **payload), **envelope})
    [member] = read([event])
    if isinstance(member, Event):
        assert Event.from_json(member.to_json()).identity == member.identity
    else:
        assert member.code in {"format_failed", "malformed_json", "malformed_utf8", "too_deep"}


def test_nobody_but_retrigger_tells_the_end_of_a_run() -> None:
    with pytest.raises(Malformed, match="the end of a run of ours"):
        raise read([replace(EVENT, type=ENDED, payload=LIFECYCLE)])[0]
    envelope = {"specversion": "1.0", "id": "1", "source": "//retrigger/environments/dev", "type": ENDED, "data": {}}
    [told] = parse({"content-type": "application/cloudevents+json"}, json.dumps(envelope).encode(), "events", now=NOW)
    assert isinstance(told, Event)
    assert told.kind == "message"
