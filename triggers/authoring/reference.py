"""The tables of docs/triggers.md and docs/project.md, made from the models, so that they cannot drift.

A page is written by hand but for its blocks: what stands between `<!-- reference: NAME -->` and `<!-- end -->`, where
NAME is a model's, `values` or `defaults`. `python -m retrigger.triggers.authoring.reference PAGE…` makes them anew.
"""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel

from retrigger.triggers.authoring.environments import ProjectFile
from retrigger.triggers.authoring.fields import written
from retrigger.triggers.authoring.kinds import NOTHING, Kinds, words_in
from retrigger.triggers.authoring.models import TriggerFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic.fields import FieldInfo

BLOCK = re.compile(r"(<!-- reference: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Section:
    """A model, and where a file first holds it. `page` is a file name; `title` tells models of one path apart."""

    model: type[BaseModel]
    page: str
    path: str
    title: str

    @property
    def anchor(self) -> str:
        """As GitHub makes it of a heading."""
        return re.sub(r"[^\w -]", "", self.title.lower()).replace(" ", "-")


def sections() -> dict[str, Section]:
    """Every model of the two files by its name. What both hold is told where a trigger holds it."""
    found: dict[str, Section] = {}
    for page, root in (("triggers.md", TriggerFile), ("project.md", ProjectFile)):
        places = list(_places(root, "", ""))
        for path, cloud, model in places:
            shared = any(path == other and model is not another for other, _, another in places)
            title = f"{path} ({cloud})" if shared else path
            first = found.setdefault(model.__name__, Section(model, page, path, title))
            assert first.model is model, f"two models are called {model.__name__}: blocks could not tell them apart"
    return found


def filled(text: str, page: str) -> str:
    """The text of a page with its blocks made anew. KeyError if a block has a name that nothing has."""
    tables = _Tables(page, sections())
    return BLOCK.sub(lambda found: f"{found[1]}{tables.block(found[2])}\n{found[3]}", text)


def keys(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The keys of a model as they are written: its own before those that it shares."""
    own = inspect.get_annotations(model)
    for name, field in sorted(model.model_fields.items(), key=lambda item: item[0] not in own):
        yield field.alias or name, field


def _places(model: type[BaseModel], path: str, cloud: str) -> Iterator[tuple[str, str, type[BaseModel]]]:
    """Each model below this one: where, of which cloud's environment, and which."""
    if "cloud" in model.model_fields:
        (cloud,) = get_args(model.model_fields["cloud"].annotation)
    yield path, cloud, model
    for key, field in keys(model):
        for step, inner in _inside(field.annotation):
            yield from _places(inner, f"{path}.{key}{step}".removeprefix("."), cloud)


def _inside(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models that a value of this type may hold, and the steps to them: `.NAME` into a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
    step = ".NAME" if get_origin(annotation) is dict else ""
    for part in get_args(annotation):
        yield from ((step + rest, model) for rest, model in _inside(part))


@dataclass(frozen=True, slots=True)
class _Tables:
    """The blocks of one page."""

    page: str
    sections: dict[str, Section]

    def block(self, name: str) -> str:
        match name:
            case "values":
                return self._values()
            case "defaults":
                return self._defaults()
            case _:
                return self._section(self.sections[name])

    def _section(self, section: Section) -> str:
        kinds = Kinds(self._link)
        rows = ((f"`{key}`", kinds.of(field), *_told(field)) for key, field in keys(section.model))
        heading = f"### `{section.title}`\n\n" if section.title else ""
        table = _table(("key", "type", "default", "what it does"), rows)
        return f"{heading}{inspect.cleandoc(section.model.__doc__ or '')}\n\n{table}"

    def _values(self) -> str:
        fields = (field for section in self._own() for _, field in keys(section.model))
        words = {word for field in fields for word in words_in(field.annotation, tuple(field.metadata))}
        return _table(("type", "what it is"), sorted(words, key=lambda word: word[0].lower()))

    def _defaults(self) -> str:
        rows = (
            (f"`{section.path}.{key}`".replace("`.", "`"), _told(field)[0])
            for section in self._own()
            for key, field in keys(section.model)
        )
        return _table(("key", "default"), (row for row in rows if row[1] not in {NOTHING, "required"}))

    def _own(self) -> Iterator[Section]:
        return (section for section in self.sections.values() if section.page == self.page)

    def _link(self, model: type[BaseModel]) -> str:
        section = self.sections[model.__name__]
        return f"[{section.title}]({'' if section.page == self.page else section.page}#{section.anchor})"


def _told(field: FieldInfo) -> tuple[str, str]:
    """The default and the description. A default that is not one value is the end of the description."""
    description, _, computed = (field.description or "").partition("; default: ")
    return computed.removesuffix(".") or _default(field), f"{description.removesuffix('.')}."


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    match field.default:
        case None | BaseModel():
            return NOTHING
        case (str() | list() | dict()) as empty if not empty:
            return NOTHING
        case timedelta() as span:
            return f"`{written(span)}`"
        case list() as values:
            return f"`[{', '.join(map(str, values))}]`"
        case value:
            return f"`{value}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    for file in map(Path, sys.argv[1:]):
        file.write_text(filled(file.read_text(encoding="utf-8"), file.name), encoding="utf-8")
