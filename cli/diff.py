"""`retrigger diff`: recorded events through old triggers and new ones."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from retrigger.cli.differences import differences
from retrigger.cli.errors import NO, Usage
from retrigger.cli.local import FOLDER, state_option
from retrigger.cli.recorded import Once, recorded
from retrigger.cli.render import (
    Format,
    count,
    dim,
    examples,
    field,
    format_option,
    json_line,
    note,
    paint,
    say,
    verdict_line,
    visible,
)
from retrigger.handlers.journal import subject_of
from retrigger.local_emulator.state import State
from retrigger.triggers.authoring.compile import compile_project, local_environment, named
from retrigger.triggers.authoring.problems import ProjectError
from retrigger.triggers.authoring.project import find_root, load_project
from retrigger.triggers.compiled import load
from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats.wire import Handshake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.cli.differences import Difference
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.compiled import Compiled
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Event, Json

_DIFFERS: Final = ("gained", "lost", "changed")
_PROGRESS: Final = 10_000
_SHOWN: Final = 200
_VALUE: Final = 120


@dataclass(frozen=True, slots=True)
class _Side:
    """Triggers, and where they are from."""

    told: str
    compiled: Compiled


@click.command(
    epilog=examples(
        "retrigger diff --from .retrigger                        what the emulator has seen, by the triggers of now",
        "retrigger diff --from events/ --old compiled-dev.json",
        "git worktree add /tmp/before main && retrigger diff --from sqlite:ledger.db --old /tmp/before",
        "retrigger decode --format json events/ | retrigger diff --from - --old compiled-dev.json",
    )
)
@click.argument("project", metavar="[DIR]", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--from",
    "sources",
    metavar="SOURCE",
    multiple=True,
    required=True,
    help="Recorded events: a ledger (sqlite:PATH), an emulator's state folder, payloads (a file or a folder), lines of "
    "`decode --format json`, or `-`. May be given again.",
)
@click.option(
    "--old",
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE|DIR",
    help="The old triggers: a compiled file, or another checkout of the project. Default: what the emulator loaded "
    "last, or else the compiled-NAME.json that `retrigger compile` wrote into this folder; stderr says which.",
)
@click.option(
    "--env",
    "environment",
    metavar="NAME",
    help="The environment of the new triggers. Default: that of the old ones, or else the first one.",
)
@state_option
@format_option
@click.pass_context
def diff(
    ctx: click.Context,
    *,
    project: Path,
    sources: tuple[str, ...],
    old: Path | None,
    environment: str | None,
    folder: Path | None,
    form: Format,
) -> None:
    """What recorded events would launch by the triggers in DIR, compared with old triggers: gained, lost, changed.

    Every event is judged once and by itself, as `explain` does: over an empty ledger, and without its data. So changed
    limits, throttles and data checks do not show. A ledger holds only what some trigger claimed: for events that only
    the new triggers would take, give payloads. Sends nothing, writes nothing. Exit code 0 if nothing differs, 1 if
    something does.
    """
    try:
        before, after = _sides(project, old, environment, folder)
    except ProjectError as error:
        raise Usage(f"there is nothing to compare with, the project has problems:\n{error}") from error  # 1: it differs
    note(f"old: {before.told}\nnew: {after.told}")
    counts: Counter[str] = Counter()
    once = Once()
    for source in sources:
        read = counts["read"]
        for event in _events(source, counts, once):
            for found in differences(before.compiled, after.compiled, event):
                counts[found.kind] += 1
                if found.kind in _DIFFERS:
                    _show(event, found, form, shown=sum(counts[kind] for kind in _DIFFERS))
        if counts["read"] == read:
            raise Usage(f"{source} holds no event: name a ledger (sqlite:PATH), a state folder, or files of events.")
    _summarize(counts, form)
    if any(counts[kind] for kind in _DIFFERS):
        ctx.exit(NO)


def _sides(folder: Path, old: Path | None, environment: str | None, state: Path | None) -> tuple[_Side, _Side]:
    project = load_project(find_root(folder))
    path = old or _default_old(project, environment, state)
    name = environment or next(iter(project.environments), "")
    if path.is_dir():
        return _compiled(load_project(find_root(path)), name), _compiled(project, name)
    before = load(path.read_text(encoding="utf-8", errors="replace"))  # bytes that are no text are no JSON either
    told = f"{path} (environment {before.environment.name})"
    return _Side(told, before), _compiled(project, environment, before.environment)


def _compiled(project: Project, name: str | None, like: Environment | None = None) -> _Side:
    """The project for the environment of that name, or for the same as `like`, the emulator's included."""
    if like is not None and like.name == "local":
        chosen = local_environment(project, like=name, ledger=like.ledger, services=like.services)
    else:
        chosen = named(project, name or (like.name if like else ""))
    told = f"{project.root} (environment {chosen.name})"
    return _Side(told, load(compile_project(project, chosen)))


