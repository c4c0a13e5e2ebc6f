"""Which triggers an event meets. The cost of one event does not grow with the number of triggers.

An index of plain JSON: it is made when triggers are compiled, and a function loads it without building anything.
Every glob is filed once, under the literal text of it that the fewest other globs share; an event looks up what its own
name offers under each heading, and tries the few globs found. Filters are not applied here.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, cast, get_args

from retrigger.triggers import glob
from retrigger.triggers.event import Lifecycle, Message, Object, Schedule, folded
from retrigger.triggers.frozen import dataclass
from retrigger.triggers.spec import LifecycleSource, MessageSource, ObjectSource, ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from retrigger.triggers.event import Event, Json
    from retrigger.triggers.spec import Environment, Source, Trigger

MARKER: Final = -1
"""The source index of a marker."""

Heading: TypeAlias = Literal["segment", "folder", "prefix", "suffix", "segment_prefix", "segment_suffix"]
"""What a text is to a name: a whole segment, or how it or one of its segments begins or ends. `folder` ends in a slash.

A name offers few segments and folders. Of the others it offers one for each length that is filed, so these come last.
"""


@dataclass(frozen=True, slots=True)
class Match:
    """`trigger` listens to the event with its source number `source`; -1 where the event is its window's marker."""

    trigger: str
    role: Literal["source", "marker"]
    source: int
    captures: Mapping[str, str]


_DEEPEST: Final = 12
"""Segments of a resource's name that can be a platform's: a workspace has nine."""
_HEADINGS: Final[tuple[Heading, ...]] = get_args(Heading)


class _Entry(NamedTuple):
    """One glob of one trigger, for names that start with `base`. In JSON: a list in this order."""

    trigger: str
    source: int
    changes: list[str]
    base: str
    glob: str
    suffix: str


class _Key(NamedTuple):
    """Literal text that every name of a glob has in a known place."""

    heading: Heading
    text: str


_Texts: TypeAlias = "list[tuple[int, dict[str, list[_Entry]]]]"
"""Length of the texts (0: any), text -> entries."""
_Filed: TypeAlias = "dict[Heading, _Texts]"
_Objects: TypeAlias = "dict[str, _Filed]"
"""Kind, account and bucket of a store -> its entries."""
_Direct: TypeAlias = "dict[str, list[tuple[str, int]]]"
"""What an event is met by -> trigger and source.

That is a channel's address, a schedule's name, or a platform's kind and resource with the type of the event.
"""


class Index:
    """Events to matches. Loaded, it is the JSON that it came from, and the globs that were needed so far."""

    __slots__ = ("_globs", "_lifecycles", "_messages", "_objects", "_schedules")

    def __init__(self, objects: _Objects, messages: _Direct, schedules: _Direct, lifecycles: _Direct) -> None:
        self._objects = objects
        self._messages = messages
        self._schedules = schedules
        self._lifecycles = lifecycles
        self._globs: dict[str, glob.Glob] = {}

    @classmethod
    def build(cls, triggers: Iterable[Trigger], environment: Environment) -> Index:
        """The index of one environment. Raise KeyError for a name that it lacks, ValueError for a glob."""
        entries: dict[str, list[_Entry]] = {}
        messages: _Direct = {}
        schedules: _Direct = {}
        lifecycles: _Direct = {}
        filed: Mapping[type, _Direct] = {
            MessageSource: messages,
            ScheduleSource: schedules,
            LifecycleSource: lifecycles,
        }
        for trigger in triggers:
            for bucket, entry in _entries(trigger, environment):
                entries.setdefault(bucket, []).append(entry)
            for at, source in enumerate(trigger.sources):
                for key in _direct_keys(trigger, source, environment):
                    filed[type(source)].setdefault(key, []).append((trigger.name, at))
        return cls({bucket: _filed(listed) for bucket, listed in entries.items()}, messages, schedules, lifecycles)

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
            case Lifecycle() as it:
                found = self._match_lifecycle(event.type, it)
        return [Match(trigger, "source", source, {}) for trigger, source in found]

    def _match_lifecycle(self, event_type: str, it: Lifecycle) -> list[tuple[str, int]]:
        """What happened to a thing happened on the platform that the thing's name begins with, folder by folder."""
        found = []
        parts = folded(it.resource).split("/", _DEEPEST)[:_DEEPEST]
        for resource in accumulate(parts, "{}/{}".format):
            found += self._lifecycles.get(_happening(it.platform, resource, event_type), [])
        return sorted(found)

    def _match_object(self, it: Object) -> list[Match]:
        found = []
        marked = set()
        for entry in _candidates(self._objects.get(_place(it.store, it.account, it.bucket), {}), it.name):
            trigger, source, changes, base, text, suffix = entry
            if not it.name.endswith(suffix) or not it.name.startswith(base):
                continue
            captures = self._glob(text).match(it.name[len(base) :])
            if captures is None:
                continue
            if source == MARKER:
                marked.add(trigger)
            if it.change in changes:
                found.append(Match(trigger, "marker" if source == MARKER else "source", source, captures))
        kept = [match for match in found if match.role == "marker" or match.trigger not in marked]
        return sorted(kept, key=lambda match: (match.trigger, match.source))

    def _glob(self, text: str) -> glob.Glob:
        parsed = self._globs.get(text)
        if parsed is None:
            parsed = self._globs[text] = glob.parse(text)
        return parsed


