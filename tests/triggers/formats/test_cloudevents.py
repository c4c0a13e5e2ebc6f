from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats import cloudevents
from retrigger.triggers.formats.envelope import Batch, Envelope, is_cloudevent
from retrigger.triggers.formats.wire import Request

if TYPE_CHECKING:
    from retrigger.triggers.event import Json

TRACE = "00-4f0c8a1be29d47f3a6512bd0c7e9f813-7a1c04e5d92b6f38-01"
BARE: dict[str, Json] = {"specversion": "1.0", "id": "7", "source": "/here", "type": "dev.acme.thing"}
EVENT = Envelope(
    id="7", source="/here", type="dev.acme.thing", time=None, subject=None, traceparent=None, data={"a": "é"}
)


def read(body: Json | bytes, **headers: str) -> Envelope | Batch:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return cloudevents.read(Request(headers={name.replace("_", "-"): v for name, v in headers.items()}, body=raw))


def binary(body: bytes, **headers: str) -> Envelope:
    event = read(body, ce_specversion="1.0", ce_id="7", ce_source="/here", ce_type="dev.acme.thing", **headers)
    assert isinstance(event, Envelope)
    return event


def structured(**attributes: Json) -> Envelope:
    event = read({**BARE, **attributes}, content_type="application/cloudevents+json")
    assert isinstance(event, Envelope)
    return event


def batched(members: Json) -> Batch:
    found = read(members, content_type="application/cloudevents-batch+json")
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("media", ["application/json", "Application/JSON; charset=utf-8", "application/x+json", ""])
def test_binary_and_structured_are_one_event(media: str) -> None:
    assert binary('\ufeff{"a": "é"}'.encode(), content_type=media) == structured(data={"a": "é"}) == EVENT


def test_base64_data_is_json_where_the_content_type_says_so() -> None:
    encoded = "eyJhIjogIsOpIn0="
    assert structured(datacontenttype="application/json; charset=utf-8", data_base64=encoded) == EVENT
    assert structured(datacontenttype="application/x-parquet", data_base64=encoded).data == b'{"a": "\xc3\xa9"}'


def test_data_of_another_content_type_stays_bytes() -> None:
    assert binary(b"\x00\xff", content_type="application/octet-stream") == replace(EVENT, data=b"\x00\xff")


def test_a_content_type_is_no_percent_encoded_header() -> None:
    event = binary(b"", content_type='text/plain; a="%20"')
    assert cloudevents.attributes_of(event) == {"datacontenttype": 'text/plain; a="%20"'}
    with pytest.raises(Malformed) as caught:
        cloudevents.attributes_of(binary(b"", content_type="text/plain; a=\udc80"))
    assert caught.value.code == "malformed_utf8"


def test_an_extension_is_percent_decoded_in_headers_alone() -> None:
    assert cloudevents.attributes_of(binary(b"", ce_team="a%20b")) == {"team": "a b"}
    assert cloudevents.attributes_of(structured(team="a%20b")) == {"team": "a%20b"}


def test_no_body_is_no_data() -> None:
    assert binary(b"", content_type="application/json") == replace(EVENT, data=None)


def test_optional_attributes_are_read() -> None:
    event = binary(b"1", ce_time="2026-03-02T08:00:00Z", ce_subject="s", ce_traceparent=TRACE)
    assert event == replace(EVENT, data=1, time=datetime(2026, 3, 2, 8, tzinfo=UTC), subject="s", traceparent=TRACE)


def test_null_and_empty_optional_attributes_are_absent() -> None:
    assert structured(data={"a": "é"}, time=None, subject="", traceparent="") == EVENT


@pytest.mark.parametrize("trace", ["00-abc", TRACE.upper(), f"{TRACE}-00", 7])
def test_a_broken_trace_does_not_cost_the_event(trace: Json) -> None:
    assert structured(data={"a": "é"}, traceparent=trace) == EVENT


def test_the_events_own_trace_wins_over_the_hops() -> None:
    hop = TRACE.replace("7a1c", "0000")
    assert binary(b"{}", ce_traceparent=TRACE, traceparent=hop).traceparent == TRACE
    assert binary(b"{}", traceparent=hop).traceparent == hop


