"""Three triggers that people really write, in the Sandbox and as `explain` tells of them."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from retrigger.handlers.outcome import Verdict
from retrigger.handlers.rollout.commands import approve
from retrigger.handlers.rollout.telling import rollouts
from retrigger.manifest import read
from retrigger.testing import Sandbox
from retrigger.triggers.authoring.compile import check
from retrigger.triggers.environment import Store
from retrigger.triggers.event import Event, Lifecycle
from tests.cli.conftest import retrigger

if TYPE_CHECKING:
    from collections.abc import Mapping

USERS = Path(__file__).parents[1] / "golden" / "users"
WORKSPACE = "/subscriptions/1a/resourceGroups/ml/providers/Microsoft.MachineLearningServices/workspaces/ml"
CUT_OFF = Verdict(
    "gate", "stop", "bad_data", "the file does not end as Parquet does: it is cut off, or of another format"
)
MODEL_MONITOR = {"azureml_modelmonitor_threshold_breached": "data_drift"}


def happened(kind: str, payload: Lifecycle) -> Event:
    time = datetime(2026, 1, 5, tzinfo=UTC)
    type_ = f"Microsoft.MachineLearningServices.{kind}"
    return Event(id=payload.name, source=WORKSPACE, type=type_, time=time, subject=None, payload=payload)


def run_changed(name: str, tags: Mapping[str, str], workspace: str = WORKSPACE) -> Event:
    resource = f"{workspace}/experiments/e/runs/{name}"
    payload = Lifecycle(platform="azureml", resource=resource, name=name, status="completed", tags=tags)
    return happened("RunStatusChanged", payload)


def registered(version: str, tags: Mapping[str, str]) -> Event:
    resource = f"{WORKSPACE}/models/churn:{version}"
    payload = Lifecycle(platform="azureml", resource=resource, name="churn", version=version, tags=tags)
    return happened("ModelRegistered", payload)


def sales(rows: int, shop: str | None = "north") -> bytes:
    """A part as a query engine writes it, in row groups of two."""
    table = pa.table(
        {
            "order": pa.array(range(rows), pa.int64()),
            "at": pa.array([datetime(2026, 1, 4, 12, tzinfo=UTC)] * rows, pa.timestamp("us", "UTC")),
            "amount": pa.array([9] * rows, pa.decimal128(12, 2)),
            "shop": pa.array([shop] * rows, pa.string()),
        }
    )
    file = io.BytesIO()
    parquet.write_table(table, file, row_group_size=2)
    return file.getvalue()


@pytest.mark.parametrize("project", ["partitions", "drift", "weekly"])
def test_they_are_right(project: str) -> None:
    assert check(USERS / project) == []


@pytest.mark.parametrize(
    ("environment", "lake", "root"),
    [
        ("google", "gs://acme-dev-lake/tables", "gs://acme-dev-pipelines"),
        (
            "azure",
            "https://acmeprod.blob.core.windows.net/lake/tables",
            "https://acmeprod.blob.core.windows.net/pipelines",
        ),
    ],
)
def test_a_days_partition_is_forecast_once_it_is_complete(environment: str, lake: str, root: str) -> None:
    sandbox = Sandbox(USERS / "partitions", environment=environment)
    parts = [f"{lake}/sales/day=2026-01-04/region={region}/part%200.parquet" for region in ("eu", "us")]
    for part in parts:
        assert [outcome.result for outcome in sandbox.drop(part, sales(3))] == ["deferred"]
    cut = f"{lake}/sales/day=2026-01-04/region=uk/part%200.parquet"
    [outcome] = sandbox.drop(cut, sales(3)[:-100])
    assert (outcome.result, outcome.verdicts[-1]) == ("rejected", CUT_OFF)
    sandbox.drop(f"{lake}/sales/day=2026-01-04/_SUCCESS", b"")
    [run] = sandbox.runs()
    assert (run.members, run.parameters["day"]) == (2, "2026-01-04")
    assert run.parameters["files"] == f"{root}/retrigger/{run.id}/manifest.txt"
    name = run.parameters["files"].removeprefix(f"{root}/")
    written = b"".join(sandbox.objects.read(Store.at(root).place, name, limit=1000)).decode()
    assert read(written).uris == tuple(parts)


@pytest.mark.parametrize(
    ("parts", "results", "rows", "said"),
    [
        ([sales(3, shop=None), sales(5)], ["rejected", "deferred"], 5, "marker"),
        ([sales(2), sales(2)], ["deferred", "deferred"], 4, "too_few_rows"),
    ],
)
def test_what_the_footers_say_decides(parts: list[bytes], results: list[str], rows: int, said: str) -> None:
    sandbox = Sandbox(USERS / "partitions", environment="google")
    folder = "gs://acme-dev-lake/tables/sales/day=2026-01-04"
    outcomes = [sandbox.drop(f"{folder}/{number}.parquet", part) for number, part in enumerate(parts)]
    assert [outcome.result for [outcome] in outcomes] == results
    [outcome] = sandbox.drop(f"{folder}/_SUCCESS", b"")
    assert outcome.window is not None
    window = sandbox.journal.window(outcome.window)
    assert (window["rows"], window["verdicts"][-1]["code"]) == (rows, said)
    assert len(sandbox.runs()) == (said == "marker")


def test_drift_retrains_and_only_drift() -> None:
    sandbox = Sandbox(USERS / "drift", environment="prod")
    assert [it.verdicts[0].code for it in sandbox.send(run_changed("r1", {}))] == ["filter_false"]
    assert [it.verdicts[0].code for it in sandbox.send(run_changed("r2", MODEL_MONITOR, "/subscriptions/2/x"))] == [
        "no_match"
    ]
    assert [it.result for it in sandbox.send(run_changed("r3", MODEL_MONITOR, WORKSPACE.upper()))] == ["launched"]
    assert [it.result for it in sandbox.send(run_changed("r3", MODEL_MONITOR))] == ["duplicate"]
    assert [run.parameters for run in sandbox.runs()] == [{"data": "azureml:churn_table:12", "because": "r3"}]


def test_a_model_whose_gate_passed_is_rolled_out_step_by_step_with_consent() -> None:
    sandbox = Sandbox(USERS / "drift", environment="prod")
    sandbox.endpoints.put("churn-online", {"blue": "churn:6"}, {"blue": 100})
    assert [it.result for it in sandbox.send(registered("6", {"gate": "failed"}))] == ["ignored"]
    assert [it.result for it in sandbox.send(registered("7", {"gate": "passed"}))] == ["launched"]
    sandbox.advance(timedelta(hours=2))
    [waiting] = rollouts(sandbox.app.ledger)
    split = {"blue": 50, waiting.deployment: 50}
    assert (waiting.state, waiting.percent, sandbox.endpoints.look("churn-online").split) == ("waiting", 100, split)
    assert approve(sandbox.app.ledger, waiting.id, by="ann") == "done"
    sandbox.advance(timedelta(hours=2))
    assert [(run.state, run.parameters) for run in sandbox.runs()] == [
        ("succeeded", {"endpoint": "churn-online", "model": "churn", "version": "7"})
    ]
    assert list(sandbox.endpoints.deployments["churn-online"]) == [waiting.deployment]


def test_a_version_that_is_not_made_of_digits_is_no_version() -> None:
    sandbox = Sandbox(USERS / "drift", environment="prod")
    [outcome] = sandbox.send(registered("7; drop", {"gate": "passed"}))
    assert (outcome.result, [it.code for it in outcome.verdicts]) == ("rejected", ["bad_parameters"])


def test_the_segments_are_rebuilt_every_monday_in_paris() -> None:
    sandbox = Sandbox(USERS / "weekly", environment="prod", now=datetime(2026, 1, 11, 22, tzinfo=UTC))
    sandbox.app.core.handle(wake_up(sandbox.now))
    sandbox.advance(timedelta(hours=7, minutes=29))
    assert sandbox.runs() == []
    sandbox.advance(timedelta(minutes=2))
    sandbox.app.core.handle(wake_up(sandbox.now))
    assert [run.parameters for run in sandbox.runs()] == [
        {
            "query": "SELECT * FROM `acme-prod.sales.orders` WHERE week = '2026-01-12'",
            "model": "segments_2026-01-12",
            "clusters": 8,
        }
    ]


def wake_up(at: datetime) -> Event:
    from retrigger.triggers.formats.schedule import due

    return due("weekly-segments", at)


def explained(folder: Path, kind: str, subject: str, payload: Mapping[str, object]) -> tuple[int, dict[str, Any]]:
    event = {
        "specversion": "1.0",
        "id": "e1",
        "source": WORKSPACE,
        "type": f"Microsoft.MachineLearningServices.{kind}",
        "time": "2026-01-05T09:00:00Z",
        "subject": subject,
        "data": payload,
    }
    file = folder / "event.json"
    file.write_text(json.dumps(event), encoding="utf-8")
    called = retrigger("explain", file, "--project", USERS / "drift", "--format", "json")
    (told,) = called.lines
    return called.code, told


def test_explain_shows_the_job_of_a_breached_monitor(tmp_path: Path) -> None:
    alarm = {"RunId": "r9", "RunStatus": "Completed", "RunTags": MODEL_MONITOR}
    code, told = explained(tmp_path, "RunStatusChanged", "experiments/e/runs/r9", alarm)
    assert (code, told["trigger"], told["result"]) == (0, "drift-retrain", "launched")
    assert told["request"]["body"]["properties"]["inputs"] == {
        "because": {"value": "r9", "jobInputType": "literal"},
        "data": {"uri": f"{WORKSPACE}/data/churn_table/versions/12", "jobInputType": "mltable"},
    }


def test_explain_shows_the_first_request_of_a_rollout_and_its_steps(tmp_path: Path) -> None:
    model = {"ModelName": "churn", "ModelVersion": "7", "ModelTags": {"gate": "passed"}}
    code, told = explained(tmp_path, "ModelRegistered", "models/churn:7", model)
    assert (code, told["trigger"], told["result"]) == (0, "churn-rollout", "launched")
    assert told["request"]["body"]["properties"]["model"] == f"{WORKSPACE}/models/churn/versions/7"
    assert told["steps"][0] == "deploy model churn, version 7, to churn-online, without traffic"
