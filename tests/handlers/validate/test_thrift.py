from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrigger.handlers.validate.thrift import Damaged, Reader, TooMuch

# Written by hand after the specification: field headers are (delta << 4 | kind), list headers (size << 4 | kind).
EVERY_KIND = bytes.fromhex(
    "11"  # 1: true
    "12"  # 2: false
    "1305"  # 3: byte
    "14ffff03"  # 4: i16, -32768
    "1503"  # 5: i32, -2
    "1680808080808080808001"  # 6: i64, 2**62
    "17000000000000f83f"  # 7: double
    "1802c3bc"  # 8: two bytes, the text ü
    "19350204fe01"  # 9: list of three i32
    "1a210102"  # 10: set of two bools
    "1b0185016102"  # 11: map of one text to i32: a length, both kinds, then what skipping takes as they stand
    "1c150200"  # 12: struct with 1: i32
    "1d" + "00" * 16 + "0564c80100"  # 13: UUID, then id 50 in the long form with 100, and the end
)


def skip_all(data: bytes) -> None:
    reader = Reader(data, most=1000)
    for _, kind in reader.fields():
        reader.skip(kind)


def test_every_kind_is_skipped_to_the_end_of_the_struct() -> None:
    reader = Reader(EVERY_KIND, most=100)
    ids = []
    for field, kind in reader.fields():
        ids.append(field)
        reader.skip(kind)
    assert ids == [*range(1, 14), 50]
    with pytest.raises(Damaged, match="ends too early"):
        next(reader.fields())


def test_values() -> None:
    reader = Reader(EVERY_KIND, most=100)
    values: dict[int, object] = {}
    for field, kind in reader.fields():
        if field in {4, 5, 6, 50}:
            values[field] = reader.integer(kind)
        elif field == 8:
            values[field] = reader.text(kind)
        elif field == 12:
            values[field] = [(inner, reader.integer(of)) for inner, of in reader.struct(kind)]
        else:
            reader.skip(kind)
    assert values == {4: -32768, 5: -2, 6: 2**62, 8: "ü", 12: [(1, 1)], 50: 100}


def test_structs_of_a_list() -> None:
    reader = Reader(bytes.fromhex("2c15020015040000"), most=100)
    found = [(number, [reader.integer(kind) for _, kind in reader.fields()]) for number in reader.structs(9)]
    assert found == [(0, [1]), (1, [2])]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "ends too early"),
        (b"\x15", "ends too early"),
        (b"\x15" + b"\xff" * 20, "a number is too long"),
        (b"\x18\xff\xff\xff\xff\x0f", "ends too early"),
        (b"\x19\xfa\xff\xff\xff\xff\x0f", "ends too early"),
        (b"\x1e\x00", "there is no kind 14"),
        (b"\x1c" * 100, "nested too deep"),
        (b"\x19" + b"\x19" * 100, "nested too deep"),
        (b"\x1b\x7f" + b"\xbb\x01" * 100, "nested too deep"),
    ],
)
def test_what_is_damaged(data: bytes, told: str) -> None:
    with pytest.raises(Damaged, match=told):
        skip_all(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x19\xf3\xff\xff\x03" + b"\0" * 70_000,  # a list of bytes
        b"\x1b\xff\xff\x03\x33" + b"\0" * 140_000,  # a map of bytes
        b"\x11" * 70_000,  # a struct of fields without values
        b"\x19\xfc\xff\xff\x03" + b"\0" * 70_000,  # a list of empty structs
    ],
)
def test_there_is_an_end_to_how_much_is_read(data: bytes) -> None:
    with pytest.raises(TooMuch):
        skip_all(data)


@given(st.binary())
def test_any_bytes_are_skipped_or_damaged(data: bytes) -> None:
    try:
        skip_all(data)
    except (Damaged, TooMuch):
        return
    assert b"\0" in data
