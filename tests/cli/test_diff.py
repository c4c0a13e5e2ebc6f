from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.adapters.sqlite import SqliteRecords
from retrigger.handlers.ledger import Ledger
from retrigger.handlers.records import Claim
from retrigger.triggers.event import FIRED, Event, Object, Schedule
from tests.cli.conftest import PROJECT, REQUESTS, TABLES, TEMPLATE, retrigger, uploaded, write_project
from tests.cli.test_explain import ANNOUNCED, BLOB, SECTION_6, message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Write = Callable[..., Path]
    Change = Callable[[Mapping[str, str]], Path]

DAY = "churn/dt=2026-11-20"
URI = f"gs://acme-dev-landing/{DAY}/a.csv"
NOTHING = {"events": 1, "gained": 0, "lost": 0, "changed": 0, "unchanged": 0, "no_launch": 0, "unreadable": 0}


@pytest.fixture
def changed(tmp_path: Path) -> Change:
    """The project of these tests with other files, beside it."""
    return lambda files: write_project(tmp_path / "changed", files)


@pytest.fixture
def table(write: Write) -> Path:
    return write("events/o.json", uploaded(f"{DAY}/a.csv"))


def fired(at: datetime) -> Event:
    payload = Schedule(name="requests", scheduled_for=at)
    source = "//retrigger/schedules/requests"
    return Event(id=f"s{at.second}", source=source, type=FIRED, time=at, subject="requests", payload=payload)


def kept(path: Path, *events: Event) -> Path:
    """A ledger in which two triggers claimed each of the events."""
    ledger = Ledger(SqliteRecords(path), "local")
    for event in events:
        for trigger in ("tables", "requests"):
            claim = Claim(state="member", trigger=trigger, event=event.to_json())
            ledger.claims.create(ledger.claim_name(trigger, event.identity), claim)
    return path


def an_object(name: str, size: int = 100) -> Event:
    return Event(
        id=name,
        source="//storage.googleapis.com/projects/_/buckets/acme-dev-landing",
        type="google.cloud.storage.object.v1.finalized",
        time=datetime(2026, 11, 20, 10, tzinfo=UTC),
        subject=f"objects/{name}",
        payload=Object(
            store="gcs",
            account=None,
            bucket="acme-dev-landing",
            name=name,
            version="17",
            size=size,
            uri=f"gs://acme-dev-landing/{name}",
        ),
    )


def lines_of(source: object, old: Path, new: Path, *more: str) -> tuple[int, list[Any], Mapping[str, int]]:
    """-> (exit code, differences, summary)."""
    called = retrigger("diff", new, "--from", str(source), "--old", old, "--format", "json", *more)
    assert called.lines, called.err
    *found, last = called.lines
    return called.code, found, last["summary"]


def test_the_same_triggers_launch_the_same(project: Path, table: Path) -> None:
    assert lines_of(table, project, project) == (0, [], {**NOTHING, "unchanged": 1})
    called = retrigger("diff", project, "--from", table, "--old", project)
    assert called.out == "1 event; launches: 0 gained, 0 lost, 0 changed, 1 unchanged.\n"
    assert called.err == f"old: {project} (environment dev)\nnew: {project} (environment dev)\n"


def test_a_launch_that_a_filter_stops_is_lost_and_the_other_way_gained(
    project: Path, changed: Change, table: Path
) -> None:
    strict = changed({"triggers/tables.yaml": TABLES.replace("size > 3", "size > 100")})
    code, (lost,), summary = lines_of(table, project, strict)
    assert (code, summary) == (1, {**NOTHING, "lost": 1})
    told = {name: lost[name] for name in ("event", "subject", "trigger", "difference", "reason")}
    assert told == {
        "event": "e1",
        "subject": URI,
        "trigger": "tables",
        "difference": "lost",
        "reason": {
            "stage": "filter",
            "says": "stop",
            "code": "filter_false",
            "reason": "event.object.size > 100 is not true",
        },
    }
    assert lost["changes"]["parameters.data"] == {"old": f"gs://acme-dev-landing/{DAY}/", "new": None}
    code, (gained,), summary = lines_of(table, strict, project)
    assert (code, gained["difference"], summary) == (1, "gained", {**NOTHING, "gained": 1})
    assert gained["reason"] == lost["reason"]


