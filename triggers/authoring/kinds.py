"""What a key takes, in the words of the reference: read off the annotations of the models."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from retrigger.triggers.authoring.fields import Called, Text

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
        if words := [part.word for part in metadata if isinstance(part, Text | Called)]:
            return words[-1]
        if (more := _more_than_held(metadata)) is not None:
            return self._kind(more)
        return self._shape(annotation, metadata)

    def _shape(self, annotation: Any, metadata: tuple[object, ...]) -> str:
        bounds = _bounds(metadata)
        several = f" ({bounds} of them)" if bounds else ""
        inner = [part for part in get_args(annotation) if part is not types.NoneType]
        match get_origin(annotation):
            case None if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                return self.link(annotation)
            case None if annotation in _PLAIN:
                return ", ".join(filter(None, (_PLAIN[annotation], bounds)))
            case origin if origin is Literal:
                return _listed([f"`{value}`" for value in inner])
            case origin if origin is list:
                return f"list of {self._kind(inner[0])}{several}"
            case origin if origin is dict:
                return f"mapping of {self._kind(inner[0])} to {self._kind(inner[1])}{several}"
            case origin if origin in (Union, types.UnionType) and len(inner) == 1:
                return self._kind(inner[0], metadata)
            case origin if origin in (Union, types.UnionType):
                return ", or ".join(dict.fromkeys(self._kind(part) for part in inner))
            case _:
                raise TypeError(f"the reference has no word for {annotation}: add one to `kinds`")


def words_in(annotation: Any, metadata: tuple[object, ...] = ()) -> Iterator[tuple[str, str]]:
    """Every word of the reference that a field's kind may use, with what it means."""
    annotation, metadata = _opened(annotation, metadata)
    for part in metadata:
        match part:
            case Text() | Called():
                yield part.word, part.told
    if (more := _more_than_held(metadata)) is not None:
        yield from words_in(more)
    for inner in get_args(annotation):
        yield from words_in(inner)


def _listed(texts: list[str]) -> str:
    *most, last = texts
    return f"{', '.join(most)} or {last}" if most else last


def _bounds(metadata: tuple[object, ...]) -> str:
    """Of a number, or of how many there may be; empty if there are none."""
    least: object = None
    most: object = None
    for part in metadata:
        match part:
            case Ge(ge=bound) | MinLen(min_length=bound):
                least = bound
            case Le(le=bound) | MaxLen(max_length=bound):
                most = bound
    if least is None:
        return "" if most is None else f"at most {most}"
    return f"at least {least}" if most is None else f"{least} to {most}"


def _more_than_held(metadata: tuple[object, ...]) -> Any:
    """The type of what an author may write, where it is more than what the model holds; None where it is the same."""
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
