"""The emulator: from its start to ready, and from a dropped file to its pipeline job, with a pipeline that is empty."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import urllib3

from retrigger.local_emulator.claim import Claim
from retrigger.local_emulator.project import Options, emulator_for
from retrigger.local_emulator.state import State
from retrigger.triggers.authoring.project import load_project
from tests.benchmarks.measure import progress
from tests.benchmarks.report import Benchmark, Report, Target
from tests.projects import template, write_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrigger.local_emulator.app import Emulator

_FILES: Final = {
    "retrigger.yaml": """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-retrigger
    stores: {landing: gs://acme-landing}
    pipelines: {train: {template: pipelines/train.json, root: gs://acme-pipelines}}
""",
    "triggers/train.yaml": """\
name: train
source:
  - object: {in: landing, match: "{name}.csv"}
admit: {window: {key: match.name}, concurrency: {limit: 100, key: match.name}}
launch: {pipeline: train}
""",
    "pipelines/train.json": template("train"),
}
_PATIENCE_S: Final = 30.0


def run(sizes: Sequence[int]) -> Report:
    """`sizes`: files dropped one after the other, each once the job of the one before has ended."""
    (drops,) = sizes
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_files(root, _FILES)
        progress("emulator: start")
        began = time.perf_counter()
        emulator = emulator_for(load_project(root), Claim.take(State.at(root / "state")), Options())
        emulator.start()
        ready = time.perf_counter() - began
        try:
            progress(f"emulator: {drops} drops")
            first, *rest = [_drop_to_launch(emulator, number) * 1000 for number in range(drops + 1)]
        finally:
            emulator.stop()
    median, worst = statistics.median(rest), max(rest)
    return Report(
        columns=("", "ms"),
        rows=[
            ("start to ready", ready * 1000),
            ("first drop to launch", first),
            ("drop to launch, median", median),
            ("drop to launch, slowest", worst),
        ],
        data={"ready_ms": ready * 1000, "drop_to_launch_ms": {"first": first, "median": median, "slowest": worst}},
        targets=[Target("ready, s", ready, 3), Target("drop to launch, median ms", median, 200)],
        notes=[f"{drops} drops, not counting the first; from the store's time of the object to the job's `createTime`"],
    )


def _drop_to_launch(emulator: Emulator, number: int) -> float:
    """Seconds, by the emulator's clock, which stamps both."""
    upload = f"{emulator.url}/upload/storage/v1/b/acme-landing/o?uploadType=media&name={number}.csv"
    landed = _call("POST", upload, b"x\n")["timeCreated"]
    jobs = f"{emulator.url}/v1/projects/acme-dev/locations/europe-west4/pipelineJobs"
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        ended = [job for job in _call("GET", jobs).get("pipelineJobs", []) if "endTime" in job]
        if len(ended) > number:
            break
        if time.monotonic() > deadline:
            raise TimeoutError(f"the job of drop {number} did not end within {_PATIENCE_S:g} s")
        time.sleep(0.05)
    launched = max(str(job["createTime"]) for job in ended)
    return (datetime.fromisoformat(launched) - datetime.fromisoformat(landed)) / timedelta(seconds=1)


def _call(method: str, url: str, body: bytes | None = None) -> dict[str, Any]:
    response = urllib3.request(method, url, body=body, retries=False, timeout=_PATIENCE_S)
    if response.status != 200:
        raise RuntimeError(f"{method} {url} answered {response.status}: {response.data[:500]!r}")
    value: dict[str, Any] = json.loads(response.data)
    return value


EMULATOR: Final = Benchmark(line="ready, and drop to launch", unit="drops", sizes=(15,), smallest=(1,), run=run)