def test_what_changes_of_a_launch_is_told_from_old_to_new(project: Path, changed: Change, table: Path) -> None:
    new = changed(
        {
            "triggers/tables.yaml": TABLES.replace("key: match.dt", "key: \"'day ' + match.dt\"")
            .replace("_SUCCESS", "_DONE")
            .replace("${{ window.folder }}", "all of ${{ window.folder }}")
        }
    )
    code, (found,), summary = lines_of(table, project, new)
    assert (code, found["difference"], summary) == (1, "changed", {**NOTHING, "changed": 1})
    waits = "the window waits for churn/dt=2026-11-20/{}; without it, it is rejected after 2:00:00"
    folder = f"gs://acme-dev-landing/{DAY}/"
    assert found["changes"] == {
        "window key": {"old": "2026-11-20", "new": "day 2026-11-20"},
        "waits": {"old": waits.format("_SUCCESS"), "new": waits.format("_DONE")},
        "parameters.data": {"old": folder, "new": f"all of {folder}"},
    }
    shown = retrigger("diff", new, "--from", table, "--old", project)
    assert '  window key           "2026-11-20" -> "day 2026-11-20"\n' in shown.out


def test_another_pipeline_account_label_or_template_is_a_change(project: Path, changed: Change, table: Path) -> None:
    other = json.dumps({**TEMPLATE, "sdkVersion": "kfp-2.18.0"})
    settings = "root: gs://other, service_account: a@b.iam.gserviceaccount.com, labels: {team: growth}"
    pipelines = "{other: {template: pipelines/other.json, " + settings + "}}"
    new = changed(
        {
            "retrigger.yaml": PROJECT.replace(
                "{train: {template: pipelines/train.json, root: gs://acme-dev-pipelines}}", pipelines
            ),
            "triggers/tables.yaml": TABLES.replace("pipeline: train", "pipeline: other"),
            "triggers/requests.yaml": REQUESTS.replace("pipeline: train", "pipeline: other"),
            "pipelines/other.json": other,
        }
    )
    _, (found,), _ = lines_of(table, project, new)
    template = found["changes"].pop("template")
    assert template["old"] != template["new"]
    assert found["changes"] == {
        "pipeline": {"old": "train", "new": "other"},
        "root": {"old": "gs://acme-dev-pipelines", "new": "gs://other"},
        "service account": {"old": "ml@acme-dev.iam.gserviceaccount.com", "new": "a@b.iam.gserviceaccount.com"},
        "labels.team": {"old": None, "new": "growth"},
    }


def test_another_key_is_another_identity_and_a_key_that_fails_a_lost_launch(
    project: Path, changed: Change, write: Write
) -> None:
    events = write("m/1.json", message({"id": "r1", "data": "d", "seconds": "5"}))
    other = changed({"triggers/requests.yaml": REQUESTS.replace("key: event.message.json.id", "key: event.message.id")})
    _, (found,), _ = lines_of(events, project, other)
    assert found["changes"] == {"identity": {"old": '["key", "r1"]', "new": '["key", "m1"]'}}
    missing = REQUESTS.replace("key: event.message.json.id", "key: event.message.json.nothing")
    _, (found,), _ = lines_of(events, project, changed({"triggers/requests.yaml": missing}))
    assert (found["difference"], found["reason"]["code"]) == ("lost", "expression_failed")


def test_a_trigger_that_is_renamed_is_lost_under_the_old_name_and_gained_under_the_new(
    project: Path, changed: Change, table: Path
) -> None:
    new = changed({"triggers/tables.yaml": TABLES.replace("name: tables", "name: days")})
    _, found, summary = lines_of(table, project, new)
    assert [(one["trigger"], one["difference"], one["reason"]["code"]) for one in found] == [
        ("days", "gained", "no_match"),
        ("tables", "lost", "no_match"),
    ]
    assert summary == {**NOTHING, "gained": 1, "lost": 1}


def test_observing_loses_the_launch_and_what_is_observed_is_compared_too(
    project: Path, changed: Change, table: Path, tmp_path: Path
) -> None:
    observing = changed({"triggers/tables.yaml": TABLES + "mode: observe\n"})
    _, (found,), _ = lines_of(table, project, observing)
    assert (found["difference"], found["reason"]["code"]) == ("lost", "observed")
    other = TABLES.replace("${{ window.folder }}", "fixed") + "mode: observe\n"
    new = write_project(tmp_path / "other", {"triggers/tables.yaml": other})
    _, (found,), _ = lines_of(table, observing, new)
    assert (found["difference"], list(found["changes"])) == ("changed", ["parameters.data"])


def test_a_ledger_gives_each_event_once_and_is_not_written_to(project: Path, changed: Change, tmp_path: Path) -> None:
    names = (f"{DAY}/a.csv", f"{DAY}/b.csv", f"{DAY}/_SUCCESS")
    ledger = kept(tmp_path / "ledger.sqlite3", *map(an_object, names))
    before = list(SqliteRecords(ledger).list(""))
    strict = changed({"triggers/tables.yaml": TABLES.replace("size > 3", "size > 100")})
    code, found, summary = lines_of(f"sqlite:{ledger}", project, strict)
    assert (code, sorted(one["event"] for one in found)) == (1, list(names[:2]))
    assert summary == {**NOTHING, "events": 3, "lost": 2, "unchanged": 1}
    assert list(SqliteRecords(ledger).list("")) == before


