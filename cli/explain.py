"""`retrigger explain`: a dry run."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from retrigger.cli.errors import NO
from retrigger.cli.payloads import payload_options, payloads, read_headers, read_payload, say_no_event
from retrigger.cli.render import (
    Format,
    count,
    examples,
    field,
    format_option,
    json_line,
    paint,
    say,
    verdict_line,
    visible,
)
from retrigger.cli.routes import with_address
from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats.wire import Handshake

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from retrigger.cli.dry_run import Explanation
    from retrigger.cli.unclaimed import Reason
    from retrigger.handlers.jobs import Request
    from retrigger.triggers.compiled import Compiled


_SHOWN: Final = 10


@click.command(
    epilog=examples(
        "retrigger explain --env dev payload.json",
        "retrigger explain --full events/*.json",
        "retrigger explain --route pubsub/requests push.json",
        "retrigger explain --route servicebus/requests --headers message-id.json message.json",
    )
)
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, allow_dash=True, path_type=Path)
)
@payload_options
@click.option("--env", "environment", metavar="NAME", help="Default: the first one.")
@click.option("--project", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@click.option("--full", is_flag=True, help="Print the pipeline inside the request, too.")
@format_option
@click.pass_context
def explain(
    ctx: click.Context,
    *,
    files: tuple[Path, ...],
    headers_file: Path | None,
    route: str | None,
    environment: str | None,
    project: Path,
    form: Format,
    full: bool,
) -> None:
    """What each event would launch, and why: verdicts, identity, run id, and the exact request. Sends nothing.

    Each FILE holds one request body, as for `decode`, or one event as `decode --format json` prints it. Every event is
    judged by itself, over an empty ledger: slots are free, windows close at once, and the data is not read. Exit code 0
    if something would launch.
    """
    from retrigger.cli.dry_run import explain_event
    from retrigger.cli.unclaimed import reasons

    headers, compiled = read_headers(headers_file), _compiled(project, environment)
    route = with_address(route, compiled.environment)
    launched = False
    for payload in payloads(files):
        for event in read_payload(payload, headers, route, compiled.environment.formats):
            if isinstance(event, Malformed | Handshake):
                say_no_event(payload.name, event, form)
                continue
            for found in explain_event(compiled, event):
                launched = launched or found.result == "launched"
                if form == "json":
                    json_line(asdict(found))
                else:
                    _show(payload.name, found, full=full)
                    if found.trigger is None:
                        _show_listeners(reasons(compiled, event))
    if not launched:
        ctx.exit(NO)


def _compiled(folder: Path, environment: str | None) -> Compiled:
    from retrigger.triggers.authoring.compile import compile_project, named
    from retrigger.triggers.authoring.project import find_root, load_project
    from retrigger.triggers.compiled import load

    project = load_project(find_root(folder))
    name = environment or next(iter(project.environments), "")
    return load(compile_project(project, named(project, name)))


def _show(name: str, found: Explanation, *, full: bool) -> None:
    who = f"{click.style(found.trigger, bold=True)}: " if found.trigger else ""
    say(f"{visible(name)}: {who}would be {paint(found.result)}")
    for verdict in found.verdicts:
        say(f"  {verdict_line(verdict)}")
    for read, seen in found.saw.items():
        field("filter saw", f"{read} = {seen}")
    for label, value in (
        ("identity", found.identity),
        ("window", found.window),
        ("window key", found.window_key),
        ("run", found.run),
    ):
        if value:
            field(label, value)
    for member in found.members[:_SHOWN]:
        waits = "" if member.window_key is None else f", window key {member.window_key or '(none)'}"
        field("names", f"{member.uri}: {member.result}{waits}")
        for verdict in member.verdicts:
            say(f"    {verdict_line(verdict)}")
    if len(found.members) > _SHOWN:
        field("names", f"and {len(found.members) - _SHOWN:,} more; --format json has them all")
    for value in found.not_checked:
        field("not checked", value)
    if found.waits is not None:
        field("waits", found.waits)
    if found.request is None and found.parameters is not None:
        field("parameters", json.dumps(found.parameters, ensure_ascii=False))
    if found.request is not None:
        _show_request(found.request, full=full)
    for number, step in enumerate(found.steps, 1):
        field(f"step {number}", step)


def _show_listeners(found: Iterable[Reason]) -> None:
    """What the first of the triggers listen to, where none listens to the event."""
    for reason in islice(found, _SHOWN):
        field(str(reason.trigger), visible(reason.message))


def _show_request(request: Request, *, full: bool) -> None:
    """What is sent, after what is sent before it."""
    for before in request.first:
        _show_request(before, full=full)
    say(f"  {request.method} {request.url}")
    body = request.body if full else _in_short(request.body)
    for line in json.dumps(body, indent=2, ensure_ascii=False).splitlines():
        say(f"    {visible(line)}")


def _in_short(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what the compiled pipeline says: the spec that Vertex AI is sent, the steps that Azure ML is."""
    match body:
        case {"pipelineSpec": {"pipelineInfo": {"name": name}, "root": {"dag": {"tasks": tasks}}}}:
            return {**body, "pipelineSpec": f"… {name}, {count(len(tasks), 'task')}; --full prints it …"}
        case {"properties": {"jobType": "Pipeline", "jobs": jobs} as properties}:
            return {**body, "properties": {**properties, "jobs": f"… {count(len(jobs), 'step')}; --full prints them …"}}
        case _:
            return body
