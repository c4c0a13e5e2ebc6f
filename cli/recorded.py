"""Events that were recorded: in a ledger, in payload files, in what `decode --format json` printed. One at a time."""

from __future__ import annotations

import hashlib
import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from retrigger.cli.canonical import is_canonical, read_event
from retrigger.cli.errors import Usage
from retrigger.cli.local import ledger_at
from retrigger.cli.payloads import Payload, payloads, read_payload
from retrigger.local_emulator.state import State
from retrigger.triggers.archive import is_whole
from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats.wire import MAX_BODY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.cli.payloads import Found
    from retrigger.handlers.ledger import Ledger
    from retrigger.triggers.event import Event

_MAX_LINE: Final = 8 * MAX_BODY
"""A canonical event holds its body twice, in base64 and parsed with escapes."""
_NOT_KEPT: Final = "its trigger's `archive` or `redact`, or `retrigger forget`, left no more than a part of it"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a source holds, and where."""

    place: str
    found: Found


def recorded(source: str) -> Iterator[Recorded]:
    """Everything that a source holds: `sqlite:PATH`, a state folder, a file or folder of payloads, or `-`.

    A file whose first line is one that `decode --format json` prints is read line by line. Raises Usage if there is
    no such source.
    """
    if source.startswith("sqlite:") or "://" in source:
        yield from _of_ledger(source, ledger_at(None, source))
        return
    path = Path(source)
    if path.is_dir() and State(path).ledger.is_file():
        yield from _of_ledger(source, ledger_at(None, f"sqlite:{State(path).ledger}"))
    elif path.is_dir():
        for payload in payloads([path]):
            yield from _of_payload(payload)
    elif source == "-" or path.is_file():
        yield from _of_file(source)
    else:
        raise Usage(f"There is nothing at {source}: name a ledger (sqlite:PATH), a state folder, or files of events.")


class Once:
    """Tells an event that was met before: triggers claim the same one each for itself. Sixteen bytes are kept of it."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def first(self, event: Event) -> bool:
        name = hashlib.blake2b(event.identity.encode(), digest_size=16).digest()
        new = name not in self._seen
        self._seen.add(name)
        return new


def _of_ledger(source: str, ledger: Ledger) -> Iterator[Recorded]:
    for claim in ledger.claims.list():
        event = claim.value.event
        found = _event(event) if is_whole(event) else Malformed(_NOT_KEPT, code="event_not_kept")
        yield Recorded(f"{source}: {claim.record.key}", found)


def _of_payload(payload: Payload) -> Iterator[Recorded]:
    for found in read_payload(payload, {}, None):
        yield Recorded(payload.name, found)


def _of_file(source: str) -> Iterator[Recorded]:
    with _opened(source) as stream:
        first = stream.readline(_MAX_LINE + 1)
        if _is_decoded(first):
            yield from _of_lines(source, first, stream)
        else:
            yield from _of_payload(Payload(source, first + stream.read(max(0, MAX_BODY + 1 - len(first)))))


@contextmanager
def _opened(source: str) -> Iterator[IO[bytes]]:
    if source == "-":
        yield sys.stdin.buffer
        return
    with Path(source).open("rb") as stream:
        yield stream


def _of_lines(source: str, first: bytes, stream: IO[bytes]) -> Iterator[Recorded]:
    at, line = 1, first
    while line:
        place = f"{source}:{at}"
        if len(line) > _MAX_LINE:
            yield Recorded(place, Malformed(f"The line is over {_MAX_LINE} bytes.", code="too_large"))
            return  # where the next one begins is anybody's guess
        if line.strip():
            yield Recorded(place, _of_line(line))
        at, line = at + 1, stream.readline(_MAX_LINE + 1)


def _of_line(line: bytes) -> Found:
    try:
        value = _json(line)
    except ValueError as error:
        return Malformed(f"it is not JSON ({error})", code="bad_json")
    if isinstance(value, dict) and isinstance(told := value.get("error"), dict):
        return Malformed(str(told.get("message")), code=str(told.get("code")))
    if isinstance(value, dict) and "control" in value:
        return Malformed("it is a handshake, no event", code="handshake")
    return _event(value)


def _event(value: object) -> Found:
    try:
        return read_event(value)
    except Malformed as error:
        return error


def _is_decoded(line: bytes) -> bool:
    try:
        value = _json(line)
    except ValueError:
        return False
    if not isinstance(value, dict):
        return False
    return set(value) in ({"error"}, {"control", "code"}) or is_canonical(value)


def _json(line: bytes) -> object:
    try:
        return json.loads(line)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
