"""`retrigger decode`: raw payloads to canonical events. Needs no project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrigger.cli.errors import NO
from retrigger.cli.payloads import events_of, payload_options, payloads, read_headers
from retrigger.cli.render import Format, examples, field, format_option, json_line, paint, say, visible
from retrigger.triggers.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Json


@click.command(
    epilog=examples(
        "retrigger decode payload.json",
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
    """Raw payloads to canonical events: CloudEvents, Pub/Sub pushes, storage notifications.

    Each FILE holds one request body; a folder stands for every file below it, `-` or nothing for standard input.
    Exit code 1 if any is malformed.
    """
    headers = read_headers(headers_file)
    malformed = False
    for payload in payloads(files or (Path("-"),)):
        try:
            events = [event.to_json() for event in events_of(payload, headers, route)]
        except Malformed as error:
            malformed = True
            if form == "json":
                json_line({"error": {"code": error.code, "message": str(error)}})
            else:
                say(f"{visible(payload.name)}: {paint('rejected')}: {error.code}: {visible(str(error))}")
            continue
        for event in events:
            if form == "json":
                json_line(event)
            else:
                _show(payload.name, event)
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
