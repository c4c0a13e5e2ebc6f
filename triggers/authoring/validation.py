"""From a document to a model: every mistake of its shape as a problem at its place."""

from __future__ import annotations

import copy
from types import UnionType
from typing import TYPE_CHECKING, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError

from retrigger.triggers.authoring import mending
from retrigger.triggers.authoring.wording import closest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.yaml import At, Document

_M = TypeVar("_M", bound=BaseModel)
_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}

_OWN = {
    "bad_duration",
    "bad_glob",
    "bad_ratio",
    "bad_size",
    "bad_steps",
    "bad_value",
    "empty_value",
    "missing_key",
    "one_of_keys",
    "unused_key",
}
"""The codes that our own field types raise; their messages follow the key's name."""


_ROUNDS = 4


def validate(
    model: type[_M], document: Document, optional: frozenset[str]
) -> tuple[_M | None, list[Problem], Document]:
    """The model and no problem; or every mistake of the shape, and the model of what is right, if that is enough.

    What is wrong in an `optional` part, is a key too many, or says nothing of what the rules ask for, is left out, so
    that they can judge the rest; a name that is wrong has a stand-in. The document is the one whose places the model
    has: a key that stands outside of the part that it belongs to is taken for one inside.
    """
    try:
        return model.model_validate(document.data), [], document
    except ValidationError as error:
        details = error.errors(include_url=False)
    for detail in details:
        moved = _moved_home(model, document, detail)
        if moved:
            file, problems, moved = validate(model, moved, optional)
            return file, [_problem(model, document, detail), *problems], moved
    problems = [_problem(model, document, detail) for detail in details]
    data = copy.deepcopy(document.data)
    for _ in range(_ROUNDS):
        if not all(mending.mend(data, document, *_place(document, detail), optional) for detail in details):
            break
        try:
            return model.model_validate(data), problems, document
        except ValidationError as error:
            details = error.errors(include_url=False)
    return None, problems, document


def _place(document: Document, detail: ErrorDetails) -> tuple[At, str]:
    at, _ = _settle(document, detail["loc"])
    return at, detail["type"]


def _moved_home(model: type[BaseModel], document: Document, detail: ErrorDetails) -> Document | None:
    """The document with a key that is too many at its top inside of the part that it belongs to, if that lacks it."""
    match detail:
        case {"type": "extra_forbidden", "loc": (str(key),)}:
            home = _home(model, (), key, detail["input"])
        case _:
            return None
    inner = document.data.get(home, {}) if home and isinstance(document.data, dict) else None
    if home and isinstance(inner, dict) and key not in inner and _holds_one_model(model, home):
        return mending.moved(document, key, home)
    return None


def _holds_one_model(model: type[BaseModel], key: str) -> bool:
    (annotation,) = (field.annotation for name, field in model.model_fields.items() if key == (field.alias or name))
    return get_origin(annotation) in (None, Union, UnionType)


def _problem(model: type[BaseModel], document: Document, detail: ErrorDetails) -> Problem:
    at, bare = _settle(document, detail["loc"])
    last = _called(at) or document.path
    match detail["type"]:
        case "extra_forbidden":
            home = _home(model, detail["loc"][:-1], last, bare)
            hint = f": it stands under `{home}`" if home else closest(last, _keys(model, detail["loc"][:-1]))
            return document.problem(at, "unknown_key", f"There is no key `{last}` here{hint}.", on="key")
        case "missing":
            return document.problem(at[:-1], "missing_key", f"`{last}` is missing: add it.", on="key")
        case "union_tag_not_found":
            return document.problem(at, "missing_key", "`cloud` is missing: write `gcp` or `azure`.", on="key")
        case "union_tag_invalid":
            return document.problem((*at, "cloud"), "bad_value", "`cloud` must be `gcp` or `azure`.")
        case kind if kind in _TYPES:
            return document.problem(at, "wrong_type", f"`{last}` must be {_TYPES[kind]}: {_seen(bare)} stands here.")
        case "literal_error":
            wanted = detail["ctx"]["expected"].replace("'", "`")
            hint = closest(str(bare), detail["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", "))
            return document.problem(at, "bad_value", f"`{last}` must be {wanted}{hint}.")
        case kind if kind in _OWN:
            on: Literal["key", "value"] = "key" if detail["loc"][-1:] == ("[key]",) else "value"
            return document.problem(at, kind, f"`{last}` {detail['msg']}.", on=on)
        case _:
            return document.problem(at, "bad_value", f"`{last}`: {detail['msg'][:1].lower()}{detail['msg'][1:]}.")


def _called(at: At) -> str:
    """The last key, with the indices below it: `change[0]`."""
    match at:
        case (*rest, int(number)):
            return f"{_called(tuple(rest))}[{number}]"
        case (*_, key):
            return str(key)
        case _:
            return ""


def _settle(document: Document, location: At) -> tuple[At, object]:
    """The path in the file, and what stands there: pydantic's has the tags of unions, and `[key]` for a bad key."""
    at: At = ()
    data: object = document.data
    for number, part in enumerate(location):
        match data:
            case dict() if part in data:
                data = data[part]
            case list() if isinstance(part, int) and part < len(data):
                data = data[part]
            case _ if number < len(location) - 1 or part == "[key]" or not isinstance(data, dict | list):
                continue
        at = (*at, part)
    return at, data


def _keys(model: type[BaseModel], location: At) -> list[str]:
    """The keys that the model at this place knows."""
    return [field.alias or name for name, field in _fields(_annotations(model, location))]


def _annotations(model: type[BaseModel], location: At) -> list[object]:
    """What may stand at this place."""
    found: list[object] = [model]
    for part in location:
        fields = [field for name, field in _fields(found) if part in (name, field.alias)]
        tagged = [one for annotation in found for one in _tagged(annotation, part)]
        found = [field.annotation for field in fields] or tagged or found
    return found


def _home(model: type[BaseModel], location: At, key: str, value: object) -> str | None:
    """Of the parts of the model at this place the only one where the key, with such a value, is known."""
    homes = [
        field.alias or name
        for name, field in _fields(_annotations(model, location))
        for inner, below in _fields([field.annotation])
        if key == (below.alias or inner) and _may_be(below, value)
    ]
    return homes[0] if len(homes) == 1 else None


def _may_be(field: FieldInfo, value: object) -> bool:
    """Whether a model that the field may hold knows all keys of a mapping; of other values nothing is told."""
    known = {below.alias or name for name, below in _fields([field.annotation])}
    return not (isinstance(value, dict) and known) or known.issuperset(value)


def _fields(annotations: list[object]) -> list[tuple[str, FieldInfo]]:
    models = [one for annotation in annotations for one in models_in(annotation)]
    return [item for one in models for item in one.model_fields.items()]


def _tagged(annotation: object, tag: str | int) -> Iterator[object]:
    """The member of a union that this tag chose."""
    if Tag(str(tag)) in getattr(annotation, "__metadata__", ()):
        yield annotation
    for part in get_args(annotation):
        yield from _tagged(part, tag)


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The models that a field of this type may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def _seen(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "a mapping"
