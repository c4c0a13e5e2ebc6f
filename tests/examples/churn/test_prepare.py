from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kfp.dsl import Dataset

from retrigger.cli.churn import table
from retrigger.cli.churn.columns import CATEGORIES, CLASSES, DROPPED, NUMBERS, TARGET
from retrigger.cli.churn.prepare import read_tables, split, validate

if TYPE_CHECKING:
    from tests.examples.churn.conftest import Cloud

LANDING = "acme-dev-landing/churn/dt=2026-01-31"
Rows = list[list[str]]


def read(path: str | Path) -> Rows:
    with Path(path).open(encoding="utf-8", newline="") as source:
        return list(csv.reader(source))


@pytest.fixture
def full(tmp_path: Path) -> Path:
    path = tmp_path / "full.csv"
    table.write(path, seed=7, count=200)
    return path


def joined(data: str, path: Path, as_of: str = "2026-01-31") -> Dataset:
    target = Dataset(uri=str(path))
    read_tables.python_func(data=data, as_of=as_of, table=target)
    return target


def test_a_folder_is_read_part_after_part_without_its_markers(full: Path, tmp_path: Path, cloud: Cloud) -> None:
    parts = table.split(full, 3, tmp_path)
    cloud.objects = {f"{LANDING}/{part.name}": part.read_bytes() for part in reversed(parts)}
    cloud.objects |= {
        f"{LANDING}/": b"",
        f"{LANDING}/_SUCCESS": b"",
        f"{LANDING}/notes.txt": b"a,b\n",
        "acme-dev-landing/churn/dt=2026-02-01/part.csv": b"not,this\n",
    }

    target = joined(f"gs://{LANDING}/", tmp_path / "table")

    assert read(target.path) == read(full)
    assert target.metadata == {"source": f"gs://{LANDING}/", "as_of": "2026-01-31", "objects": 3, "rows": 200}


def test_one_object_is_read_with_byte_order_mark_quotes_and_empty_lines(tmp_path: Path, cloud: Cloud) -> None:
    cloud.objects = {f"{LANDING}/a #1.csv": b'\xef\xbb\xbfa,b\r\n1,"x, ""y""\nz"\r\n\r\n2,\r\n'}

    target = joined(f"gs://{LANDING}/a #1.csv", tmp_path / "table")

    assert read(target.path) == [["a", "b"], ["1", 'x, "y"\nz'], ["2", ""]]


@pytest.mark.parametrize(
    ("data", "objects", "says"),
    [
        ("s3://b/c/", {}, "data: 's3://b/c/' is neither gs://BUCKET/FOLDER/ nor gs://BUCKET/NAME.csv"),
        ("gs://b/c", {}, "data: 'gs://b/c' is neither"),
        ("gs:///c/", {}, "data: 'gs:///c/' is neither"),
        ("gs://b/c/", {"b/c/_SUCCESS": b""}, "gs://b/c/: there is no .csv object"),
        ("gs://b/c.csv", {"b/c.csv.gz": b""}, "gs://b/c.csv: there is no .csv object"),
        ("gs://b/c/", {"b/c/1.csv": b"x,y\n1,2\n", "b/c/2.csv": b"x,z\n1,2\n"}, r"gs://b/c/2.csv: .* \(y, z\)"),
        ("gs://b/c/", {"b/c/1.csv": b"x,y\n1,2\n", "b/c/2.csv": b"y,x\n1,2\n"}, r"gs://b/c/2.csv: .* \(their order\)"),
        ("gs://b/c/", {"b/c/1.csv": b"x,y\n1,2\n", "b/c/2.csv": b""}, r"gs://b/c/2.csv: .* \(x, y\)"),
    ],
)
def test_what_cannot_be_read_as_one_table_is_named(
    tmp_path: Path, cloud: Cloud, data: str, objects: dict[str, bytes], says: str
) -> None:
    cloud.objects = objects
    with pytest.raises(ValueError, match=says):
        joined(data, tmp_path / "table")


@pytest.mark.parametrize("as_of", ["", "yesterday", "2026-02-30", "31.01.2026", "20260131", "2026-W05-6"])
def test_the_day_must_be_a_date(tmp_path: Path, as_of: str) -> None:
    with pytest.raises(ValueError, match="is not a date") as caught:
        joined(f"gs://{LANDING}/", tmp_path / "table", as_of)
    assert str(caught.value) == f"as_of: {as_of!r} is not a date. Give it as YYYY-MM-DD."


def clean(source: Path, *, min_rows: int = 100) -> Dataset:
    target = Dataset(uri=str(source.with_name("clean")))
    validate.python_func(
        table=Dataset(uri=str(source)),
        min_rows=min_rows,
        max_null_ratio=0.02,
        numbers=NUMBERS,
        categories=CATEGORIES,
        target=TARGET,
        classes=CLASSES,
        dropped=DROPPED,
        clean=target,
    )
    return target


def refused(source: Path, *, min_rows: int = 100) -> str:
    with pytest.raises(ValueError, match=r"\.$") as caught:
        clean(source, min_rows=min_rows)
    return str(caught.value)


def changed(source: Path, change: dict[tuple[int, str], str]) -> Path:
    header, *body = read(source)
    for (row, column), cell in change.items():
        body[row - 1][header.index(column)] = cell
    return rewritten(source, [header, *body])


def rewritten(source: Path, rows: Rows) -> Path:
    with source.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target).writerows(rows)
    return source


