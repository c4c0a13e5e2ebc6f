from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.authoring import compile as compiling
from tests.triggers.authoring.conftest import PROJECT, TRIGGER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]


def told(root: Path) -> list[tuple[str, int, int]]:
    return [(it.path, it.line, it.column) for it in compiling.check(root) if it.code == "duplicate_name"]


def test_the_name_of_another_trigger_is_told_at_the_later(write: Write) -> None:
    assert told(write({"triggers/second.yaml": TRIGGER})) == [("triggers/second.yaml", 1, 7)]


def test_the_name_of_the_emulators_environment_is_taken(write: Write) -> None:
    assert told(write({"retrigger.yaml": PROJECT.replace("dev:", "local:")})) == [("retrigger.yaml", 2, 3)]
    wrong = PROJECT.replace("dev:", "local:").replace("cloud: gcp", "cloud: gpc")
    assert told(write({"retrigger.yaml": wrong})) == [("retrigger.yaml", 2, 3)]
    assert told(write({"retrigger.yaml": PROJECT})) == []
