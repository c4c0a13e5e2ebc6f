"""Event: one occurrence in canonical form, whatever wire format it came in."""

from __future__ import annotations

import base64
import json
from dataclasses import field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

Change = Literal["created", "deleted", "archived", "metadata", "renamed"]
Kind = Literal["object", "message", "schedule", "lifecycle"]
Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """A stored object changed. `name` is exact (never unquoted), `version` a generation or eTag, `size` in bytes.

    `complete` is false for a folder marker and for a file that is announced before it is written.
    """

    store: Literal["gcs", "blob"]
    account: str | None
    bucket: str
    name: str
    version: str
    sequencer: str | None = None
    size: int | None = None
    content_type: str | None = None
    checksum: str | None = None
    change: Change = "created"
    complete: bool = True
    uri: str

    @property
    def place(self) -> str:
        """Where it lies, as a reader of objects is told: the bucket, or ACCOUNT/CONTAINER."""
        return self.bucket if self.account is None else f"{self.account}/{self.bucket}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message arrived on a channel. `json` is the parsed body, or None where the body is no JSON."""

    channel: str
    id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    json: Json = None
    ordering_key: str | None = None
    published: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A clock struck for the trigger `name`. Only a wake-up: the ledger's cursor decides what is due."""

    name: str
    scheduled_for: datetime
    past_due: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Something happened to a run, model, endpoint or table of a platform."""

    platform: Literal["azureml", "vertex", "bigquery"]
    resource: str
    name: str
    version: str | None = None
    status: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, Json] = field(default_factory=dict)


FIRED = "dev.retrigger.schedule.fired.v1"
"""The type of a schedule event that names one due time; any other schedule event is a wake-up."""
ENDED: Final = "dev.retrigger.run.ended.v1"
"""The type of the end of one of our own runs. Only a tick makes such an event: no format reads one."""

Payload: TypeAlias = Object | Message | Schedule | Lifecycle
_KINDS: dict[type, Kind] = {Object: "object", Message: "message", Schedule: "schedule", Lifecycle: "lifecycle"}
_CLASSES: dict[Kind, Any] = {kind: cls for cls, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A CloudEvent 1.0 in canonical form. `time` is aware UTC; `attempt` is 1 on the first delivery, if known.

    `notes` are stable codes for what the format had to decide where the wire contradicts itself or leaves a gap.
    """

    id: str
    source: str
    type: str
    time: datetime
    subject: str | None
    payload: Payload
    attempt: int = 1
    traceparent: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        return _KINDS[type(self.payload)]

    @property
    def identity(self) -> str:
        """What makes two deliveries the same occurrence: JSON text, unbounded, hashed before it names anything.

        A change of metadata keeps the version, so its sequencer counts too; a file that is only announced is not the
        file. A message with a subject is a CloudEvent of its sender's own type: source, id and subject name it.
        """
        match self.payload:
            case Object() as it:
                parts = [it.store, it.account, it.bucket, it.name, it.version, it.change]
                parts += [it.sequencer] if it.change == "metadata" else []
                parts += [] if it.complete else ["incomplete"]
            case Message() as it:
                parts = [folded(it.channel), it.id]
                parts += [] if self.subject is None else [self.subject]
            case Schedule() as it:
                parts = [it.name, it.scheduled_for.isoformat()]
            case Lifecycle() as it:
                parts = [it.platform, folded(it.resource), it.name, it.version, it.status]
        return json.dumps([self.kind, *parts])

    def scope(self) -> dict[str, object]:
        """The variable `event` of expressions: nested mappings, times as datetimes, absent values left out."""
        payload = {name: getattr(self.payload, name) for name in self.payload.__slots__}
        own = {name: getattr(self, name) for name in ("id", "source", "type", "time", "subject", "kind", "attempt")}
        return {**_present(own), self.kind: _present(payload)}

    def to_json(self) -> dict[str, Json]:
        """The canonical form that `decode` prints: times as RFC 3339 with `Z`, bodies in base64, absent values null."""
        payload = {name: _plain(getattr(self.payload, name)) for name in self.payload.__slots__}
        notes: dict[str, Json] = {"notes": [*self.notes]} if self.notes else {}
        return {
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "time": rfc3339(self.time),
            "subject": self.subject,
            "kind": self.kind,
            "identity": self.identity,
            "attempt": self.attempt,
            self.kind: payload,
            **notes,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Event:
        """The inverse of `to_json`, for events that a ledger kept."""
        kind = _CLASSES[value["kind"]]
        payload = kind(**{name: _typed(name, field) for name, field in value[value["kind"]].items()})
        return cls(
            id=value["id"],
            source=value["source"],
            type=value["type"],
            time=datetime.fromisoformat(value["time"]),
            subject=value["subject"],
            payload=payload,
            attempt=value["attempt"],
            notes=tuple(value.get("notes", ())),
        )


def folded(address: str) -> str:
    """An address for comparison: Azure's resource ids and Service Bus's entities are the same in any case."""
    lower = address.lower()
    return lower if lower.startswith(("/subscriptions/", "sb://")) else address


def rfc3339(time: datetime) -> str:
    """UTC with `Z`; fractions of a second only where there are any."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _present(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _typed(name: str, value: Json) -> Any:
    """A payload's field from its JSON form: only times and bodies have another."""
    if value is None:
        return None
    if name in {"published", "scheduled_for"}:
        return datetime.fromisoformat(str(value))
    return base64.b64decode(str(value)) if name == "body" else value


def _plain(value: object) -> Json:
    match value:
        case datetime():
            return rfc3339(value)
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case _:
            return value  # type: ignore[return-value]  # every other payload field is JSON already
