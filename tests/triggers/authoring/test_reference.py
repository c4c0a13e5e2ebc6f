"""docs/triggers.md and docs/project.md tell every key that the models have, as the models have it."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BeforeValidator, Field, create_model

from retrigger.triggers.authoring.fields import Name, Period
from retrigger.triggers.authoring.kinds import Kinds
from retrigger.triggers.authoring.model import Model
from retrigger.triggers.authoring.reference import BLOCK, filled, keys, sections

DOCS = Path(__file__).parents[3] / "docs"
PAGES = {name: (DOCS / name).read_text(encoding="utf-8") for name in ("triggers.md", "project.md")}
BLOCKS = {page: [name for _, name, _ in BLOCK.findall(text)] for page, text in PAGES.items()}


@pytest.mark.parametrize("page", PAGES)
def test_the_tables_are_what_the_models_say_now(page: str) -> None:
    assert filled(PAGES[page], page) == PAGES[page], "run `make docs`"


@pytest.mark.parametrize("page", PAGES)
def test_every_model_of_a_file_has_its_table_once_on_the_page_of_the_file(page: str) -> None:
    own = [name for name, section in sections().items() if section.page == page]
    assert sorted(own) == sorted(name for name in BLOCKS[page] if name not in {"values", "defaults"})


def test_every_key_has_a_description() -> None:
    lacking = [
        f"{section.path}.{key}"
        for section in sections().values()
        for key, field in keys(section.model)
        if not field.description
    ]
    assert lacking == []


def test_every_key_has_a_row_in_the_table_of_its_model() -> None:
    rows = {
        name: re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
        for text in PAGES.values()
        for name, table in re.findall(r"<!-- reference: (\w+) -->(.*?)<!-- end -->", text, re.DOTALL)
    }
    for name, section in sections().items():
        assert (name, rows[name]) == (name, [key for key, _ in keys(section.model)])


def test_a_block_that_names_no_model_is_an_error() -> None:
    with pytest.raises(KeyError, match="Nothing"):
        filled("<!-- reference: Nothing -->\n<!-- end -->", "triggers.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_heading(page: str) -> None:
    for target, anchor in re.findall(r"\]\(([\w.-]*)#([^)]+)\)", PAGES[page]):
        headings = re.findall(r"^#+ (.+)$", (DOCS / (target or page)).read_text(encoding="utf-8"), re.MULTILINE)
        anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
        assert anchors.count(anchor) == 1, f"{target}#{anchor}"


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        (str, "text"),
        (bool | None, "`true` or `false`"),
        (Annotated[int, Field(ge=1)], "whole number, at least 1"),
        (Annotated[int | None, Field(le=9)], "whole number, at most 9"),
        (Annotated[float | None, Field(ge=0, le=1)], "number, 0 to 1"),
        (Annotated[list[Name], Field(min_length=1, max_length=9)], "list of name (1 to 9 of them)"),
        (dict[Name, object], "mapping of name to any value"),
        (Annotated[dict[str, str], Field(max_length=9)], "mapping of text to text (at most 9 of them)"),
        (Literal["a", "b", "c"], "`a`, `b` or `c`"),
        (Annotated[int, BeforeValidator(int, json_schema_input_type=int | str)], "whole number, or text"),
        (Period, "period"),
    ],
)
def test_what_a_key_takes_is_told_in_words(annotation: object, told: str) -> None:
    model = create_model("Any", __base__=Model, key=(annotation, ...))
    assert Kinds(lambda inner: inner.__name__).of(model.model_fields["key"]) == told


@pytest.mark.parametrize("annotation", [timedelta, tuple[str, ...]])
def test_a_type_without_a_word_is_an_error(annotation: object) -> None:
    model = create_model("Any", __base__=Model, key=(annotation, ...))
    with pytest.raises(TypeError, match="no word for"):
        Kinds(lambda inner: inner.__name__).of(model.model_fields["key"])
