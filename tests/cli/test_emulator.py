"""The commands that work on an emulator, on a real one: started, used and stopped as its user would."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.adapters.sqlite import SqliteRecords
from retrigger.local_emulator.claim import running
from retrigger.local_emulator.state import State
from tests.cli.conftest import retrigger, uploaded, write_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.conftest import Called

pytestmark = pytest.mark.xdist_group("emulator of the command line")

DAY = "gs://acme-dev-landing/churn/dt=2026-11-20"
ANNOUNCED = """\
name: announced
source:
  - object: {in: landing, match: "churn/dt={dt}/*.csv"}
  - message: {in: requests, joins: window, members: event.message.json.files}
admit: {window: {key: match.dt, quiet: 10m}}
launch: {pipeline: train, parameters: {data: "${{ window.folder }}"}}
"""


def until(look: Callable[[], Any], timeout: float = 15) -> Any:
    """What `look` finds, once it finds something."""
    deadline = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come to hold in time"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of a running emulator."""
    project = write_project(tmp_path_factory.mktemp("laptop") / "project")
    called = retrigger("up", "--project", project, "--detach")
    assert called.code == 0, called.err
    state = project / ".retrigger"
    try:
        yield state
    finally:
        assert retrigger("down", "--state", state).code == 0
        assert running(State(state)) is None


def on(laptop: Path, *arguments: str | Path) -> Called:
    return retrigger(*arguments, "--state", laptop)


def listed(laptop: Path, command: str, **fields: str) -> list[Any]:
    """The lines of `events` or `runs` that have these fields."""
    lines = on(laptop, command, "--format", "json").lines
    return [line for line in lines if fields.items() <= line.items()]


def launched(laptop: Path, identity: str, seconds: str) -> dict[str, Any]:
    """The run that a message launches."""
    body = json.dumps({"id": identity, "data": identity, "seconds": seconds})
    assert on(laptop, "publish", "requests", body).code == 0

    def look() -> Any:
        runs = listed(laptop, "runs", trigger="requests", state="running")
        return [run for run in runs if run["parameters"]["data"] == identity and run["launched"]]

    run: dict[str, Any] = until(look)[0]
    return run


def test_status_says_where_it_runs(laptop: Path) -> None:
    (told,) = on(laptop, "status", "--format", "json").lines
    assert told["running"]
    assert told["state"] == str(laptop)
    called = on(laptop, "status")
    assert called.code == 0
    assert f"The emulator runs at {told['url']} (process {told['pid']}" in called.out


def test_up_prints_the_variables_of_the_emulator_that_runs(laptop: Path) -> None:
    url = on(laptop, "status", "--format", "json").lines[0]["url"]
    called = retrigger("up", "--project", laptop.parent, "--print-env")
    assert called.code == 0
    assert f"export STORAGE_EMULATOR_HOST={url}" in called.out.splitlines()
    assert all(line.startswith("export ") for line in called.out.splitlines())


def test_a_second_emulator_on_the_folder_is_refused(laptop: Path) -> None:
    called = retrigger("up", "--project", laptop.parent, "--detach")
    assert called.code == 2
    assert "an emulator already runs on the state folder" in called.err


def test_a_taken_port_is_refused(laptop: Path, tmp_path: Path) -> None:
    port = on(laptop, "status", "--format", "json").lines[0]["url"].rpartition(":")[2]
    called = retrigger("up", "--project", laptop.parent, "--state", tmp_path / "other", "--port", port, "--detach")
    assert (called.code, f"port {port} cannot be opened" in called.err) == (2, True)


