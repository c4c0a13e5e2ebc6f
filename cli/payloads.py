"""Raw payloads from files, folders and standard input, and the headers that they came with."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrigger.cli.canonical import is_canonical, read_event
from retrigger.cli.render import json_line, paint, say, visible
from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats import parse
from retrigger.triggers.formats.wire import MAX_BODY, Handshake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from retrigger.cli.render import Format
    from retrigger.triggers.event import Event
    from retrigger.triggers.spec import PlugIn

    Found = Event | Malformed | Handshake
    Command = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Payload:
    """One request body, and where it was read. Longer than MAX_BODY by one byte if it is too long."""

    name: str
    body: bytes


def payload_options(command: Command) -> Command:
    """How the payloads of `decode` and `explain` came."""
    command = click.option(
        "--route",
        metavar="NAME",
        help="The route they came on: events, pubsub/CHANNEL, schedule/TRIGGER, queue/CHANNEL, … (docs/events.md). "
        "Without one the headers, or else the body, must tell.",
    )(command)
    return click.option(
        "--headers",
        "headers_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Their HTTP headers, or a binding's metadata: a JSON object of name to value.",
    )(command)


def payloads(paths: Iterable[Path]) -> Iterator[Payload]:
    """One for each file; of a folder every file below it, in order of names; of `-` standard input."""
    for path in paths:
        if str(path) == "-":
            yield Payload("-", sys.stdin.buffer.read(MAX_BODY + 1))
            continue
        for file in sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]:
            with file.open("rb") as stream:
                yield Payload(str(file), stream.read(MAX_BODY + 1))


def read_headers(path: Path | None) -> Mapping[str, str]:
    """Raises UsageError unless it is a JSON object of texts."""
    if path is None:
        return {}
    try:
        headers = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{path} is not JSON ({error}): write an object of header name to value.") from error
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise click.UsageError(f"{path} is no JSON object of texts: write an object of header name to value.")
    return headers


def read_payload(
    payload: Payload, headers: Mapping[str, str], route: str | None, formats: Mapping[str, PlugIn] | None = None
) -> Sequence[Found]:
    """What the payload holds, in its order, also in a project's own `formats`. Without a time, it is received now.

    An event in canonical form is itself: so can one be tried that no sender sends, such as the end of a run.
    """
    if route is None and not headers and is_canonical(value := _json(payload.body)):
        return [_canonical(value)]
    if route is not None and route.startswith("/"):
        route = route.lstrip("/") or "events"  # the URL's path, as a function is called
    try:
        parsed = parse(headers, payload.body, route, now=datetime.now(UTC), plugins=formats)
    except Malformed as error:
        return [error]
    return [parsed] if isinstance(parsed, Handshake) else parsed


def _json(body: bytes) -> object:
    """None where it is no JSON, which the formats say better."""
    try:
        return json.loads(body) if len(body) <= MAX_BODY else None
    except (ValueError, RecursionError):
        return None


def _canonical(value: object) -> Found:
    try:
        return read_event(value)
    except Malformed as error:
        return error


def say_no_event(name: str, found: Malformed | Handshake, form: Format) -> None:
    """A line for what is no event."""
    match found, form:
        case Malformed() as error, "json":
            json_line({"error": {"code": error.code, "message": str(error)}})
        case Malformed() as error, _:
            say(f"{visible(name)}: {paint('rejected')}: {error.code}: {visible(str(error))}")
        case Handshake(code), "json":
            json_line({"control": "handshake", "code": code})
        case Handshake(code), _:
            say(f"{visible(name)}: {click.style('handshake', bold=True)}, to be answered with {visible(code)}")
