"""`retrigger why`: the whole chain behind an event, a window or a run; or why there is none."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from retrigger.cli import pausing
from retrigger.cli.errors import NO, No
from retrigger.cli.local import Remote, compiled_of, ledger_at, ledger_option, state_of, state_option, with_live_tasks
from retrigger.cli.payloads import Payload, read_payload
from retrigger.cli.places import Stored, place_of, stored
from retrigger.cli.registered import models_of
from retrigger.cli.render import (
    Format,
    Node,
    count,
    dim,
    examples,
    format_option,
    json_line,
    metrics_line,
    paint,
    say,
    time_of,
    tree,
    verdict_line,
    visible,
)
from retrigger.cli.unclaimed import Reason, object_event, reasons
from retrigger.handlers.journal import Journal
from retrigger.local_emulator.claim import running
from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats.wire import MAX_BODY, Handshake

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrigger.cli.payloads import Found
    from retrigger.cli.places import Target
    from retrigger.handlers.journal import EventView, RunView
    from retrigger.local_emulator.state import State
    from retrigger.triggers.event import Event

_SHOWN: Final = 10


@click.command(
    epilog=examples(
        "retrigger why gs://acme-dev-landing/churn/dt=2026-11-20/part-1.csv",
        "retrigger why churn-retrain-5f1c…      a run; an event's or a window's id will do, too",
        "retrigger why payload.json             the events of a payload",
    )
)
@click.argument("target", metavar="ID|URI|FILE")
@state_option
@ledger_option
@format_option
@click.pass_context
def why(ctx: click.Context, target: str, folder: Path | None, ledger: str | None, form: Format) -> None:
    """The whole chain: event, verdicts, window, run, tasks, model. Exit code 1 if nothing claimed it.

    What the ledger does not know is matched against the compiled project again, to say why no trigger claimed it.
    """
    journal = Journal(ledger_at(folder, ledger))
    if (chain := journal.why(target)) is not None:
        _show_chain(chain, journal, None if ledger else state_of(folder), form)
        return
    state = state_of(folder)
    for event in _events(state, target):
        known = journal.why(event.id) if event.id else None
        if known is not None:
            _show_chain(known, journal, state, form)
        else:
            _show_unclaimed(target, list(reasons(compiled_of(state), event)), form)
            ctx.exit(NO)


def _events(state: State, target: str) -> list[Event]:
    """What the target may have announced. Raises No if it is nothing that can be looked at."""
    if (place := place_of(target)) is not None:
        return [object_event(place, _stored(state, place))]
    if Path(target).is_file():
        with Path(target).open("rb") as file:
            found = read_payload(Payload(target, file.read(MAX_BODY + 1)), {}, None)
        return [_event(each, target) for each in found]
    raise No(
        f"The ledger knows no event, window or run `{target}`: `retrigger events` and `retrigger runs` list them. "
        "For an object name its URI, gs://BUCKET/NAME or https://ACCOUNT.blob.core.windows.net/CONTAINER/NAME."
    )


def _event(found: Found, target: str) -> Event:
    match found:
        case Malformed() as error:
            raise error
        case Handshake():
            raise No(f"{target} is a handshake, no event: nothing is decided on it.")
        case _:
            return found


def _stored(state: State, place: Target) -> Stored:
    """What the emulator says of an object, nothing if it does not run. Raises No if there is no such object."""
    process = running(state)
    if process is None:
        return Stored()
    try:
        return stored(Remote.at(process), place)
    except No as error:
        raise No(f"{place.uri} is not in the emulator: {error.message}") from error


def _show_chain(chain: Mapping[str, Any], journal: Journal, state: State | None, form: Format) -> None:
    """`state`: whose emulator can be asked for tasks and models; None: only the ledger was named."""
    runs: list[RunView] = with_live_tasks(state, journal, chain["runs"]) if state else chain["runs"]
    models = models_of(state, runs) if state else {}
    if form == "json":
        events = [asdict(event) for event in chain["events"]]
        told = [{**asdict(run), "models": models.get(run.job, [])} for run in runs]
        pauses = [asdict(pause) for pause in chain["pauses"]]
        json_line({**chain, "events": events, "runs": told, "pauses": pauses})
        return
    below = [Node(paint("wait") + f": {pausing.told(pause)}") for pause in chain["pauses"]]
    below += _some([_event_node(event) for event in chain["events"]], "events")
    below += [_window_node(name, window) for name, window in chain["windows"].items()]
    below += [_run_node(run, models.get(run.job, [])) for run in runs]
    tree(Node(click.style(visible(chain["target"]), bold=True), below))


def _event_node(event: EventView) -> Node:
    subject = visible(event.subject) if event.parent is None else f"the end of run {event.parent}"
    line = f"event {visible(event.id)}  {subject}  {dim(f'seen {time_of(event.seen)}')}"
    verdicts = [Node(verdict_line(verdict)) for verdict in event.verdicts]
    return Node(line, [Node(f"{event.trigger}: {paint(event.result)}", verdicts)])


def _window_node(name: str, window: Mapping[str, Any]) -> Node:
    if window["state"] == "open":
        return Node(f"window {name}  {paint('wait')}: open, with {count(window['members'], 'member')} so far")
    rows = "" if window["rows"] is None else f", {count(window['rows'], 'row')}"
    said = [Node(verdict_line(verdict)) for verdict in window["verdicts"]]
    uris = _some([Node(visible(uri)) for uri in window["uris"]], "members")
    line = f"window {name}  {window['state']} ({window['cause']}): {count(window['members'], 'member')}{rows}"
    return Node(line, [*said, *uris])


def _run_node(run: RunView, models: Sequence[str]) -> Node:
    below = [Node(f"replay of run {run.replay_of}")] if run.replay_of else []
    below += [Node(f"parameter {name} = {visible(str(value))}") for name, value in run.parameters.items()]
    if run.window is None:  # those of a window's run stand under the window
        below += [Node(verdict_line(verdict)) for verdict in run.verdicts]
    below += [Node(f"task {visible(name)}: {paint(state)}") for name, state in run.tasks.items()]
    if run.metrics:
        below.append(Node(f"metrics {metrics_line(run.metrics)}"))
    if run.error:
        below.append(Node(f"error {visible(run.error)}"))
    below += [Node(f"model {visible(model)}") for model in models]
    below += [_unchained_node(said) for said in run.chained if said["result"] == "ignored"]
    launched = f"launched {time_of(run.launched)}" if run.launched else "not launched"
    times = launched + (f", ended {time_of(run.ended)}" if run.ended else "")
    return Node(f"run {run.id}  {paint(run.state)}  {dim(times)}", below)


def _unchained_node(said: Mapping[str, Any]) -> Node:
    """Who listens to its end and let it go; what others made of it stands at its event."""
    verdicts = [Node(verdict_line(verdict)) for verdict in said["verdicts"]]
    return Node(f"its end: {said['trigger']}: {paint(said['result'])}", verdicts)


def _some(nodes: list[Node], what: str) -> list[Node]:
    if len(nodes) <= _SHOWN:
        return nodes
    return [*nodes[:_SHOWN], Node(dim(f"and {len(nodes) - _SHOWN:,} more {what}; --format json has them all"))]


def _show_unclaimed(target: str, found: list[Reason], form: Format) -> None:
    if form == "json":
        unclaimed = [asdict(reason) for reason in found]
        json_line({"target": target, "events": [], "windows": {}, "runs": [], "unclaimed": unclaimed})
        return
    say(f"{visible(target)}: no trigger claimed it.")
    for reason in found:
        say(f"  {reason.trigger}: {reason.code}: {visible(reason.message)}")
