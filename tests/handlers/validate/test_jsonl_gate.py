from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retrigger.handlers.validate.jsonl_gate import gate_jsonl
from retrigger.handlers.validate.report import GateReport
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.spec import Column, ObjectCheck

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECK = ObjectCheck(columns={"age": Column(type="int"), "kind": Column(one_of=("old", "new"))})
ROW = b'{"id": 1, "age": 30, "kind": "old"}\n'
MIB = 1024 * 1024


def gate(data: bytes, check: ObjectCheck = CHECK, *, size: int | None = None, piece: int = 65536) -> GateReport:
    pieces = (data[start : start + piece] for start in range(0, len(data), piece))
    return gate_jsonl(pieces, check, size=size, deadline=lambda: False)


def reasons(data: bytes, check: ObjectCheck = CHECK) -> tuple[str, ...]:
    return gate(data, check).reasons


def test_a_file_that_fits_passes_with_its_number_of_rows() -> None:
    assert gate(ROW * 2, size=2 * len(ROW)) == GateReport(rows=2, read=2 * len(ROW))


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + ROW,
        ROW.rstrip(),
        ROW.replace(b"\n", b"\r\n"),
        b"\n  \n" + ROW + b"\r\n\t\n",
        b' { "kind":"new","age":-3 , "more":[{"x":[1,2.5,null]}] } \n',
        '{"age": 1, "kind": "old", "größe": "ü\\ud83d\\u0000"}'.encode(),
    ],
)
def test_the_ways_to_write_the_same_row(data: bytes) -> None:
    assert gate(data) == GateReport(rows=1, read=len(data))


def test_reasons_name_the_first_row_and_how_many_follow() -> None:
    bad = b'{"age": "x", "kind": "older"}\n'
    assert reasons(ROW + b"\n" + bad + bad + b'{"age": 1.0}\n') == (
        "row 3, column age: no int (and so in 2 more rows)",
        "row 3, column kind: none of the allowed texts (and so in 1 more rows)",
    )


TYPES: dict[str, tuple[str, str]] = {
    "str": ('["", "x", "NA"]', "[1, true, [], {}]"),
    "int": ("[0, -1, 12345678901234567890123]", '[1.0, 1e3, true, "1", [1]]'),
    "float": ("[0, -1.5, 1e3, 3]", '["1.5", false, {}]'),
    "bool": ("[true, false]", '[0, 1, "true"]'),
    "date": ('["2024-02-29"]', '["2023-02-29", "20240229", "", 20240229, "2024-02-29T00:00:00Z"]'),
    "datetime": ('["2024-02-29T01:02:03Z", "2024-02-29 01:02"]', '["2024-02-29", 1709168523, "noon"]'),
}


@pytest.mark.parametrize("kind", TYPES)
def test_what_fits_a_type(kind: str) -> None:
    check = ObjectCheck(columns={"c": Column(type=kind)})  # type: ignore[arg-type]  # the table's keys are the types
    good, bad = (json.loads(text) for text in TYPES[kind])
    told = {repr(value): reasons(json.dumps({"c": value}).encode(), check) for value in [None, *good, *bad]}
    expected = {repr(value): () for value in [None, *good]}
    assert told == expected | {repr(value): (f"row 1, column c: no {kind}",) for value in bad}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"\xff{}", "row 2: not UTF-8; save the file as UTF-8"),
        (b"{'a': 1}", "row 2: not valid JSON: Expecting property name enclosed in double quotes (character 2);"),
        (ROW.strip() + ROW.strip(), "row 2: not valid JSON: Extra data"),
        (b"[1]", "row 2: no JSON object; write one object a line"),
        (b"null", "row 2: no JSON object"),
        (b'{"age": NaN}', "row 2: NaN and Infinity are no JSON; write null"),
        (b'{"x": [-Infinity]}', "row 2: NaN and Infinity are no JSON"),
        (b'{"age": 1, "age": 1}', "row 2: a key stands twice in the same object; keep one"),
        (b'{"x": {"y": 1, "y": 2}}', "row 2: a key stands twice in the same object"),
        (b'{"age": ' + b"9" * 5000 + b"}", "row 2: a number has too many digits"),
        (b'{"x": ' + b"[" * 64 + b"]" * 64 + b"}", "row 2: nested more than 64 levels deep"),
        (b'{"x": ' * 100_000 + b"1" + b"}" * 100_000, "row 2: nested more than 64 levels deep"),
        (b"[" * 500_000, "row 2: nested more than 64 levels deep"),
    ],
)
def test_a_line_that_is_no_object_is_told_and_the_others_are_judged(line: bytes, expected: str) -> None:
    report = gate(ROW + line + b"\n" + b'{"age": "x", "kind": "old"}\n')
    assert (report.rows, len(report.reasons)) == (3, 2)
    assert report.reasons[0].startswith(expected)
    assert report.reasons[1] == "row 3, column age: no int"


