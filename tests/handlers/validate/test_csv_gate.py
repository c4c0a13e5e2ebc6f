from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retrigger.handlers.outcome import Verdict
from retrigger.handlers.validate.csv_gate import gate_csv
from retrigger.handlers.validate.report import GateReport
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.spec import Column, ObjectCheck

if TYPE_CHECKING:
    from collections.abc import Iterator

CHURNERS = Path(__file__).resolve().parents[3] / "../shared/data/BankChurners.csv"
CHECK = ObjectCheck(columns={"age": Column(type="int"), "kind": Column(one_of=("old", "new"))})
HEADER = b"id,age,kind\n"
MIB = 1024 * 1024


def gate(data: bytes, check: ObjectCheck = CHECK, *, size: int | None = None, piece: int = 65536) -> GateReport:
    pieces = (data[start : start + piece] for start in range(0, len(data), piece))
    return gate_csv(pieces, check, size=size, deadline=lambda: False)


def reasons(data: bytes, check: ObjectCheck = CHECK) -> tuple[str, ...]:
    return gate(data, check).reasons


def test_a_file_that_fits_passes_with_its_number_of_rows() -> None:
    assert gate(HEADER + b"1,30,old\n2,40,new\n", size=30) == GateReport(rows=2, read=30)


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfage,kind\n1,old\n",
        b"age,kind\r\n1,old\r\n",
        b"age,kind\r1,old\r",
        b"age,kind\n1,old",
        b"\nage,kind\n\n1,old\n\n",
        b'"age","kind"\n"1","old"\n',
        b'kind,age,note\nold,1,"two\nlines, ""quoted"""\n',
        "größe,age,kind\nä,1,old\n".encode(),
    ],
)
def test_the_ways_to_write_the_same_table(data: bytes) -> None:
    assert gate(data) == GateReport(rows=1, read=len(data))


def test_a_row_of_descriptions_under_the_header_is_found() -> None:
    text = HEADER + b"customer number,age in years,kind of customer\n" + b"1,30,old\n" * 500
    assert reasons(text) == ("row 2, column age: no int", "row 2, column kind: none of the allowed texts")


def test_reasons_name_the_first_row_and_how_many_follow() -> None:
    assert reasons(HEADER + b"1,30,old\n" + b"1,x,old\n" * 1200) == (
        "row 3, column age: no int (and so in 1,199 more rows)",
    )


def test_no_reason_holds_a_value() -> None:
    data = HEADER + b'hunter2,hunter2,hunter2\nhunter2,1\n"hunter2\n'
    assert "hunter2" not in gate(data).verdict.reason
    assert "hunter2" not in gate(b"hunter2,hunter2\nhunter2,hunter2\n").verdict.reason
    assert "hunter2" not in gate(b"age,kind\n\xffhunter2,old\n").verdict.reason


def test_at_most_ten_reasons_are_told() -> None:
    names = [f"c{index}" for index in range(25)]
    check = ObjectCheck(columns={name: Column(type="int") for name in names})
    found = reasons((",".join(names) + "\n" + ",".join("x" * 25) + "\n").encode(), check)
    assert (len(found), found[0], found[-1]) == (11, "row 2, column c0: no int", "and 15 more")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"\x1f\x8b\x08\x00rest", "the file is no CSV: it is compressed with gzip"),
        (b"PK\x03\x04rest", "the file is no CSV: it is a zip archive or a spreadsheet"),
        (b"PAR1rest", "the file is no CSV: it is a Parquet file"),
        ("age,kind\n".encode("utf-16"), "the file is no CSV: it is UTF-16"),
        ("age,kind\n".encode("utf-16-le"), "row 1: holds zero bytes"),
        (b"age,kind\n1,old\n\xe4,old\n", "row 3: not UTF-8"),
        (b"age,kind\n1,ol\xc3", "row 2: not UTF-8"),
        (b'age,kind\n1,"old\n', "row 2: not valid CSV: unexpected end of data"),
        (b'age,kind\n1,"o"ld\n', "row 2: not valid CSV: ',' expected"),
        (b"age,kind\n" + b"x" * 200_000 + b",old\n", "row 2: not valid CSV: field larger than field limit"),
        (b"age,kind\n" + b"x," * 600_000, "row 2: longer than 1,048,576 characters"),
        (b"age;kind\n1;old\n", "row 1: one column; the cells seem to be separated by semicolons, not by commas"),
        (b"," * 20_000 + b"\n", "row 1: more than 10,000 columns"),
    ],
)
def test_what_is_no_csv_is_told_clearly(data: bytes, expected: str) -> None:
    report = gate(data)
    assert (report.rows, len(report.reasons)) == (None, 1)
    assert report.reasons[0].startswith(expected)


