"""YAML 1.2 core schema with places, from the events of libyaml (PyYAML's C parser).

Built on events and not on PyYAML's constructors, because those read `on` as True, `NO` as False and `12:30` as 750,
and let the second of two equal keys win. Here these are texts and an error. Depth and size are bounded while
reading: libyaml takes quadratic time on deep nesting, and ten aliases of ten aliases are a bomb.
Source of the scalar rules: YAML 1.2.2, section 10.3.2.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias

import yaml

from retrigger.triggers.authoring.problems import Problem, ProjectError
from retrigger.triggers.authoring.scalars import Scalar, steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.event import Json

At: TypeAlias = "tuple[str | int, ...]"
"""A path in a document: keys and indices."""
Mark: TypeAlias = tuple[int, int]
"""Line and column, 1-based."""

MAX_DEPTH = 64
MAX_NODES = 200_000
_MAX_NUMBER = 64
_NULL = re.compile(r"(null|Null|NULL|~)?")
_BOOL = re.compile(r"(true|True|TRUE)|(false|False|FALSE)")
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NUMBER = re.compile(f"{_FLOAT.pattern}|{_BASED.pattern}")
_FIRST = frozenset("nN~tTfF-+.0123456789")
"""What a plain scalar that is no text begins with, if it is not empty."""
_NOT_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Document:
    """A file's data, and where each part of it stands. `path` is relative to the project.

    `text` is the file's, and `scalars` says where in it each text begins.
    """

    path: str
    data: Json
    keys: Mapping[At, Mark]
    values: Mapping[At, Mark]
    text: str = ""
    scalars: Mapping[At, Scalar] = field(default_factory=dict)

    def mark(self, at: At, *, on: Literal["key", "value"] = "value") -> Mark:
        """The place of `at`, or of the nearest part around it that the file holds."""
        marks = self.keys if on == "key" else self.values
        for end in range(len(at), 0, -1):
            found = marks.get(at[:end]) or self.values.get(at[:end])
            if found:
                return found
        return self.values.get((), (1, 1))

    def problem(self, at: At, code: str, message: str, *, on: Literal["key", "value"] = "value") -> Problem:
        return Problem(self.path, *self.mark(at, on=on), code, message)

    def problem_within(self, at: At, value: str, column: int, code: str, message: str) -> Problem:
        """At a 1-based column of the text `value`; at its start where `column` is 0, or the text is an alias."""
        line, start = self.mark(at)
        scalar = self.scalars.get(at)
        if scalar is None or column < 1:
            return Problem(self.path, line, start, code, message)
        below, columns = steps(self.text, scalar, value, column - 1)
        return Problem(self.path, line + below, columns + (1 if below else start), code, message)


def parse(text: str, path: str) -> Document:
    """One document. ProjectError with every mistake of the text that does not keep the rest from being read."""
    reader = _Reader(text, path)
    try:
        data = reader.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        told = ", ".join(part for part in (error.context, error.problem) if part)
        raise ProjectError((*reader.problems, Problem(path, *place, "yaml_syntax", f"{told}."))) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = (before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1)
        raise ProjectError((Problem(path, *place, "yaml_syntax", f"Cannot be read: {error.reason}."),)) from error
    finally:
        reader.close()
    if reader.problems:
        raise ProjectError(tuple(reader.problems))
    return Document(path, data, reader.keys, reader.values, text, reader.scalars)


def texts(at: At, data: Json) -> Iterator[tuple[At, str]]:
    """Every text of a part of a document that stands at `at`, with its own place; keys are not among them."""
    match data:
        case str():
            yield at, data
        case list():
            for number, item in enumerate(data):
                yield from texts((*at, number), item)
        case dict():
            for key, item in data.items():
                yield from texts((*at, key), item)


class _Reader:
    """Builds data and places in one pass over the events."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.keys: dict[At, Mark] = {}
        self.values: dict[At, Mark] = {}
        self.scalars: dict[At, Scalar] = {}
        self.problems: list[Problem] = []
        self._loader = yaml.CSafeLoader(text)
        self._anchors: dict[str, tuple[Json, int]] = {}
        self._nodes = 0

    def close(self) -> None:
        self._loader.dispose()

    def document(self) -> Json:
        self._next()  # start of the stream
        if self._loader.check_event(yaml.StreamEndEvent):
            return None
        self._next()  # start of the document
        data = self._node(self._next(), ())
        self._next()  # end of the document
        if not self._loader.check_event(yaml.StreamEndEvent):
            second = self._next()
            self._problem(second, "yaml_documents", "A second document begins: write one document a file.")
        return data

    def _next(self) -> yaml.Event:
        event = self._loader.get_event()
        assert event is not None
        return event

    def _node(self, event: yaml.Event, at: At) -> Json:
        self.values[at] = _mark(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        assert isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent))
        before = self._nodes
        self._count(event, 1)
        if len(at) > MAX_DEPTH:
            self._stop(event, "yaml_depth", f"Nested deeper than {MAX_DEPTH}: flatten it.")
        if event.tag is not None:
            self._problem(event, "yaml_tag", f"Tag `{event.tag}`: tags are not read; leave it out.")
        data: Json
        match event:
            case yaml.ScalarEvent():
                data = self._scalar(event)
                if isinstance(data, str) and event.start_mark:
                    self.scalars[at] = Scalar(event.start_mark.index, event.style or "")
            case yaml.SequenceStartEvent():
                data = self._sequence(at)
            case _:
                data = self._mapping(at)
        if event.anchor is not None:
            self._anchors[event.anchor] = (data, self._nodes - before)
        return data

    def _sequence(self, at: At) -> list[Json]:
        items: list[Json] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, (*at, len(items))))
        return items

    def _mapping(self, at: At) -> dict[str, Json]:
        items: dict[str, Json] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._stop(event, "yaml_key", "A key must be plain text.")
            key = event.value
            if key in items:
                line = self.keys[*at, key][0]
                self._problem(
                    event, "duplicate_key", f"`{key}` stands here a second time; the first is in line {line}."
                )
                self._node(self._next(), (*at, key, "second"))
                continue
            place = (*at, key)
            self.keys[place] = _mark(event)
            items[key] = self._node(self._next(), place)
        return items

    def _alias(self, event: yaml.AliasEvent) -> Json:
        if event.anchor not in self._anchors:
            self._stop(event, "yaml_alias", f"`*{event.anchor}` names nothing that is complete before it.")
        data, nodes = self._anchors[event.anchor]
        self._count(event, nodes)
        return data

    def _scalar(self, event: yaml.ScalarEvent) -> Json:
        text = str(event.value)
        if not event.implicit[0] or (text and text[0] not in _FIRST):
            return text
        if _NULL.fullmatch(text):
            return None
        if found := _BOOL.fullmatch(text):
            return found[1] is not None
        if _NOT_JSON.fullmatch(text) or (len(text) > _MAX_NUMBER and _NUMBER.fullmatch(text)):
            self._problem(event, "bad_number", "No number that JSON holds: write another, or put it in quotes as text.")
            return None
        if _INT.fullmatch(text):
            return int(text)
        if _BASED.fullmatch(text):
            return int(text, 0)
        if _FLOAT.fullmatch(text):
            return self._float(event)
        return text

    def _float(self, event: yaml.ScalarEvent) -> float:
        number = float(event.value)
        if math.isinf(number):
            self._problem(event, "bad_number", "Too large for a double: write a smaller number.")
        return number

    def _count(self, event: yaml.Event, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._stop(event, "yaml_size", f"More than {MAX_NODES:,} values, aliases counted: make it smaller.")

    def _problem(self, event: yaml.Event, code: str, message: str) -> None:
        self.problems.append(Problem(self.path, *_mark(event), code, message))

    def _stop(self, event: yaml.Event, code: str, message: str) -> NoReturn:
        self._problem(event, code, message)
        raise ProjectError(tuple(self.problems))


def _mark(event: yaml.Event) -> Mark:
    assert event.start_mark is not None
    return event.start_mark.line + 1, event.start_mark.column + 1
