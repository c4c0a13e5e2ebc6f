"""What a trigger says, after every name, default and unit has been settled. Frozen. `environment` says where."""

from __future__ import annotations

from dataclasses import field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Change, Json
    from retrigger.triggers.launches import Launch, Parameters

Archive: TypeAlias = Literal["full", "metadata", "none"]
RunEnd: TypeAlias = Literal["succeeded", "failed", "cancelled"]
ManifestFormat: TypeAlias = Literal["json", "uris", "mltable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSource:
    """Objects of the store named `store` whose name fits the glob `match`."""

    store: str
    match: str
    change: tuple[Change, ...] = ("created",)
    filter: str | None = None
    key: str | None = None
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSource:
    """Messages of the channel named `channel`. `schema` is a JSON Schema (as JSON) that the body must satisfy.

    `members`: an expression that gives URIs of objects. They join their windows, and the message launches nothing.
    """

    channel: str
    schema: Json = None
    filter: str | None = None
    key: str | None = None
    parameters: Parameters = field(default_factory=dict)
    members: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSource:
    """A five-field cron expression in an IANA time zone."""

    cron: str
    timezone: str = "UTC"
    missed: Literal["last", "all", "none"] = "last"
    late_at_most: timedelta | None = None
    filter: str | None = None
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleSource:
    """Events of these types about runs, models, endpoints or tables of a platform; or the ends of a trigger's runs.

    `platform` is a name in the environment's `platforms`; None is the environment's own platform. `of`: the trigger
    whose runs they are, which ended as one of `statuses`; there are no `types` then.
    """

    types: tuple[str, ...] = ()
    platform: str | None = None
    of: str | None = None
    statuses: tuple[RunEnd, ...] = ()
    filter: str | None = None
    key: str | None = None
    parameters: Parameters = field(default_factory=dict)


Source: TypeAlias = ObjectSource | MessageSource | ScheduleSource | LifecycleSource


@dataclass(frozen=True, slots=True, kw_only=True)
class PlugIn:
    """What an entry point stood for when the project was compiled: functions import `target`, and look for nothing.

    `name` is what the author wrote, `target` the path `module:attribute`, `package` who offered it (`NAME==VERSION`).
    """

    name: str
    target: str
    package: str
    options: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What the cells of a column must be. `one_of` restricts to these texts (type `str`)."""

    type: Literal["str", "int", "float", "bool", "date", "datetime"] = "str"
    one_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectCheck:
    """The data gate for one object. Sizes in bytes, ratio 0..1; None means no bound."""

    format: Literal["csv", "jsonl", "parquet"] = "csv"
    columns: Mapping[str, Column] = field(default_factory=dict)
    max_null_ratio: float | None = None
    min_rows: int | None = None
    max_rows: int | None = None
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowCheck:
    """Checks of the whole window, made when it closes."""

    min_rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRule:
    """What waits together, and until when. `key` is an expression; `until` a glob of marker objects.

    With `until_lists`, markers list the members in their content. `until_count`: so many members complete it.
    `manifest`: the form in which a run finds its members listed, where it asks for `window.manifest` or registers it.
    """

    key: str | None = None
    quiet: timedelta = timedelta()
    max_wait: timedelta = timedelta(hours=1)
    max_members: int = 10_000
    until: str | None = None
    until_lists: bool = False
    until_count: int | None = None
    settle: timedelta = timedelta(minutes=5)
    at_max_wait: Literal["launch", "reject"] = "launch"
    bad_member: Literal["drop", "reject"] = "drop"
    manifest: ManifestFormat = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """At most `limit` runs at once per value of `key`; `when_busy`: what becomes of what is due meanwhile."""

    limit: int = 1
    key: str | None = None
    when_busy: Literal["coalesce", "queue", "skip", "replace"] = "coalesce"


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """At most `limit` launches in any `per`; over it, they are held until there is room, or skipped."""

    limit: int
    per: timedelta
    when_over: Literal["hold", "skip"] = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnFailure:
    """`retry` more tries of a failed run, then its members join the next window or become dead letters."""

    retry: int = 0
    then: Literal["carry_over", "dead"] = "carry_over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One declared trigger. `validators` judge its events in this order, after the checks of the object.

    `archive`, `redact`: what the ledger keeps of an event once it is settled, see `triggers.archive`.
    """

    name: str
    sources: tuple[Source, ...]
    launch: Launch
    description: str = ""
    filter: str | None = None
    object_check: ObjectCheck | None = None
    window_check: WindowCheck | None = None
    validators: tuple[PlugIn, ...] = ()
    window: WindowRule = field(default_factory=WindowRule)
    concurrency: Concurrency = field(default_factory=Concurrency)
    throttle: Throttle | None = None
    keep: timedelta = timedelta(days=35)
    on_failure: OnFailure = field(default_factory=OnFailure)
    archive: Archive = "full"
    redact: tuple[str, ...] = ()
    mode: Literal["launch", "observe"] = "launch"
