"""`retrigger backfill` and `reconcile`: what a trigger has not seen, taken in as if its event had come."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Final

import click

from retrigger.cli.errors import NO, No
from retrigger.cli.local import (
    compiled_option,
    known_trigger,
    ledger_at,
    ledger_option,
    project_of,
    running_on,
    state_of,
    state_option,
)
from retrigger.cli.render import (
    Format,
    count,
    examples,
    format_option,
    json_line,
    note,
    paint,
    say,
    time_of,
    verdict_line,
    visible,
)
from retrigger.cli.times import duration, moment, span
from retrigger.handlers.backfill import Backfill, version_of
from retrigger.handlers.listing import object_sources
from retrigger.handlers.wiring import assemble, cloud_of
from retrigger.triggers.event import rfc3339
from retrigger.triggers.spec import ScheduleSource
from retrigger.triggers.zones import zone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from retrigger.handlers.outcome import Outcome
    from retrigger.handlers.wiring import App
    from retrigger.triggers.compiled import Compiled
    from retrigger.triggers.spec import Trigger

_TOLD_EVERY: Final = 1_000
_TIMES_AT_MOST: Final = 1_000


@click.command(
    epilog=examples(
        "retrigger backfill churn-retrain --objects gs://acme-dev-landing/churn/ --dry-run",
        "retrigger backfill churn-retrain --objects gs://acme-dev-landing/churn/dt=2026-11-",
        "retrigger backfill churn-retrain --schedule 2026-11-01..2026-11-20",
    )
)
@click.argument("trigger")
@click.option("--objects", metavar="URI-PREFIX", help="What lies there now, as if it had been uploaded again.")
@click.option("--schedule", metavar="A..B", help="Days or moments, both included: the schedule's times between them.")
@click.option("--at-most", type=click.IntRange(1), default=_TIMES_AT_MOST, help="Refuse more times than this.")
@click.option("--dry-run", is_flag=True, help="Say what would be taken in; do nothing.")
@state_option
@ledger_option
@compiled_option
@format_option
def backfill(
    *,
    trigger: str,
    objects: str | None,
    schedule: str | None,
    at_most: int,
    dry_run: bool,
    folder: Path | None,
    ledger: str | None,
    file: Path | None,
    form: Format,
) -> None:
    """Take in what a trigger has missed: objects that lie in its stores, or times of its schedule.

    Each is the event that it would have been: what came before is a duplicate and launches nothing. So it may be broken
    off, and run again. Objects gather in windows by the trigger's own rules, members before markers; to have all of
    them in one window, `retrigger pause` the trigger first, and `resume` it afterwards.
    """
    if (objects is None) == (schedule is None):
        raise click.UsageError("Say what to take in: --objects PREFIX or --schedule A..B.")
    compiled = project_of(folder, ledger, file)
    only = known_trigger(compiled, trigger)
    source = Backfill(_app(compiled, folder, ledger).core)
    tally = _Tally(form)
    if objects is not None:
        if not source.places(only, objects):
            raise No(f"{trigger} listens to no object below {objects}: {_listens(compiled, only)}.")
        for arrival in source.objects(only, objects):
            subject, _ = version_of(arrival)
            if dry_run:
                tally.would(subject, claimed=source.is_claimed(arrival))
            else:
                tally.took(subject, source.take(arrival))
    else:
        for schedules, time in _times(source, only, str(schedule), at_most):
            if dry_run:
                tally.would(rfc3339(time), claimed=None)
            else:
                tally.took(rfc3339(time), source.fire(only, schedules, time))
    tally.end()


@click.command(
    epilog=examples(
        "retrigger reconcile                                every trigger",
        "retrigger reconcile churn-retrain --older-than 1h --backfill",
    )
)
@click.argument("trigger", required=False)
@click.option("--older-than", default="10m", metavar="AGE", help="Of younger objects the event may still come. [10m]")
@click.option("--backfill", "take", is_flag=True, help="Take them in.")
@state_option
@ledger_option
@compiled_option
@format_option
@click.pass_context
def reconcile(
    ctx: click.Context,
    *,
    trigger: str | None,
    older_than: str,
    take: bool,
    folder: Path | None,
    ledger: str | None,
    file: Path | None,
    form: Format,
) -> None:
    """Find objects that a trigger listens to, and whose event never came. Exit code 1 if there are any.

    It lists the stores, and asks the ledger for each object that matches. With --backfill they are taken in, as if
    their events had come now.
    """
    age = duration(older_than)
    compiled = project_of(folder, ledger, file)
    names = compiled.names if trigger is None else [known_trigger(compiled, trigger).name]
    app = _app(compiled, folder, ledger)
    source, tally, until = Backfill(app.core), _Tally(form), app.ledger.records.now() - age
    found = 0
    for name in names:
        only = known_trigger(compiled, name)
        for arrival in source.missing(only, until=until):
            found += 1
            uri, version = version_of(arrival)
            if take:
                tally.took(uri, source.take(arrival))
            elif form == "json":
                written = rfc3339(arrival.event.time)
                json_line({"trigger": name, "uri": uri, "version": version, "written": written})
            else:
                say(f"{visible(uri)}  written {time_of(rfc3339(arrival.event.time))}, never came to {name}")
    if take:
        tally.end()
        return
    if found:
        note(f"The event of {count(found, 'object')} never came: --backfill takes them in.")
        ctx.exit(NO)
    if form == "text":
        say("Every object has come.")


class _Tally:
    """Tells what becomes of each thing, and how many went which way."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._counts: Counter[str] = Counter()

    def took(self, subject: str, outcome: Outcome) -> None:
        self._count(outcome.result)
        if self._form == "json":
            json_line({"subject": subject, **outcome.to_json()})
        elif outcome.result not in {"duplicate", "deferred"}:
            said = outcome.verdicts[-1:] if outcome.run is None else ()
            why = "".join(f"  {verdict_line(verdict.to_json())}" for verdict in said)
            say(f"{paint(outcome.result)} {visible(subject)}{f'  run {outcome.run}' if outcome.run else ''}{why}")

    def would(self, subject: str, *, claimed: bool | None) -> None:
        """`claimed`: whether its event has come; None: it is not known before it is fired."""
        result = "duplicate" if claimed else "to take in"
        self._count(result)
        if self._form == "json":
            json_line({"subject": subject, "result": result})
        elif not claimed:
            say(visible(subject))

    def end(self) -> None:
        if self._form == "text":
            told = ", ".join(f"{number:,} {what}" for what, number in sorted(self._counts.items()))
            note(told or "There is nothing to take in.")

    def _count(self, result: str) -> None:
        self._counts[result] += 1
        if not self._counts.total() % _TOLD_EVERY:
            note(f"{self._counts.total():,} so far")


def _app(compiled: Compiled, folder: Path | None, ledger: str | None) -> App:
    """The core as one more function of the environment."""
    if ledger is None:
        running_on(state_of(folder))
    launcher, objects = cloud_of(compiled.environment, os.environ)
    return assemble(compiled, ledger_at(folder, ledger).records, launcher, objects)


def _times(source: Backfill, trigger: Trigger, text: str, at_most: int) -> Iterator[tuple[ScheduleSource, datetime]]:
    first, last = span(text)
    schedules = [each for each in trigger.sources if isinstance(each, ScheduleSource)]
    if not schedules:
        raise No(f"{trigger.name} has no schedule.")
    due = []
    for each in schedules:
        place = zone(each.timezone)
        for time in source.times(each, moment(first, place), moment(last, place, ends=True)):
            due.append((each, time))
            if len(due) > at_most:
                raise No(f"{text} holds more than {at_most:,} times of the schedule: narrow it, or raise --at-most.")
    yield from due


def _listens(compiled: Compiled, trigger: Trigger) -> str:
    stores = compiled.environment.stores
    places = [f"{stores[it.store].uri(stores[it.store].prefix)}{it.match}" for it in object_sources(trigger)]
    return f"it listens to {' and '.join(places)}" if places else "it has no object source"