def test_a_structured_content_type_wins_over_headers() -> None:
    event = read(dict(BARE), ce_specversion="1.0", ce_id="8", content_type="application/cloudevents+json")
    assert event == replace(EVENT, data=None)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("plain", "plain"),
        ("objects/a%20b%2Fc", "objects/a b/c"),
        ("twice%2520", "twice%20"),
        ("prix%20%E2%82%AC%20%f0%9F%9a%80", "prix € 🚀"),
        ("line%0D%0Abreak", "line\r\nbreak"),
        ('"quoted  words" and more', "quoted  words and more"),
        (r'"a \"quote\" and a \\"', 'a "quote" and a \\'),
        (r"back\slash", r"back\slash"),
        ("déjà", "déjà"),
    ],
)
def test_header_values_are_unquoted_then_percent_decoded_once(raw: str, value: str) -> None:
    assert cloudevents.decode_header(raw, "ce-subject") == value


@pytest.mark.parametrize(
    "raw",
    ["%", "%2", "%zz", "%2g", "%C0%80", "%E2", "%E2x", "%82", "%ED%A0%80", "%FF", '"open', '"open \\', "\udc80"],
)
def test_broken_header_values_are_refused(raw: str) -> None:
    with pytest.raises(Malformed) as caught:
        cloudevents.decode_header(raw, "ce-subject")
    assert caught.value.code in {"malformed_header", "malformed_utf8"}


def test_a_header_of_many_quotes_is_read_in_linear_time() -> None:
    assert cloudevents.decode_header('""' * 500_000, "ce-subject") == ""


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"specversion": "0.3"}, "unsupported_version"),
        ({"specversion": "1.1"}, "unsupported_version"),
        ({"cloudEventsVersion": "0.1"}, "unsupported_version"),
        ({"specversion": None}, "missing_field"),
        ({"id": ""}, "missing_field"),
        ({"source": None}, "missing_field"),
        ({"type": ""}, "missing_field"),
        ({"id": 25}, "bad_field"),
        ({"subject": {}}, "bad_field"),
        ({"time": "lunchtime"}, "bad_time"),
        ({"data": 1, "data_base64": "AA=="}, "malformed_envelope"),
        ({"data_base64": "A"}, "malformed_base64"),
        ({"data_base64": "eyI=", "datacontenttype": "application/json"}, "malformed_json"),
    ],
)
def test_a_wrong_attribute_refuses_the_event(attributes: dict[str, Json], code: str) -> None:
    with pytest.raises(Malformed) as caught:
        structured(**attributes)
    assert caught.value.code == code


def test_older_binary_events_are_refused_by_version() -> None:
    headers = {"ce-cloudeventsversion": "0.1", "ce-eventid": "1"}
    assert is_cloudevent(headers)
    with pytest.raises(Malformed) as caught:
        cloudevents.read(Request(headers=headers, body=b"{}"))
    assert caught.value.code == "unsupported_version"


def test_other_event_formats_are_named_as_such() -> None:
    with pytest.raises(Malformed) as caught:
        read(b"<event/>", content_type="application/cloudevents+xml")
    assert caught.value.code == "unsupported_format"


def ids(found: Batch) -> list[str]:
    """Of events their id, of what is none its code."""
    return [each.id if isinstance(each, Envelope) else each.code for each in found]


def test_a_batch_keeps_its_order_and_its_repetitions() -> None:
    assert ids(batched([BARE, {**BARE, "id": "8"}, BARE])) == ["7", "8", "7"]
    assert batched([]) == []


def test_a_bad_member_of_a_batch_costs_the_others_nothing() -> None:
    members: list[Json] = [1, dict(BARE), {**BARE, "specversion": "0.3"}, {**BARE, "data_base64": "A"}, dict(BARE)]
    expected = ["malformed_envelope", "7", "unsupported_version", "malformed_base64", "7"]
    assert ids(batched(members)) == expected


@pytest.mark.parametrize(
    ("members", "code"), [({}, "malformed_envelope"), ([BARE] * 5001, "too_large")], ids=["object", "many"]
)
def test_what_is_no_batch_is_refused_as_a_whole(members: Json, code: str) -> None:
    with pytest.raises(Malformed) as caught:
        batched(members)
    assert caught.value.code == code
