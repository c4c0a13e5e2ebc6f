"""What is launched, through the whole core: choices, artifacts, manifests, and what cannot be launched yet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.jobs import BatchJob, Dataset, PipelineJob
from retrigger.manifest import Member, read
from retrigger.testing import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from retrigger.handlers.outcome import Outcome
    from retrigger.triggers.event import Json

    Make = Callable[..., Sandbox]

PROJECT = """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-dev-retrigger
    stores: {landing: gs://landing}
    channels: {requests: {topic: projects/acme-dev/topics/requests, subscription: projects/acme-dev/subscriptions/all}}
    pipelines:
      train: {template: pipelines/train.json, root: gs://runs/train}
      lite: {template: pipelines/lite.json, root: gs://runs/lite}
    endpoints: {churn: "1234567890"}
    models: {scored: {resource: "4711@prod", batch: {machine_type: n1-standard-4, instances_format: csv}}}
"""
CHOICE = """\
name: churn
source:
  - message: {in: requests, parameters: {data: "${{ event.message.json.data }}"}}
launch: {pipeline: {by: event.message.json.size, from: {big: train, small: lite}}}
"""
BY_DAY = """\
name: churn
source:
  - object: {in: landing, match: "{size}/{day}/*.csv", parameters: {data: "${{ window.WHAT }}"}}
admit:
  window: {key: "[match.size, match.day]", until: {object: "{size}/{day}/_SUCCESS"}, manifest: {format: FORM}}
launch: {pipeline: {by: match.size, from: {big: train, small: lite}}, parameters: {data: overridden}}
"""


def template(name: str, **inputs: Json) -> str:
    spec: Json = {
        "pipelineInfo": {"name": name},
        "schemaVersion": "2.1.0",
        "deploymentSpec": {"executors": {}},
        "root": {"dag": {"tasks": {}}, "inputDefinitions": inputs},
    }
    return json.dumps(spec)


DATA: Json = {"data": {"parameterType": "STRING"}}
MODEL: Json = {"model": {"artifactType": {"schemaTitle": "system.Model"}}}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A Sandbox of a project with this one trigger."""

    def made(trigger: str, **inputs: Json) -> Sandbox:
        files = {
            "retrigger.yaml": PROJECT,
            "triggers/churn.yaml": trigger,
            "pipelines/train.json": template("train", **(inputs or {"parameters": DATA})),
            "pipelines/lite.json": template("lite", parameters=DATA),
        }
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return Sandbox(tmp_path, environment="dev")

    return made


def told(outcome: Outcome) -> tuple[str, list[tuple[str, str, str]]]:
    return outcome.result, [(it.stage, it.code, it.reason) for it in outcome.verdicts]


def test_the_event_chooses_among_the_pipelines_that_the_trigger_names(make: Make) -> None:
    sandbox = make(CHOICE)
    for size in ("big", "small"):
        sandbox.publish("requests", {"size": size, "data": f"gs://b/{size}"})
        sandbox.finish(sandbox.runs()[-1].id)
    assert [sandbox.platform.jobs[run.job].pipeline for run in sandbox.runs()] == ["train", "lite"]
    assert [run.parameters for run in sandbox.runs()] == [{"data": "gs://b/big"}, {"data": "gs://b/small"}]


@pytest.mark.parametrize("size", ["huge", "", 1, None, ["big"], "train"])
def test_a_value_that_chooses_nothing_is_rejected_and_not_launched(make: Make, size: Json) -> None:
    sandbox = make(CHOICE)
    [outcome] = sandbox.publish("requests", {"size": size, "data": "gs://b/x"}, message_id="1")
    reason = "the value of event.message.json.size is none of big, small"
    assert told(outcome) == ("rejected", [("check", "no_such_choice", reason)])
    [again] = sandbox.publish("requests", {"size": size, "data": "gs://b/x"}, message_id="1")
    assert (again.result, again.stored) == ("duplicate", "rejected")
    assert (sandbox.runs(), list(sandbox.journal.dead_letters())) == ([], [])


def test_a_choice_that_cannot_be_computed_is_rejected(make: Make) -> None:
    [outcome] = make(CHOICE).publish("requests", {"data": "gs://b/x"})
    assert [verdict.code for verdict in outcome.verdicts] == ["bad_parameters"]


def test_a_window_chooses_by_what_its_key_fixes(make: Make) -> None:
    sandbox = make(BY_DAY.replace("WHAT", "folder").replace("FORM", "json"))
    sandbox.drop("gs://landing/small/1/a.csv", b"a")
    sandbox.drop("gs://landing/small/1/_SUCCESS", b"")
    [run] = sandbox.runs()
    assert (sandbox.platform.jobs[run.job].pipeline, run.parameters) == ("lite", {"data": "gs://landing/small/1/"})


def test_a_window_that_chooses_nothing_ends_with_the_reason(make: Make) -> None:
    sandbox = make(BY_DAY.replace("WHAT", "manifest").replace("FORM", "json"))
    sandbox.drop("gs://landing/huge/1/a.csv", b"a")
    sandbox.drop("gs://landing/huge/1/_SUCCESS", b"")
    why = sandbox.journal.why("gs://landing/huge/1/a.csv")
    assert why is not None
    [event] = why["events"]
    [window] = why["windows"].values()
    assert (event.result, window["verdicts"][-1]["code"]) == ("rejected", "no_such_choice")
    assert sandbox.runs() == []


@pytest.mark.parametrize(
    ("form", "file"), [("json", "manifest.json"), ("uris", "manifest.txt"), ("mltable", "manifest")]
)
def test_the_manifest_of_a_run_lies_under_the_root_of_the_pipeline_that_was_chosen(
    make: Make, form: str, file: str, tmp_path: Path
) -> None:
    sandbox = make(BY_DAY.replace("WHAT", "manifest").replace("FORM", form))
    for name in ('b "x": {}.csv', "a.csv"):
        sandbox.drop(f"gs://landing/small/1/{name}", b"abc")
    sandbox.drop("gs://landing/small/1/_SUCCESS", b"")
    [run] = sandbox.runs()
    assert run.parameters == {"data": f"gs://runs/lite/retrigger/{run.id}/{file}"}
    for stat in sandbox.objects.list("runs", f"lite/retrigger/{run.id}/"):
        path = tmp_path / stat.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(sandbox.objects.read("runs", stat.name, limit=10_000)))
    found = read(tmp_path / "lite" / "retrigger" / run.id / file)
    assert found.uris == ("gs://landing/small/1/a.csv", 'gs://landing/small/1/b "x": {}.csv')
    told_of_all = [Member("gs://landing/small/1/a.csv", version="1", size=3)]
    assert found.members[:1] == (tuple(told_of_all) if form == "json" else (Member("gs://landing/small/1/a.csv"),))


def test_artifacts_are_sent_beside_the_parameters(make: Make) -> None:
    trigger = """\
name: churn
source: [{message: {in: requests}}]
launch: {pipeline: train, artifacts: {model: "${{ event.message.json.model }}"}}
"""
    sandbox = make(trigger, artifacts=MODEL)
    sandbox.publish("requests", {"model": "4711"})
    [run] = sandbox.runs()
    assert sandbox.platform.jobs[run.job].artifacts == {"model": "4711"}


PREDICTION = """\
name: churn
source: [{object: {in: landing, match: "{day}/*.csv"}}]
admit: {window: {key: match.day, until: {object: "{day}/_SUCCESS"}}}
launch: {batch_prediction: {model: MODEL, input: "${{ window.WHAT }}", output: "gs://out"}}
"""


@pytest.mark.parametrize(
    ("model", "what", "wanted"),
    [
        ("churn", "uris", {"model": "churn", "input": ["gs://landing/1/a.csv", "gs://landing/1/b.csv"]}),
        ("scored", "folder", {"model": "4711@prod", "input": ["gs://landing/1/"], "machine_type": "n1-standard-4"}),
    ],
)
def test_a_batch_prediction_is_frozen_with_what_the_environment_says_of_its_model(
    make: Make, model: str, what: str, wanted: dict[str, Json]
) -> None:
    sandbox = make(PREDICTION.replace("MODEL", model).replace("WHAT", what))
    for name in ("a.csv", "b.csv", "_SUCCESS"):
        sandbox.drop(f"gs://landing/1/{name}", b"a")
    [run] = sandbox.runs()
    job = sandbox.platform.jobs[run.job]
    assert isinstance(job, BatchJob)
    assert {name: getattr(job, name) for name in wanted} == wanted
    assert (run.phase, run.parameters) == ("launched", {"input": wanted["input"], "output": "gs://out"})
    assert job.labels["retrigger-run"] == run.id


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([], "the input is an empty list: there is nothing to predict"),
        (["gs://a", ""], "the input is no URI: it must be text"),
        (4711, "the input is no URI: it must be text"),
    ],
)
def test_an_input_that_is_no_uri_is_rejected(make: Make, data: Json, reason: str) -> None:
    trigger = """\
name: churn
source: [{message: {in: requests}}]
launch: {batch_prediction: {model: churn, input: "${{ event.message.json.data }}", output: "gs://out"}}
"""
    [outcome] = make(trigger).publish("requests", {"data": data})
    assert (outcome.result, [verdict.reason for verdict in outcome.verdicts]) == ("rejected", [reason])


