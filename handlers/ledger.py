"""The ledger over Records: typed access to what each record holds (`records`), notes, templates, dead letters.

Five rules that all callers keep:
R1 acknowledge if and only if there is a terminal record, or a note that a tick will list;
R2 a claim names its window before the member is written; a late writer decides from the frozen manifest alone;
R3 what is granted is rolled forward, never released;
R4 only keys that are never used again are deleted, everything else is swapped in place;
R5 only the tick judges time, and by the store's clock.
"""

from __future__ import annotations

import heapq
import secrets
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from retrigger.handlers.records import (
    ALL_TRIGGERS,
    FORMAT,
    Body,
    Claim,
    Cursor,
    Gate,
    Grants,
    Head,
    Manifest,
    Note,
    NoteKind,
    Pause,
    Rollout,
    Run,
)
from retrigger.triggers import keys
from retrigger.triggers.errors import RetriggerError
from retrigger.triggers.frozen import dataclass, names, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

    from retrigger.handlers.ports import Entry, Record, Records
    from retrigger.triggers.event import Json

_NOTE_SHARDS: Final = 8

T = TypeVar("T", bound=Body)


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A typed value and the very record that it was read from."""

    record: Record
    value: T

    @property
    def time(self) -> datetime:
        """When it was written, by the store's clock: only what was read knows it."""
        assert self.record.time is not None
        return self.record.time


class Table(Generic[T]):
    """Typed access to the records under one prefix. Fields that a newer version wrote are kept in `extra`."""

    def __init__(self, records: Records, prefix: str, kind: type[T]) -> None:
        self._records = records
        self._prefix = prefix
        self._kind = kind
        self._names = frozenset(names(kind)) - {"extra"}

    def get(self, name: str) -> Stored[T] | None:
        return self._stored(self._records.get(self._prefix + name))

    def create(self, name: str, value: T, then: Mapping[str, Mapping[str, Json]] | None = None) -> Stored[T] | None:
        """None if it exists. `then`: records of other keys to create after it if it is new."""
        return self._stored(self._records.create_all({self._prefix + name: self._body(value), **(then or {})}))

    def swap(self, old: Stored[T], value: T) -> Stored[T] | None:
        return self._stored(self._records.swap(old.record, self._body(value)))

    def update(self, name: str, change: Callable[[T], T | None], first: T | None = None) -> T | None:
        """Swap until `change` (pure, decides from content) was applied, or answers None: nothing to do."""
        while True:
            old = self.get(name)
            if old is None:
                if first is None:
                    return None
                self.create(name, first)
                continue
            value = change(old.value)
            if value is None or self.swap(old, value) is not None:
                return value

    def list(self) -> Iterator[Stored[T]]:
        for record in self._records.get_many(entry.key for entry in self._records.list(self._prefix)):
            yield self._read(record)

    def name(self, stored: Stored[T]) -> str:
        return stored.record.key.removeprefix(self._prefix)

    def _body(self, value: T) -> dict[str, Json]:
        return {name: getattr(value, name) for name in self._names} | value.extra

    def _stored(self, record: Record | None) -> Stored[T] | None:
        return None if record is None else self._read(record)

    def _read(self, record: Record) -> Stored[T]:
        known = {name: value for name, value in record.body.items() if name in self._names}
        extra = {name: value for name, value in record.body.items() if name not in self._names}
        return Stored(record, self._kind(**known, extra=extra))


