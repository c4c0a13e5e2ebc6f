"""pyarrow writes the files: what it says of them is what the gate must find."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from retrigger.handlers.validate.parquet_gate import MOST_FOOTER, gate_parquet
from retrigger.handlers.validate.report import GateReport
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.spec import Column, ObjectCheck

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
CHECK = ObjectCheck(columns={"age": Column(type="int"), "kind": Column()})
PEOPLE = pa.table({"id": [1, 2, 3], "age": [30, None, 40], "kind": ["old", "new", None]})
DECLARABLE = ("str", "int", "float", "bool", "date", "datetime")


def written(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(table, file, **options)
    return file.getvalue()


def gate(data: bytes, check: ObjectCheck = CHECK, *, size: int | None = None) -> GateReport:
    def read(start: int, limit: int) -> Iterator[bytes]:
        assert 0 <= start < len(data)
        assert limit > 0
        asked = data[start : start + limit]
        yield from (asked[at : at + 1000] for at in range(0, len(asked), 1000))

    return gate_parquet(read, check, size=len(data) if size is None else size, deadline=lambda: False)


def reasons(table: pa.Table, check: ObjectCheck = CHECK, **options: Any) -> tuple[str, ...]:
    return gate(written(table, **options), check).reasons


def declared(table: pa.Table, name: str, **options: Any) -> set[str]:
    """The types that column may be declared as."""
    data = written(table, **options)
    checks = {kind: ObjectCheck(columns={name: Column(type=kind)}) for kind in DECLARABLE}  # type: ignore[arg-type]
    return {kind for kind, check in checks.items() if not gate(data, check).reasons}


PEOPLE_FILE = written(PEOPLE)


def test_a_file_that_fits_passes_with_its_number_of_rows() -> None:
    data = PEOPLE_FILE
    assert gate(data) == GateReport(rows=3, read=len(data))


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
@pytest.mark.parametrize("version", ["1.0", "2.4", "2.6"])
def test_how_it_is_written_does_not_matter(compression: str, version: str) -> None:
    table = pa.table({"age": list(range(1000)), "kind": ["a", "b"] * 500})
    data = written(table, compression=compression, version=version, row_group_size=100, use_dictionary=["kind"])
    assert (gate(data).rows, gate(data).reasons) == (1000, ())


def test_a_table_without_rows() -> None:
    assert gate(written(PEOPLE.slice(0, 0))).rows == 0
    assert reasons(PEOPLE.slice(0, 0), ObjectCheck(min_rows=1, max_null_ratio=0)) == (
        "the file has 0 rows; at least 1 are needed",
    )


TYPES: list[tuple[pa.DataType, object, set[str]]] = [
    (pa.string(), "a", {"str"}),
    (pa.large_string(), "a", {"str"}),
    (pa.dictionary(pa.int32(), pa.string()), "a", {"str"}),
    (pa.json_(), "{}", {"str"}),
    (pa.binary(), b"a", set()),
    (pa.binary(3), b"abc", set()),
    (pa.uuid(), b"0" * 16, set()),
    *((pa.type_for_alias(f"{sign}int{bits}"), 1, {"int", "float"}) for sign in ("", "u") for bits in (8, 16, 32, 64)),
    (pa.float16(), 1.5, {"float"}),
    (pa.float32(), 1.5, {"float"}),
    (pa.float64(), 1.5, {"float"}),
    (pa.decimal128(9, 2), Decimal("1.50"), {"float"}),
    (pa.decimal256(60, 2), Decimal("1.50"), {"float"}),
    (pa.bool_(), True, {"bool"}),
    (pa.date32(), date(2024, 2, 29), {"date"}),
    (pa.date64(), date(2024, 2, 29), {"date"}),
    (pa.time32("ms"), time(12), set()),
    (pa.time64("us"), time(12), set()),
    (pa.duration("us"), 1, {"int", "float"}),
    *((pa.timestamp(unit, zone), NOON, {"datetime"}) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC")),
    (pa.null(), None, set(DECLARABLE)),
    (pa.list_(pa.int64()), [1, 2], set()),
    (pa.map_(pa.string(), pa.int64()), [("a", 1)], set()),
    (pa.struct({"x": pa.int64(), "y": pa.list_(pa.struct({"z": pa.string()}))}), {"x": 1, "y": [{"z": "a"}]}, set()),
]


@pytest.mark.parametrize(("kind", "value", "fitting"), TYPES, ids=[str(kind) for kind, _, _ in TYPES])
def test_what_a_type_may_be_declared_as(kind: pa.DataType, value: object, fitting: set[str]) -> None:
    column = pa.array([value, None], pa.int64() if pa.types.is_duration(kind) else kind).cast(kind)
    table = pa.table({"before": [[1], [2]], "c": column, "after": [{"x": 1}, None]})
    assert declared(table, "c") == fitting


def test_older_writers_give_the_converted_type_alone() -> None:
    times = pa.table({"t": pa.array([NOON], pa.timestamp("ns", "UTC"))})
    assert declared(times, "t", use_deprecated_int96_timestamps=True) == {"datetime"}
    rows = [("c", 6, 0, {"str"}), ("c", 1, 6, {"date"}), ("c", 2, 10, {"datetime"}), ("c", 2, 14, {"int", "float"})]
    for name, physical, converted, fitting in rows:
        data = file(footer([element(name, physical=physical, converted=converted)], rows=1))
        checks = {kind: ObjectCheck(columns={"c": Column(type=kind)}) for kind in DECLARABLE}  # type: ignore[arg-type]
        assert {kind for kind, check in checks.items() if not gate(data, check).reasons} == fitting


def test_reasons_name_the_column_and_what_the_file_has() -> None:
    table = pa.table({"Age": [1], "kind": [date(2024, 1, 1)], "more": [[1]], "flag": [1.5]})
    check = ObjectCheck(
        columns={
            **CHECK.columns,
            "more": Column(type="int"),
            "flag": Column(type="bool"),
        }
    )
    assert reasons(table, check) == (
        "no column age; did you mean 'Age'?",
        "column kind: no str; the file has INT32 as DATE",
        "column more: no int; it is nested",
        "column flag: no bool; the file has DOUBLE",
    )


def test_nulls_are_counted_by_the_statistics_of_every_column_and_row_group() -> None:
    table = pa.table(
        {
            "deep": [[None, None], None, [], [1]],
            "age": [1, None, 2, 3],
            "kind": ["a", None, None, None],
            "all": pa.nulls(4),
            "time": pa.array([NOON, None, NOON, NOON], pa.timestamp("ns")),
        }
    )
    for size in (1, 2, 4):
        data = written(table, row_group_size=size)
        assert gate(data, ObjectCheck(columns=CHECK.columns, max_null_ratio=0.25)) == GateReport(
            rows=4,
            reasons=(
                "column kind: 3 of 4 cells are empty; at most 25 % may be",
                "column 4: 4 of 4 cells are empty; at most 25 % may be",
            ),
            read=len(data),
        )
        assert gate(data, ObjectCheck(max_null_ratio=1)).verdict.reason == "4 rows fit"


def test_nulls_that_nobody_counted_are_not_judged_and_that_is_said() -> None:
    strict = ObjectCheck(columns=CHECK.columns, max_null_ratio=0)
    none, some = (
        gate(written(PEOPLE, write_statistics=counted), strict).verdict.reason for counted in (False, ["id", "kind"])
    )
    assert none == "3 rows fit; nulls not judged: the file has no counts of them for 3 columns"
    assert some == "column kind: 1 of 3 cells are empty; at most 0 % may be"
    assert gate(written(PEOPLE, write_statistics=False)).verdict.reason == "3 rows fit"


def test_a_required_column_needs_no_statistics() -> None:
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False)])
    data = written(pa.table({"id": [1, 2]}, schema=schema), write_statistics=False)
    assert gate(data, ObjectCheck(max_null_ratio=0)).verdict.reason == "2 rows fit"


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"min_rows": 3, "max_rows": 3, "max_bytes": len(PEOPLE_FILE)}, ()),
        ({"min_rows": 4}, ("the file has 3 rows; at least 4 are needed",)),
        ({"max_rows": 2}, ("the file has more than the 2 rows that are allowed",)),
        ({"max_bytes": 100}, (f"the file has {len(PEOPLE_FILE):,} bytes; at most 100 are allowed",)),
    ],
)
def test_how_much_there_may_be(bounds: Mapping[str, int], expected: tuple[str, ...]) -> None:
    check = ObjectCheck(columns=CHECK.columns, **bounds)  # type: ignore[arg-type]  # the table's keys are fields
    assert gate(PEOPLE_FILE, check).reasons == expected


def test_only_the_end_of_a_large_file_is_read() -> None:
    small = written(pa.table({"age": pa.array(range(100_000)), "kind": ["a"] * 100_000}), use_dictionary=False)
    assert (gate(small).rows, gate(small).read) == (100_000, 64 * 1024)
    wide = written(pa.table({"age": [1], "kind": ["a"], **{f"c{number}": [1] for number in range(2000)}}))
    report = gate(wide, ObjectCheck(columns=CHECK.columns, max_null_ratio=0))
    length = int.from_bytes(wide[-8:-4], "little")
    assert (report, length > 64 * 1024) == (GateReport(rows=1, read=length + 8), True)


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (b"", "bad_data", "the file is empty"),
        (
            b"age,kind\n1,old\n",
            "bad_data",
            "the file does not end as Parquet does: it is cut off, or of another format",
        ),
        (b"PAR1", "bad_data", "the footer is damaged: it is longer than the file; write the file again"),
        (PEOPLE_FILE[:-1], "bad_data", "the file does not end as Parquet does: it is cut off, or of another format"),
        (b"PAR1" + PEOPLE_FILE[-500:], "bad_data", "the footer is damaged: it is longer than the file"),
        (b"PAR1\0\0\0\0PAR1", "bad_data", "the footer is damaged: it ends too early; write the file again"),
        (b"PAR1\0\1\0\0\0PAR1", "bad_data", "the footer is damaged: it lacks the number of rows"),
        (b"PAR1\xff\xff\xff\xffPAR1", "bad_data", "the footer has 4,294,967,295 bytes; at most 16,777,216 are read"),
        (b"PARE\0\1\0\0\0PARE", "encrypted_footer", "the footer is encrypted, and cannot be judged: write it in plain"),
    ],
)
def test_what_is_no_parquet_is_told_clearly(data: bytes, code: str, reason: str) -> None:
    report = gate(data)
    assert (report.rows, report.verdict.code, len(report.reasons)) == (None, code, 1)
    assert report.reasons[0].startswith(reason)


def test_a_file_that_is_not_as_long_as_announced() -> None:
    def read(start: int, limit: int) -> Iterator[bytes]:
        yield PEOPLE_FILE[start : start + limit]

    report = gate_parquet(read, CHECK, size=len(PEOPLE_FILE) + 1, deadline=lambda: False)
    assert report.reasons == ("the file is not as long as was announced: it was replaced; send its newest version",)


def test_a_footer_that_does_not_come_in_time_says_nothing_of_the_data() -> None:
    with pytest.raises(Unavailable) as caught:
        gate_parquet(lambda *_: iter([b"PAR1", b"more"]), CHECK, size=len(PEOPLE_FILE), deadline=lambda: True)
    assert caught.value.code == "gate_timeout"
    in_time = gate_parquet(lambda *_: iter([PEOPLE_FILE]), CHECK, size=len(PEOPLE_FILE), deadline=lambda: True)
    assert in_time == GateReport(rows=3, read=len(PEOPLE_FILE))


# A footer written by hand: what no writer writes.


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def number(header: int, value: int) -> bytes:
    """A field of kind i32 (5) or i64 (6), with the header's delta."""
    return bytes([header]) + varint(value << 1 if value >= 0 else (-value << 1) - 1)


