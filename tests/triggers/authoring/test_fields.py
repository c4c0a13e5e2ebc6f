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
