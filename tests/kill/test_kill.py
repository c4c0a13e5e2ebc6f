"""kill -9 of the real function between any two of its steps: the same runs, none lost, none doubled.

With the ledger in a file, and in the emulator's Cloud Storage. One emulator serves all points; each gets a window and a
message of its own, so that what a death did is seen alone.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import urllib3
from kfp import compiler

from retrigger.cli.stage import Stage
from retrigger.local_emulator.project import Options
from tests.kill.pipeline import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.handlers.journal import RunView

pytestmark = pytest.mark.xdist_group("kill")

POINTS = [
    "before create c/",
    "after create c/",
    "after swap c/",
    "before create m/",
    "after create m/",
    "after create due/",
    "before swap w/",
    "after swap w/",
    "after swap g/",
    "before seal w/",
    "after seal w/",
    "before create f/",
    "after create f/",
    "after create r/",
    "before submit",
    "after submit",
    "before swap r/",
    "after swap r/",
]
OF_WINDOWS_ALONE = {"m/", "w/", "f/"}
PROJECT = """
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-ledger
    stores: {landing: gs://acme-landing}
    channels: {requests: projects/acme-dev/topics/requests}
    pipelines: {count: {template: pipelines/count.json, root: gs://acme-root}}
"""
TRIGGER = """
name: count
source:
  - object: {in: landing, match: "in/{day}/*.csv"}
  - message: {in: requests, parameters: {what: "${{ event.message.json.what }}"}}
validate: {object: {format: csv, columns: {n: int}}}
admit:
  window: {key: match.day, until: {object: "in/{day}/_DONE"}, max_wait: 2h}
  concurrency: {limit: 50}
launch: {pipeline: count, parameters: {what: "${{ window.folder }}"}}
"""


@pytest.fixture(scope="module")
def order(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("order") / "kill"


@pytest.fixture(scope="module", params=["file", "objects"])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, order: Path) -> Iterator[Stage]:
    project = tmp_path_factory.mktemp("project")
    (project / "pipelines").mkdir()
    (project / "triggers").mkdir()
    compiler.Compiler().compile(count, str(project / "pipelines" / "count.json"))
    (project / "retrigger.yaml").write_text(PROJECT)
    (project / "triggers" / "count.yaml").write_text(TRIGGER)
    options = Options(function_source=Path(__file__).with_name("function.py"), ledger=request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETRIGGER_TEST_KILL", str(order))
        with Stage.set(project, tmp_path_factory.mktemp("state"), options) as it:
            yield it


@pytest.mark.parametrize("point", POINTS)
def test_a_window_becomes_one_run_whatever_step_the_function_dies_at(stage: Stage, order: Path, point: str) -> None:
    day = _slug(point)
    order.write_text(point if " submit" not in point else f"{point} count-")
    parts = [stage.drop("landing", f"in/{day}/{part}.csv", b"n\n1\n") for part in "ab"]
    stage.drop("landing", f"in/{day}/_DONE", b"")
    [run] = _until_launched(stage, f"gs://acme-landing/in/{day}/")
    assert not order.exists(), "the function was not killed: this point is never met"
    assert stage.journal.window(run.window or "")["uris"] == parts


@pytest.mark.parametrize("point", [point for point in POINTS if point.split()[-1] not in OF_WINDOWS_ALONE])
def test_a_message_becomes_one_run_whatever_step_the_function_dies_at(stage: Stage, order: Path, point: str) -> None:
    order.write_text(point if " submit" not in point else f"{point} count-")
    stage.publish("requests", {"what": _slug(point)})
    _until_launched(stage, _slug(point))
    assert not order.exists(), "the function was not killed: this point is never met"


def test_every_run_of_them_ends_and_the_platform_ran_no_other(stage: Stage) -> None:
    for run in stage.journal.runs():
        for _ in stage.watch(run):
            pass
    runs = stage.journal.runs()
    assert {run.state for run in runs} == {"succeeded"}
    assert sorted(run.job for run in runs) == sorted(_jobs(stage))
    whats = [json.dumps(run.parameters["what"]) for run in runs]
    assert len(set(whats)) == len(whats)


def _jobs(stage: Stage) -> list[str]:
    """The ids of all jobs that the platform has, asked for as anybody would."""
    parent = f"projects/{stage.environment.project}/locations/{stage.environment.location}"
    url = f"{stage.emulator.url}/v1/{parent}/pipelineJobs?pageSize=1000"
    listed = urllib3.request("GET", url, retries=False).json()
    return [job["name"].rsplit("/", 1)[1] for job in listed["pipelineJobs"]]


def _until_launched(stage: Stage, what: str) -> list[RunView]:
    """Deliver again and wind the clock for the tick, as time would, until there is a launched run for `what`."""
    for _ in range(20):
        stage.settle()
        runs = [run for run in stage.journal.runs() if run.parameters.get("what") == what]
        if runs and all(run.launched for run in runs):
            return runs
        stage.emulator.advance(timedelta(minutes=2))
    pytest.fail(f"nothing was launched for {what}")


def _slug(point: str) -> str:
    return point.replace(" ", "-").replace("/", "")
