"""`retrigger check` on many trigger files, as a user waits for it; and loading what they are compiled to."""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrigger.triggers import compiled
from retrigger.triggers.authoring.compile import compile_project
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.match import Index
from tests.benchmarks.measure import in_turns, progress, seconds
from tests.benchmarks.report import Benchmark, Report, Target
from tests.benchmarks.scenes import dropped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrigger.triggers.event import Json

_ROUNDS: Final = 21
_PROJECT: Final = """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-dev-retrigger
    vars: {table: "gs://acme-dev-landing/full.csv"}
    stores: {landing: gs://landing}
    channels: {retrain: projects/acme-dev/topics/retrain}
    pipelines: {train: {template: pipelines/train.json, root: gs://acme-dev-pipelines}}
"""
_TRIGGER: Final = """\
name: team-{number}
description: Retrain when a day of the team's tables is complete.
source:
  - object: {{in: landing, match: "team-{number}/dt={{dt}}/*.csv", filter: event.object.size > {number}}}
  - message:
      in: retrain
      schema: schemas/retrain.json
      key: event.message.json.request_id
      filter: event.message.json.team == "team-{number}"
      parameters: {{data: "${{{{ event.message.json.data }}}}", as_of: "${{{{ event.message.json.as_of }}}}"}}
  - schedule:
      cron: "{minute} 3 * * MON"
      timezone: Europe/Paris
      parameters: {{data: "${{{{ vars.table }}}}", as_of: "${{{{ date(event.schedule.scheduled_for, 'UTC') }}}}"}}
validate:
  object: {{format: csv, columns: {{age: int, flag: {{one_of: [yes it is, no it is not]}}}}, max_bytes: 2GiB}}
admit:
  window: {{key: match.dt, until: {{object: "team-{number}/dt={{dt}}/_SUCCESS"}}, max_wait: 2h}}
  concurrency: {{limit: 1, when_busy: coalesce}}
launch:
  pipeline: train
  parameters: {{data: "${{{{ window.folder }}}}", as_of: "${{{{ match.dt }}}}", team: team-{number}, epochs: {minute}}}
"""
_SCHEMA: Final[Json] = {
    "type": "object",
    "required": ["request_id", "data", "as_of"],
    "properties": {"request_id": {"type": "string"}, "data": {"type": "string"}, "as_of": {"type": "string"}},
}
_INPUTS: Final = {"data": "STRING", "as_of": "STRING", "team": "STRING", "epochs": "NUMBER_INTEGER"}
_TEMPLATE: Final[Json] = {
    "schemaVersion": "2.1.0",
    "pipelineInfo": {"name": "train"},
    "root": {
        "dag": {"tasks": {}},
        "inputDefinitions": {"parameters": {name: {"parameterType": type_} for name, type_ in _INPUTS.items()}},
    },
}


def write_project(root: Path, triggers: int) -> None:
    """A project whose triggers are all right, and all different: sources of three kinds, a window, expressions."""
    for folder in ("triggers", "schemas", "pipelines"):
        (root / folder).mkdir()
    (root / "retrigger.yaml").write_text(_PROJECT)
    (root / "schemas/retrain.json").write_text(json.dumps(_SCHEMA))
    (root / "pipelines/train.json").write_text(json.dumps(_TEMPLATE))
    for number in range(triggers):
        text = _TRIGGER.format(number=number, minute=number % 60)
        (root / f"triggers/team-{number}.yaml").write_text(text)


def run_checking(sizes: Sequence[int]) -> Report:
    """`sizes`: numbers of trigger files. The command, from its start to its exit, its modules compiled to bytecode."""
    took: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        bytecode = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode")}
        bytecode.pop("PYTHONDONTWRITEBYTECODE", None)
        for size in sizes:
            root = Path(folder) / str(size)
            root.mkdir()
            write_project(root, size)
            progress(f"checking: {size:,} trigger files")
            rounds = [_seconds_of_check(root, bytecode) for _ in range(4)]
            took[size] = statistics.median(rounds[1:])  # the first one compiles the modules
    return Report(
        columns=("trigger files", "s", "ms per file"),
        rows=[(size, it, it / size * 1000) for size, it in took.items()],
        data={"seconds": {str(size): it for size, it in took.items()}},
        targets=[Target(f"s for {size:,} trigger files", it, 3) for size, it in took.items() if size == 1_000],
        notes=["by the wall, medians of 3 runs of the command after one that compiles its modules to bytecode"],
    )


def _seconds_of_check(root: Path, environ: Mapping[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "retrigger.cli", "check", str(root)], check=True, env=dict(environ))
    return time.perf_counter() - began


def run_loading(sizes: Sequence[int]) -> Report:
    """`sizes`: numbers of triggers in the compiled file."""
    ms: dict[tuple[str, int], float] = {}
    bytes_of: dict[int, int] = {}
    for size in sizes:
        progress(f"loading: {size:,} triggers")
        with tempfile.TemporaryDirectory() as folder:
            write_project(Path(folder), size)
            file = compile_project(load_project(Path(folder)), "dev").encode()
        bytes_of[size] = len(file)
        gc.collect()
        gc.freeze()  # what made the file is no garbage of the function's
        cases = {
            ("load", size): lambda file=file: seconds(lambda: compiled.load(file)) * 1000,
            ("first event", size): lambda file=file: seconds(lambda: _first_event(file)) * 1000,
        }
        ms.update(in_turns(cases, _ROUNDS))
    return Report(
        columns=("triggers", "bytes", "load, ms", "load, match and read one trigger, ms"),
        rows=[(size, bytes_of[size], ms["load", size], ms["first event", size]) for size in sizes],
        data={"load_ms": {str(size): ms["load", size] for size in sizes},
              "first_event_ms": {str(size): ms["first event", size] for size in sizes}},
        targets=[Target(f"ms to load {size:,} triggers", ms["load", size], 5) for size in sizes if size == 1_000],
        notes=[f"medians of {_ROUNDS} rounds"],
    )  # fmt: skip


def _first_event(file: bytes) -> None:
    loaded = compiled.load(file)
    (match,) = Index.from_json(loaded.index).match(dropped("team-0/dt=2026-01-05/part-0.csv"))
    assert loaded.trigger(match.trigger) is not None


CHECKING: Final = Benchmark(
    line="`retrigger check`, start to exit", unit="trigger files", sizes=(10, 1_000), smallest=(2,), run=run_checking
)
LOADING: Final = Benchmark(
    line="the compiled file in a function", unit="triggers", sizes=(10, 1_000, 10_000), smallest=(2,), run=run_loading
)
