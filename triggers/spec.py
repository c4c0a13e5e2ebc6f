"""What a trigger and an environment say, after every name, default and unit has been settled. Frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Change, Json

Parameters: TypeAlias = "Mapping[str, Json]"
"""Parameter name -> literal, or text holding `${{ expression }}`."""


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
    """Messages of the channel named `channel`. `schema` is a JSON Schema (as JSON) that the body must satisfy."""

    channel: str
    schema: Json = None
    filter: str | None = None
    key: str | None = None
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSource:
    """A five-field cron expression in an IANA time zone."""

    cron: str
    timezone: str = "UTC"
    missed: Literal["last", "all", "none"] = "last"
    late_at_most: timedelta | None = None
    filter: str | None = None
    parameters: Parameters = field(default_factory=dict)


Source: TypeAlias = ObjectSource | MessageSource | ScheduleSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What the cells of a column must be. `one_of` restricts to these texts (type `str`)."""

    type: Literal["str", "int", "float", "bool", "date", "datetime"] = "str"
    one_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectCheck:
    """The data gate for one object. Sizes in bytes, ratio 0..1; None means no bound."""

    format: Literal["csv"] = "csv"
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
    """What waits together, and until when. `key` is an expression; `until` a glob of marker objects."""

    key: str | None = None
    quiet: timedelta = timedelta()
    max_wait: timedelta = timedelta(hours=1)
    max_members: int = 10_000
    until: str | None = None
    settle: timedelta = timedelta(minutes=5)
    at_max_wait: Literal["launch", "reject"] = "launch"
    bad_member: Literal["drop", "reject"] = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """At most `limit` runs at once per value of `key`; what arrives meanwhile gathers (`coalesce`) or queues."""

    limit: int = 1
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """At most `limit` launches in any `per`; over it, they are held."""

    limit: int
    per: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class OnFailure:
    """`retry` more tries of a failed run, then its members join the next window or become dead letters."""

    retry: int = 0
    then: Literal["carry_over", "dead"] = "carry_over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """The pipeline (a name in the environment) and its parameters."""

    pipeline: str
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One declared trigger."""

    name: str
    sources: tuple[Source, ...]
    launch: Launch
    description: str = ""
    filter: str | None = None
    object_check: ObjectCheck | None = None
    window_check: WindowCheck | None = None
    window: WindowRule = field(default_factory=WindowRule)
    concurrency: Concurrency = field(default_factory=Concurrency)
    throttle: Throttle | None = None
    keep: timedelta = timedelta(days=35)
    on_failure: OnFailure = field(default_factory=OnFailure)
    mode: Literal["launch", "observe"] = "launch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Where the objects of a named store are: a bucket or container, and the prefix within it (`` or ending in `/`).

    `account` is the storage account of a Blob container, None for Cloud Storage.
    """

    kind: Literal["gcs", "blob"]
    bucket: str
    prefix: str = ""
    account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A compiled pipeline of an environment. `template` is the SHA-256 of its JSON text."""

    template: str
    root: str
    service_account: str | None = None
    caching: bool | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Shared by all triggers of an environment; None means the platform's own."""

    submit_per_minute: int | None = None
    running: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleCaller:
    """Who sends a token of Google's for this audience, as one of these service accounts (e-mail addresses)."""

    audience: str
    service_accounts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntraCaller:
    """Who sends a token of this Entra tenant for this audience, as one of these applications. UUIDs in lower case."""

    tenant: str
    audience: str
    apps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCaller:
    """Who sends the secret that the environment variable named `setting` holds."""

    setting: str


Caller: TypeAlias = GoogleCaller | EntraCaller | KeyCaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One cloud, one ledger, and the addresses, identities, limits and variables for the same trigger files.

    `callers`: "platform" has checked them already, or any of these may call; of none, only programs on loopback may.
    `endpoints` replaces a service's public address ("storage", "vertex", "metadata"): the emulator's way in. The
    addresses of issuers' public keys are "google_certs" and "entra_certs".
    """

    name: str
    cloud: Literal["gcp"]
    project: str
    location: str
    ledger: str
    vars: Mapping[str, Json] = field(default_factory=dict)
    stores: Mapping[str, Store] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    pipelines: Mapping[str, Pipeline] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    callers: Literal["platform"] | tuple[Caller, ...] = ()
    endpoints: Mapping[str, str] = field(default_factory=dict)
