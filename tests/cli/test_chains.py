from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.jobs import JobStatus
from tests.cli.conftest import REQUESTS, retrigger, write_project
from tests.cli.held import Held

if TYPE_CHECKING:
    from pathlib import Path

FOLLOW = """\
name: NAME
source:
  - lifecycle:
      of: requests
      filter: has(event.lifecycle.properties.metrics.auc) && event.lifecycle.properties.metrics.auc > BOUND
      parameters: {data: "${{ event.lifecycle.name }}", seconds: "0"}
launch: {pipeline: train}
"""


@pytest.fixture
def held(tmp_path: Path) -> Held:
    follow = FOLLOW.replace("NAME", "follow").replace("BOUND", "0.5")
    strict = FOLLOW.replace("NAME", "strict").replace("BOUND", "0.9")
    files = {"triggers/requests.yaml": REQUESTS, "triggers/follow.yaml": follow, "triggers/strict.yaml": strict}
    return Held.of(write_project(tmp_path / "project", files), tmp_path / "state")


def test_why_shows_what_followed_and_what_did_not_and_what_led_there(held: Held) -> None:
    held.publish("m-1")
    [run] = held.app.ledger.runs.list()
    name = held.app.ledger.runs.name(run)
    held.platform.finish(name, JobStatus(state="succeeded", metrics={"auc": 0.7}))
    held.wind()
    [follower] = [job.id for job in held.platform.jobs.values() if job.id != name]
    told = held.run("why", name).out
    for line in (
        f"event {name}@succeeded  the end of run {name}",
        "follow: launched",
        "its end: strict: ignored",
        "event.lifecycle.properties.metrics.auc > 0.9 is not true",
        f"run {follower}  running",
    ):
        assert line in told
    [up] = held.run("why", follower, "--format", "json").lines
    assert [event["id"] for event in up["events"]] == ["m-1", f"{name}@succeeded"]
    assert [run["id"] for run in up["runs"]] == [name, follower]
    assert [said["trigger"] for said in up["runs"][0]["chained"]] == ["follow", "strict"]


def test_an_event_in_canonical_form_is_decoded_as_it_is_and_explained(held: Held, tmp_path: Path) -> None:
    held.publish("m-1")
    held.finish()
    event = json.loads(json.dumps(next(iter(held.app.ledger.claims.list())).value.event))
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event), encoding="utf-8")
    assert retrigger("decode", file, "--format", "json").lines == [event]
    called = retrigger("explain", file, "--project", tmp_path / "project", "--format", "json")
    assert (called.code, called.lines[0]["trigger"]) == (0, "requests")


def test_a_file_that_only_looks_canonical_is_malformed(tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    for broken in ({"kind": "lifecycle", "identity": "x"}, {"kind": [], "identity": {}, "id": 3}):
        file.write_text(json.dumps(broken), encoding="utf-8")
        called = retrigger("decode", file, "--format", "json")
        assert (called.code, called.lines[0]["error"]["code"]) == (1, "bad_event")
    file.write_text("[" * 100_000, encoding="utf-8")
    assert retrigger("decode", file, "--format", "json").code == 1