def test_64_levels_are_not_too_deep() -> None:
    line = b'{"age": 1, "kind": "old", "x": ' + b"[" * 63 + b"]" * 63 + b', "y": [' + b"[]," * 99 + b"[]]}"
    assert reasons(line) == ()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "the file is empty"),
        (b"\n \n\r\n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"\x1f\x8b\x08\x00rest", "the file is no JSON Lines: it is compressed with gzip"),
        (b"PAR1rest", "the file is no JSON Lines: it is a Parquet file"),
        ('{"age": 1}\n'.encode("utf-16"), "the file is no JSON Lines: it is UTF-16"),
        (b'{"x": "' + b"x" * MIB + b'"}', "row 1: longer than 1,048,576 bytes; write one object a line"),
    ],
)
def test_what_cannot_be_read_is_told_clearly(data: bytes, expected: str) -> None:
    report = gate(data)
    assert (report.rows, len(report.reasons)) == (None, 1)
    assert report.reasons[0].startswith(expected)


def test_no_reason_holds_a_value() -> None:
    data = b'{"age": "hunter2", "hunter2": hunter2}\n\xffhunter2\n{"age": "hunter2", "kind": "hunter2"}\n["hunter2"]'
    for found in (data, b'{"\\hunter2": 1}', b'{"hunter2": 1, "hunter2": 2}', b'{"hunter2": "\x01"}', b'"hunter2'):
        assert gate(found).reasons
        assert "hunter2" not in gate(found).verdict.reason


def test_a_column_that_no_row_has_is_missing() -> None:
    rows = b'{"Age": 1, "kind": null}\n{"kind": "old", "noise": 1}\n'
    assert reasons(rows, ObjectCheck(columns=CHECK.columns, max_null_ratio=0.5)) == (
        "no row has column age; did you mean 'Age'?",
    )


def test_a_row_that_lacks_a_column_is_empty_there() -> None:
    rows = ROW + b'{"age": null, "kind": "old"}\n{"kind": "old"}\n' + ROW
    allowed = ObjectCheck(columns=CHECK.columns, max_null_ratio=0.5)
    strict = ObjectCheck(columns=CHECK.columns, max_null_ratio=0.2)
    assert [reasons(rows), reasons(rows, allowed), reasons(rows, strict)] == [
        (),
        (),
        ("column age: 2 of 4 cells are empty; at most 20 % may be",),
    ]


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"min_rows": 3}, ()),
        ({"max_rows": 3}, ()),
        ({"max_bytes": 3 * len(ROW)}, ()),
        ({"min_rows": 4}, ("the file has 3 rows; at least 4 are needed",)),
        ({"max_rows": 2}, ("the file has more than the 2 rows that are allowed",)),
        ({"max_bytes": 100}, ("the file has more than the 100 bytes that are allowed",)),
    ],
)
def test_how_much_there_may_be(bounds: dict[str, int], expected: tuple[str, ...]) -> None:
    check = ObjectCheck(columns=CHECK.columns, **bounds)  # type: ignore[arg-type]  # the table's keys are fields
    assert reasons(ROW * 3, check) == expected


def test_what_lies_beyond_the_limit_is_not_judged() -> None:
    data = ROW * 1000
    counted = ObjectCheck(columns=CHECK.columns, min_rows=900)
    for limit in range(len(ROW), 2 * len(ROW) + 1):
        report = gate_jsonl(iter([data]), counted, size=len(data), deadline=lambda: False, limit=limit)
        assert report == GateReport(rows=None, read=limit), limit


def test_a_limit_without_a_row_is_told() -> None:
    report = gate_jsonl(iter([b"\n" * 200]), CHECK, size=1000, deadline=lambda: False, limit=100)
    assert report == GateReport(rows=None, reasons=("the first 100 bytes hold no row",), read=100)


def test_nothing_more_is_read_once_the_time_is_over() -> None:
    left = iter([False, False])
    chunks = iter([ROW, ROW + b'{"age": "trunc', b"never"])
    report = gate_jsonl(chunks, CHECK, size=None, deadline=lambda: next(left, True))
    assert (report, list(chunks)) == (GateReport(rows=None, read=2 * len(ROW) + 14), [b"never"])


def test_a_row_that_does_not_come_in_time_says_nothing_of_the_data() -> None:
    with pytest.raises(Unavailable) as caught:
        gate_jsonl(iter([ROW]), CHECK, size=None, deadline=lambda: True)
    assert caught.value.code == "gate_timeout"


def test_a_line_without_end_is_refused_without_being_held() -> None:
    given = 0

    def endless() -> Iterator[bytes]:
        nonlocal given
        while True:
            given += MIB
            yield b"[" * MIB

    report = gate_jsonl(endless(), CHECK, size=2048 * MIB, deadline=lambda: False)
    assert report.reasons == ("row 1: longer than 1,048,576 bytes; write one object a line",)
    assert given <= 2 * MIB


WITH_STRUCTURE = st.lists(
    st.sampled_from(
        [b'"age"', b'"kind"', b"1", b'"old"', b"NaN", b",", b"\n", b"\r", b'"', b"{", b"}", b":", b"[", b"]", b"\xc3"]
    )
).map(b"".join)


@given(st.binary() | WITH_STRUCTURE | WITH_STRUCTURE.map(lambda rows: ROW + rows), st.integers(1, 9))
@example(b"\xef\xbb\xbf" + ROW, 1)
@example(b'{"age": 1e999, "kind": "\\ud800"}', 9)
def test_any_bytes_give_a_report_that_does_not_depend_on_the_chunks(data: bytes, piece: int) -> None:
    whole = gate(data)
    assert whole == gate(data, piece=piece)
    assert len(whole.reasons) <= 11