def test_a_message_may_come_by_its_topic_or_by_its_subscription(make: Make) -> None:
    from dataclasses import replace

    from retrigger.triggers.event import Event, Message

    sandbox = make(CHOICE)
    [first] = sandbox.publish("requests", {"size": "big", "data": "gs://b/1"})
    stored = sandbox.app.ledger.claims.list()
    event = Event.from_json(next(iter(stored)).value.event)
    assert isinstance(event.payload, Message)
    payload = replace(event.payload, id="2", channel="projects/acme-dev/subscriptions/all")
    [second] = sandbox.send(replace(event, id="2", payload=payload))
    assert (first.result, second.result) == ("launched", "deferred")  # one run at a time


@pytest.mark.parametrize("model", ["", 4711, None, ["4711"]])
def test_an_artifact_is_an_id_in_text(make: Make, model: Json) -> None:
    trigger = """\
name: churn
source: [{message: {in: requests}}]
launch: {pipeline: train, artifacts: {model: "${{ event.message.json.model }}"}}
"""
    [outcome] = make(trigger, artifacts=MODEL).publish("requests", {"model": model})
    assert (outcome.result, [verdict.code for verdict in outcome.verdicts]) == ("rejected", ["bad_parameters"])


def test_the_folder_of_objects_that_lie_in_no_folder_is_the_bucket(make: Make) -> None:
    trigger = """\
name: churn
source: [{object: {in: landing, match: "*.csv"}}]
launch: {pipeline: train, parameters: {data: "${{ window.folder }}"}}
"""
    sandbox = make(trigger)
    sandbox.drop("gs://landing/other.txt", b"a")
    sandbox.drop("gs://landing/a.csv", b"a")
    [run] = sandbox.runs()
    assert run.parameters == {"data": "gs://landing/"}
    assert [verdict["reason"] for verdict in run.verdicts] == ["1 member", "gs://landing/ also holds other.txt"]


