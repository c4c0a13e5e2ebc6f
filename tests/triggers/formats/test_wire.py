from __future__ import annotations

from datetime import UTC, datetime

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats import wire


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


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-03-02T08:00:00Z", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("2026-03-02t08:00:00z", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("2026-03-02T08:00:00.5+05:30", datetime(2026, 3, 2, 2, 30, 0, 500_000, tzinfo=UTC)),
        ("2026-03-02T08:00:00.123456789-01:00", datetime(2026, 3, 2, 9, 0, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_rfc_3339_times_become_aware_utc(text: str, time: datetime) -> None:
    read = wire.instant(text, "The time")
    assert (read, read.tzinfo) == (time, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lunchtime",
        "2026-03-02",
        "2026-03-02 08:00:00Z",
        "2026-03-02T08:00:00",
        "2026-03-02T08:00Z",
        "2026-03-02T08:00:00+05",
        "2026-03-02T08:00:00+25:00",
        "2026-W10-1T08:00:00Z",
        "20260302T080000Z",
        "2026-02-31T08:00:00Z",
        "2026-03-02T08:00:00.1234567890Z",
        "0001-01-01T00:00:00+14:00",
        "\u0662026-03-02T08:00:00Z",
        "2026-03-02T08:00:00Z\n",
    ],
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        wire.instant(text, "The time")
    assert caught.value.code == "bad_time"


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
