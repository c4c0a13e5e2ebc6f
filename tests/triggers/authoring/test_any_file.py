"""Whatever an author writes, `check` answers with problems that have places: never with a traceback."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrigger.triggers.authoring import compile as compiling
from retrigger.triggers.authoring import yaml

if TYPE_CHECKING:
    from retrigger.triggers.event import Json

SECTION_6 = Path(__file__).parents[2] / "golden" / "section6"
FILES = ("triggers/churn.yaml", "retrigger.yaml")
DOCUMENTS = {name: yaml.parse((SECTION_6 / name).read_text(encoding="utf-8"), name) for name in FILES}
PLACES = [(name, at) for name, document in DOCUMENTS.items() for at in document.values if at]
ODD: list[Json] = [
    None,
    True,
    0,
    -1,
    10**30,
    0.5,
    "",
    "\x00",
    "\ud7ff\n",
    "../../../../etc/passwd",
    "/dev/zero",
    "a" * 5000,
    "${{",
    "${{ }}",
    "${{ ${{ }} }}",
    "${{ event.message.json }}",
    "{a}{a}{b",
    "**/**/**",
    "9999999d",
    "* * * * *",
    [],
    [[]],
    {},
    {"": None},
    {"in": {"in": {"in": 1}}},
    ["a", {"b": []}],
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(SECTION_6, tmp_path_factory.mktemp("project"), dirs_exist_ok=True)


@given(place=st.sampled_from(PLACES), odd=st.sampled_from(ODD), key=st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_value_in_any_place_is_answered(root: Path, place: tuple[str, yaml.At], odd: Json, *, key: bool) -> None:
    for file in FILES:
        shutil.copy(SECTION_6 / file, root / file)
    name, at = place
    changed = copy.deepcopy(DOCUMENTS[name].data)
    holder = changed
    for part in at[:-1]:
        holder = holder[part]  # type: ignore[index,call-overload]
    if key and isinstance(holder, dict):
        holder[str(odd)[:40]] = holder.pop(str(at[-1]))
    else:
        holder[at[-1]] = odd  # type: ignore[index,call-overload]
    (root / name).write_text(json.dumps(changed), encoding="utf-8")
    for problem in compiling.check(root):
        assert (root / problem.path).exists()
        assert problem.code
        assert problem.message.endswith((".", "?"))
