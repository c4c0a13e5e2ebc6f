"""What the footer of a Parquet file says of its table: columns, number of rows, and null counts where it has them.

Format: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift, whose words are used here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.handlers.validate.columns import MOST_COLUMNS
from retrigger.handlers.validate.report import Unreadable
from retrigger.handlers.validate.thrift import Damaged, Reader, TooMuch
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A second of work. A column in a row group takes some 40 values.
_MOST_VALUES: Final = 1_000_000
# Far beyond any file, and small enough to be added up over the members of a window.
_MOST_ROWS: Final = 2**40
_REQUIRED: Final = 0
_REPEATED: Final = 2
_NULL_COUNT: Final = (3, 12, 3)  # ColumnChunk.meta_data.statistics.null_count
_PHYSICAL: Final = dict(
    enumerate(("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"))
)
# The fields of the union LogicalType.
_LOGICAL: Final = {1: "STRING", 4: "ENUM", 5: "DECIMAL", 6: "DATE", 7: "TIME", 8: "TIMESTAMP"} | {
    10: "INTEGER",
    11: "UNKNOWN",
    12: "JSON",
    13: "BSON",
    14: "UUID",
    15: "FLOAT16",
}
# The enum ConvertedType, which older writers give alone.
_CONVERTED: Final = (
    {0: "STRING", 4: "ENUM", 5: "DECIMAL", 6: "DATE", 19: "JSON", 20: "BSON", 21: "INTERVAL"}
    | dict.fromkeys((7, 8), "TIME")
    | dict.fromkeys((9, 10), "TIMESTAMP")
    | dict.fromkeys(range(11, 19), "INTEGER")
)
_OTHER: Final = "another type"


@dataclass(frozen=True, slots=True)
class FileColumn:
    """A column at the top of the schema. `physical` is None if it is nested: a struct, a list or a map.

    `logical` says what its values mean, and is None where they mean what they are. `nulls` is None if nothing tells.
    """

    name: str
    physical: str | None
    logical: str | None = None
    nulls: int | None = None


@dataclass(frozen=True, slots=True)
class Footer:
    """`counted`: null counts were looked for, in all of its row groups."""

    columns: tuple[FileColumn, ...]
    rows: int
    counted: bool


@dataclass(frozen=True, slots=True)
class _Element:
    """A SchemaElement: a node of the tree of columns."""

    name: str
    physical: str | None
    logical: str | None
    repetition: int | None
    children: int

    @property
    def leaf(self) -> bool:
        return self.physical is not None and not self.children


def read_footer(data: bytes, *, nulls: bool) -> Footer:
    """The bytes of a FileMetaData -> what it says. Raises Unreadable if they are none.

    `nulls`: look for null counts too, which takes as long as the file has row groups.
    """
    reader = Reader(data, most=_MOST_VALUES)
    elements: list[_Element] = []
    rows, counts = None, None
    try:
        for field, kind in reader.fields():
            match field:
                case 2:
                    elements = [_element(reader) for number in reader.structs(kind) if _is_few(number)]
                case 3:
                    rows = reader.integer(kind)
                case 4 if elements and rows is not None:  # what follows is not looked at
                    counts = _null_counts(reader, kind, sum(it.leaf for it in elements)) if nulls else None
                    break
                case _:
                    reader.skip(kind)
        return _footer(elements, rows, counts)
    except Damaged as exc:
        raise Unreadable(f"the footer is damaged: {exc}; write the file again") from exc
    except TooMuch as exc:
        raise Unreadable("the footer holds too much before it names columns and rows; write the file again") from exc


def _footer(elements: list[_Element], rows: int | None, counts: list[int | None] | None) -> Footer:
    if rows is None or not 0 <= rows <= _MOST_ROWS:
        raise Damaged("it lacks the number of rows")
    unknown: list[int | None] = [None] * len(elements)
    return Footer(tuple(_columns(elements, counts or unknown)), rows, counted=counts is not None)


def _columns(elements: list[_Element], nulls: list[int | None]) -> Iterator[FileColumn]:
    """The elements stand depth first, the root before all; the null counts are those of the leaves, in this order."""
    if not elements:
        raise Damaged("it has no schema")
    at, leaf = 1, 0
    for _ in range(elements[0].children):
        end = _end(elements, at)
        top = elements[at]
        if not top.leaf or top.repetition == _REPEATED:
            yield FileColumn(top.name, None)
        else:
            yield FileColumn(top.name, top.physical, top.logical, 0 if top.repetition == _REQUIRED else nulls[leaf])
        leaf += sum(it.leaf for it in elements[at:end])
        at = end
    if at != len(elements):
        raise Damaged("its schema goes on after its root")


def _end(elements: list[_Element], at: int) -> int:
    """Where the subtree that begins here is over."""
    pending = 1
    while pending:
        if at == len(elements):
            raise Damaged("its schema ends too early")
        pending += elements[at].children - 1
        at += 1
    return at


def _is_few(number: int) -> bool:
    if number > MOST_COLUMNS:
        raise Unreadable(f"the file has more than {MOST_COLUMNS:,} columns")
    return True


def _element(reader: Reader) -> _Element:
    name, physical, repetition, children = None, None, None, 0
    logical, converted = None, None
    for field, kind in reader.fields():
        match field:
            case 1:
                physical = _named(_PHYSICAL, reader.integer(kind))
            case 3:
                repetition = reader.integer(kind)
            case 4:
                name = reader.text(kind)
            case 5:
                children = reader.integer(kind)
            case 6:
                converted = _named(_CONVERTED, reader.integer(kind))
            case 10:
                logical = _logical(reader, kind)
            case _:
                reader.skip(kind)
    if name is None or children < 0:
        raise Damaged("its schema has a column without a name")
    return _Element(name, physical, logical or converted, repetition, children)


def _logical(reader: Reader, kind: int) -> str | None:
    """A union: a struct in which one field is set. Which one is all that matters."""
    logical = None
    for field, inner in reader.struct(kind):
        logical = _named(_LOGICAL, field)
        reader.skip(inner)
    return logical


def _named(names: Mapping[int, str], number: int) -> str:
    return names.get(number, _OTHER)


def _null_counts(reader: Reader, kind: int, leaves: int) -> list[int | None] | None:
    """Of each leaf, over all row groups; None for a leaf that lacks one, and None at all if there are too many."""
    sums: list[int | None] = [0] * leaves
    try:
        for _ in reader.structs(kind):
            for leaf, count in enumerate(_row_group(reader, leaves)):
                before = sums[leaf]
                sums[leaf] = None if before is None or count is None else before + count
    except TooMuch:
        return None
    return sums


def _row_group(reader: Reader, leaves: int) -> list[int | None]:
    counts: list[int | None] = []
    for field, kind in reader.fields():
        if field == 1:
            counts += [_null_count(reader, reader.fields(), _NULL_COUNT) for _ in reader.structs(kind)]
        else:
            reader.skip(kind)
    if len(counts) != leaves:
        raise Damaged("a row group has other columns than the schema")
    return counts


def _null_count(reader: Reader, fields: Iterator[tuple[int, int]], path: tuple[int, ...]) -> int | None:
    """The count at the end of a path of field ids; None if one of them is not set."""
    wanted, *inner = path
    count = None
    for field, kind in fields:
        if field != wanted:
            reader.skip(kind)
        elif inner:
            count = _null_count(reader, reader.struct(kind), tuple(inner))
        else:
            count = reader.integer(kind)
    if count is not None and count < 0:
        raise Damaged("a number of nulls is below zero")
    return count
