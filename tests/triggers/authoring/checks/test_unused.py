from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]


TRIGGER = """\
name: old
description: archive
source: [{object: {in: STORE, match: "*.csv"}}, {message: {in: requests, parameters: {data: "${{ event.id }}"}}}]
launch: {pipeline: train, parameters: {data: "${{ window.folder }}"}}
"""


def told(root: Path, code: str) -> list[tuple[str, int, int]]:
    return [(it.path, it.line, it.column) for it in compiling.check(root) if it.code == code]


@pytest.fixture
def root(write: Write) -> Path:
    root = write({})
    file = root / "retrigger.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("{landing:", "{archive: gs://acme-archive, old: gs://acme-old, landing:"), "utf-8")
    return root


def test_a_name_that_no_trigger_uses_is_told_at_its_key(root: Path) -> None:
    assert told(root, "unused_name") == [("retrigger.yaml", 8, 14), ("retrigger.yaml", 8, 42)]


def test_what_a_trigger_and_its_description_are_called_is_no_use(root: Path) -> None:
    (root / "triggers" / "churn.yaml").write_text(TRIGGER.replace("STORE", "landing"), encoding="utf-8")
    assert told(root, "unused_name") == [("retrigger.yaml", 8, 14), ("retrigger.yaml", 8, 42)]


def test_a_name_that_is_misspelt_where_it_is_used_is_told_there_alone(root: Path) -> None:
    (root / "triggers" / "old.yaml").write_text(TRIGGER.replace("STORE", "archives"), encoding="utf-8")
    assert told(root, "unused_name") == [("retrigger.yaml", 8, 42)]


@pytest.mark.parametrize("text", ["{in: archive", "name: [archive]"])
def test_a_trigger_that_cannot_be_understood_may_use_what_it_names(root: Path, text: str) -> None:
    (root / "triggers" / "old.yaml").write_text(text, encoding="utf-8")
    assert told(root, "unused_name") == [("retrigger.yaml", 8, 42)]


def test_a_project_without_triggers_is_only_begun(root: Path) -> None:
    (root / "triggers" / "churn.yaml").unlink()
    assert compiling.check(root) == []
