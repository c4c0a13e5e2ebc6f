"""What is left of an event, and what is not."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrigger.triggers import keys
from retrigger.triggers.archive import REDACTED, is_whole, kept, steps
from retrigger.triggers.event import Event, Lifecycle, Message, Object, Schedule

if TYPE_CHECKING:
    from retrigger.triggers.event import Json, Payload
    from retrigger.triggers.spec import Archive

TIME = datetime(2026, 3, 1, tzinfo=UTC)
SECRET = "ada@example.org"


def event(payload: Payload) -> dict[str, Any]:
    return Event(id="e", source="//s", type="t", time=TIME, subject=None, payload=payload).to_json()


def message(value: Json, *, body: bytes | None = None, **parts: Any) -> dict[str, Any]:
    body = json.dumps(value).encode() if body is None else body
    return event(Message(channel="topics/x", id="1", json=value, body=body, **parts))


def body_of(left: dict[str, Any]) -> bytes:
    return base64.b64decode(left["message"]["body"])


OBJECT = event(Object(store="gcs", account=None, bucket="b", name=SECRET, version="1", size=3, uri=f"gs://b/{SECRET}"))
SCHEDULE = event(Schedule(name="t", scheduled_for=TIME))
LIFECYCLE = event(
    Lifecycle(platform="azureml", resource="/w", name="run", tags={"by": SECRET}, properties={"of": {"x": SECRET}})
)
MESSAGE = message({"customer": {"email": SECRET}, "id": 1}, attributes={"from": SECRET}, ordering_key=SECRET)


@pytest.mark.parametrize("whole", [OBJECT, SCHEDULE, LIFECYCLE, MESSAGE])
@pytest.mark.parametrize("archive", ["full", "metadata", "none"])
def test_what_was_archived_says_so_and_stays_as_it_is(whole: dict[str, Any], archive: Archive) -> None:
    left = kept(whole, archive)
    assert is_whole(left) == (left == whole)
    assert kept(left, "none", ["/message/json"]) == left or is_whole(left)


def test_full_is_the_event() -> None:
    assert [kept(it, "full") for it in (OBJECT, SCHEDULE, LIFECYCLE, MESSAGE)] == [
        OBJECT,
        SCHEDULE,
        LIFECYCLE,
        MESSAGE,
    ]


def test_metadata_is_all_but_what_the_sender_wrote() -> None:
    left = kept(MESSAGE, "metadata")
    assert left == {
        **MESSAGE,
        "archived": "metadata",
        "message": {
            **MESSAGE["message"],
            "json": None,
            "body": "",
            "ordering_key": None,
            "attributes": {"from": REDACTED},
            "size": len(body_of(MESSAGE)),
        },
    }
    lifecycle = kept(LIFECYCLE, "metadata")
    assert lifecycle["lifecycle"] == {
        **LIFECYCLE["lifecycle"],
        "tags": {"by": REDACTED},
        "properties": {"of": REDACTED},
    }
    assert [kept(it, "metadata") for it in (OBJECT, SCHEDULE)] == [OBJECT, SCHEDULE]


def test_none_is_a_hash_a_kind_and_a_time() -> None:
    called = f"event:{keys.digest(OBJECT['identity'])}"
    assert kept(OBJECT, "none") == {
        "id": called,
        "kind": "object",
        "time": "2026-03-01T00:00:00Z",
        "object": {"uri": called},
        "archived": "none",
    }
    assert all(SECRET not in json.dumps(kept(it, "none")) for it in (OBJECT, LIFECYCLE, MESSAGE))


@pytest.mark.parametrize(
    ("value", "pointer", "left"),
    [
        ({"a": {"b": SECRET, "c": 1}}, "/message/json/a/b", {"a": {"b": REDACTED, "c": 1}}),
        ({"a": {"b": {"c": SECRET}}}, "/message/json/a/b", {"a": {"b": REDACTED}}),
        ({"a": [SECRET, {"b": SECRET}, 3]}, "/message/json/a/1/b", {"a": [SECRET, {"b": REDACTED}, 3]}),
        ({"a/b": SECRET, "m~n": SECRET}, "/message/json/a~1b", {"a/b": REDACTED, "m~n": SECRET}),
        ({"a/b": SECRET, "m~n": SECRET}, "/message/json/m~0n", {"a/b": SECRET, "m~n": REDACTED}),
        ({"a": 1}, "/message/json", REDACTED),
        ({"a": 1}, "/message/body", REDACTED),
        # where the way ends early, what is there goes
        ({"a": SECRET}, "/message/json/a/b", {"a": REDACTED}),
        ({"a": [{"b": SECRET}]}, "/message/json/a/b", {"a": REDACTED}),
        ([{"a": SECRET}], "/message/json/a", REDACTED),
        ({"a": [SECRET]}, "/message/json/a/01", {"a": REDACTED}),
    ],
)
def test_a_pointer_leads_to_a_marker_in_json_and_in_the_body(value: Json, pointer: str, left: Json) -> None:
    done = kept(message(value), "full", [pointer])
    assert (done["message"]["json"], done["archived"]) == (left, "redacted")  # type: ignore[index, call-overload]
    assert json.loads(body_of(done)) == left


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"a": 1}, "/message/json/b"),
        ({"a": None}, "/message/json/a"),
        ({"a": None}, "/message/json/a/b"),
        ({"a": [1]}, "/message/json/a/1"),
        ({"a": 1}, "/message/ordering_key"),
        ({"a": 1}, "/lifecycle/tags/a"),
    ],
)
def test_where_there_is_nothing_the_event_stays_whole(value: Json, pointer: str) -> None:
    whole = message(value, body=json.dumps(value, separators=(",", ":")).encode())
    assert kept(whole, "full", [pointer]) == whole


def test_no_pointer_into_an_objects_event_changes_it() -> None:
    assert kept(OBJECT, "full", ["/message/json/a"]) == OBJECT


def test_a_body_that_hides_a_value_does_not_stay() -> None:
    """A name that comes twice is read once; what is no JSON is not read at all."""
    twice = message({"a": 1}, body=b'{"a": "' + SECRET.encode() + b'", "a": 1}')
    assert body_of(kept(twice, "full", ["/message/json/b"])) == b'{"a":1}'
    broken = message(None, body=b'{"a": "' + SECRET.encode() + b'",}')
    assert body_of(kept(broken, "full", ["/message/json/a"])) == b""
    assert kept(broken, "full", ["/message/attributes/x"]) == broken


def test_attributes_tags_and_properties_are_redacted_by_name() -> None:
    left: Any = kept(MESSAGE, "full", ["/message/attributes/from", "/message/ordering_key"])
    assert (left["message"]["attributes"], left["message"]["ordering_key"]) == ({"from": REDACTED}, REDACTED)
    assert left["message"]["body"] == MESSAGE["message"]["body"]
    left = kept(LIFECYCLE, "full", ["/lifecycle/properties/of/x", "/lifecycle/tags"])
    assert (left["lifecycle"]["properties"], left["lifecycle"]["tags"]) == ({"of": {"x": REDACTED}}, REDACTED)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0", "~/"]), inner),
    max_leaves=10,
)


@given(JSON, st.lists(st.sampled_from(["a", "b", "0", "1", "~0~1"]), max_size=4))
def test_whatever_a_pointer_meets_the_rest_is_untouched_and_what_it_meets_is_gone(value: Json, way: list[str]) -> None:
    pointer = "/".join(["/message/json", *way])
    done: Any = kept(message(value), "full", [pointer])["message"]
    found: Any = done["json"]
    for step in steps(pointer)[2:]:
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and step.isdecimal():
            found = found[int(step)] if int(step) < len(found) else None
    assert found in (None, REDACTED)
    assert done["json"] is None or json.loads(base64.b64decode(done["body"])) == done["json"]
