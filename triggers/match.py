"""Which triggers an event meets. The cost of one event does not grow with the number of triggers.

An index of plain JSON: it is made when triggers are compiled, and a function loads it without building anything.
Filters are not applied here.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from retrigger.triggers import filing, finding, glob
from retrigger.triggers.event import ENDED, Lifecycle, Message, Object, Schedule, folded
from retrigger.triggers.finding import Match as Match  # noqa: PLC0414  # the explicit re-export
from retrigger.triggers.spec import LifecycleSource, MessageSource, ObjectSource, ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from retrigger.triggers.event import Change, Event, Json
    from retrigger.triggers.spec import Environment, Source, Store, Trigger

MARKER: Final = -1
"""The source index of a marker."""


_DEEPEST: Final = 12
"""Segments of a resource's name that can be a platform's: a workspace has nine."""
_Place: TypeAlias = "tuple[str, str | None, str, Change]"
"""Kind, account and bucket of a store, and a change."""
_Objects: TypeAlias = "dict[str, filing.Filed]"
"""A place -> the globs of who listens there."""
_Direct: TypeAlias = "dict[str, list[tuple[str, int]]]"
"""What an event is met by -> trigger and source.

That is a channel's address, a schedule's name, a platform's kind and resource with the type of the event, or a
trigger's name with how a run of it ended.
"""


class Index:
    """Events to matches. Loaded, it is the JSON that it came from, and the globs that were needed so far."""

    __slots__ = ("_files", "_lifecycles", "_messages", "_objects", "_patterns", "_schedules")

    def __init__(self, objects: _Objects, messages: _Direct, schedules: _Direct, lifecycles: _Direct) -> None:
        self._objects = objects
        self._files: dict[_Place, finding.Files] = {}
        self._messages = messages
        self._schedules = schedules
        self._lifecycles = lifecycles
        self._patterns: dict[str, re.Pattern[str]] = {}

    @classmethod
    def build(cls, triggers: Iterable[Trigger], environment: Environment) -> Index:
        """The index of one environment. Raise KeyError for a name that it lacks, ValueError for a glob."""
        listeners: dict[str, dict[tuple[str, str], list[filing.Listener]]] = {}
        messages: _Direct = {}
        schedules: _Direct = {}
        lifecycles: _Direct = {}
        filed: Mapping[type, _Direct] = {
            MessageSource: messages,
            ScheduleSource: schedules,
            LifecycleSource: lifecycles,
        }
        for trigger in triggers:
            for place, base, text, listener in _listeners(trigger, environment):
                listeners.setdefault(place, {}).setdefault((base, text), []).append(listener)
            for at, source in enumerate(trigger.sources):
                for key in _direct_keys(trigger, source, environment):
                    filed[type(source)].setdefault(key, []).append((trigger.name, at))
        return cls({place: filing.filed(those) for place, those in listeners.items()}, messages, schedules, lifecycles)

    @classmethod
    def from_json(cls, loaded: Json) -> Index:
        """From what `to_json` gave. It is used as it is: the caller must not change it afterwards."""
        parts = cast("dict[str, Any]", loaded)
        return cls(parts["objects"], parts["messages"], parts["schedules"], parts["lifecycles"])

    def to_json(self) -> dict[str, Json]:
        parts = {
            "objects": self._objects,
            "messages": self._messages,
            "schedules": self._schedules,
            "lifecycles": self._lifecycles,
        }
        return cast("dict[str, Json]", json.loads(json.dumps(parts)))

    def match(self, event: Event) -> list[Match]:
        """Every match, by trigger and source. What is a trigger's marker is never a source of that trigger too."""
        match event.payload:
            case Object() as it:
                return self._match_object(it)
            case Message() as it:
                found = self._messages.get(folded(it.channel), [])
            case Schedule() as it:
                found = self._schedules.get(it.name, [])
            case Lifecycle() as it if event.type == ENDED:
                found = self._lifecycles.get(_end(str(event.subject), str(it.status)), [])
            case Lifecycle() as it:
                found = self._match_lifecycle(event.type, it)
        return [Match(trigger, "source", source, {}) for trigger, source in found]

    def hears_end(self, trigger: str, status: str) -> bool:
        """Whether some trigger listens to runs of this one that end so."""
        return _end(trigger, status) in self._lifecycles

    def _match_lifecycle(self, event_type: str, it: Lifecycle) -> list[tuple[str, int]]:
        """What happened to a thing happened on the platform that the thing's name begins with, folder by folder."""
        found = []
        parts = folded(it.resource).split("/", _DEEPEST)[:_DEEPEST]
        for resource in accumulate(parts, "{}/{}".format):
            found += self._lifecycles.get(_happening(it.platform, resource, event_type), [])
        return sorted(found)

    def _match_object(self, it: Object) -> list[Match]:
        place = it.store, it.account, it.bucket, it.change
        files = self._files.get(place) or self._opened(place)
        if files is None:
            return []
        name = it.name
        found: list[Match] = []
        marks: list[tuple[int, str, Mapping[str, str]]] = []
        for start, core, end, listeners in files.candidates(name):
            if not name.endswith(end) or not name.startswith(start):
                continue
            pattern = self._patterns.get(core) or self._pattern(core)
            fits = pattern.fullmatch(name, len(start), len(name) - len(end))
            if fits is None:
                continue
            captures = fits.groupdict()
            for one in listeners:
                if one.source < 0:
                    marks.append((~one.source, one.trigger, captures))
                else:
                    found.append(Match(one.trigger, "source", one.source, captures) if captures else one)
        if marks:
            found = _marked(found, marks, it.change)
        if len(found) > 1:
            found.sort(key=lambda match: (match.trigger, match.source))
        return found

    def _opened(self, place: _Place) -> finding.Files | None:
        written = self._objects.get(_written(place))
        if written is None:
            return None
        files = self._files[place] = finding.Files(written)
        return files

    def _pattern(self, core: str) -> re.Pattern[str]:
        pattern = self._patterns[core] = glob.parse(core).pattern if core else re.compile("")
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


