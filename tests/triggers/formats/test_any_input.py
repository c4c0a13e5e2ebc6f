"""Whatever arrives, `parse` gives events or Malformed with a documented code: never another error."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats import parse, wire
from retrigger.triggers.formats.envelope import is_goodbye
from retrigger.triggers.formats.wire import Handshake

if TYPE_CHECKING:
    from retrigger.triggers.event import Event, Json

GOLDEN = Path(__file__).parents[2] / "golden" / "events"
BODIES = [
    path.read_bytes() for path in sorted(GOLDEN.glob("*.json")) if path.name.count(".json") == path.name.count(".")
]
HEADERS = [json.loads(path.read_text()) for path in sorted(GOLDEN.glob("*.headers.json"))]

ANY_TEXT = st.text(st.characters())  # half characters too
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
ANY_JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
KNOWN_NAMES = sorted({name for headers in HEADERS for name in headers} | {"traceparent", "Content-Encoding"})
_READ = [None, "events", "pubsub", "pubsub/x", "storage", "background", "schedule/x", "schedule", ""]
_BOUND = ["eventgrid", "queue/x", "queue", "servicebus/x", "blob", "blob/c/n", "timer/x", "timer"]
ROUTES = st.sampled_from(_READ + _BOUND) | ANY_TEXT


def found_in(headers: dict[str, str], body: bytes, route: str | None) -> list[Event | Malformed | Handshake]:
    try:
        parsed = parse(headers, body, route)
    except Malformed as error:
        return [error]
    return [parsed] if isinstance(parsed, Handshake) else list(parsed)


def assert_safe(headers: dict[str, str], body: bytes, route: str | None) -> None:
    found = found_in(headers, body, route)
    lower = wire.lower_names(headers)
    assert found or is_goodbye(lower) or json.loads(wire.plain_body(lower, body)) == []
    for each in found:
        match each:
            case Malformed(code=code):
                assert f"    {code} " in (wire.__doc__ or "")
            case Handshake(code):
                assert code.encode()
            case event:
                assert json.dumps(event.to_json(), ensure_ascii=False, allow_nan=False).encode()


def altered(value: Json, choice: list[int], leaf: Json) -> Json:
    """`value` with one of its nodes, found by walking down along `choice`, replaced by `leaf`."""
    if not choice or not isinstance(value, dict | list) or not value:
        return leaf
    head, rest = choice[0], choice[1:]
    if isinstance(value, dict):
        key = sorted(value)[head % len(value)]
        return {**value, key: altered(value[key], rest, leaf)}
    place = head % len(value)
    return [*value[:place], altered(value[place], rest, leaf), *value[place + 1 :]]


@given(
    headers=st.dictionaries(st.sampled_from(KNOWN_NAMES) | ANY_TEXT, ANY_TEXT),
    body=st.binary() | st.sampled_from(BODIES),
    route=ROUTES,
)
def test_any_bytes_and_headers(headers: dict[str, str], body: bytes, route: str | None) -> None:
    assert_safe(headers, body, route)


@given(
    headers=st.sampled_from([{}, *HEADERS]),
    body=st.sampled_from(BODIES),
    choice=st.lists(st.integers(0, 20), max_size=5),
    leaf=ANY_JSON,
    route=ROUTES,
)
def test_real_requests_with_one_thing_wrong(
    headers: dict[str, str], body: bytes, choice: list[int], leaf: Json, route: str | None
) -> None:
    value = json.loads(body) if body else None
    assert_safe(headers, json.dumps(altered(value, choice, leaf)).encode(), route)


@given(
    headers=st.sampled_from(HEADERS),
    name=st.integers(0, 20),
    value=ANY_TEXT,
    body=st.sampled_from(BODIES),
    route=ROUTES,
)
@example(headers={"Ce-Id": "1"}, name=0, value="%", body=b"", route=None)
def test_real_requests_with_one_header_wrong(
    headers: dict[str, str], name: int, value: str, body: bytes, route: str | None
) -> None:
    names = sorted(headers)
    assert_safe({**headers, names[name % len(names)]: value}, body, route)


@given(
    headers=st.sampled_from([{}, *HEADERS]),
    body=st.sampled_from(BODIES),
    at=st.integers(0, 5000),
    byte=st.binary(max_size=2),
    route=ROUTES,
)
def test_compressed_requests_with_some_bytes_wrong(
    headers: dict[str, str], body: bytes, at: int, byte: bytes, route: str | None
) -> None:
    packed = gzip.compress(body, mtime=0)
    at %= len(packed)
    broken = packed[:at] + byte + packed[at + len(byte) :]
    assert_safe({**headers, "Content-Encoding": "gzip"}, broken, route)


@given(
    headers=st.sampled_from(HEADERS),
    others=st.sampled_from(HEADERS),
    body=st.sampled_from(BODIES),
    route=ROUTES,
)
def test_real_requests_with_the_headers_of_two_formats(
    headers: dict[str, str], others: dict[str, str], body: bytes, route: str | None
) -> None:
    assert_safe({**others, **headers}, body, route)


def test_a_body_over_fourteen_mebibytes_is_refused_unread() -> None:
    with pytest.raises(Malformed) as caught:
        parse({}, b" " * (wire.MAX_BODY + 1))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("route", ["nowhere", "EVENTS", "/events", "events\udc80", "schedule"])
def test_an_unknown_route_is_refused(route: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse({}, b"[]", route)
    assert caught.value.code == "unknown_route"


def test_a_message_on_the_storage_route_is_refused() -> None:
    with pytest.raises(Malformed) as caught:
        parse({}, (GOLDEN / "pubsub-push.json").read_bytes(), "storage")
    assert caught.value.code == "unsupported_type"
