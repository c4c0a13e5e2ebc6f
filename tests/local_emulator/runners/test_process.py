from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.local_emulator.runners.process import JobProcesses
from retrigger.local_emulator.runners.request import JobRequest
from tests.processes import is_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAME = "projects/p/locations/l/pipelineJobs/"


def one_command(script: str) -> dict[str, Any]:
    """A pipeline of one container task that runs a shell script."""
    return {
        "pipelineInfo": {"name": "one"},
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.17.0",
        "root": {"dag": {"tasks": {"only": {"componentRef": {"name": "comp-only"}, "taskInfo": {"name": "only"}}}}},
        "components": {"comp-only": {"executorLabel": "exec-only"}},
        "deploymentSpec": {
            "executors": {"exec-only": {"container": {"image": "alpine", "command": ["sh", "-c", script]}}}
        },
    }


def request(job: str, script: str) -> JobRequest:
    return JobRequest(NAME + job, one_command(script), "gs://bucket/root")


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobProcesses]:
    jobs = JobProcesses(tmp_path / "jobs", env=os.environ, now=lambda: NOW, limit=1)
    yield jobs
    jobs.close()


def state(jobs: JobProcesses, key: str) -> str:
    return str(jobs.state(key)["state"]).removeprefix("PIPELINE_STATE_")


