"""Which triggers an event meets. The cost of one event does not grow with the number of triggers.

An index of plain JSON: it is made when triggers are compiled, and a function loads it without building anything.
Filters are not applied here.
"""

from __future__ import annotations

import json
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from retrigger.triggers.event import ENDED, Lifecycle, Message, Object, Schedule, folded
from retrigger.triggers.matches import Match as Match  # noqa: PLC0414  # the explicit re-export
from retrigger.triggers.spec import LifecycleSource, MessageSource, ObjectSource, ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from retrigger.triggers import filing
    from retrigger.triggers.environment import Environment, Store
    from retrigger.triggers.event import Change, Event, Json
    from retrigger.triggers.match_objects import Filed, ObjectIndex
    from retrigger.triggers.spec import Source, Trigger

_DEEPEST: Final = 12
"""Segments of a resource's name that can be a platform's: a workspace has nine."""
_Direct: TypeAlias = "dict[str, list[tuple[str, int]]]"
"""What an event is met by -> trigger and source.

That is a channel's address, a schedule's name, a platform's kind and resource with the type of the event, or a
trigger's name with how a run of it ended.
"""


class Index:
    """Events to matches. Loaded, it is the JSON that it came from, and the globs that were needed so far."""

    __slots__ = ("_files", "_lifecycles", "_messages", "_objects", "_schedules")

    def __init__(self, objects: Filed, messages: _Direct, schedules: _Direct, lifecycles: _Direct) -> None:
        self._objects = objects
        self._files: ObjectIndex | None = None
        self._messages = messages
        self._schedules = schedules
        self._lifecycles = lifecycles

    @classmethod
    def build(cls, triggers: Iterable[Trigger], environment: Environment) -> Index:
        """The index of one environment. Raise KeyError for a name that it lacks, ValueError for a glob."""
        from retrigger.triggers import filing  # when triggers are compiled

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
                return (self._files or self._opened()).match(it)
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

    def _opened(self) -> ObjectIndex:
        from retrigger.triggers.match_objects import ObjectIndex  # a function that hears of no object does without

        self._files = ObjectIndex(self._objects)
        return self._files

    def _match_lifecycle(self, event_type: str, it: Lifecycle) -> list[tuple[str, int]]:
        """What happened to a thing happened on the platform that the thing's name begins with, folder by folder."""
        found = []
        parts = folded(it.resource).split("/", _DEEPEST)[:_DEEPEST]
        for resource in accumulate(parts, "{}/{}".format):
            found += self._lifecycles.get(_happening(it.platform, resource, event_type), [])
        return sorted(found)


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
    from retrigger.triggers.match_objects import written

    return written((store.kind, store.account, store.bucket, change))
