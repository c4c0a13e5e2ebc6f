from __future__ import annotations

import json
from typing import Any

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Message
from retrigger.triggers.formats import parse
from retrigger.triggers.formats.cloudevents import MAX_BATCH
from retrigger.triggers.formats.wire import Handshake

CODE = "0C5E1A2B-93D4-4F7A-8E11-5D2C7B9A6F30"
ASKS = {"aeg-event-type": "SubscriptionValidation"}


def event(**changes: object) -> dict[str, object]:
    fields: dict[str, object] = {
        "topic": "/acme/ml",
        "subject": "churn",
        "eventType": "Acme.Retrain.Requested",
        "eventTime": "2026-03-01T22:15:07Z",
        "id": "1",
        "data": {"as_of": "2026-03-01"},
        "dataVersion": "1",
    }
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def validation(code: object = CODE) -> dict[str, object]:
    data = {"validationCode": code, "validationUrl": "http://127.0.0.1:1/never-called"}
    return event(eventType="Microsoft.EventGrid.SubscriptionValidationEvent", data=data, subject="")


def parsed(value: object, headers: dict[str, str] | None = None, route: str | None = None) -> Any:
    return parse(headers or {}, json.dumps(value).encode(), route)


def refused(value: object, headers: dict[str, str] | None = None) -> str:
    with pytest.raises(Malformed) as caught:
        parsed(value, headers)
    return caught.value.code


@pytest.mark.parametrize("value", [[validation()], validation()])
@pytest.mark.parametrize("headers", [ASKS, {"aeg-event-type": "subscriptionvalidation"}, {}])
def test_a_validation_alone_is_answered_with_its_code(value: object, headers: dict[str, str]) -> None:
    assert parsed(value, headers) == Handshake(CODE)
    assert parsed(value, headers, "eventgrid") == Handshake(CODE)


@pytest.mark.parametrize("code", [None, "", "x" * 129, "<script>", "a b", 'a"', "é"])
def test_an_odd_code_is_not_answered(code: object) -> None:
    assert refused([validation(code)]) in {"missing_field", "bad_field"}


@pytest.mark.parametrize("code", [7, ["a"], {"a": 1}])
def test_a_code_that_is_no_text_is_not_answered(code: object) -> None:
    assert refused([validation(code)]) == "bad_field"


@pytest.mark.parametrize(
    "value",
    [
        [validation(), event()],
        [event(), validation()],
        [validation(), validation()],
        [validation(), 7],
        [7, validation()],
    ],
)
def test_a_validation_among_others_makes_the_whole_batch_malformed(value: object) -> None:
    assert refused(value) == "malformed_envelope"


@pytest.mark.parametrize("value", [[event()], event()])
def test_a_request_that_claims_to_be_a_validation_must_be_one(value: object) -> None:
    assert refused(value, ASKS) == "malformed_envelope"


def test_a_validation_without_data_is_malformed() -> None:
    assert refused([{**validation(), "data": None}]) == "malformed_envelope"


@pytest.mark.parametrize("body", [b"", b"[]", b"not json", b"[{}]"])
def test_a_goodbye_holds_no_event(body: bytes) -> None:
    assert parse({"AEG-Event-Type": "Unsubscribe"}, body) == []


@pytest.mark.parametrize(("header", "attempt"), [(None, 1), ("0", 1), ("1", 2), ("36", 37)])
def test_the_header_counts_the_deliveries_before(header: str | None, attempt: int) -> None:
    headers = {} if header is None else {"Aeg-Delivery-Count": header}
    (found,) = parsed([event()], headers)
    assert found.attempt == attempt


def test_a_cloudevent_is_counted_by_the_same_header() -> None:
    value = {"specversion": "1.0", "id": "1", "source": "/acme", "type": "Acme", "time": "2026-03-01T22:15:07Z"}
    (found,) = parsed([value], {"content-type": "application/cloudevents-batch+json", "aeg-delivery-count": "4"})
    assert found.attempt == 5


def test_a_count_that_is_none_is_refused() -> None:
    assert refused([event()], {"aeg-delivery-count": "many"}) == "bad_field"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"topic": None}, "missing_field"),
        ({"topic": ""}, "missing_field"),
        ({"id": None}, "missing_field"),
        ({"id": 7}, "bad_field"),
        ({"eventType": ""}, "missing_field"),
        ({"eventTime": "2026-03-01"}, "bad_time"),
        ({"eventTime": None}, "missing_field"),
        ({"subject": ["churn"]}, "bad_field"),
    ],
)
def test_one_wrong_member_costs_the_others_nothing(change: dict[str, object], code: str) -> None:
    first, wrong, last = parsed([event(id="1"), event(**change), event(id="3")])
    assert isinstance(wrong, Malformed)
    assert wrong.code == code
    assert [first.id, last.id] == ["1", "3"]


@pytest.mark.parametrize("broken", [None, 7, [], {}, {"eventTime": "2026-03-01T22:15:07Z"}])
@pytest.mark.parametrize("headers", [{}, {"aeg-event-type": "Notification"}])
def test_a_wrong_first_member_costs_the_others_nothing(broken: object, headers: dict[str, str]) -> None:
    first, second = parsed([broken, event()], headers)
    assert isinstance(first, Malformed)
    assert [second] == parsed([event()], headers)


def test_a_wrong_first_member_of_saved_cloudevents_costs_the_others_nothing() -> None:
    own = {"specversion": "1.0", "id": "1", "source": "/acme/ml", "type": "t", "time": "2026-03-01T22:15:07Z"}
    first, second = parsed([None, own])
    assert isinstance(first, Malformed)
    assert [second] == parsed([own])


def test_errors_name_the_member() -> None:
    _, wrong = parsed([event(), event(topic=None)])
    assert str(wrong) == "Member 1 of the batch has no topic; send the event with it."


def test_a_batch_over_its_bound_is_refused_as_a_whole() -> None:
    assert refused([event()] * (MAX_BATCH + 1)) == "too_large"
    assert len(parsed([event()] * MAX_BATCH)) == MAX_BATCH


@pytest.mark.parametrize(("data", "body"), [("now", b'"now"'), (7, b"7"), ([1], b"[1]"), (None, b"")])
def test_data_of_a_senders_own_type_may_be_anything(data: object, body: bytes) -> None:
    (found,) = parsed([event(data=data)])
    assert isinstance(found, Event)
    assert isinstance(found.payload, Message)
    assert (found.payload.channel, found.payload.id, found.payload.body) == ("/acme/ml", "1", body)


def test_only_azures_own_events_may_leave_the_zone_out() -> None:
    (found,) = parsed([event(eventType="Microsoft.Cache.ExportRDBCompleted", eventTime="2026-03-01T22:15:07")])
    assert found.notes == ("time_without_zone",)
    (refused_one,) = parsed([event(eventTime="2026-03-01T22:15:07")])
    assert refused_one.code == "bad_time"
