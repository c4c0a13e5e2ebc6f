"""Which triggers an event meets. The cost of one event does not grow with the number of triggers.

An index of plain JSON: it is made when triggers are compiled, and a function loads it without building anything.
Filters are not applied here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from retrigger.triggers import filing, glob
from retrigger.triggers.event import Message, Object, Schedule, folded
from retrigger.triggers.spec import MessageSource, ObjectSource, ScheduleSource

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator, Mapping

    from retrigger.triggers.event import Change, Event, Json
    from retrigger.triggers.spec import Environment, Trigger

MARKER: Final = -1
"""The source index of a marker."""


@dataclass(frozen=True, slots=True)
class Match:
    """`trigger` listens to the event with its source number `source`; -1 where the event is its window's marker."""

    trigger: str
    role: Literal["source", "marker"]
    source: int
    captures: Mapping[str, str]


_Objects: TypeAlias = "dict[str, filing.Filed]"
"""Kind, account and bucket of a store -> its globs."""
_Direct: TypeAlias = "dict[str, list[tuple[str, int]]]"
"""Address of a channel, or name of a schedule -> trigger and source."""


class Index:
    """Events to matches. Loaded, it is the JSON that it came from, and the globs that were needed so far."""

    __slots__ = ("_messages", "_objects", "_patterns", "_schedules")

    def __init__(self, objects: _Objects, messages: _Direct, schedules: _Direct) -> None:
        self._objects = objects
        self._messages = messages
        self._schedules = schedules
        self._patterns: dict[str, re.Pattern[str]] = {}

    @classmethod
    def build(cls, triggers: Iterable[Trigger], environment: Environment) -> Index:
        """The index of one environment. Raise KeyError for a store or channel that it lacks, ValueError for a glob."""
        listeners: dict[str, dict[tuple[str, str], list[filing.Listener]]] = {}
        messages: _Direct = {}
        schedules: _Direct = {}
        for trigger in triggers:
            for place, base, text, listener in _listeners(trigger, environment):
                listeners.setdefault(place, {}).setdefault((base, text), []).append(listener)
            for at, source in enumerate(trigger.sources):
                match source:
                    case MessageSource():
                        messages.setdefault(folded(environment.channels[source.channel]), []).append((trigger.name, at))
                    case ScheduleSource():
                        schedules.setdefault(trigger.name, []).append((trigger.name, at))
                    case ObjectSource():
                        pass  # listens by a glob, above
        return cls({place: _filed(those) for place, those in listeners.items()}, messages, schedules)

    @classmethod
    def from_json(cls, loaded: Json) -> Index:
        """From what `to_json` gave. It is used as it is: the caller must not change it afterwards."""
        parts = cast("dict[str, Any]", loaded)
        return cls(parts["objects"], parts["messages"], parts["schedules"])

    def to_json(self) -> dict[str, Json]:
        parts = {"objects": self._objects, "messages": self._messages, "schedules": self._schedules}
        return cast("dict[str, Json]", json.loads(json.dumps(parts)))

    def match(self, event: Event) -> list[Match]:
        """Every match, by trigger and source. What is a trigger's marker is never a source of that trigger too."""
        match event.payload:
            case Object() as it:
                return self._match_object(it)
            case Message() as it:
                found = self._messages.get(folded(it.channel), ())
            case Schedule() as it:
                found = self._schedules.get(it.name, ())
            case _:
                found = ()  # no source listens to lifecycle events yet
        return [Match(trigger, "source", source, {}) for trigger, source in found]

    def _match_object(self, it: Object) -> list[Match]:
        files = self._objects.get(_place(it.store, it.account, it.bucket))
        if files is None:
            return []
        name, change = it.name, it.change
        found: list[Match] = []
        marks: list[tuple[int, str, Mapping[str, str]]] = []
        for base, text, suffix, listeners in filing.candidates(files, name):
            if not name.endswith(suffix) or not name.startswith(base):
                continue
            fits = self._pattern(text).fullmatch(name, len(base))
            if fits is None:
                continue
            captures = fits.groupdict()
            for trigger, source, changes in listeners:
                if source < 0:
                    marks.append((~source, trigger, captures))
                elif change in changes:
                    found.append(Match(trigger, "source", source, captures))
        if marks:
            found = _marked(found, marks, change)
        if len(found) > 1:
            found.sort(key=lambda match: (match.trigger, match.source))
        return found

    def _pattern(self, text: str) -> re.Pattern[str]:
        pattern = self._patterns.get(text)
        if pattern is None:
            pattern = self._patterns[text] = glob.parse(text).pattern
        return pattern


def _marked(found: list[Match], marks: list[tuple[int, str, Mapping[str, str]]], change: Change) -> list[Match]:
    """A marker is no source, whatever the change. Where two stores see it, it is read from the first source's."""
    first: dict[str, Mapping[str, str]] = {}
    for _, trigger, captures in sorted(marks, key=lambda mark: mark[:2]):
        first.setdefault(trigger, captures)
    kept = [match for match in found if match.trigger not in first]
    if change == "created":
        kept += [Match(trigger, "marker", MARKER, captures) for trigger, captures in first.items()]
    return kept


def _place(kind: str, account: str | None, bucket: str) -> str:
    """Buckets' names are the world's, containers' their account's."""
    return f"{kind}:{bucket}" if account is None else f"{kind}:{account}/{bucket}"


def _listeners(trigger: Trigger, environment: Environment) -> Iterator[tuple[str, str, str, filing.Listener]]:
    """Place, base and glob of each thing that the trigger listens to; its marker once in every store of it.

    A marker's number is -1 minus that of the store's first source.
    """
    marked = set()
    for at, source in enumerate(trigger.sources):
        if not isinstance(source, ObjectSource):
            continue
        store = environment.stores[source.store]
        place = _place(store.kind, store.account, store.bucket)
        yield place, store.prefix, source.match, (trigger.name, at, list(source.change))
        if trigger.window.until is not None and source.store not in marked:
            marked.add(source.store)
            yield place, store.prefix, trigger.window.until, (trigger.name, ~at, [])


def _filed(listeners: Mapping[tuple[str, str], list[filing.Listener]]) -> filing.Filed:
    return filing.filed(
        [filing.Entry(base, text, glob.parse(text).suffix, those) for (base, text), those in listeners.items()]
    )
