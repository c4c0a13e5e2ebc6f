"""The one file that a function loads: an environment, the index, and its triggers and templates.

    {"format": 10, "size": …, "head": {"environment": {…}, "index": …, "triggers": [name, …], "templates": [sha256, …],
     "ends": [0, …]}, "body": [trigger, …, template, …]}

It is one line of JSON. A function reads the head, and of the body the one trigger that its event meets: part n lies
between ends n and n + 1, without the bracket or comma before it. `size` is that of the head; all are in bytes. A
template's text is kept to the letter, since it is known by its hash. Durations are seconds; a field that holds its
default is left out.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from dataclasses import MISSING, fields, is_dataclass
from datetime import timedelta
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, TypeVar, cast

from retrigger.triggers.environment import (
    BatchRule,
    Channel,
    Endpoint,
    EntraCaller,
    Environment,
    GoogleCaller,
    KeyCaller,
    Limits,
    Model,
    Pipeline,
    Platform,
    Store,
)
from retrigger.triggers.errors import RetriggerError
from retrigger.triggers.launches import (
    Approval,
    BatchPrediction,
    Choice,
    Mirror,
    OnlineDeployment,
    PipelineLaunch,
    Rollback,
)
from retrigger.triggers.spec import (
    Column,
    Concurrency,
    LifecycleSource,
    MessageSource,
    ObjectCheck,
    ObjectSource,
    OnFailure,
    PlugIn,
    ScheduleSource,
    Throttle,
    Trigger,
    WindowCheck,
    WindowRule,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from _typeshed import DataclassInstance

    from retrigger.triggers.environment import Caller
    from retrigger.triggers.event import Json
    from retrigger.triggers.launches import Launch
    from retrigger.triggers.spec import Source

FORMAT = 10
_START = f'{{"format":{FORMAT},"size":'
_HEAD = ',"head":'
_BODY = ',"body":'
_END = "]}\n"
_SOURCES: dict[str, type[Source]] = {
    "object": ObjectSource,
    "message": MessageSource,
    "schedule": ScheduleSource,
    "lifecycle": LifecycleSource,
}
_LAUNCHES: dict[str, type[Launch]] = {
    "pipeline": PipelineLaunch,
    "batch_prediction": BatchPrediction,
    "online_deployment": OnlineDeployment,
}
_CALLERS: dict[str, type[Caller]] = {"google": GoogleCaller, "entra": EntraCaller, "key": KeyCaller}
_KINDS: dict[type, str] = {cls: kind for kinds in (_SOURCES, _LAUNCHES, _CALLERS) for kind, cls in kinds.items()}
_T = TypeVar("_T")


class Compiled:
    """A loaded file. Triggers and templates are parsed when first asked for, then kept."""

    def __init__(self, head: Mapping[str, Json], file: bytes, body: int) -> None:
        self.hash = hashlib.sha256(file).hexdigest()
        """SHA-256 of the file: which bundle decided."""
        self.index = head["index"]
        self.environment = _read(Environment, _object(head["environment"]))
        self._file = file
        self._body = body
        self._trigger_names = cast("list[str]", head["triggers"])
        self._template_names = cast("list[str]", head["templates"])
        self._ends = cast("list[int]", head["ends"])
        self._triggers: dict[str, Trigger] = {}
        self._templates: dict[str, Mapping[str, Json]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The triggers' names, sorted."""
        return tuple(self._trigger_names)

    def trigger(self, name: str) -> Trigger | None:
        """None if there is no trigger of that name: the ledger may remember one that has been removed."""
        if name not in self._triggers:
            at = _place(self._trigger_names, name)
            if at is None:
                return None
            self._triggers[name] = _read(Trigger, self._part(at))
        return self._triggers[name]

    def sources(self) -> Iterator[Source]:
        """Of all triggers, which are parsed one after the other."""
        for trigger in filter(None, map(self.trigger, self._trigger_names)):
            yield from trigger.sources

    def template(self, sha: str) -> Mapping[str, Json]:
        """The compiled pipeline whose JSON text has this SHA-256. KeyError if no trigger launches it."""
        if sha not in self._templates:
            at = _place(self._template_names, sha)
            if at is None:
                raise KeyError(sha)
            self._templates[sha] = self._part(len(self._trigger_names) + at)
        return self._templates[sha]

    def _part(self, at: int) -> dict[str, Json]:
        start, end = self._ends[at : at + 2]
        return _object(json.loads(self._file[self._body + start + 1 : self._body + end]))


def _place(names: Sequence[str], name: str) -> int | None:
    """Where a name stands among names that are sorted."""
    at = bisect_left(names, name)
    return at if names[at : at + 1] == [name] else None


def dumps(environment: Environment, triggers: Iterable[Trigger], templates: Mapping[str, str], index: Json) -> str:
    """The file's text; the same project gives the same text. `templates`: SHA-256 of the JSON text -> that text."""
    by_name = {trigger.name: _text(_plain(trigger)) for trigger in sorted(triggers, key=lambda one: one.name)}
    texts = [*by_name.values(), *(templates[sha] for sha in sorted(templates))]
    head = {
        "environment": _plain(environment),
        "index": index,
        "triggers": list(by_name),
        "templates": sorted(templates),
        "ends": list(accumulate((len(text.encode()) + 1 for text in texts), initial=0)),
    }
    written = _text(head)
    return f"{_START}{len(written)}{_HEAD}{written}{_BODY}[{','.join(texts)}{_END}"