def test_the_emulators_state_folder_is_a_source_and_has_the_old_triggers(project: Path, changed: Change) -> None:
    new, state = changed({"triggers/tables.yaml": TABLES.replace("size > 3", "size > 100")}), "changed/.retrigger"
    folder = project.parent / state
    folder.mkdir()
    kept(folder / "ledger.sqlite3", an_object(f"{DAY}/a.csv"))
    compiled = retrigger("compile", project, "--env", "dev", "--out", folder / "compiled.json")
    assert compiled.code == 0
    called = retrigger("diff", new, "--from", folder)
    assert (called.code, "0 gained, 1 lost" in called.out) == (1, True)
    assert f"old: {folder / 'compiled.json'} (environment dev)\n" in called.err


def test_the_triggers_of_an_emulator_are_compared_with_its_environment(project: Path, table: Path) -> None:
    from retrigger.triggers.authoring.compile import compile_project, local_environment
    from retrigger.triggers.authoring.project import load_project

    loaded = load_project(project)
    local = local_environment(loaded, like=None, ledger="sqlite:l", services={"vertex": "http://127.0.0.1:1"})
    old = project.parent / "compiled.json"
    old.write_text(compile_project(loaded, local), encoding="utf-8")
    assert lines_of(table, old, project) == (0, [], {**NOTHING, "unchanged": 1})
    called = retrigger("diff", project, "--from", table, "--old", old)
    assert called.err.splitlines()[1] == f"new: {project} (environment local)"


def test_a_schedule_that_moved_loses_its_times_but_not_those_fired_by_hand(
    project: Path, changed: Change, tmp_path: Path
) -> None:
    due, by_hand = datetime(2031, 1, 1, 3, tzinfo=UTC), datetime(2031, 5, 5, 5, 5, 5, tzinfo=UTC)
    ledger = kept(tmp_path / "l.sqlite3", fired(due), fired(by_hand))
    assert lines_of(f"sqlite:{ledger}", project, project)[2] == {**NOTHING, "events": 2, "unchanged": 2}
    later = changed({"triggers/requests.yaml": REQUESTS.replace("0 3 1 1 *", "0 4 1 1 *")})
    _, (found,), summary = lines_of(f"sqlite:{ledger}", project, later)
    assert (found["difference"], found["reason"]["code"]) == ("lost", "nothing_due")
    assert summary == {**NOTHING, "events": 2, "lost": 1, "unchanged": 1}


def test_lines_of_decode_are_read_from_a_file_and_from_standard_input(project: Path, table: Path, write: Write) -> None:
    write("events/bad.json", "{")
    decoded = retrigger("decode", "--format", "json", table.parent).out
    expected = {**NOTHING, "unchanged": 1, "unreadable": 1}
    assert lines_of(write("lines.json", decoded), project, project) == (0, [], expected)
    piped = retrigger("diff", project, "--from", "-", "--old", project, "--format", "json", stdin=decoded)
    assert piped.lines == [{"summary": expected}]
    assert "-:1: " in piped.err


@pytest.mark.parametrize(
    "damage",
    [
        {"time": "2026-11-20T10:00:00"},
        {"time": "soon"},
        {"time": 5},
        {"time": "0001-01-01T00:00:00Z"},
        {"source": None},
        {"kind": "objects"},
        {"object": None},
        {"object": {"name": "x"}},
        {"object": {"nonsense": 1}},
        {"attempt": "1"},
        {"source": 5},
        {"notes": 5},
    ],
)
def test_a_damaged_line_is_told_with_its_place_and_the_others_are_judged(
    project: Path, write: Write, damage: Mapping[str, object]
) -> None:
    good = an_object(f"{DAY}/a.csv").to_json()
    lines = [json.dumps(good), json.dumps({**good, "id": "x", **damage}), "{", "[" * 10**5, "3", ""]
    source = write("lines.json", "\n".join(lines))
    called = retrigger("diff", project, "--from", source, "--old", project, "--format", "json")
    assert (called.code, called.lines) == (0, [{"summary": {**NOTHING, "unchanged": 1, "unreadable": 4}}])
    places = [line.partition(": ")[0] for line in called.err.splitlines()[2:]]
    assert places == [f"{source}:{at}" for at in (2, 3, 4, 5)]


@pytest.mark.parametrize("name", ["name", "bucket", "uri", "version"])
def test_an_object_of_a_wrong_type_is_no_event(project: Path, write: Write, name: str) -> None:
    good = an_object(f"{DAY}/a.csv").to_json()
    lines = [good, {**good, "object": {**good["object"], name: 5}}]  # type: ignore[dict-item]  # an object it is
    source = write("lines.json", "\n".join(map(json.dumps, lines)))
    assert lines_of(source, project, project)[2] == {**NOTHING, "unchanged": 1, "unreadable": 1}


