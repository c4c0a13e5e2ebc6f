"""`retrigger demo`: the main job, start to finish, on this machine."""

from __future__ import annotations

import csv
import json
import signal
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrigger.cli.errors import No
from retrigger.cli.render import examples, format_option, json_line, metrics_line, note, paint, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from retrigger.cli.render import Format
    from retrigger.cli.stage import Stage
    from retrigger.handlers.journal import EventView, RunView

_PARTS = 20
_ROWS = 10_000
_GOOD_DAY, _BAD_DAY = "2026-11-20", "2026-11-21"
_DAY = "churn/dt={day}/{name}"


@click.command(
    epilog=examples(
        "retrigger demo                      a table made by the example's own generator",
        "retrigger demo --data churn.csv     a real one with the same columns",
        "retrigger demo --kill 3             and the function is killed three times on the way",
    )
)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A table with the columns of the example. Without it, one is generated.",
)
@click.option("--kill", type=click.IntRange(0, 10), default=0, help="Kill the function process this many times.")
@format_option
def demo(*, data: Path | None, kill: int, form: Format) -> None:
    """Drop a table in 20 parts, watch one run train a model; a bad table is refused; a message sent twice runs once.

    Everything happens on this machine, in a temporary folder: the real client formats, the real functions host, and
    the compiled pipeline, which really trains. Nothing is left behind but the cached environment of its tasks.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    began = time.monotonic()
    tell = note if form == "json" else say
    with tempfile.TemporaryDirectory(prefix="retrigger-demo-") as folder:
        runs, counts, problems = _play(Path(folder), data, kill, tell)
    elapsed = round(time.monotonic() - began, 1)
    for problem in problems:
        note(f"{paint('failed')}: {problem}")
    if form == "json":
        told = [{"id": run.id, "state": run.state, "trigger": run.trigger, "metrics": run.metrics} for run in runs]
        json_line({"ok": not problems, "runs": told, "events": counts, "elapsed_s": elapsed})
    else:
        next_step = "" if problems else " Next: `retrigger up --help`, and the example in examples/churn."
        say(f"\nDone in {elapsed} s.{next_step}")
    raise SystemExit(1 if problems else 0)


def _stop(number: int, _: FrameType | None) -> None:
    """End as Ctrl-C does: the emulator stopped, the folder gone."""
    raise SystemExit(128 + number)


def _play(
    folder: Path, data: Path | None, kill: int, tell: Callable[[str], None]
) -> tuple[list[RunView], dict[str, int], list[str]]:
    from retrigger.cli import churn
    from retrigger.cli.stage import Stage
    from retrigger.local_emulator.project import Options

    project = Path(churn.__file__).resolve().parent
    _prepare(project, tell)
    tables = _tables(folder, data, tell)
    tell("\n1  The emulator: Cloud Storage, Pub/Sub, Vertex AI, a scheduler, and the function under its real host")
    with Stage.set(project, folder / "state", Options(copies=2)) as stage:
        tell(f"   ready at {stage.emulator.url}; every event is delivered twice, as clouds may")
        play = _Acts(stage, tables, tell, kill)
        play.a_table_lands()
        if not play.problems:  # the other acts retell what this one found
            play.a_bad_table_is_refused()
            play.a_message_is_published_twice()
            play.why()
        runs, counts = stage.journal.runs(), stage.counts()
    tell("\n   stopped; no process and no file is left")
    return runs, counts, play.problems


def _prepare(project: Path, tell: Callable[[str], None]) -> None:
    """The environment that the tasks run in: made once, then cached."""
    from retrigger.local_emulator.runners import environments

    tell("0  The environment of the pipeline's tasks (cached; the first time takes a minute)")
    spec = json.loads((project / "pipelines" / "churn.json").read_text(encoding="utf-8"))
    environments.prepare(environments.requirements_of(spec), report=lambda line: tell(f"   {line}"))


@dataclass(frozen=True, slots=True)
class _Tables:
    """The parts of a good day and of a bad one."""

    good: list[Path]
    bad: list[Path]


def _tables(folder: Path, data: Path | None, tell: Callable[[str], None]) -> _Tables:
    from retrigger.cli.churn import table

    if data is None:
        data = folder / "table.csv"
        table.write(data, seed=7, count=_ROWS)
        tell(
            f"   the table: {_ROWS:,} customers made by the example's generator, seed 7 (--data FILE takes a real one)"
        )
    else:
        tell(f"   the table: {data}")
    for name in ("good", "bad"):
        (folder / name).mkdir()
    try:
        good = table.split(data, _PARTS, folder / "good")
    except UnicodeDecodeError as error:
        raise No(f"{data} is no table in UTF-8: {error.reason} at byte {error.start}; save it as UTF-8") from error
    except (ValueError, csv.Error) as error:
        raise No(f"{data} is no table that the demo can use: {error}") from error
    bad = []
    for part in good:
        table.with_description_row(part, folder / "bad" / part.name)
        bad.append(folder / "bad" / part.name)
    return _Tables(good, bad)


@dataclass
class _Acts:
    """The demo's acts. Each says what it does, does it, and checks what must hold."""

    stage: Stage
    tables: _Tables
    tell: Callable[[str], None]
    kills: int
    problems: list[str] = field(default_factory=list)

    def a_table_lands(self) -> None:
        self.tell(f"\n2  A day's table lands: {_PARTS} parts and a _SUCCESS, {(_PARTS + 1) * 2} deliveries")
        uris = self._drop_day(_GOOD_DAY, self.tables.good)
        refused = self._refused(uris)
        if refused and not self.stage.journal.runs():
            self.problems.append(f"{refused[0].subject} was refused: {refused[0].verdicts[-1]['reason']}")
            return
        self._require(len(self.stage.journal.runs()) == 1, "one window must have become one run")
        for run in self.stage.journal.runs()[:1]:
            window = self.stage.journal.window(run.window or "")
            self.tell(
                f"   one window, closed by its {window['cause']}; one manifest: {window['members']} members, "
                f"{window['rows']:,} rows; one run: {run.id}"
            )
            self._watch(run)
        for name, version, metrics in self.stage.models():
            self.tell(f"   registered: model {name}, version {version}, {metrics_line(metrics)}")

    def a_bad_table_is_refused(self) -> None:
        self.tell("\n3  The next day's table: its parts carry a description row, so that every number became text")
        before = len(self.stage.journal.runs())
        uris = self._drop_day(_BAD_DAY, self.tables.bad)
        refused = self._refused(uris)
        self._require(len(refused) == _PARTS, "every bad part must be rejected")
        self._require(len(self.stage.journal.runs()) == before, "a bad table must not run")
        self.tell(f"   {paint('rejected')}: {len(refused)} of {_PARTS} parts, no run. The first says:")
        for reason in str(refused[0].verdicts[-1]["reason"]).split("; ")[:3] if refused else []:
            self.tell(f"     {reason}")

    def a_message_is_published_twice(self) -> None:
        self.tell("\n4  A retrain message is published twice: two message ids, one request id")
        known = {run.id for run in self.stage.journal.runs()}
        bucket = self.stage.environment.stores["landing"].bucket
        request = {
            "request_id": "retrain-1",
            "data": f"gs://{bucket}/{_DAY.format(day=_GOOD_DAY, name='')}",
            "as_of": _GOOD_DAY,
        }
        ids = [self.stage.publish("retrain-requests", dict(request)) for _ in range(2)]
        self.stage.settle()
        new = [run for run in self.stage.journal.runs() if run.id not in known]
        self.tell(f"   messages {ids[0]} and {ids[1]}: {len(new)} more run")
        self._require(len(new) == 1, "one request must have become one run")
        for run in new:
            self._watch(run)

    def why(self) -> None:
        bucket = self.stage.environment.stores["landing"].bucket
        uri = f"gs://{bucket}/{_DAY.format(day=_GOOD_DAY, name=self.tables.good[0].name)}"
        self.tell(f"\n5  retrigger why {uri}")
        found = self.stage.journal.why(uri)
        assert found is not None
        for event in found["events"]:
            self.tell(f"   event {event.id} ({event.kind}) met trigger {event.trigger}")
            for verdict in event.verdicts:
                self._verdict(verdict)
        for name, window in found["windows"].items():
            self.tell(f"   window {name}: {window['state']}, {window['members']} members")
            for verdict in window["verdicts"]:
                self._verdict(verdict)
        for run in found["runs"]:
            self.tell(f"   run {run.id}: {paint(run.state)}  {metrics_line(run.metrics)}")
        counts = ", ".join(f"{count} {name}" for name, count in self.stage.counts().items())
        self.tell(f"   deliveries: {counts}")

    def _refused(self, uris: list[str]) -> list[EventView]:
        return [event for event in self.stage.journal.events() if event.subject in uris and event.result == "rejected"]

    def _drop_day(self, day: str, parts: list[Path]) -> list[str]:
        uris = []
        for number, part in enumerate(parts):
            uris.append(self.stage.drop("landing", _DAY.format(day=day, name=part.name), part.read_bytes()))
            if self.kills and number % 5 == 2:
                self.kills -= 1
                self.tell(f"   kill -9 {self.stage.kill_the_function()}: the function, in the middle of its work")
        self.stage.drop("landing", _DAY.format(day=day, name="_SUCCESS"), b"")
        self.stage.settle()
        return uris

    def _watch(self, run: RunView) -> None:
        """Print each task as it changes; check that the run succeeded."""
        seen: dict[str, str] = {}
        began = time.monotonic()
        with closing(self.stage.watch(run)) as changes:  # type: ignore[type-var]  # a generator
            for tasks in changes:
                for task, state in tasks.items():
                    if seen.get(task) != state and state not in {"pending", "not_triggered"}:
                        self.tell(f"   {time.monotonic() - began:5.1f} s  {task} {paint(state)}")
                seen = dict(tasks)
        ended = self.stage.journal.run(run.id)
        assert ended is not None
        self.tell(f"   run {ended.id}: {paint(ended.state)}  {metrics_line(ended.metrics)}")
        self._require(ended.state == "succeeded", f"run {ended.id} must have succeeded: {ended.error}")

    def _verdict(self, verdict: dict[str, Any]) -> None:
        self.tell(f"     {verdict['stage']}: {paint(verdict['says'])} ({verdict['code']}) {verdict['reason']}")

    def _require(self, holds: bool, what: str) -> None:  # noqa: FBT001  # reads as the sentence that it is
        if not holds:
            self.problems.append(what)
