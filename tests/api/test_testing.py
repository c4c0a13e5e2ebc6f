"""The Sandbox tells the example's story in memory: what its trigger promises, event by event."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from shutil import copytree

import pytest

from retrigger.testing import Sandbox
from retrigger.triggers.authoring.problems import ProjectError
from tests.projects import template, write_files

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "churn"
DAY = "gs://acme-dev-landing/churn/dt=2026-11-20"
COLUMNS = (
    "Attrition_Flag,Customer_Age,Gender,Total_Relationship_Count,Months_Inactive_12_mon,Contacts_Count_12_mon,"
    "Credit_Limit,Total_Revolving_Bal,Total_Trans_Amt,Total_Trans_Ct"
)
PART = (COLUMNS + "\n" + "Existing Customer,44,F,3,1,2,1000.5,7,1100,40\n" * 600).encode()
BAD = (COLUMNS + "\n" + "flag,age,text,text,text,text,text,text,text,text\n").encode()


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(EXAMPLE, environment="dev")


def results(outcomes: object) -> list[str]:
    assert isinstance(outcomes, list)
    return [outcome.result for outcome in outcomes]


def test_a_days_parts_become_one_run_when_their_marker_lands(sandbox: Sandbox) -> None:
    for number in range(5):
        assert results(sandbox.drop(f"{DAY}/part-{number}.csv", PART)) == ["deferred"]
    assert sandbox.runs() == []
    assert results(sandbox.drop(f"{DAY}/_SUCCESS", b"")) == ["launched"]
    [run] = sandbox.runs()
    assert (run.state, run.members) == ("running", 5)
    assert run.parameters == {"data": f"{DAY}/", "as_of": "2026-11-20", "min_auc": 0.9}
    assert run.labels["team"] == "growth"
    assert run.labels["retrigger-run"] == run.id


def test_a_redelivered_event_changes_nothing_and_says_what_was_stored(sandbox: Sandbox) -> None:
    body = {"request_id": "r-1", "data": f"{DAY}/", "as_of": "2026-11-20"}
    assert results(sandbox.publish("retrain-requests", body)) == ["launched"]
    [again] = sandbox.publish("retrain-requests", body)
    assert (again.result, again.stored) == ("duplicate", "launched")
    assert len(sandbox.runs()) == 1


def test_a_bad_part_is_rejected_with_its_reasons_and_never_runs(sandbox: Sandbox) -> None:
    [outcome] = sandbox.drop(f"{DAY}/part-0.csv", BAD)
    assert outcome.result == "rejected"
    assert outcome.verdicts[0].code == "bad_data"
    assert "row 2, column Customer_Age" in outcome.verdicts[0].reason
    sandbox.drop(f"{DAY}/_SUCCESS", b"")
    sandbox.advance(timedelta(hours=3))
    assert sandbox.runs() == []


def test_a_missing_column_is_named(sandbox: Sandbox) -> None:
    [outcome] = sandbox.drop(f"{DAY}/part-0.csv", PART.replace(b"Customer_Age", b"Age"))
    assert outcome.result == "rejected"
    assert "Customer_Age" in outcome.verdicts[0].reason


def test_a_message_that_breaks_its_schema_is_rejected(sandbox: Sandbox) -> None:
    [outcome] = sandbox.publish("retrain-requests", {"request_id": "r-1", "as_of": "2026-11-20"})
    assert (outcome.result, outcome.verdicts[0].stage) == ("rejected", "check")
    assert sandbox.runs() == []


def test_what_arrives_during_a_run_becomes_one_follow_up_run(sandbox: Sandbox) -> None:
    first = land(sandbox, "a", "b")
    assert results(sandbox.drop(f"{DAY}/c.csv", PART)) == ["deferred"]
    assert results(sandbox.drop(f"{DAY}/d.csv", PART)) == ["deferred"]
    sandbox.drop(f"{DAY}/_SUCCESS", b"again")
    assert len(sandbox.runs()) == 1
    sandbox.finish(first)
    assert [(run.state, run.members) for run in sandbox.runs()] == [("succeeded", 2), ("running", 2)]


def test_a_failed_run_is_retried_and_then_its_members_join_the_next(sandbox: Sandbox) -> None:
    first = land(sandbox, "a", "b")
    sandbox.finish(first, "failed", error="out of memory")
    [run] = sandbox.runs()
    assert (run.state, run.job) == ("running", f"{first}-1")
    sandbox.finish(first, "failed", error="out of memory")
    assert [run.state for run in sandbox.runs()] == ["failed"]
    sandbox.drop(f"{DAY}/c.csv", PART)
    sandbox.drop(f"{DAY}/_SUCCESS", b"again")
    assert [(run.state, run.members) for run in sandbox.runs()] == [("failed", 2), ("running", 3)]


def test_a_schedule_strikes_once_a_slot_and_passes_its_day(sandbox: Sandbox) -> None:
    assert results(sandbox.fire("churn-retrain")) == ["launched"]
    [run] = sandbox.runs()
    assert run.parameters["data"] == "gs://acme-dev-landing/churn/full.csv"
    assert run.parameters["as_of"] == "2026-01-05"


def test_metrics_of_the_platform_stand_on_the_run(sandbox: Sandbox) -> None:
    run = land(sandbox, "a", "b")
    sandbox.finish(run, metrics={"auc": 0.97})
    assert sandbox.runs()[0].metrics == {"auc": 0.97}


def test_why_tells_the_whole_chain_of_an_object(sandbox: Sandbox) -> None:
    run = land(sandbox, "a", "b")
    why = sandbox.journal.why(f"{DAY}/a.csv")
    assert why is not None
    assert [event.result for event in why["events"]] == ["launched"]
    assert [window["cause"] for window in why["windows"].values()] == ["marker"]
    assert [view.id for view in why["runs"]] == [run]
    assert sandbox.journal.why("gs://acme-dev-landing/elsewhere.csv") is None


def test_an_environment_that_is_not_there_is_told(sandbox: Sandbox) -> None:
    del sandbox
    with pytest.raises(ProjectError, match="unknown_environment"):
        Sandbox(EXAMPLE, environment="staging")


def land(sandbox: Sandbox, *names: str) -> str:
    for name in names:
        sandbox.drop(f"{DAY}/{name}.csv", PART)
    sandbox.drop(f"{DAY}/_SUCCESS", b"")
    return sandbox.runs()[-1].id


def test_requests_that_wait_for_a_slot_run_in_the_order_in_which_they_came(sandbox: Sandbox) -> None:
    days = [f"2026-11-{day:02}" for day in range(1, 7)]  # six: the trigger's throttle lets no more through in a day
    for day in days:
        sandbox.publish("retrain-requests", {"request_id": day, "data": f"{DAY}/", "as_of": day})
        sandbox.advance(timedelta(seconds=1))
    for _ in days:
        sandbox.finish(next(run.id for run in sandbox.runs() if run.state == "running" and run.launched))
    assert [run.parameters["as_of"] for run in sorted(sandbox.runs(), key=lambda run: run.launched or "")] == days


def test_a_filter_that_cannot_be_evaluated_is_named_once(tmp_path: Path) -> None:
    trigger = (EXAMPLE / "triggers" / "churn.yaml").read_text()
    copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    before, after = "in: retrain-requests\n", "in: retrain-requests\n      filter: event.message.attributes.urgent\n"
    (tmp_path / "triggers" / "churn.yaml").write_text(trigger.replace(before, after))
    [outcome] = Sandbox(tmp_path, environment="dev").publish("retrain-requests", {"request_id": "r-1"})
    assert [verdict.reason for verdict in outcome.verdicts] == [
        "event.message.attributes.urgent: urgent is absent here: guard it with has(…)"
    ]


def test_what_a_trigger_lets_nobody_keep_is_not_kept_but_for_what_became_a_parameter(tmp_path: Path) -> None:
    copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    with (tmp_path / "triggers" / "churn.yaml").open("a") as file:
        file.write("redact: [/message/json/data, /message/attributes/by]\n")
    sandbox = Sandbox(tmp_path, environment="dev")
    body = {"request_id": "r-1", "data": f"{DAY}/", "as_of": "2026-11-20"}
    assert results(sandbox.publish("retrain-requests", body, attributes={"by": "ada"})) == ["launched"]
    [claim] = sandbox.app.ledger.claims.list()
    kept = claim.value.event["message"]
    assert (kept["json"], kept["attributes"]) == ({**body, "data": "[redacted]"}, {"by": "[redacted]"})
    assert json.loads(base64.b64decode(kept["body"])) == kept["json"]
    [run] = sandbox.runs()
    assert run.parameters["data"] == f"{DAY}/"


def test_a_note_that_breaks_the_tick_does_not_keep_it_from_the_others(sandbox: Sandbox) -> None:
    run = land(sandbox, "a", "b")
    sandbox.app.ledger.note("window", "no-window", "churn-retrain", 0)
    sandbox.finish(run)
    assert [view.state for view in sandbox.runs()] == ["succeeded"]
    assert sandbox.app.tick().run().failed == 1


ANNOUNCED = """\
name: announced
source:
  - object: {in: landing, match: "churn/dt={dt}/*.csv"}
  - message: {in: announcements, joins: window, members: event.message.json.files}