def _direct_keys(trigger: Trigger, source: Source, environment: Environment) -> list[str]:
    """Under which keys a source is filed that no glob belongs to; object sources listen by globs."""
    match source:
        case MessageSource():
            return [folded(address) for address in environment.channels[source.channel].addresses]
        case ScheduleSource():
            return [trigger.name]
        case LifecycleSource(of=str(of)):
            return [_end(of, status) for status in source.statuses]
        case LifecycleSource():
            it = environment.platform(source.platform)
            return [_happening(it.kind, folded(it.resource), event_type) for event_type in source.types]
        case ObjectSource():
            return []


def _happening(platform: str, resource: str, event_type: str) -> str:
    return f"{platform}:{resource}:{event_type}"


def _end(trigger: str, status: str) -> str:
    """No platform's kind is `run`."""
    return f"run:{trigger}:{status}"


def _written(place: _Place) -> str:
    """Buckets' names are the world's, containers' their account's."""
    kind, account, bucket, change = place
    return f"{change}:{kind}:{bucket}" if account is None else f"{change}:{kind}:{account}/{bucket}"


def _listeners(trigger: Trigger, environment: Environment) -> Iterator[tuple[str, str, str, filing.Listener]]:
    """Place, base and glob of each thing that the trigger listens to; its marker once in every store of it.

    A marker's number is -1 minus that of the store's first source. It stands wherever a source of its trigger may,
    which it then is not.
    """
    sources = [
        (at, it, environment.stores[it.store]) for at, it in enumerate(trigger.sources) if isinstance(it, ObjectSource)
    ]
    changes: set[Change] = {"created", *(change for _, it, _ in sources for change in it.change)}
    marked = set()
    for at, source, store in sources:
        for change in dict.fromkeys(source.change):
            yield _place(store, change), store.prefix, source.match, (trigger.name, at)
        if trigger.window.until is not None and source.store not in marked:
            marked.add(source.store)
            for change in sorted(changes):
                yield _place(store, change), store.prefix, trigger.window.until, (trigger.name, ~at)


def _place(store: Store, change: Change) -> str:
    return _written((store.kind, store.account, store.bucket, change))
