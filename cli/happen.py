"""`retrigger drop`, `publish`, `fire`, `clock`: make things happen on the emulator."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from retrigger.cli.errors import No, Usage
from retrigger.cli.local import Remote, compiled_of, known_trigger, state_of, state_option
from retrigger.cli.places import targets, upload
from retrigger.cli.render import Format, examples, format_option, json_line, say, time_of, visible
from retrigger.triggers.authoring.wording import closest

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.local_emulator.state import State

    Command = Callable[..., Any]


def env_option(command: Command) -> Command:
    """Named by the design for real clouds; refused in words until they can be reached."""

    def refuse(_ctx: click.Context, _option: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise Usage(f"This version reaches the emulator only, not `{value}`: leave --env out.")

    told = "Not yet: this version reaches the emulator only."
    return click.option("--env", metavar="NAME", callback=refuse, expose_value=False, help=told)(command)


@click.command(
    epilog=examples(
        "retrigger drop data.csv gs://acme-dev-landing/churn/dt=2026-11-20/",
        "retrigger drop part-*.csv _SUCCESS gs://acme-dev-landing/churn/dt=2026-11-20/",
        "retrigger drop data.csv https://acmeprod.blob.core.windows.net/landing/churn/",
    )
)
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.argument("uri")
@state_option
@env_option
@format_option
def drop(files: tuple[Path, ...], uri: str, folder: Path | None, form: Format) -> None:
    """Upload files to a bucket or container, in their order.

    A URI that ends in `/` is a folder: the files keep their names.
    """
    wanted = list(targets(files, uri))
    emulator = Remote.of(state_of(folder))
    for file, to in wanted:
        stored = upload(emulator, file, to)
        if form == "json":
            json_line(stored)
            continue
        version = f"generation {stored['generation']}" if "generation" in stored else f"ETag {stored['etag']}"
        say(f"{visible(to.uri)}  {stored['size']:,} bytes, {version}")


@click.command(
    epilog=examples(
        """retrigger publish retrain-requests '{"request_id": "a1", "as_of": "2026-11-20"}'""",
        "retrigger publish retrain-requests @request.json --attribute team=growth",
    )
)
@click.argument("channel")
@click.argument("message", metavar="[JSON|@FILE|-]", default="")
@click.option("--attribute", "attributes", metavar="KEY=VALUE", multiple=True, help="May be given several times.")
@state_option
@env_option
@format_option
def publish(channel: str, message: str, attributes: tuple[str, ...], folder: Path | None, form: Format) -> None:
    """Publish a message on a channel of the project, or at an address (projects/P/topics/T, sb://…, https://…).

    JSON is checked for being JSON; a file, or standard input, is sent as it is.
    """
    body = _body(message)
    labels = dict(_attribute(text) for text in attributes)
    state = state_of(folder)
    emulator = Remote.of(state)
    topic = _topic(state, channel)
    content = {"data": base64.b64encode(body).decode("ascii"), "attributes": labels}
    if topic.startswith("projects/"):
        answer = emulator.call("POST", f"/v1/{quote(topic)}:publish", json.dumps({"messages": [content]}).encode())
        (message_id,) = answer["messageIds"]
    else:
        message_id = emulator.control("POST", "/publish", {"address": topic, **content})["id"]
    if form == "json":
        json_line({"topic": topic, "id": message_id})
    else:
        say(f"{topic}  message {message_id}")


def _body(message: str) -> bytes:
    if message == "-":
        return sys.stdin.buffer.read()
    if message.startswith("@"):
        return Path(message[1:]).read_bytes()
    if message:
        try:
            json.loads(message)
        except (ValueError, RecursionError) as error:
            raise click.UsageError(f"The message is not JSON: {error}. Quote it, or send a file with @FILE.") from error
    return message.encode()


def _attribute(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.UsageError(f"`{text}` is no attribute: write KEY=VALUE.")
    return key, value


def _topic(state: State, channel: str) -> str:
    channels = compiled_of(state).environment.channels
    if channel in channels:
        return channels[channel].address
    if channel.startswith(("projects/", "sb://", "https://")):
        return channel
    known = ", ".join(f"`{name}`" for name in channels) or "none"
    raise No(f"There is no channel `{channel}`{closest(channel, channels)}: the project has {known}.")


@click.command(epilog=examples("retrigger fire churn-retrain"))
@click.argument("trigger")
@state_option
@env_option
def fire(trigger: str, folder: Path | None) -> None:
    """Let a trigger's schedule strike now, whatever its cron says."""
    state = state_of(folder)
    emulator = Remote.of(state)
    known_trigger(compiled_of(state), trigger)
    emulator.control("POST", f"/fire/{quote(trigger, safe='')}")
    say(f"{trigger} was fired; `retrigger events` shows what came of it.")


@click.group(epilog=examples("retrigger clock advance 2h", "retrigger clock now"))
def clock() -> None:
    """Read the emulator's clock, or wind it: windows close, schedules strike, retries become due."""


@clock.command(epilog=examples("retrigger clock now"))
@state_option
@format_option
def now(folder: Path | None, form: Format) -> None:
    """The emulator's time."""
    told = Remote.of(state_of(folder)).control("GET", "/status")
    if form == "json":
        json_line({"now": told["now"], "wound_s": told["wound_s"]})
    else:
        say(time_of(told["now"]))


@clock.command(epilog=examples("retrigger clock advance 2h", "retrigger clock advance 1d12h"))
@click.argument("duration")
@state_option
@env_option
@format_option
def advance(duration: str, folder: Path | None, form: Format) -> None:
    """Wind the clock forward by DURATION (30m, 6h, 1h30m, 2d). It never goes back."""
    from pydantic_core import PydanticCustomError

    from retrigger.triggers.authoring.fields import duration as read

    try:
        seconds = read(duration).total_seconds()
    except PydanticCustomError as error:
        raise click.UsageError(f"`{duration}` {error.message()}.") from error
    told = Remote.of(state_of(folder)).control("POST", "/clock:advance", {"seconds": seconds})
    if form == "json":
        json_line(told)
    else:
        say(f"It is {time_of(told['now'])} now.")
