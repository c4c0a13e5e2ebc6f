"""The list of what this version refuses, in docs/triggers.md, is the list of what it refuses."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from retrigger.triggers.authoring.fields import NotYet
from retrigger.triggers.authoring.models import TriggerFile
from retrigger.triggers.authoring.validation import models_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

DOCS = Path(__file__).parents[3] / "docs" / "triggers.md"
TRIGGER: dict[str, Any] = {
    "name": "churn",
    "source": [{"object": {"in": "landing", "match": "*.csv"}}, {"message": {"in": "requests"}}],
    "launch": {"pipeline": "churn"},
    "admit": {"window": {"until": {"object": "_SUCCESS"}}, "concurrency": {}, "throttle": {"limit": 1, "per": "1h"}},
    "validate": {"object": {}},
}


def listed() -> list[str]:
    section = DOCS.read_text(encoding="utf-8").split("## Not yet\n")[1].split("\n## ")[0]
    return [told for told in re.findall(r"`([^`]+)`", section) if "." in told]


def refused(model: type[BaseModel], at: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        here = f"{at}{field.alias or name}"
        for part in field.metadata:
            if isinstance(part, NotYet):
                yield from (f"{here}: {value}" for value in part.values) if part.values else (here,)
        for inner in models_in(field.annotation):
            yield from refused(inner, f"{here}.")


def test_the_list_is_complete() -> None:
    assert sorted(listed()) == sorted(refused(TriggerFile))


@pytest.mark.parametrize("told", listed())
def test_each_of_them_is_refused_where_it_stands(told: str) -> None:
    TriggerFile.model_validate(TRIGGER)
    path, _, value = told.partition(": ")
    changed = copy.deepcopy(TRIGGER)
    holder: Any = changed
    *parents, last = path.split(".")
    at: list[str | int] = []
    for part in parents:
        holder = holder[part]
        at.append(part)
        if isinstance(holder, list):
            number = next(number for number, entry in enumerate(holder) if parents[1] in entry)
            holder = holder[number]
            at.append(number)
    holder[last] = value or "anything"
    with pytest.raises(ValidationError) as caught:
        TriggerFile.model_validate(changed)
    assert [(error["type"], error["loc"]) for error in caught.value.errors()] == [("not_supported_yet", (*at, last))]
