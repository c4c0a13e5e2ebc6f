from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import stale
from retrigger.triggers.authoring.compile import compile_project
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.errors import RetriggerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]


def changes(root: Path, text: str) -> list[str]:
    found = stale.check(load_project(root), text, "dev.json")
    assert {(it.path, it.line, it.column, it.code) for it in found} <= {("dev.json", 0, 0, "stale_compiled")}
    return [it.message.partition(": run `retrigger compile --env dev --out dev.json`.")[0] for it in found]


def replace(root: Path, name: str, old: str, new: str) -> None:
    file = root / name
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_what_was_compiled_from_the_project_as_it_is_is_not_stale(write: Write) -> None:
    root = write({})
    assert changes(root, compile_project(load_project(root), "dev")) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("triggers/churn.yaml", "*.csv", "*.tsv", ["Trigger `churn` has changed since it was compiled"]),
        ("pipelines/train.json", "2.1.0", "2.2.0", ["Pipeline `train` has changed since it was compiled"]),
        (
            "retrigger.yaml",
            "rows: 100",
            "rows: 200",
            ["`vars` of the environment has changed since it was compiled"],
        ),
        (
            "triggers/churn.yaml",
            "name: churn",
            "name: lapse",
            ["Trigger `churn` is no longer in the project", "Trigger `lapse` is new since it was compiled"],
        ),
    ],
)
def test_what_has_changed_is_named(write: Write, name: str, old: str, new: str, expected: list[str]) -> None:
    root = write({})
    text = compile_project(load_project(root), "dev")
    replace(root, name, old, new)
    assert changes(root, text) == expected


def test_what_is_no_compiled_file_is_refused(write: Write) -> None:
    with pytest.raises(RetriggerError) as caught:
        changes(write({}), "{}")
    assert caught.value.code == "compiled_format"