class Ledger:
    """All records of one environment.

    `nonce` tells the windows of a new ledger from those of an old one in the same project.
    """

    def __init__(
        self, records: Records, environment: str, nonce: Callable[[], str] = lambda: secrets.token_hex(4)
    ) -> None:
        self.records = records
        self.nonce = nonce
        self.environment = environment
        self.claims = Table(records, "c/", Claim)
        self.heads = Table(records, "w/", Head)
        self.manifests = Table(records, "f/", Manifest)
        self.gates = Table(records, "g/", Gate)
        self.throttles = Table(records, "t/", Grants)
        self.runs = Table(records, "r/", Run)
        self.rollouts = Table(records, "o/", Rollout)
        self.cursors = Table(records, "s/", Cursor)
        self.pauses = Table(records, "p/", Pause)

    def begin(self) -> None:
        """Make sure that this version can keep the ledger: its format is set now, or is one that we know.

        Raises RetriggerError `ledger_format`.
        """
        meta = self.records.get("meta") or self.records.create("meta", {"format": FORMAT, "id": secrets.token_hex(8)})
        meta = meta or self.records.get("meta")
        kept = meta.body.get("format") if meta else None
        if kept != FORMAT:
            message = f"the ledger's format is {kept}, and this version keeps format {FORMAT}: use a newer retrigger"
            raise RetriggerError(message, code="ledger_format")

    def is_at(self, other: Ledger) -> bool:
        """Whether the other is this one, however each was addressed."""
        mine, theirs = (ledger.records.get("meta") for ledger in (self, other))
        return mine is not None and theirs is not None and mine.body.get("id") == theirs.body.get("id")

    def now_ms(self) -> int:
        return to_ms(self.records.now())

    def claim_name(self, trigger: str, identity: str) -> str:
        name = keys.digest(trigger, identity)
        return f"{name[:2]}/{name}"

    def paused(self, trigger: str) -> tuple[bool, int]:
        """(is it paused, by itself or with all others; since when clocks may run in ms)."""
        found = [stored.value for name in (ALL_TRIGGERS, trigger) if (stored := self.pauses.get(name))]
        return any(pause.paused for pause in found), max((pause.at_ms for pause in found), default=0)

    def _write(self, note: Note) -> None:
        body: dict[str, Json] = {
            "kind": note.kind,
            "id": note.id,
            "trigger": note.trigger,
            "first_ms": note.first_ms,
        }
        self.records.create(note.key, body)

    def note(self, kind: NoteKind, subject: str, trigger: str, at_ms: int, since_ms: int | None = None) -> Note:
        """Write the first note of a piece of work: it is listed from now on, and due at `at_ms`.

        `since_ms`: since when the work waits, where that is not the same; of what is due at once the oldest is first.
        """
        since_ms = at_ms if since_ms is None else since_ms
        note = Note(_note_key(kind, subject, at_ms, since_ms), at_ms, kind, subject, trigger, since_ms)
        self._write(note)
        return note

    def noted(self, kinds: Container[str]) -> Iterator[str]:
        """What notes of these kinds are about, due or not. For people, not for the hot path: lists every note."""
        for entry in self.records.list("due/"):
            kind, _, subject = entry.key.split(".", 2)[2].partition(".")
            if kind in kinds:
                yield subject

    def reschedule(self, note: Note, at_ms: int) -> None:
        """Create the later note, then delete this one. Two ticks that agree on `at_ms` leave one note, not two."""
        if at_ms > note.at_ms:
            key = _note_key(note.kind, note.id, at_ms, note.first_ms)
            self._write(replace(note, key=key, at_ms=at_ms))
            self.records.delete([note.key])

    def due_notes(self, now_ms: int) -> Iterator[Note]:
        """Notes that are due, in the order in which they fell due. Costs a list a shard, whatever the backlog.

        What a tick could not get to comes first in the next: what it did get to is due later than that by now. Reads
        on as notes are asked for: a backlog of any length is worked through in constant memory.
        """
        shards = (self.records.list(f"due/{shard}/") for shard in range(_NOTE_SHARDS))
        due = (takewhile(lambda it: _times(it)[0] <= now_ms, shard) for shard in shards)
        for entry in heapq.merge(*due, key=_times):  # keys begin with the times: each shard is in order already
            note = self.read_note(entry)
            if note is not None:
                yield note

    def read_note(self, entry: Entry) -> Note | None:
        record = self.records.get(entry.key)
        if record is None:
            return None  # another tick has finished it
        at_ms, _ = _times(entry)
        body: Mapping[str, Any] = record.body
        return Note(entry.key, at_ms, body["kind"], body["id"], body["trigger"], body["first_ms"])

    def finish(self, note: Note) -> None:
        self.records.delete([note.key])

    def keep_template(self, template: str, content: Mapping[str, Json]) -> None:
        """Keep a compiled pipeline under its hash, so that a frozen request outlives the deployment that froze it."""
        self.records.create(f"q/{template}", {"template": dict(content)})

    def template(self, template: str) -> Mapping[str, Json] | None:
        record = self.records.get(f"q/{template}")
        content = record.body["template"] if record else None
        return content if isinstance(content, dict) else None

    def bury(self, what: str, reason: str, body: Mapping[str, Json]) -> None:
        """Write a dead letter: create-only, named by what died, so that trying again adds at most one a day."""
        now = self.records.now()
        name = f"d/{now:%Y-%m-%d}/{keys.digest(what)}"
        self.records.create(name, {"what": what, "reason": reason, "at_ms": to_ms(now), **body})


def on_grid(now_ms: int, delay_ms: int) -> int:
    """`now + delay`, rounded down to a grid, so that ticks that overlap write the same note."""
    return max((now_ms + delay_ms) // _GRID_MS * _GRID_MS, now_ms + 1)


def to_ms(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(milliseconds=1)


def from_ms(value: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=value)


def _note_key(kind: NoteKind, subject: str, at_ms: int, first_ms: int) -> str:
    shard = int(keys.digest(subject)[:2], 16) % _NOTE_SHARDS
    return f"due/{shard}/{at_ms:014d}.{first_ms:014d}.{kind}.{subject}"


def _times(entry: Entry) -> tuple[int, int]:
    """When a note is due, and since when its work waits, in ms: a key says both, so that a list is enough to order."""
    at_ms, first_ms, _ = entry.key.split("/", 2)[2].split(".", 2)
    return int(at_ms), int(first_ms)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GRID_MS: Final = 30_000