admit:
  window: {key: match.dt}
  concurrency: {limit: 2}
launch: {pipeline: train, parameters: {data: "${{ window.folder }}"}}
"""
ONE_PIPELINE = """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-dev-retrigger
    stores: {landing: gs://acme-dev-landing}
    channels: {announcements: projects/acme-dev/topics/announcements}
    pipelines: {train: {template: pipelines/train.json, root: gs://acme-dev-pipelines}}
"""


def test_the_files_that_a_message_names_are_one_run_a_day_and_why_tells_of_them(tmp_path: Path) -> None:
    files = {"retrigger.yaml": ONE_PIPELINE, "triggers/announced.yaml": ANNOUNCED}
    write_files(tmp_path, {**files, "pipelines/train.json": template("train", data="STRING")})
    sandbox = Sandbox(tmp_path, environment="dev")
    names = [f"churn/dt={day}/part-{part}.csv" for day in (1, 2) for part in (1, 2)]
    for name in names:  # no event of their own comes: the store announces nothing
        sandbox.objects.put("acme-dev-landing", name, PART)
    named = {"files": [f"gs://acme-dev-landing/{name}" for name in names]}
    assert results(sandbox.publish("announcements", named, message_id="m-1")) == ["launched"]
    [again] = sandbox.publish("announcements", named, message_id="m-1")
    assert (again.result, again.stored) == ("duplicate", "deferred")
    data = [f"gs://acme-dev-landing/churn/dt={day}/" for day in (1, 2)]
    assert sorted((run.parameters["data"], run.members) for run in sandbox.runs()) == [(data[0], 2), (data[1], 2)]
    [message] = [event for event in sandbox.journal.events() if event.kind == "message"]
    assert (message.kind, message.result, message.verdicts[0]["reason"]) == (
        "message",
        "launched",
        "of its objects: 4 taken",
    )
    why = sandbox.journal.why(message.id)
    assert why is not None
    assert {event.subject for event in why["events"]} == {message.subject, *named["files"]}
    assert [len(window["uris"]) for window in why["windows"].values()] == [2, 2]
    assert len(why["runs"]) == 2