def test_the_header_must_have_every_declared_column_once() -> None:
    assert reasons(b"Age,kind,kind,kind\n") == (
        "row 1: no column age; did you mean 'Age'?",
        "row 1: the name of column kind stands there 3 times",
    )
    assert reasons(b"id,kind\n1,old\n") == ("row 1: no column age",)


def test_a_row_has_as_many_cells_as_the_header() -> None:
    assert reasons(HEADER + b"1,2\n1,2,old,4\n") == ("row 2: 2 cells where the header has 3 (and so in 1 more rows)",)


def test_empty_cells_are_counted_in_every_column() -> None:
    rows = b",1,old\nNA,1,old\n3,nan,old\n4,1,old\n"
    allowed = ObjectCheck(columns=CHECK.columns, max_null_ratio=0.5)
    strict = ObjectCheck(columns=CHECK.columns, max_null_ratio=0.2)
    assert [reasons(HEADER + rows), reasons(HEADER + rows, allowed), reasons(HEADER + rows, strict)] == [
        (),
        (),
        (
            "column 1: 2 of 4 cells are empty; at most 20 % may be",
            "column age: 1 of 4 cells are empty; at most 20 % may be",
        ),
    ]


def test_a_text_that_is_allowed_is_not_empty() -> None:
    check = ObjectCheck(columns={"kind": Column(one_of=("None", "new"))}, max_null_ratio=0)
    assert gate(b"kind\nNone\nnew\n", check) == GateReport(rows=2, read=14)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"min_rows": 3}, ()),
        ({"max_rows": 3}, ()),
        ({"max_bytes": 27}, ()),
        ({"min_rows": 4}, ("the file has 3 rows; at least 4 are needed",)),
        ({"max_rows": 2}, ("the file has more than the 2 rows that are allowed",)),
        ({"max_bytes": 26}, ("the file has more than the 26 bytes that are allowed",)),
    ],
)
def test_how_much_there_may_be(bounds: dict[str, int], expected: tuple[str, ...]) -> None:
    data = b"age,kind\n" + b"1,old\n" * 3
    check = ObjectCheck(columns=CHECK.columns, **bounds)  # type: ignore[arg-type]  # the table's keys are fields
    assert reasons(data, check) == expected


def test_a_file_that_is_announced_too_large_is_not_read() -> None:
    def unread() -> Iterator[bytes]:
        raise AssertionError
        yield b""

    report = gate_csv(unread(), ObjectCheck(max_bytes=10), size=11, deadline=lambda: False)
    assert report == GateReport(rows=None, reasons=("the file has 11 bytes; at most 10 are allowed",))


@pytest.mark.parametrize("size", [None, 900_012])
def test_what_lies_beyond_the_limit_is_not_judged(size: int | None) -> None:
    data = HEADER + b"1,30,old\n" * 100_000
    counted = ObjectCheck(columns=CHECK.columns, min_rows=90_000)
    for limit in (5000, 5001, 5002, 5003):
        report = gate_csv(iter([data[:limit]]), counted, size=size, deadline=lambda: False, limit=limit)
        assert report == GateReport(rows=None, read=limit), limit


def test_a_cut_in_the_middle_of_a_quoted_cell_or_a_character_is_no_mistake() -> None:
    data = 'age,kind,note\n1,old,ok\n2,old,"ü\nü"\n'.encode()
    for limit in range(14, len(data)):
        report = gate_csv(iter([data]), CHECK, size=len(data), deadline=lambda: False, limit=limit)
        assert report == GateReport(rows=None, read=limit), limit


