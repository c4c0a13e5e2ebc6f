from __future__ import annotations

import csv
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from retrigger.cli.churn import table
from retrigger.cli.churn.columns import CATEGORIES, CLASSES, DROPPED, NUMBERS, TARGET

REAL = Path(__file__).resolve().parents[3] / "../shared/data/BankChurners.csv"


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as source:
        return list(csv.reader(source))


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "full.csv"
    table.write(path, seed=7, count=1003)
    return path


def test_the_same_seed_gives_the_same_customers_and_another_seed_gives_others() -> None:
    first = list(table.rows(7, 50))
    assert first == list(table.rows(7, 50))
    assert first[:20] == list(table.rows(7, 20))
    assert first != list(table.rows(8, 50))


def test_rows_are_made_one_at_a_time() -> None:
    assert len(list(islice(table.rows(7, 10**12), 3))) == 3


def test_the_table_has_exactly_the_columns_and_values_that_the_pipeline_wants(written: Path) -> None:
    header, *body = read(written)
    columns = {name: {row[at] for row in body} for at, name in enumerate(header)}

    assert len(body) == 1003
    assert set(header) == {TARGET, *NUMBERS, *CATEGORIES, *DROPPED}
    assert columns[TARGET] == set(CLASSES)
    assert [name for name, values in CATEGORIES.items() if columns[name] - set(values)] == []
    assert all(float(cell) >= 0 for name in NUMBERS for cell in columns[name])


def test_about_one_customer_in_six_leaves() -> None:
    answers = Counter(row[TARGET] for row in table.rows(7, 10_000))
    assert 0.12 < answers["Attrited Customer"] / 10_000 < 0.2


@pytest.mark.skipif(not REAL.exists(), reason="the real table is not at hand")
def test_the_header_and_the_whole_numbers_are_those_of_the_real_table(written: Path) -> None:
    def whole(rows: list[list[str]]) -> list[str]:
        return [name for at, name in enumerate(rows[0]) if all(row[at].isdigit() for row in rows[1:])]

    real, made = read(REAL), read(written)
    assert made[0] == real[0]
    assert whole(made) == whole(real)
    assert not {tuple(row[1:]) for row in made[1:]} & {tuple(row[1:]) for row in real[1:]}


@pytest.mark.parametrize("parts", [1, 7, 1003])
def test_parts_joined_again_are_the_table(written: Path, tmp_path: Path, parts: int) -> None:
    paths = table.split(written, parts, tmp_path)
    header, *body = read(written)
    read_parts = [read(path) for path in paths]

    assert paths == sorted(tmp_path.iterdir())
    assert len(paths) == parts
    assert [part[0] for part in read_parts] == [header] * parts
    assert [row for part in read_parts for row in part[1:]] == body
    assert max(map(len, read_parts)) - min(map(len, read_parts)) <= 1


@pytest.mark.parametrize("parts", [0, 1004])
def test_a_table_is_not_cut_into_parts_without_rows(written: Path, tmp_path: Path, parts: int) -> None:
    with pytest.raises(ValueError, match=f"1003 rows under the header cannot be cut into {parts} parts"):
        table.split(written, parts, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_description_row_is_text_in_every_column_and_nothing_else_changes(written: Path, tmp_path: Path) -> None:
    table.with_description_row(written, tmp_path / "described.csv")
    header, description, *body = read(tmp_path / "described.csv")

    assert [header, *body] == read(written)
    assert len(description) == len(header)
    assert not any(cell.replace(".", "").isdigit() for cell in description)
