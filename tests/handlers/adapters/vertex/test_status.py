from __future__ import annotations

from typing import Any

import pytest

from retrigger.handlers.adapters.vertex.status import job_status
from retrigger.handlers.jobs import JobStatus
from retrigger.triggers.errors import Unavailable


def artifact(name: str, title: str = "system.Metrics", **metadata: object) -> dict[str, Any]:
    return {"name": name, "schemaTitle": title, "metadata": metadata}


def task(name: str, state: str = "SUCCEEDED", **outputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "taskName": name,
        "state": state,
        "outputs": {key: {"artifacts": [value]} for key, value in outputs.items()},
    }


def metrics_of(*tasks: dict[str, Any]) -> dict[str, float]:
    status = job_status({"state": "PIPELINE_STATE_SUCCEEDED", "jobDetail": {"taskDetails": list(tasks)}})
    return dict(status.metrics)


@pytest.mark.parametrize(
    ("platform", "ours"),
    [
        ("UNSPECIFIED", "running"),
        ("QUEUED", "running"),
        ("PENDING", "running"),
        ("RUNNING", "running"),
        ("PAUSED", "running"),
        ("CANCELLING", "running"),
        ("SUCCEEDED", "succeeded"),
        ("FAILED", "failed"),
        ("CANCELLED", "cancelled"),
    ],
)
def test_states(platform: str, ours: str) -> None:
    assert job_status({"state": f"PIPELINE_STATE_{platform}"}) == JobStatus(state=ours)  # type: ignore[arg-type]  # a table of texts


def test_a_state_that_is_not_known_is_no_state() -> None:
    with pytest.raises(Unavailable) as caught:
        job_status({"state": "PIPELINE_STATE_HIBERNATING"})
    assert caught.value.code == "unknown_state"


def test_tasks_and_their_states() -> None:
    names = ["SUCCEEDED", "NOT_TRIGGERED", "SKIPPED", "CANCEL_PENDING", "CANCELLING", "CANCELLED", "FAILED", "PENDING"]
    tasks = [task(f"t{index}", state) for index, state in enumerate(names)]
    status = job_status({"state": "PIPELINE_STATE_FAILED", "jobDetail": {"taskDetails": tasks}})
    assert list(status.tasks.items()) == [
        ("t0", "succeeded"),
        ("t1", "not_triggered"),
        ("t2", "skipped"),
        ("t3", "running"),
        ("t4", "running"),
        ("t5", "cancelled"),
        ("t6", "failed"),
        ("t7", "pending"),
    ]


def test_iterations_of_a_loop_are_told_apart() -> None:
    status = job_status(
        {"state": "PIPELINE_STATE_SUCCEEDED", "jobDetail": {"taskDetails": [task("a"), task("a"), task("b")]}}
    )
    assert list(status.tasks) == ["a", "a#2", "b"]


def test_metrics_are_the_numbers_of_metric_artifacts() -> None:
    assert metrics_of(
        task("prepare", data=artifact("1", "system.Dataset", rows=7)),
        task(
            "evaluate",
            metrics=artifact("2", auc=0.91, threshold=1, passed=True, note="x", worst="NaN"),
            curves=artifact("3", "system.ClassificationMetrics", accuracy=0.8, confusionMatrix={"rows": []}),
        ),
    ) == {"auc": 0.91, "threshold": 1.0, "accuracy": 0.8}


def test_namesakes_carry_their_task_and_where_needed_their_output() -> None:
    assert metrics_of(
        task("a", m=artifact("1", auc=0.1, f1=0.5)),
        task("b", m=artifact("2", auc=0.2), n=artifact("3", auc=0.3)),
    ) == {"a.auc": 0.1, "f1": 0.5, "b.m.auc": 0.2, "b.n.auc": 0.3}


def test_an_artifact_that_a_graph_hands_on_counts_once() -> None:
    assert metrics_of(task("evaluate", m=artifact("1", auc=0.9)), task("branch", out=artifact("1", auc=0.9))) == {
        "auc": 0.9
    }


@pytest.mark.parametrize(
    "odd", [{"error": None}, {"error": "x"}, {"error": {"message": 5}}, {"jobDetail": None}, {"jobDetail": []}]
)
def test_what_is_odd_of_a_job_is_left_out(odd: dict[str, Any]) -> None:
    assert job_status({"state": "PIPELINE_STATE_FAILED", **odd}) == JobStatus(state="failed")


@pytest.mark.parametrize(
    "odd",
    [
        {"taskDetails": {}},
        {"taskDetails": [None, 5]},
        {"taskDetails": [{"taskName": "a", "outputs": None}]},
        {"taskDetails": [{"taskName": "a", "outputs": {"m": None}}]},
        {"taskDetails": [{"taskName": "a", "outputs": {"m": {"artifacts": {}}}}]},
        {"taskDetails": [{"taskName": "a", "outputs": {"m": {"artifacts": [None]}}}]},
        {"taskDetails": [{"taskName": "a", "outputs": {"m": {"artifacts": [{"schemaTitle": [], "metadata": None}]}}}]},
        {"taskDetails": [{"taskName": ["a"], "state": 5}]},
    ],
)
def test_what_is_odd_of_its_tasks_does_not_hide_how_it_ended(odd: dict[str, Any]) -> None:
    status = job_status({"state": "PIPELINE_STATE_SUCCEEDED", "jobDetail": odd})
    assert (status.state, status.metrics, status.models) == ("succeeded", {}, {})


@pytest.mark.parametrize("state", [None, [], {}, 5])
def test_an_odd_state_is_no_end(state: object) -> None:
    with pytest.raises(Unavailable):
        job_status({"state": state})


def test_a_registered_model_is_told_with_its_version_where_the_artifact_has_one() -> None:
    model = "projects/1/locations/l/models/churn"
    tasks = [
        task("upload", model=artifact("a", "google.VertexModel", resourceName=f"{model}@7")),
        task("handed-on", model=artifact("a", "google.VertexModel", resourceName=f"{model}@7")),
        task("old", model=artifact("b", "google.VertexModel", resourceName="projects/1/locations/l/models/old")),
        task("train", model=artifact("c", "system.Model", resourceName=f"{model}@8")),
    ]
    status = job_status({"state": "PIPELINE_STATE_SUCCEEDED", "jobDetail": {"taskDetails": tasks}})
    assert status.models == {model: "7"}