def listed(items: list[bytes]) -> bytes:
    return b"\xfc" + varint(len(items)) + b"".join(items)


def element(
    name: str, *, physical: int | None = None, children: int | None = None, converted: int | None = None
) -> bytes:
    fields = [
        b"" if physical is None else number(0x15, physical),
        (b"\x48" if physical is None else b"\x38") + varint(len(name)) + name.encode(),
        b"" if children is None else number(0x15, children),
        b"" if converted is None else number(0x15 if children is not None else 0x25, converted),
    ]
    return b"".join(fields) + b"\0"


def footer(columns: list[bytes], *, rows: int, children: int | None = None, groups: bytes = b"\xfc\0") -> bytes:
    root = element("schema", children=len(columns) if children is None else children)
    return number(0x15, 2) + b"\x19" + listed([root, *columns]) + number(0x16, rows) + b"\x19" + groups + b"\0"


def file(content: bytes) -> bytes:
    return b"PAR1" + content + len(content).to_bytes(4, "little") + b"PAR1"


AGE = [element("age", physical=1), element("kind", physical=6, converted=0)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (footer(AGE, rows=-1), "it lacks the number of rows"),
        (footer(AGE, rows=2**62), "it lacks the number of rows"),
        (footer(AGE, rows=1, children=3), "its schema ends too early"),
        (footer(AGE, rows=1, children=2**31 - 1), "its schema ends too early"),
        (footer(AGE, rows=1, children=1), "its schema goes on after its root"),
        (footer([element("x", children=2**31 - 1)] * 9, rows=1), "its schema ends too early"),
        (footer([element("x", children=-1)], rows=1), "its schema has a column without a name"),
        (number(0x36, 1) + b"\0", "it has no schema"),
        (b"\x29\x15\2\0", "a list holds other things than structs"),
        (b"\x29\x1c\x48\1\xff\0\0", "a text is not UTF-8"),
        (b"\x29\x1c\x45\2\0\0", "a text is of another kind"),
        (b"\x38\1x\0", "a number is of another kind"),
        (b"\x25\2\0", "a list is of another kind"),
        (b"\x29\x1c\xa5\2\0\0", "a struct is of another kind"),
        (footer(AGE, rows=1, groups=listed([b"\x19" + listed([b"\0"]) + b"\0"])), "a row group has other columns"),
        (footer(AGE, rows=1, groups=listed([b"\0"])), "a row group has other columns than the schema"),
        (footer(AGE, rows=1, groups=b"\x8c\x19\xfc"), "it ends too early"),
        (
            footer(
                AGE, rows=1, groups=listed([b"\x19" + listed([b"\x3c\xcc" + number(0x36, -1) + b"\0\0\0"] * 2) + b"\0"])
            ),
            "a number of nulls is below zero",
        ),
    ],
)
def test_a_damaged_footer_is_told(content: bytes, reason: str) -> None:
    report = gate(file(content), ObjectCheck(columns=CHECK.columns, max_null_ratio=0))
    assert (
        report.rows,
        [told.removeprefix("the footer is damaged: ").startswith(reason) for told in report.reasons],
    ) == (
        None,
        [True],
    )