def _default_old(project: Project, environment: str | None, folder: Path | None) -> Path:
    """Raises Usage if neither the emulator nor `retrigger compile` left one."""
    name = environment or next(iter(project.environments), "")
    state = State(folder or project.root / FOLDER)
    written = Path(f"compiled-{name}.json")
    found = next((path for path in (state.compiled, written) if path.is_file()), None)
    if found is None:
        raise Usage(
            f"There are no old triggers: neither {state.compiled} nor {written} is there. Name a compiled file or "
            "another checkout with --old."
        )
    return found


def _events(source: str, counts: Counter[str], once: Once) -> Iterator[Event]:
    """Each event once. What is none is told on stderr, and counted: under old and new triggers it stays that."""
    for one in recorded(source):
        match one.found:
            case Malformed() as error:
                counts["unreadable"] += 1
                note(f"{visible(one.place)}: {error.code}: {visible(str(error))}")
            case Handshake():
                counts["unreadable"] += 1
                note(f"{visible(one.place)}: a handshake, no event")
            case event:
                counts["read"] += 1
                if once.first(event):
                    counts["events"] += 1
                    yield event
                if counts["read"] % _PROGRESS == 0:
                    note(f"{counts['read']:,} records …")


def _show(event: Event, found: Difference, form: Format, shown: int) -> None:
    subject = subject_of(event.to_json())
    if form == "json":
        told = {name: {"old": old, "new": new} for name, (old, new) in found.changes.items()}
        line = {"event": event.id, "subject": subject, "trigger": found.trigger, "difference": found.kind}
        json_line({**line, "changes": told, "reason": found.reason})
        return
    if shown == _SHOWN + 1:
        say(dim("… and more; --format json has them all"))
    if shown > _SHOWN:
        return
    trigger = click.style(found.trigger, bold=True)
    say(f"{paint(found.kind)} {trigger}  {visible(subject)}  {dim(visible(event.id))}")
    if found.reason is not None:
        say(f"  {'now' if found.kind == 'lost' else 'was'}: {verdict_line(found.reason)}")
    for name, (old, new) in found.changes.items():
        if found.kind == "changed":
            field(name, f"{_short(old)} -> {_short(new)}")
        elif found.kind == "gained" and new is not None and name != "result":
            field(name, _short(new))


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}…"


def _summarize(counts: Counter[str], form: Format) -> None:
    names = ("events", "gained", "lost", "changed", "unchanged", "no_launch", "unreadable")
    if form == "json":
        json_line({"summary": {name: counts[name] for name in names}})
        return
    told = ", ".join(f"{counts[name]:,} {name}" for name in ("gained", "lost", "changed", "unchanged"))
    say(f"{count(counts['events'], 'event')}; launches: {told}.")
    if counts["no_launch"]:
        say(f"  {counts['no_launch']:,} launch on neither side.")
    if counts["unreadable"]:
        say(f"  {counts['unreadable']:,} could not be read: see stderr.")