def test_a_file_as_long_as_the_limit_is_whole() -> None:
    data = HEADER + b"1,30,old\n"
    report = gate_csv(iter([data]), CHECK, size=len(data), deadline=lambda: False, limit=len(data))
    assert report == GateReport(rows=1, read=len(data))


def test_nothing_more_is_read_once_the_time_is_over() -> None:
    left = iter([False, False])
    chunks = iter([HEADER + b"1,30,old\n", b"2,30,old\n", b"never"])
    report = gate_csv(chunks, CHECK, size=None, deadline=lambda: next(left, True))
    assert (report, list(chunks)) == (GateReport(rows=None, read=30), [b"never"])
    assert report.verdict == Verdict("gate", "pass", "ok", "the first 30 bytes fit")


def test_a_header_that_does_not_come_in_time_says_nothing_of_the_data() -> None:
    with pytest.raises(Unavailable) as caught:
        gate_csv(iter([HEADER]), CHECK, size=None, deadline=lambda: True)
    assert caught.value.code == "gate_timeout"


def test_a_limit_without_a_header_is_told() -> None:
    report = gate_csv(iter([b"\n" * 200]), CHECK, size=1000, deadline=lambda: False, limit=100)
    assert report == GateReport(rows=None, reasons=("the first 100 bytes hold no header",), read=100)


def test_a_line_without_end_is_refused_without_being_held() -> None:
    given = 0

    def endless() -> Iterator[bytes]:
        nonlocal given
        while True:
            given += MIB
            yield b"x" * MIB

    report = gate_csv(endless(), CHECK, size=2048 * MIB, deadline=lambda: False)
    assert report.reasons == ("row 1: longer than 1,048,576 characters; is a quote missing?",)
    assert given <= 2 * MIB


def test_an_error_of_the_source_is_passed_on() -> None:
    def breaking() -> Iterator[bytes]:
        yield HEADER
        raise Unavailable("the connection broke", code="connection_lost")

    with pytest.raises(Unavailable, match="the connection broke"):
        gate_csv(breaking(), CHECK, size=None, deadline=lambda: False)


def test_the_verdict() -> None:
    assert [GateReport(rows=1234).verdict, GateReport(rows=None, reasons=("a", "b")).verdict] == [
        Verdict("gate", "pass", "ok", "1,234 rows fit"),
        Verdict("gate", "stop", "bad_data", "a; b"),
    ]


WITH_STRUCTURE = st.lists(
    st.sampled_from([b"age", b"kind", b"1", b"old", b",", b"\n", b"\r", b'"', b"\xc3", b"\xbc", b"\xef\xbb\xbf", b"\0"])
).map(b"".join)


@given(st.binary() | WITH_STRUCTURE | WITH_STRUCTURE.map(lambda rows: b"age,kind\n" + rows), st.integers(1, 9))
@example(b"age,kind\r\n1,old\r\n", 9)
@example(b"\xef\xbb\xbfage,kind\n", 1)
def test_any_bytes_give_a_report_that_does_not_depend_on_the_chunks(data: bytes, piece: int) -> None:
    whole = gate(data)
    assert whole == gate(data, piece=piece)
    assert len(whole.reasons) <= 11


@pytest.mark.skipif(not CHURNERS.exists(), reason="the table is not here")
def test_a_real_table_passes_and_its_variant_with_a_description_row_does_not() -> None:
    columns = {
        "Customer_Age": Column(type="int"),
        "Attrition_Flag": Column(one_of=("Existing Customer", "Attrited Customer")),
        "Credit_Limit": Column(type="float"),
    }
    check = ObjectCheck(columns=columns, max_null_ratio=0.02, min_rows=1000)
    data = CHURNERS.read_bytes()
    header, _, rows = data.partition(b"\n")
    described = header + b"\n" + b",".join(b"words" for _ in header.split(b",")) + b"\n" + rows
    assert gate(data, check, size=len(data)) == GateReport(rows=10127, read=len(data))
    assert set(reasons(described, check)) == {
        "row 2, column Customer_Age: no int",
        "row 2, column Attrition_Flag: none of the allowed texts",
        "row 2, column Credit_Limit: no float",
    }
