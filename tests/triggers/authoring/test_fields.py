from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic_core import PydanticCustomError

from retrigger.triggers.authoring import fields


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", timedelta(minutes=30)),
        ("6h", timedelta(hours=6)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("2d", timedelta(days=2)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("0s", timedelta()),
        (0, timedelta()),
    ],
)
def test_a_duration_is_numbers_with_units(text: object, expected: timedelta) -> None:
    assert fields.duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "30", "m", "1.5h", "-1h", "1h 30m", "30m1h", "1h\n", "٣m", 30, True, None, "4000d"]
)
def test_anything_else_is_no_duration(text: object) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        fields.duration(text)
    assert caught.value.type == "bad_duration"


@pytest.mark.parametrize(
    ("text", "expected"), [("2GiB", 2 << 30), ("100MB", 100_000_000), ("512 KiB", 512 << 10), ("7B", 7), (7, 7), (0, 0)]
)
def test_a_size_is_in_bytes(text: object, expected: int) -> None:
    assert fields.size(text) == expected


@pytest.mark.parametrize("text", ["", "2", "2 gigabytes", "-1B", "1.5GiB", "2gib", "2GiB\n", -1, True, None, 1.5])
def test_anything_else_is_no_size(text: object) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        fields.size(text)
    assert caught.value.type == "bad_size"


@pytest.mark.parametrize("told", ["0s", "30m", "6h", "1h30m", "2d", "1d2h3m4s", "3660d"])
def test_a_duration_is_written_as_it_was_read(told: str) -> None:
    assert fields.written(fields.duration(told)) == told


@pytest.mark.parametrize(
    ("text", "expected"), [("1%", 0.01), ("0.5%", 0.005), ("100%", 1.0), ("0%", 0.0), (0.25, 0.25), (1, 1.0), (0, 0.0)]
)
def test_a_ratio_is_from_0_to_1(text: object, expected: float) -> None:
    assert fields.ratio(text) == expected


@pytest.mark.parametrize("text", ["", "1", "%", "101%", "-1%", "1 %", "1%\n", 1.5, -0.1, True, None, float("nan")])
def test_anything_else_is_no_ratio(text: object) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        fields.ratio(text)
    assert caught.value.type == "bad_ratio"


def test_a_latency_is_in_milliseconds_or_seconds() -> None:
    assert [fields.latency(text) for text in ("300ms", "2s")] == [timedelta(milliseconds=300), timedelta(seconds=2)]


@pytest.mark.parametrize("text", ["", "300", "5m", "1.5s", "-1ms", "1s\n", 300, None])
def test_anything_else_is_no_latency(text: object) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        fields.latency(text)
    assert caught.value.type == "bad_duration"