def test_a_good_table_becomes_numbers_with_the_answer_last_and_nothing_that_leaks_it(full: Path) -> None:
    header, *body = read(full)
    target = clean(full)
    features, *cleaned = read(target.path)

    assert features[:14] == NUMBERS
    assert features[14:] == [*(f"{c}={value}" for c in sorted(CATEGORIES) for value in CATEGORIES[c]), TARGET]
    assert [[float(cell) for cell in row[:14]] for row in cleaned] == [
        [float(row[header.index(c)]) for c in NUMBERS] for row in body
    ]
    assert [sum(map(int, row[14:-1])) for row in cleaned] == [len(CATEGORIES)] * 200
    assert [CLASSES[int(row[-1])] for row in cleaned] == [row[header.index(TARGET)] for row in body]
    assert target.metadata == {"rows": 200, "positive": sum(row[-1] == "1" for row in cleaned)}


def test_the_identifier_and_the_leaking_columns_may_be_absent(full: Path) -> None:
    rows = read(full)
    kept = [at for at, name in enumerate(rows[0]) if name not in DROPPED]
    with_them = read(clean(full).path)
    assert read(clean(rewritten(full, [[row[at] for at in kept] for row in rows])).path) == with_them


def test_a_description_row_under_the_header_is_refused_by_row_and_column(full: Path) -> None:
    described = full.with_name("described.csv")
    table.with_description_row(full, described)

    reason = refused(described)

    assert reason == (
        "the table is not fit for training: "
        "Attrition_Flag is none of Existing Customer, Attrited Customer in row 1; "
        "Customer_Age is not a number in row 1; Dependent_count is not a number in row 1; "
        "Months_on_book is not a number in row 1; Total_Relationship_Count is not a number in row 1; "
        "15 more. Mend the export."
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {(3, "Credit_Limit"): "n/a", (9, "Credit_Limit"): "-"},
            "Credit_Limit is not a number in row 3 and 1 more",
        ),
        ({(3, "Credit_Limit"): "nan"}, "Credit_Limit is not a number in row 3"),
        ({(3, "Credit_Limit"): "1e999"}, "Credit_Limit is not a number in row 3"),
        ({(3, "Gender"): "X"}, "Gender is none of F, M in row 3"),
    ],
)
def test_a_wrong_cell_is_named_by_column_and_row_never_by_what_it_holds(
    full: Path, change: dict[tuple[int, str], str], says: str
) -> None:
    assert refused(changed(full, change)) == f"the table is not fit for training: {says}. Mend the export."


def test_rows_with_an_empty_cell_are_left_out_up_to_the_ratio_of_a_column(full: Path) -> None:
    whole = read(clean(full).path)
    some = {(row, column): "" for row in (1, 3, 5, 7) for column in ("Gender", "Credit_Limit")}

    changed(full, some)
    assert read(clean(full).path) == [row for at, row in enumerate(whole) if at not in (1, 3, 5, 7)]

    assert refused(changed(full, {(9, "Gender"): ""})) == (
        "the table is not fit for training: Gender is empty in row 1 and 4 more. Mend the export."
    )


def test_a_row_with_too_many_or_too_few_cells_is_refused(full: Path) -> None:
    header, *body = read(full)
    body[4].append("")
    body[6].pop()
    assert refused(rewritten(full, [header, *body])) == (
        "the table is not fit for training: number of cells is not 23 in row 5 and 1 more. Mend the export."
    )


def test_missing_unknown_and_repeated_columns_are_all_named(full: Path) -> None:
    header, *body = read(full)
    names = {"Gender": "Sex", "Credit_Limit": "Customer_Age"}
    assert refused(rewritten(full, [[names.get(name, name) for name in header], *body])) == (
        "the columns are not those of this pipeline: Credit_Limit is missing, Gender is missing, Sex is unknown, "
        "Customer_Age stands there twice. Mend the export."
    )


def test_a_table_needs_enough_rows_and_both_classes(full: Path) -> None:
    header, *body = read(full)
    assert "there are 200 rows where at least 201 are needed" in refused(full, min_rows=201)
    staying = [header, *(row for row in body if row[1] == CLASSES[0])]
    count = len(staying) - 1
    assert f"Attrition_Flag has {count} of Existing Customer and 0 of Attrited Customer where 10 are needed" in refused(
        rewritten(full, staying)
    )
    assert "there are 0 rows" in refused(rewritten(full, [header]))
    assert "Customer_Age is missing" in refused(rewritten(full, []))


def test_both_sides_of_the_split_have_the_same_share_of_leavers_and_no_row_in_common(full: Path) -> None:
    def sides(seed: int) -> tuple[Rows, Rows]:
        train, test = (Dataset(uri=str(full.with_name(name))) for name in ("train", "test"))
        split.python_func(clean=cleaned, test_fraction=0.25, seed=seed, train=train, test=test)
        return read(train.path), read(test.path)

    cleaned = clean(full)
    header, *body = read(cleaned.path)
    leavers = sum(row[-1] == "1" for row in body)
    train, test = sides(7)

    assert train[0] == test[0] == header
    assert sorted(train[1:] + test[1:]) == sorted(body)
    assert sum(row[-1] == "1" for row in test[1:]) == round(leavers / 4)
    assert sum(row[-1] == "0" for row in test[1:]) == round((200 - leavers) / 4)
    assert sides(7) == (train, test)
    assert sides(8) != (train, test)
