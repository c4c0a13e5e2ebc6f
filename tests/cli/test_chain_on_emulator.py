"""A chain on a real emulator: real functions, real ticks, a pipeline that really runs; nothing announces its end."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.local_emulator.claim import running
from retrigger.local_emulator.state import State
from tests.cli.conftest import REQUESTS, retrigger, write_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("emulator of the command line")

FOLLOW = """\
name: follow
source:
  - lifecycle:
      of: requests
      filter: event.lifecycle.platform == "vertex" && event.lifecycle.properties.depth == 1
      parameters: {data: "${{ event.lifecycle.name }}", seconds: "0"}
launch: {pipeline: train}
"""


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Path]:
    files = {"triggers/requests.yaml": REQUESTS, "triggers/follow.yaml": FOLLOW}
    project = write_project(tmp_path / "project", files)
    called = retrigger("up", "--project", project, "--detach")
    assert called.code == 0, called.err
    state = project / ".retrigger"
    try:
        yield state
    finally:
        assert retrigger("down", "--state", state).code == 0
        assert running(State(state)) is None


def runs(laptop: Path) -> list[dict[str, Any]]:
    return retrigger("runs", "--state", laptop, "--format", "json").lines


def test_a_run_that_ends_starts_the_next_one_once(laptop: Path) -> None:
    body = json.dumps({"id": "a", "data": "gs://x", "seconds": "0"})
    assert retrigger("publish", "requests", body, "--state", laptop).code == 0
    deadline = time.monotonic() + 30
    while [run["state"] for run in runs(laptop)] != ["succeeded", "succeeded"]:
        assert time.monotonic() < deadline, runs(laptop)
        assert retrigger("clock", "advance", "1m", "--state", laptop).code == 0
    first, second = runs(laptop)
    assert (second["trigger"], second["parameters"]["data"]) == ("follow", first["id"])
    assert retrigger("clock", "advance", "2h", "--state", laptop).code == 0
    assert len(runs(laptop)) == 2
    why = retrigger("why", second["id"], "--state", laptop)
    assert f"the end of run {first['id']}" in why.out