def test_launches_on_azure_ml_are_compared_too(write: Write, tmp_path: Path) -> None:
    new = Path(shutil.copytree(SECTION_6, tmp_path / "new"))
    (trigger,) = (new / "triggers").glob("churn*.yaml")
    trigger.write_text(trigger.read_text(encoding="utf-8").replace("min_auc: 0.9", "min_auc: 0.8"), encoding="utf-8")
    source = write("blob.json", BLOB)
    code, (found,), summary = lines_of(source, SECTION_6, new, "--env", "prod")
    assert (code, summary) == (1, {**NOTHING, "changed": 1})
    assert found["changes"] == {"parameters.min_auc": {"old": 0.9, "new": 0.8}}
    assert lines_of(source, SECTION_6, SECTION_6, "--env", "prod")[2] == {**NOTHING, "unchanged": 1}


def test_an_event_that_is_recorded_twice_counts_once(project: Path, table: Path) -> None:
    found = lines_of(table, project, project, "--from", str(table))
    assert found == (0, [], {**NOTHING, "unchanged": 1})


def test_what_cannot_be_compared_is_a_usage_error(project: Path, table: Path, write: Write, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, old, told in (
        (tmp_path / "empty", project, "holds no event"),
        (write("malformed.json", "{"), project, "holds no event"),
        (tmp_path / "nowhere", project, "There is nothing at"),
        ("sqlite:nowhere", project, "There is no ledger at nowhere"),
        ("s3://bucket", project, "there can be no ledger at s3://bucket"),
        (table, write("no.json", "x"), "The compiled project is not JSON"),
    ):
        called = retrigger("diff", project, "--from", str(source), "--old", old)
        assert (called.code, told in called.err) == (2, True), called.err
    (project / "triggers" / "tables.yaml").write_text("name: [")
    called = retrigger("diff", project, "--from", table, "--old", project)
    assert (called.code, "yaml_syntax" in called.err) == (2, True)


def test_without_old_triggers_it_says_how_to_name_them(project: Path, table: Path) -> None:
    called = retrigger("diff", project, "--from", table)
    assert (called.code, "There are no old triggers" in called.err) == (2, True)


def test_people_see_the_first_differences_and_programs_all(project: Path, changed: Change, write: Write) -> None:
    lines = "\n".join(json.dumps(an_object(f"{DAY}/{n}.csv").to_json()) for n in range(205))
    source, none = write("lines.json", lines), changed({"triggers/tables.yaml": TABLES.replace("*.csv", "*.parquet")})
    called = retrigger("diff", none, "--from", source, "--old", project)
    shown = [line for line in called.out.splitlines() if line.startswith("lost ")]
    assert (len(shown), "… and more; --format json has them all\n" in called.out) == (200, True)
    assert len(lines_of(source, project, none)[1]) == 205


def test_a_message_that_names_objects_by_another_expression_is_a_changed_launch(
    changed: Change, tmp_path: Path, write: Write
) -> None:
    old = write_project(tmp_path / "old", {"triggers/requests.yaml": ANNOUNCED})
    new = changed({"triggers/requests.yaml": ANNOUNCED.replace("json.files", "json.more")})
    named = [f"gs://acme-dev-landing/churn/dt={day}/a.csv" for day in (1, 2)]
    sent = write("events/m.json", message({"files": named[:1], "more": named}))
    called = retrigger("diff", new, "--from", sent, "--old", old, "--format", "json")
    (line, summary) = called.lines
    assert (called.code, line["difference"], summary["summary"]["changed"]) == (1, "changed", 1)
    assert line["changes"]["names"] == {
        "old": [[named[0], "deferred", "1"]],
        "new": [[named[0], "deferred", "1"], [named[1], "deferred", "2"]],
    }


def test_what_a_ledger_keeps_in_part_is_no_event_to_compare(project: Path, tmp_path: Path) -> None:
    event = an_object(f"{DAY}/a.csv")
    path = kept(tmp_path / "ledger.sqlite3", event)
    ledger = Ledger(SqliteRecords(path), "local")
    bare = Claim(state="rejected", trigger="tables", event=an_object(f"{DAY}/b.csv").to_json(), archive="none")
    ledger.claims.create(ledger.claim_name("tables", "b"), bare.settled())
    called = retrigger("diff", project, "--from", f"sqlite:{path}", "--old", project)
    assert (called.code, "event_not_kept: its trigger's `archive` or `redact`" in called.err) == (0, True)
    assert lines_of(f"sqlite:{path}", project, project)[2] == {**NOTHING, "unchanged": 1, "unreadable": 1}