def _direct_keys(trigger: Trigger, source: Source, environment: Environment) -> list[str]:
    """Under which keys a source is filed that no glob belongs to; object sources are entries."""
    match source:
        case MessageSource():
            return [folded(address) for address in environment.channels[source.channel].addresses]
        case ScheduleSource():
            return [trigger.name]
        case LifecycleSource():
            it = environment.platform(source.platform)
            return [_happening(it.kind, folded(it.resource), event_type) for event_type in source.types]
        case ObjectSource():
            return []


def _happening(platform: str, resource: str, event_type: str) -> str:
    return f"{platform}:{resource}:{event_type}"


def _place(kind: str, account: str | None, bucket: str) -> str:
    """Buckets' names are the world's, containers' their account's."""
    return f"{kind}:{bucket}" if account is None else f"{kind}:{account}/{bucket}"


def _entries(trigger: Trigger, environment: Environment) -> Iterator[tuple[str, _Entry]]:
    """The trigger's globs, each with the bucket that it looks at; its marker once in every store that it listens to."""
    marked = set()
    for at, source in enumerate(trigger.sources):
        if not isinstance(source, ObjectSource):
            continue
        store = environment.stores[source.store]
        wanted = [(at, source.match, list(source.change))]
        if trigger.window.until is not None and source.store not in marked:
            marked.add(source.store)
            wanted.append((MARKER, trigger.window.until, ["created"]))
        for index, text, changes in wanted:
            suffix = glob.parse(text).suffix
            place = _place(store.kind, store.account, store.bucket)
            yield place, _Entry(trigger.name, index, list(changes), store.prefix, text, suffix)


def _filed(entries: list[_Entry]) -> _Filed:
    offered = [list(_keys(entry)) for entry in entries]
    shared = Counter(key for keys in offered for key in keys)
    filed: dict[Heading, dict[int, dict[str, list[_Entry]]]] = {}
    for entry, keys in zip(entries, offered, strict=True):
        best = min(keys, key=lambda key: (shared[key], _HEADINGS.index(key.heading), -len(key.text)))
        length = 0 if best.heading in ("segment", "folder") else len(best.text)
        texts = filed.setdefault(best.heading, {}).setdefault(length, {})
        texts.setdefault(best.text, []).append(entry)
    return {heading: list(by_length.items()) for heading, by_length in filed.items()}


def _keys(entry: _Entry) -> Iterator[_Key]:
    """Every literal by which the names of an entry can be looked up; a prefix, if only an empty one, always."""
    parsed = glob.parse(entry.glob)
    prefix = entry.base + parsed.prefix
    yield _Key("prefix", prefix)
    if "/" in prefix:
        yield _Key("folder", prefix[: prefix.rindex("/") + 1])
    if parsed.suffix:
        yield _Key("suffix", parsed.suffix)
    for segment in parsed.segments:
        first, last = segment[:1], segment[-1:]
        if len(segment) == 1 and isinstance(segment[0], str):
            yield _Key("segment", segment[0])
            continue
        yield from (_Key("segment_prefix", part) for part in first if isinstance(part, str))
        yield from (_Key("segment_suffix", part) for part in last if isinstance(part, str))


def _candidates(filed: _Filed, name: str) -> Iterator[_Entry]:
    """Every entry filed under what `name` offers: more than those that fit, never fewer, none twice."""
    segments = name.split("/")
    for heading, by_length in filed.items():
        for length, texts in by_length:
            offered: Iterable[str]
            match heading:
                case "prefix":
                    offered = (name[:length],)
                case "suffix":
                    offered = (name[-length:],)
                case "segment":
                    offered = set(segments)
                case "folder":
                    offered = (f"{folder}/" for folder in accumulate(segments[:-1], "{}/{}".format))
                case "segment_prefix":
                    offered = {segment[:length] for segment in segments}
                case "segment_suffix":
                    offered = {segment[-length:] for segment in segments}
            for text in offered:
                yield from texts.get(text, ())