def test_a_job_beyond_the_limit_waits_for_its_turn(jobs: JobProcesses, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    jobs.submit("one", request("one", f"until [ -e {gate} ]; do sleep 0.02; done"))
    jobs.submit("two", request("two", "true"))
    eventually(lambda: state(jobs, "one") == "RUNNING")
    assert state(jobs, "two") == "PENDING"
    gate.touch()
    eventually(lambda: state(jobs, "two") == "SUCCEEDED")
    assert state(jobs, "one") == "SUCCEEDED"


def test_a_waiting_job_can_be_cancelled(jobs: JobProcesses, tmp_path: Path) -> None:
    jobs.submit("one", request("one", "exec sleep 600"))
    jobs.submit("two", request("two", f"touch {tmp_path}/ran"))
    jobs.cancel("two")
    assert jobs.state("two") == {
        "state": "PIPELINE_STATE_CANCELLED",
        "tasks": [],
        "error": "cancelled before it started",
        "endTime": "2026-01-02T03:04:05.000000Z",
    }
    jobs.cancel("one")
    eventually(lambda: state(jobs, "one") == "CANCELLED")
    assert not (tmp_path / "ran").exists()


def test_a_job_sees_the_environment_it_was_given_and_no_other(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "GIVEN": "yes"}
    jobs = JobProcesses(tmp_path / "jobs", env=env, now=lambda: NOW)
    jobs.submit("one", request("one", f'printf "$GIVEN $HOME" > {tmp_path}/seen'))
    eventually(lambda: state(jobs, "one") == "SUCCEEDED")
    jobs.close()
    assert (tmp_path / "seen").read_text() == "yes "


def test_a_runner_that_is_killed_is_a_failed_job(jobs: JobProcesses, tmp_path: Path) -> None:
    jobs.submit("one", request("one", f"echo $PPID > {tmp_path}/p && mv {tmp_path}/p {tmp_path}/pid && exec sleep 600"))
    eventually((tmp_path / "pid").exists)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    eventually(lambda: state(jobs, "one") == "FAILED")
    assert jobs.state("one")["error"] == "the runner ended with status -9: "


def test_close_leaves_no_process_and_what_had_not_begun_begins_after_a_restart(tmp_path: Path) -> None:
    before = JobProcesses(tmp_path / "jobs", env=os.environ, now=lambda: NOW, limit=1)
    before.submit("one", request("one", f"echo $$ > {tmp_path}/p && mv {tmp_path}/p {tmp_path}/pid && exec sleep 600"))
    before.submit("two", request("two", "true"))
    eventually((tmp_path / "pid").exists)
    before.close()
    assert is_gone(int((tmp_path / "pid").read_text()))
    after = JobProcesses(tmp_path / "jobs", env=os.environ, now=lambda: NOW, limit=1)
    assert (state(after, "one"), state(after, "two")) == ("FAILED", "PENDING")
    after.recover()
    eventually(lambda: state(after, "two") == "SUCCEEDED")
    after.close()


_EMULATOR = """
import os, sys, time
from datetime import UTC, datetime
from pathlib import Path
from retrigger.local_emulator.runners.process import JobProcesses
from retrigger.local_emulator.runners.request import JobRequest
jobs = JobProcesses(Path(sys.argv[1]), env=os.environ, now=lambda: datetime.now(UTC))
jobs.submit("one", JobRequest.read(Path(sys.argv[2])))
time.sleep(600)
"""


def test_an_emulator_that_is_killed_leaves_no_process_and_a_failed_job(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    asked.mkdir()
    script = f"trap '' TERM; echo $$ $PPID > {tmp_path}/p; mv {tmp_path}/p {tmp_path}/pids; while :; do sleep 1; done"
    request("one", script).write(asked)
    emulator = subprocess.Popen([sys.executable, "-c", _EMULATOR, str(tmp_path / "jobs"), str(asked)])
    eventually((tmp_path / "pids").exists)
    emulator.kill()
    emulator.wait()
    task, job = map(int, (tmp_path / "pids").read_text().split())
    eventually(lambda: is_gone(task) and is_gone(job))
    after = JobProcesses(tmp_path / "jobs", env=os.environ, now=lambda: NOW)
    after.recover()
    after.close()
    assert (state(after, "one"), after.state("one")["error"]) == (
        "FAILED",
        "the emulator stopped while the pipeline ran; launch it again",
    )


def test_a_job_whose_emulator_and_runner_were_killed_is_failed_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "jobs" / "one"
    folder.mkdir(parents=True)
    request("one", "true").write(folder)
    task = {"taskName": "only", "state": "RUNNING", "endTime": ""}
    (folder / "state.json").write_text(json.dumps({"state": "PIPELINE_STATE_RUNNING", "tasks": [task]}))
    jobs = JobProcesses(tmp_path / "jobs", env=os.environ, now=lambda: NOW)
    jobs.recover()
    jobs.close()
    moment = "2026-01-02T03:04:05.000000Z"
    assert jobs.state("one") == {
        "state": "PIPELINE_STATE_FAILED",
        "error": "the emulator stopped while the pipeline ran; launch it again",
        "endTime": moment,
        "tasks": [{"taskName": "only", "state": "CANCELLED", "endTime": moment}],
    }


def test_a_runner_that_cannot_start_is_a_failed_job(tmp_path: Path) -> None:
    jobs = JobProcesses(tmp_path / "jobs", env=os.environ, now=lambda: NOW, python=str(tmp_path / "none"))
    jobs.submit("one", request("one", "true"))
    eventually(lambda: state(jobs, "one") == "FAILED")
    jobs.close()
    assert jobs.state("one")["error"].startswith("the runner could not be started: [Errno 2]")


def test_tasks_that_wait_for_each_other_fail_the_job_with_a_reason(jobs: JobProcesses) -> None:
    asked = request("one", "true")
    tasks = asked.spec["root"]["dag"]["tasks"]
    tasks["other"] = {**tasks["only"], "dependentTasks": ["only"]}
    tasks["only"]["dependentTasks"] = ["other"]
    jobs.submit("one", asked)
    eventually(lambda: state(jobs, "one") == "FAILED")
    assert jobs.state("one")["error"].startswith("tasks depend on each other in a circle: o")


def test_each_job_that_ends_is_told_of(jobs: JobProcesses) -> None:
    ended: list[str] = []
    jobs.on_end(ended.append)
    jobs.submit("one", request("one", "exec sleep 600"))
    jobs.submit("two", request("two", "false"))
    jobs.submit("three", request("three", "true"))
    jobs.cancel("three")
    eventually(lambda: state(jobs, "one") == "RUNNING")
    jobs.cancel("one")
    eventually(lambda: len(ended) == 3)
    assert ended == ["three", "one", "two"]
    assert [state(jobs, key) for key in ended] == ["CANCELLED", "CANCELLED", "FAILED"]
