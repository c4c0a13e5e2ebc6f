from __future__ import annotations

import gzip
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Message
from retrigger.triggers.formats import parse, wire

if TYPE_CHECKING:
    from collections.abc import Mapping


def packed(body: bytes) -> bytes:
    """The same bytes at any time of day: they name tests."""
    return gzip.compress(body, mtime=0)


def refused(data: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        wire.json_value(data, "The body")
    return caught.value.code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "malformed_json"),
        (b"{} {}", "malformed_json"),
        (b"[NaN]", "malformed_json"),
        (b"-Infinity", "malformed_json"),
        (b'{"a": 1e999}', "malformed_json"),
        (b"9" * 5000, "malformed_json"),
        (b"\xff{}", "malformed_utf8"),
        (b'"\xed\xa0\x80"', "malformed_utf8"),
        (b'"\\ud800"', "malformed_utf8"),
        (b'{"\\uDFFF": 1}', "malformed_utf8"),
        (b"[" * 65 + b"]" * 65, "too_deep"),
        (b"[" * wire.MAX_BODY, "too_deep"),
        (b'{"a":' * 100_000, "too_deep"),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else value,
)
def test_what_is_no_acceptable_json_is_refused(data: bytes, code: str) -> None:
    assert refused(data) == code


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\xef\xbb\xbf {}\n", {}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'"\\ud83d\\ude80"', "🚀"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'"' + b"[{" * 1000 + b'"', "[{" * 1000),
        (b"[" + b"[]," * 1000 + b"{}]", [*([[]] * 1000), {}]),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_acceptable_json_is_read(data: bytes, value: object) -> None:
    assert wire.json_value(data, "The body") == value


def test_sixty_four_levels_are_read() -> None:
    lists: object = []
    for _ in range(63):
        lists = [lists]
    assert wire.json_value(b"[" * 64 + b"]" * 64, "The body") == lists
    assert wire.json_value(b'{"a":' * 64 + b"1" + b"}" * 64, "The body") != {}


@pytest.mark.parametrize("where", ["The message", "The message's"])
def test_a_missing_field_is_said_in_a_sentence(where: str) -> None:
    with pytest.raises(Malformed) as caught:
        wire.required({}, "id", where)
    assert str(caught.value) == "The message has no id; send the event with it."


@pytest.mark.parametrize("value", ["0", 0, "9223372036854775807", 2**63 - 1])
def test_a_count_is_read_from_a_number_or_digits(value: str | int) -> None:
    assert wire.count({"size": value}, "size", "The object's") == int(value)


@pytest.mark.parametrize("value", ["", "-1", -1, "1.0", 1.0, True, "\uff11", " 1", "1_0", 2**63, "9" * 5000, [], {}])
def test_anything_else_is_no_count(value: object) -> None:
    with pytest.raises(Malformed) as caught:
        wire.count({"size": value}, "size", "The object's")  # type: ignore[dict-item]  # whatever JSON may hold
    assert caught.value.code == "bad_field"


@pytest.mark.parametrize("text", ["10", "AAAA=", "AA==AA==", "AA\n==", "_-__", "é===", "A"])
def test_only_strict_base64_is_read(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        wire.base64_bytes(text, "The data")
    assert caught.value.code == "malformed_base64"


def inflated(encoding: str, body: bytes) -> bytes:
    return wire.plain_body({"content-encoding": encoding}, body)


def refused_encoding(encoding: str, body: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        inflated(encoding, body)
    return caught.value.code


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " x-gzip "])
def test_a_gzip_body_is_inflated(encoding: str) -> None:
    assert inflated(encoding, packed(b"{}")) == b"{}"
    assert len(inflated(encoding, packed(b" " * wire.MAX_BODY))) == wire.MAX_BODY


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
def test_a_plain_body_is_left_alone(encoding: str) -> None:
    assert inflated(encoding, b"\x1f\x8b") == b"\x1f\x8b"
    assert wire.plain_body({}, b"{}") == b"{}"


@pytest.mark.parametrize(
    ("encoding", "body", "code"),
    [
        ("gzip", packed(b" " * (wire.MAX_BODY + 1)), "too_large"),
        ("gzip", packed(b" " * (8 * wire.MAX_BODY)), "too_large"),
        ("gzip", b" " * (wire.MAX_BODY + 1), "too_large"),
        ("gzip", b"{}", "malformed_encoding"),
        ("gzip", b"", "malformed_encoding"),
        ("gzip", zlib.compress(b"{}"), "malformed_encoding"),
        ("gzip", packed(b"{}")[:-1], "malformed_encoding"),
        ("gzip", packed(b"{}")[:-8] + b"\0" * 8, "malformed_encoding"),
        ("gzip", packed(b"{}") + b"x", "malformed_encoding"),
        ("gzip", packed(b"{}") * 2, "malformed_encoding"),
        ("gzip, gzip", packed(b"{}"), "unsupported_encoding"),
        ("br", b"{}", "unsupported_encoding"),
        ("deflate", zlib.compress(b"{}"), "unsupported_encoding"),
    ],
    ids=lambda value: repr(value[:16]) if isinstance(value, bytes) else value,
)
def test_other_encodings_and_bombs_are_refused(encoding: str, body: bytes, code: str) -> None:
    assert refused_encoding(encoding, body) == code


PUSH = '{"message": {"messageId": "é"}, "subscription": "s"}'
CLOUDEVENT = '{"specversion": "1.0", "id": "é", "source": "/s", "type": "t"}'
BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}


def read(headers: Mapping[str, str], body: bytes) -> Event:
    (event,) = parse(headers, body, now=datetime(2026, 3, 2, tzinfo=UTC))  # type: ignore[misc]  # no handshake
    assert isinstance(event, Event)
    return event


@pytest.mark.parametrize(
    "charset", ["", "; charset=utf-8", ";charset=UTF8", '; a=b; Charset="utf-8"', "; charset=us-ascii"]
)
@pytest.mark.parametrize(
    ("media", "headers", "body"),
    [
        ("application/json", {}, PUSH),
        ("application/cloudevents+json", {}, CLOUDEVENT),
        ("application/cloudevents-batch+json", {}, f"[{CLOUDEVENT}]"),
        ("application/json", BINARY, '"é"'),
    ],
)
def test_json_is_utf_8_and_nothing_else(media: str, headers: Mapping[str, str], body: str, charset: str) -> None:
    assert isinstance(read({**headers, "Content-Type": media + charset}, body.encode()), Event)
    for other in ("utf-16", "iso-8859-1"):
        with pytest.raises(Malformed) as caught:
            parse({**headers, "Content-Type": f"{media}; charset={other}"}, body.encode(other))
        assert caught.value.code == "unsupported_charset"


def test_data_that_is_no_json_keeps_its_charset() -> None:
    payload = read({**BINARY, "Content-Type": "text/plain; charset=iso-8859-1"}, b"\xe9").payload
    assert isinstance(payload, Message)
    assert payload.body == b"\xe9"