def load(file: str | bytes) -> Compiled:
    """RetriggerError `compiled_format` if the file, in UTF-8, is none of this format."""
    written = file.encode("utf-8", "surrogatepass") if isinstance(file, str) else file
    try:
        if not written.startswith(_START.encode()):
            raise _foreign(json.loads(written.decode()))
        start = written.index(_HEAD.encode()) + len(_HEAD)
        end = start + int(written[len(_START) : start - len(_HEAD)])
        head = json.loads(written[start:end])
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"is not JSON, it may be cut off ({str(error)[:80]})") from error
    body = end + len(_BODY)
    try:
        # The last part ends where the brackets close; of no parts there are but the brackets.
        if written[end:body] != _BODY.encode() or len(written) != body + max(head["ends"][-1], 1) + len(_END):
            raise _unreadable("is cut off, or was changed after it was written")
        return Compiled(head, written, body)
    except (LookupError, TypeError, AttributeError, AssertionError) as error:
        raise _unreadable(f"has format {FORMAT}, but not its contents") from error


def _foreign(document: Json) -> RetriggerError:
    """Why JSON that does not begin as this format does is none of it."""
    if not isinstance(document, dict) or "format" not in document:
        return _unreadable("does not say its format, so retrigger did not write it")
    if document["format"] == FORMAT:
        return _unreadable("was changed after it was written")
    told = json.dumps(document["format"])[:20]
    return _unreadable(f"has format {told}, and this version of retrigger reads format {FORMAT}")


def _unreadable(what: str) -> RetriggerError:
    step = "run `retrigger compile` with the same version of retrigger as the function's, and deploy the two together"
    return RetriggerError(f"The compiled project {what}: {step}.", code="compiled_format")


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _plain(value: object) -> object:
    """JSON of a spec value: one of several kinds says which, a field that holds its default is left out."""
    match value:
        case timedelta():
            return value.total_seconds()
        case tuple() | list():
            return [_plain(item) for item in value]
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            kind = _KINDS.get(type(value))
            return _told(value) if kind is None else {"kind": kind, **_told(value)}
        case _:
            return value


def _told(value: DataclassInstance) -> dict[str, object]:
    told = {}
    for field in fields(value):
        item = getattr(value, field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if item != default:
            told[field.name] = _plain(item)
    return told


def _read(cls: type[_T], data: Mapping[str, Json]) -> _T:
    """A spec value from its JSON: the fields named in `_READERS` are converted, all others are JSON already."""
    readers = _READERS.get(cls, {})
    return cls(**{name: readers[name](value) if name in readers else value for name, value in data.items()})


def _one_of(kinds: Mapping[str, type[_T]], data: Json) -> _T:
    told = dict(_object(data))
    return _read(kinds[str(told.pop("kind"))], told)


def _choice(data: str | dict[str, Json]) -> object:
    return data if isinstance(data, str) else _read(Choice, data)


def _callers(data: str | list[Json]) -> object:
    return data if isinstance(data, str) else _many(partial(_one_of, _CALLERS), data)


def _object(data: Json) -> dict[str, Json]:
    assert isinstance(data, dict)
    return data


def _each(reader: Callable[[Json], object], data: Json) -> dict[str, object]:
    return {name: reader(item) for name, item in _object(data).items()}


def _many(reader: Callable[[Json], object], data: list[Json]) -> tuple[object, ...]:
    return tuple(reader(item) for item in data)


def _part(cls: type) -> Callable[[Json], object]:
    return lambda data: _read(cls, _object(data))


def _seconds(data: float) -> timedelta:
    return timedelta(seconds=data)


_READERS: dict[type, dict[str, Callable[..., object]]] = {
    Trigger: {
        "sources": partial(_many, partial(_one_of, _SOURCES)),
        "launch": partial(_one_of, _LAUNCHES),
        "object_check": _part(ObjectCheck),
        "window_check": _part(WindowCheck),
        "validators": partial(_many, _part(PlugIn)),
        "window": _part(WindowRule),
        "concurrency": _part(Concurrency),
        "throttle": _part(Throttle),
        "keep": _seconds,
        "on_failure": _part(OnFailure),
        "redact": tuple,
    },
    ObjectSource: {"change": tuple},
    ScheduleSource: {"late_at_most": _seconds},
    LifecycleSource: {"types": tuple, "statuses": tuple},
    PipelineLaunch: {"pipeline": _choice},
    OnlineDeployment: {
        "steps": tuple,
        "bake": _seconds,
        "mirror": _part(Mirror),
        "rollback_if": _part(Rollback),
        "approve": _part(Approval),
    },
    Rollback: {"p95": _seconds},
    Approval: {"within": _seconds},
    Mirror: {"lasts": _seconds},
    ObjectCheck: {"columns": partial(_each, _part(Column))},
    Column: {"one_of": tuple},
    WindowRule: {"quiet": _seconds, "max_wait": _seconds, "settle": _seconds},
    Throttle: {"per": _seconds},
    Environment: {
        "stores": partial(_each, _part(Store)),
        "channels": partial(_each, _part(Channel)),
        "platforms": partial(_each, _part(Platform)),
        "pipelines": partial(_each, _part(Pipeline)),
        "endpoints": partial(_each, _part(Endpoint)),
        "models": partial(_each, _part(Model)),
        "limits": _part(Limits),
        "callers": _callers,
        "launcher": _part(PlugIn),
        "formats": partial(_each, _part(PlugIn)),
    },
    Pipeline: {"reserved_ip_ranges": tuple},
    Model: {"batch": _part(BatchRule)},
    GoogleCaller: {"service_accounts": tuple},
    EntraCaller: {"apps": tuple},
}