REGISTERED = """\
name: churn
source: [{object: {in: landing, match: "{day}/*.csv"}}]
admit:
  window: {key: match.day, until: {object: "{day}/_SUCCESS"}, manifest: {format: FORM}}
launch:
  pipeline: train
  register: dataset
  artifacts: {table: "${{ window.dataset }}"}
  parameters: {data: "${{ window.dataset }} of ${{ window.manifest }}"}
"""
TABLE: Json = {"table": {"artifactType": {"schemaTitle": "system.Dataset"}}}


@pytest.mark.parametrize(("form", "file"), [("json", "manifest.json"), ("mltable", "manifest")])
def test_the_manifest_is_frozen_as_a_dataset_whose_id_the_launch_may_use(make: Make, form: str, file: str) -> None:
    sandbox = make(REGISTERED.replace("FORM", form), parameters=DATA, artifacts=TABLE)
    for name in ("a.csv", "b.csv", "_SUCCESS"):
        sandbox.drop(f"gs://landing/1/{name}", b"abc")
    [run] = sandbox.runs()
    job = sandbox.platform.jobs[run.job]
    assert isinstance(job, PipelineJob)
    assert job.dataset is not None
    since, until = job.dataset.about["since"], job.dataset.about["until"]
    uri = f"gs://runs/train/retrigger/{run.id}/{file}"
    assert job.dataset == Dataset(
        id=run.id,
        uri=uri,
        format="json" if form == "json" else "mltable",
        about={"trigger": "churn", "run": run.id, "members": 2, "since": since, "until": until},
    )
    assert (job.artifacts, job.parameters) == ({"table": run.id}, {"data": f"{run.id} of {uri}"})
    assert [stat.name for stat in sandbox.objects.list("runs", f"train/retrigger/{run.id}/{file}")]


def test_a_retry_brings_the_dataset_of_the_first_run(make: Make) -> None:
    sandbox = make(REGISTERED.replace("FORM", "json") + "on_failure: {retry: 1}\n", parameters=DATA, artifacts=TABLE)
    for name in ("a.csv", "_SUCCESS"):
        sandbox.drop(f"gs://landing/1/{name}", b"abc")
    [run] = sandbox.runs()
    sandbox.finish(run.id, "failed")
    jobs = list(sandbox.platform.jobs.values())
    assert [job.id for job in jobs] == [run.id, f"{run.id}-1"]
    assert [isinstance(job, PipelineJob) and job.dataset and job.dataset.id for job in jobs] == [run.id, run.id]
