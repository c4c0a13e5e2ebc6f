"""`retrigger decode`: raw payloads to canonical events. Needs no project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrigger.cli.errors import NO
from retrigger.cli.payloads import payload_options, payloads, read_headers, read_payload, say_no_event
from retrigger.cli.render import Format, examples, field, format_option, json_line, say, visible
from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats.wire import Handshake

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Json


@click.command(
    epilog=examples(
        "retrigger decode payload.json",
        "retrigger decode --headers headers.json --route pubsub/projects/P/topics/T payload.json",
        "gcloud pubsub subscriptions pull SUB --format json | jq '.[0]' | retrigger decode --format json",
    )
)
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(exists=True, allow_dash=True, path_type=Path))
@payload_options
@format_option
@click.pass_context
def decode(
    ctx: click.Context, files: tuple[Path, ...], headers_file: Path | None, route: str | None, form: Format
) -> None:
    """Raw payloads to canonical events.

    CloudEvents, Pub/Sub, Cloud Storage, audit logs, Event Grid, Blob Storage, Azure ML, queues, timers. Each FILE
    holds one request body; a folder stands for every file below it, `-` or nothing for standard input. Exit code 1 if
    any is malformed.
    """
    headers = read_headers(headers_file)
    malformed = False
    for payload in payloads(files or (Path("-"),)):
        for found in read_payload(payload, headers, route):
            malformed = malformed or isinstance(found, Malformed)
            if isinstance(found, Malformed | Handshake):
                say_no_event(payload.name, found, form)
            elif form == "json":
                json_line(found.to_json())
            else:
                _show(payload.name, found.to_json())
    if malformed:
        ctx.exit(NO)


def _show(name: str, event: Mapping[str, Json]) -> None:
    kind = str(event["kind"])
    say(f"{visible(name)}: {click.style(kind, bold=True)} event")
    own = {key: value for key, value in event.items() if key not in {"kind", kind}}
    payload = event[kind]
    assert isinstance(payload, dict)
    for key, value in {**own, **{f"{kind}.{key}": value for key, value in payload.items()}}.items():
        if value is not None:
            field(key, str(value))