def test_a_day_is_dropped_and_its_chain_is_told(laptop: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.csv", "b c.csv", "_SUCCESS")]
    for file in files:
        file.write_text("" if file.name == "_SUCCESS" else "x,y\n1,2\n")
    called = on(laptop, "drop", *files, f"{DAY}/", "--format", "json")
    assert (called.code, [line["uri"] for line in called.lines]) == (0, [f"{DAY}/{file.name}" for file in files])

    (run,) = until(lambda: listed(laptop, "runs", trigger="tables"))
    assert (run["members"], run["parameters"]) == (2, {"data": f"{DAY}/"})
    done = until(lambda: _after_a_tick(laptop, lambda: listed(laptop, "runs", trigger="tables", state="succeeded")))
    assert done[0]["tasks"]["rest"] == "succeeded"

    (chain,) = on(laptop, "why", f"{DAY}/b c.csv", "--format", "json").lines
    assert [event["subject"] for event in chain["events"]] == [f"{DAY}/b c.csv"]
    assert [window["uris"] for window in chain["windows"].values()] == [[f"{DAY}/a.csv", f"{DAY}/b c.csv"]]
    assert [(one["id"], one["models"]) for one in chain["runs"]] == [(run["id"], [])]
    for target in (f"{DAY}/b c.csv", run["id"], run["window"], chain["events"][0]["id"]):
        called = on(laptop, "why", target)
        assert called.code == 0
        assert f"└─ run {run['id']}  succeeded" in called.out
    assert f"{DAY}/a.csv" in on(laptop, "events", "--trigger", "tables").out
    assert run["id"] in on(laptop, "runs").out


def _after_a_tick(laptop: Path, look: Callable[[], Any]) -> Any:
    """Polls of the platform are minutes apart: wind over them."""
    assert on(laptop, "clock", "advance", "2m").code == 0
    return look()


def test_what_no_trigger_claimed_is_explained(laptop: Path, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("12")
    assert on(laptop, "drop", tmp_path / "x.csv", "gs://acme-dev-landing/churn/dt=1/small.csv").code == 0
    called = on(laptop, "why", "gs://acme-dev-landing/churn/dt=1/small.csv")
    assert called.code == 1
    assert "  tables: filter_false: event.object.size > 3 is not true\n" in called.out
    assert (
        "  requests: no_match: listens to projects/acme-dev/topics/requests or the schedule `0 3 1 1 *`" in called.out
    )
    missing = on(laptop, "why", "gs://acme-dev-landing/nothing.csv")
    assert (missing.code, "is not in the emulator" in missing.err) == (1, True)
    payload = tmp_path / "payload.json"
    payload.write_text(json.dumps(uploaded("churn/dt=9/x.csv")))
    (told,) = on(laptop, "why", payload, "--format", "json").lines
    assert [(one["trigger"], one["code"]) for one in told["unclaimed"]] == [
        ("requests", "no_match"),
        ("tables", "not_delivered"),
    ]


def test_a_run_is_cancelled_once(laptop: Path) -> None:
    run = launched(laptop, "long", "60")
    until(lambda: [one for one in listed(laptop, "runs", id=run["id"]) if one["tasks"].get("rest") == "running"])
    assert "in " in on(laptop, "runs").out
    assert on(laptop, "cancel", run["id"]).code == 0
    until(lambda: _after_a_tick(laptop, lambda: listed(laptop, "runs", id=run["id"], state="cancelled")))
    called = on(laptop, "cancel", run["id"])
    assert (called.code, "has ended already" in called.err) == (1, True)


def test_what_never_came_is_found_and_taken_in(laptop: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    uri = "gs://acme-dev-landing/churn/dt=2026-12-24/a.csv"
    assert on(laptop, "drop", tmp_path / "a.csv", uri).code == 0
    until(lambda: [line for line in listed(laptop, "events") if line["subject"] == uri])
    ledger = SqliteRecords(State(laptop).ledger)
    bodies = {entry.key: ledger.get(entry.key) for entry in ledger.list("c/")}
    ledger.delete([key for key, record in bodies.items() if record and uri in str(record.body)])  # as if it never came

    assert (on(laptop, "reconcile", "tables").code, on(laptop, "reconcile", "requests").code) == (0, 0)
    called = on(laptop, "reconcile", "tables", "--older-than", "0m", "--format", "json")
    assert (called.code, [line["uri"] for line in called.lines]) == (1, [uri])
    assert uri in on(laptop, "reconcile", "--older-than", "0m").out
    day = uri.removesuffix("a.csv")
    would = on(laptop, "backfill", "tables", "--objects", day, "--dry-run")
    assert (would.code, would.out, would.err) == (0, f"{uri}\n", "1 to take in\n")
    taken = on(laptop, "reconcile", "--older-than", "0m", "--backfill", "--format", "json")
    assert [(line["subject"], line["trigger"]) for line in taken.lines] == [(uri, "tables")]
    assert on(laptop, "reconcile", "--older-than", "0m").out == "Every object has come.\n"
    assert on(laptop, "backfill", "tables", "--objects", day).err == "1 duplicate\n"


def test_fire_wakes_a_trigger_whatever_its_cron_says(laptop: Path) -> None:
    assert on(laptop, "fire", "requests").code == 0
    (event,) = until(lambda: listed(laptop, "events", kind="schedule", result="launched"))
    (run,) = listed(laptop, "runs", id=event["run"])
    assert run["parameters"] == {"data": "nightly", "seconds": "0"}


def test_times_of_a_schedule_are_taken_in_once(laptop: Path) -> None:
    for result in ("launched", "duplicate"):
        called = on(laptop, "backfill", "requests", "--schedule", "2026-01-01..2026-01-01", "--format", "json")
        assert (called.code, [line["result"] for line in called.lines]) == (0, [result])
    [event] = [
        line for line in listed(laptop, "events", kind="schedule") if line["id"].endswith("2026-01-01T03:00:00+00:00")
    ]
    assert event["result"] == "launched"


def test_a_message_is_published_from_a_file_as_it_is(laptop: Path, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"id": "file", "data": "f", "seconds": "0"}')
    topic = "projects/acme-dev/topics/requests"
    called = on(laptop, "publish", topic, f"@{tmp_path / 'm.json'}", "--attribute", "k=v", "--format", "json")
    assert (called.code, called.lines[0]["topic"]) == (0, topic)
    until(lambda: listed(laptop, "events", id=called.lines[0]["id"]))


def test_the_clock_is_wound(laptop: Path) -> None:
    (before,) = on(laptop, "clock", "now", "--format", "json").lines
    (after,) = on(laptop, "clock", "advance", "1h30m", "--format", "json").lines
    assert after["now"] > before["now"]
    assert on(laptop, "clock", "now", "--format", "json").lines[0]["wound_s"] == before["wound_s"] + 5400


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("drop", __file__, "gs://nowhere/x"), 1, "The buckets are acme-dev-landing, acme-dev-pipelines."),
        (("drop", __file__, "s3://x/y"), 2, "is no place"),
        (("drop", __file__, __file__, "gs://acme-dev-landing/x"), 2, "2 files cannot have one name"),
        (("drop", "/nope", "gs://acme-dev-landing/x"), 2, "does not exist"),
        (("drop", __file__, "gs://acme-dev-landing/x", "--env", "dev"), 2, "This version reaches the emulator only"),
        (("publish", "request", "{}"), 1, "did you mean `requests`"),
        (("publish", "requests", "{"), 2, "The message is not JSON"),
        (("publish", "requests", "@/nope"), 2, "/nope: No such file or directory"),
        (("publish", "requests", "{}", "--attribute", "k"), 2, "`k` is no attribute"),
        (("publish", "projects/p/topics/none", "{}"), 1, "none"),
        (("fire", "request"), 1, "did you mean `requests`"),
        (("fire", "tables"), 1, "has a schedule"),
        (("backfill", "requests"), 2, "--objects PREFIX or --schedule A..B"),
        (("backfill", "request", "--objects", "gs://x/"), 1, "did you mean `requests`"),
        (("backfill", "requests", "--objects", "gs://x/"), 1, "it has no object source"),
        (("backfill", "tables", "--objects", "gs://x/"), 1, "gs://acme-dev-landing/churn/dt={dt}/*.csv"),
        (("backfill", "tables", "--schedule", "2026-01-01..2026-01-02"), 1, "tables has no schedule"),
        (("backfill", "requests", "--schedule", "2026-01-01"), 2, "is no span: write A..B"),
        (("backfill", "requests", "--schedule", "2020-01-01..2026-01-02", "--at-most", "2"), 1, "more than 2 times"),
        (("reconcile", "--older-than", "soon"), 2, "`soon` is no duration"),
        (("cancel", "nobody"), 1, "There is no run `nobody`"),
        (("why", "nobody"), 1, "The ledger knows no event, window or run `nobody`"),
        (("clock", "advance", "soon"), 2, "`soon` is no duration"),
        (("clock", "advance", "-1h"), 2, "-1"),
        (("runs", "--ledger", "s3://x"), 2, "there can be no ledger at s3://x"),
        (("runs", "--ledger", "sqlite:/nope"), 2, "There is no ledger at /nope"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_message(
    laptop: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    called = on(laptop, *arguments)
    assert (called.code, said in called.err) == (code, True), called.err


def test_a_ledger_that_is_none_is_told(laptop: Path, tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("no database at all, but text" * 100)
    called = on(laptop, "runs", "--ledger", f"sqlite:{tmp_path / 'ledger'}")
    assert (called.code, "cannot be used" in called.err) == (3, True)


class TestWithoutAnEmulator:
    def test_what_needs_one_says_how_to_start_it(self, tmp_path: Path) -> None:
        State.at(tmp_path / "state")
        for arguments in (("publish", "requests", "{}"), ("clock", "now"), ("drop", __file__, "gs://b/x")):
            called = retrigger(*arguments, "--state", tmp_path / "state")
            assert (called.code, "start it with `retrigger up`" in called.err) == (3, True)

    def test_a_folder_without_a_state_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for command in ("status", "down", "runs", "events"):
            called = retrigger(command)
            assert (called.code, "There is no .retrigger in" in called.err) == (2, True)
            assert retrigger(command, "--state", tmp_path / "nope").code == 2
        assert list(tmp_path.iterdir()) == []

    def test_status_and_down_say_that_none_runs(self, tmp_path: Path) -> None:
        state = State.at(tmp_path / "state")
        state.process.write_text(
            json.dumps({"pid": 1, "url": "http://127.0.0.1:9", "project_folder": "", "started": ""})
        )
        called = retrigger("status", "--state", state.root, "--format", "json")
        assert (called.code, called.lines) == (1, [{"running": False, "state": str(state.root)}])
        called = retrigger("down", "--state", state.root)
        assert (called.code, called.err) == (0, f"No emulator runs on {state.root}.\n")

    def test_up_refuses_a_project_with_mistakes(self, tmp_path: Path) -> None:
        project = write_project(tmp_path, {"triggers/tables.yaml": "name: ["})
        called = retrigger("up", "--project", project)
        assert (called.code, "yaml_syntax" in called.err) == (1, True)
        assert (retrigger("up", "--project", project, "--detach").code) == 1


class TestForeground:
    def test_it_tells_what_happens_until_it_is_interrupted_and_leaves_a_ledger(
        self, project: Path, tmp_path: Path
    ) -> None:
        state = tmp_path / "state"
        log = tmp_path / "log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "retrigger.cli", "up", "--project", project, "--state", state],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        try:
            until(lambda: "The emulator runs at http://127.0.0.1:" in log.read_text())
            body = '{"id": "r1", "data": "d", "seconds": "0"}'
            assert on(state, "publish", "requests", body).code == 0
            until(lambda: re.search(r"requests  requests: launched\n", log.read_text()))
            until(lambda: re.search(r"  run requests-\w+  running\n", log.read_text()))
            functions = on(state, "status", "--format", "json").lines[0]["functions"]["pid"]
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()
        assert log.read_text().endswith("stopping …\n")
        with pytest.raises(ProcessLookupError):
            os.kill(functions, 0)
        assert [run["trigger"] for run in listed(state, "runs")] == ["requests"]
        assert retrigger("status", "--state", state).code == 1


def judged(state: Path, kind: str) -> list[dict[str, Any]]:
    """Events of the trigger that have verdicts: a message is claimed first, and its objects are judged then."""
    return [event for event in listed(state, "events", trigger="announced", kind=kind) if event["verdicts"]]


def test_what_a_message_names_is_looked_up_in_the_store_and_is_what_the_store_announced(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", {"triggers/tables.yaml": ANNOUNCED})
    laptop = project / ".retrigger"
    called = retrigger("up", "--project", project, "--detach")
    assert called.code == 0, called.err
    try:
        files = [tmp_path / name for name in ("a.csv", "b c+ü.csv")]
        for file in files:
            file.write_text("x,y\n1,2\n")
        assert on(laptop, "drop", *files, f"{DAY}/").code == 0
        uris = [f"{DAY}/{file.name}" for file in files]
        until(lambda: len(listed(laptop, "events", trigger="announced", kind="object")) == 2)
        (sent,) = on(laptop, "publish", "requests", json.dumps({"files": uris}), "--format", "json").lines
        (message,) = until(lambda: judged(laptop, kind="message"))
        assert (message["id"], message["verdicts"][0]["reason"]) == (sent["id"], "of its objects: 2 taken")
        assert on(laptop, "publish", "requests", json.dumps({"files": [f"{DAY}/missing.csv"]})).code == 0
        (missing,) = until(lambda: listed(laptop, "events", trigger="announced", result="rejected"))
        assert missing["verdicts"][0]["reason"] == "object 1 is not there"
        assert on(laptop, "clock", "advance", "11m").code == 0
        (run,) = until(lambda: listed(laptop, "runs", trigger="announced"))
        assert run["members"] == 2  # announced and named: one claim each
    finally:
        assert retrigger("down", "--state", laptop).code == 0
