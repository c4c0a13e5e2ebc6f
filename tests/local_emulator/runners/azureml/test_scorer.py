"""The program in which a model predicts; what pandas would do is done by a few lines that stand in for it."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.local_emulator.runners.azureml.scorer import Unreadable, frame, jsonable, table

if TYPE_CHECKING:
    from pathlib import Path

SPLIT = {"columns": ["a", "b"], "index": [7], "data": [[1, 2]]}


class DataFrame:
    def __init__(self, data: Any, index: Any = None, columns: Any = None) -> None:
        self.made = (data, index, columns)
        self.columns = columns

    def to_dict(self, orient: str) -> Any:
        return {"records": [dict(zip(self.columns, row, strict=True)) for row in self.made[0]]}[orient]


class Array(list[Any]):
    def tolist(self) -> list[Any]:
        return list(self)


@pytest.fixture(params=[False, True])
def pandas(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the model's environment has pandas."""
    module: Any = ModuleType("pandas")
    module.DataFrame = DataFrame
    for kind in ("csv", "parquet", "json"):
        setattr(module, f"read_{kind}", lambda path, kind=kind: (kind, path.name))
    monkeypatch.setitem(sys.modules, "pandas", module if request.param else None)
    return bool(request.param)


def test_a_table_is_a_data_frame_where_pandas_is_and_else_its_rows(pandas: bool) -> None:
    records = [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    if pandas:
        assert frame(SPLIT).made == ([[1, 2]], [7], ["a", "b"])
        assert frame(records).made == (records, None, None)
    else:
        assert frame(SPLIT) == [[1, 2]]
        assert frame(records) == [[1, 2], [3, 4]]


@pytest.mark.usefixtures("pandas")
@pytest.mark.parametrize("given", [[[1, 2]], [], "text", {"tensor": [1]}, 5, None])
def test_what_is_no_table_is_given_as_it_is(given: Any) -> None:
    assert frame(given) == given


def test_files_are_read_by_pandas_or_as_csv(pandas: bool, tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet", "a.json", "a.txt"):
        (tmp_path / name).write_text("\ufeffa,b\n1,2.5\nx,-3\n", encoding="utf-8")
    if pandas:
        assert [table(tmp_path / f"a.{kind}") for kind in ("csv", "parquet", "json")] == [
            ("csv", "a.csv"),
            ("parquet", "a.parquet"),
            ("json", "a.json"),
        ]
    else:
        assert table(tmp_path / "a.csv") == [[1, 2.5], ["x", -3]]
    with pytest.raises(Unreadable, match="a\\.txt"):
        table(tmp_path / "a.txt")


def test_predictions_become_json() -> None:
    assert jsonable(DataFrame([[1, 2]], columns=["a", "b"])) == [{"a": 1, "b": 2}]
    assert jsonable(Array([1, 2])) == [1, 2]
    assert jsonable({"a": 1}) == {"a": 1}
