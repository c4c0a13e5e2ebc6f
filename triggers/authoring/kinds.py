"""What a key takes, in the words of the reference: read off the annotations of the models."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from retrigger.triggers.authoring.fields import Called, NotYet, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOTHING = "-"
_PLAIN: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    object: "any value",
}


@dataclass(frozen=True, slots=True)
class Kinds:
    """`link`: how the text names the section of a model."""

    link: Callable[[type[BaseModel]], str]

    def of(self, field: FieldInfo) -> str:
        return self._kind(field.annotation, tuple(field.metadata))

    def _kind(self, annotation: Any, metadata: tuple[object, ...] = ()) -> str:
        """The outermost word wins: a period is a duration too."""
        annotation, metadata = _opened(annotation, metadata)
        if NotYet() in metadata:
            return NOTHING
        if words := [part.word for part in metadata if isinstance(part, Text | Called)]:
            return words[-1]
        if (written := _written(metadata)) is not None:
            return self._kind(written)
        return self._shape(annotation, metadata)

    def _shape(self, annotation: Any, metadata: tuple[object, ...]) -> str:
        bounds = _Bounds.of(metadata)
        inner = [part for part in get_args(annotation) if part is not types.NoneType]
        match get_origin(annotation):
            case None if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                return self.link(annotation)
            case None:
                return bounds.around(_PLAIN[annotation])
            case origin if origin is Literal:
                return listed([f"`{value}`" for value in inner])
            case origin if origin is list:
                return f"list of {bounds.counted(self._kind(inner[0]))}"
            case origin if origin is dict:
                return f"mapping of {bounds.counted(self._kind(inner[0]))} to {self._kind(inner[1])}"
            case origin if origin in (Union, types.UnionType) and len(inner) == 1:
                return self._kind(inner[0], metadata)
            case origin if origin in (Union, types.UnionType):
                return listed(list(dict.fromkeys(self._kind(part) for part in inner)))
            case _:
                raise TypeError(f"the reference has no word for {annotation}: add one to `kinds`")


@dataclass(frozen=True, slots=True)
class _Bounds:
    least: object = None
    most: object = None

    @classmethod
    def of(cls, metadata: tuple[object, ...]) -> _Bounds:
        least = next((part.ge for part in metadata if isinstance(part, Ge)), None)
        most = next((part.le for part in metadata if isinstance(part, Le)), None)
        fewest = next((part.min_length for part in metadata if isinstance(part, MinLen)), None)
        longest = next((part.max_length for part in metadata if isinstance(part, MaxLen)), None)
        return cls(least if least is not None else fewest, most if most is not None else longest)

    def around(self, word: str) -> str:
        match self.least, self.most:
            case None, None:
                return word
            case least, None:
                return f"{word}, at least {least}"
            case None, most:
                return f"{word}, at most {most}"
            case least, most:
                return f"{word} from {least} to {most}"

    def counted(self, word: str) -> str:
        match self.least, self.most:
            case None, None:
                return word
            case least, None:
                return f"{least} or more: {word}"
            case None, most:
                return f"at most {most}: {word}"
            case least, most:
                return f"{least} to {most}: {word}"


def words_in(annotation: Any, metadata: tuple[object, ...] = ()) -> Iterator[tuple[str, str]]:
    """Every word of the reference that a field's kind may use, with what it means."""
    annotation, metadata = _opened(annotation, metadata)
    for part in metadata:
        match part:
            case Text() | Called():
                yield part.word, part.told
    if (written := _written(metadata)) is not None:
        yield from words_in(written)
    for inner in get_args(annotation):
        yield from words_in(inner)


def listed(texts: list[str]) -> str:
    *most, last = texts
    return f"{', '.join(most)} or {last}" if most else last


def _written(metadata: tuple[object, ...]) -> Any:
    """What an author may write, where it is more than what the model holds; None where it is the same."""
    for part in metadata:
        if isinstance(part, BeforeValidator) and part.json_schema_input_type is not PydanticUndefined:
            return part.json_schema_input_type
    return None


def _opened(annotation: Any, metadata: tuple[object, ...]) -> tuple[Any, tuple[object, ...]]:
    """The type without its `Annotated`, and all that is annotated, a `Field` by its parts."""
    while get_origin(annotation) is Annotated:
        metadata = (*annotation.__metadata__, *metadata)
        annotation = annotation.__origin__
    flat: list[object] = []
    for part in metadata:
        flat.extend(part.metadata if isinstance(part, FieldInfo) else [part])
    return annotation, tuple(flat)