def test_nested_groups_of_any_depth_take_linear_time() -> None:
    chain = [element("g", children=1)] * 9000 + [element("leaf", physical=1)]
    assert gate(file(footer([*chain, *AGE], rows=1, children=3))).rows == 1


def test_the_number_of_columns_is_bounded() -> None:
    columns = [element(f"c{number}", physical=1) for number in range(10_001)]
    assert gate(file(footer(columns, rows=1)), ObjectCheck()).reasons == ("the file has more than 10,000 columns",)


def test_a_column_that_stands_twice() -> None:
    assert gate(file(footer([*AGE, AGE[0]], rows=1))).reasons == ("the name of column age stands there 2 times",)


def test_a_footer_of_many_row_groups_is_judged_but_for_its_nulls() -> None:
    groups = listed([b"\x19" + listed([b"\0"] * 2) + b"\0"] * 350_000)
    data = file(footer(AGE, rows=1, groups=groups))
    report = gate(data, ObjectCheck(columns=CHECK.columns, max_null_ratio=0))
    assert report.verdict.reason == "1 rows fit; nulls not judged: the footer is too long to count them in time"


def test_a_footer_that_never_comes_to_its_columns() -> None:
    data = file(b"\x19\xf3\xff\xff\xff\x07" + b"\0" * (MOST_FOOTER - 6))
    assert gate(data).reasons == ("the footer holds too much before it names columns and rows; write the file again",)


NESTED = written(pa.table({"deep": [[{"x": 1}], []], "age": [1, None], "kind": ["a", "b"]}), row_group_size=1)
STRICT = ObjectCheck(columns=CHECK.columns, max_null_ratio=0.5, min_rows=1)


@given(st.data())
def test_flipped_bytes_give_a_report(data: st.DataObject) -> None:
    length = int.from_bytes(NESTED[-8:-4], "little")
    flipped = bytearray(NESTED)
    for place in data.draw(st.lists(st.integers(len(NESTED) - 8 - length, len(NESTED) - 1), min_size=1, max_size=4)):
        flipped[place] = data.draw(st.integers(0, 255))
    assert len(gate(bytes(flipped), STRICT).reasons) <= 11


@given(st.binary(), st.booleans())
def test_any_bytes_give_a_report(data: bytes, as_footer: bool) -> None:
    report = gate(file(data) if as_footer else data, STRICT)
    assert report.reasons


def test_no_reason_holds_what_the_file_says() -> None:
    table = pa.table({"hunter2": [None, "hunter2"], "kind": [1, 2]})
    assert "hunter2" not in gate(written(table), ObjectCheck(columns=CHECK.columns, max_null_ratio=0)).verdict.reason
