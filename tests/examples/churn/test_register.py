from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kfp.dsl import Metrics, Model

from retrigger.cli.churn.register import register_model, report_below_gate

if TYPE_CHECKING:
    from tests.examples.churn.conftest import Cloud

IMAGE = {"imageUri": "us-docker.pkg.dev/vertex-ai/prediction/xgboost-cpu.2-1:latest"}
CHURN = "projects/acme-dev/locations/europe-west4/models/churn"


def register(job: str) -> str:
    name: str = register_model.python_func(
        model=Model(
            uri=f"gs://acme-dev-pipelines/{job}/best", metadata={"framework": "xgboost", "containerSpec": IMAGE}
        ),
        metrics=Metrics(metadata={"auc": 0.9876, "auc_logreg": 0.87, "auc_xgb": 0.9876}),
        model_name="churn",
        as_of="2026-01-31",
        data="gs://acme-dev-landing/churn/dt=2026-01-31/",
        job=f"projects/acme-dev/locations/europe-west4/pipelineJobs/{job}",
    )
    return name


def test_the_first_model_and_the_next_version_are_registered_with_their_metrics(cloud: Cloud) -> None:
    assert register("run-a") == f"{CHURN}@1"
    assert register("run-b") == f"{CHURN}@2"

    def model(job: str) -> dict[str, object]:
        return {
            "displayName": "churn",
            "description": "Who will close the account soon.",
            "versionAliases": [job],
            "versionDescription": "AUC 0.9876, as of 2026-01-31, from gs://acme-dev-landing/churn/dt=2026-01-31/",
            "artifactUri": f"gs://acme-dev-pipelines/{job}/best",
            "containerSpec": IMAGE,
            "labels": {"as-of": "2026-01-31", "framework": "xgboost"},
        }

    def evaluation(job: str) -> dict[str, object]:
        return {
            "displayName": job,
            "metricsSchemaUri": "gs://google-cloud-aiplatform/schema/modelevaluation/classification_metrics_1.0.0.yaml",
            "metrics": {"auRoc": 0.9876},
            "metadata": {"auc_logreg": 0.87, "auc_xgb": 0.9876},
        }

    assert cloud.uploads == [
        {"model": model("run-a"), "modelId": "churn"},
        {"model": model("run-b"), "parentModel": CHURN},
    ]
    assert cloud.evaluations == {f"{CHURN}@1": [evaluation("run-a")], f"{CHURN}@2": [evaluation("run-b")]}


@pytest.mark.parametrize("failing", ["models:upload", "/operations/1", "/evaluations", "/evaluations:import"])
def test_a_second_attempt_finds_what_the_first_one_made(cloud: Cloud, failing: str) -> None:
    cloud.failing = {failing}
    with pytest.raises(RuntimeError, match=f"{failing}: 503"):
        register("run-a")

    assert register("run-a") == f"{CHURN}@1"
    assert register("run-a") == f"{CHURN}@1"
    assert len(cloud.uploads) == 1
    assert [len(evaluations) for evaluations in cloud.evaluations.values()] == [1]


def test_a_task_outside_a_pipeline_job_is_refused(cloud: Cloud) -> None:
    with pytest.raises(ValueError, match=r"job: 'projects/acme-dev/.*/a/b' is not"):
        register("a/b")
    assert cloud.uploads == []


def test_a_model_below_the_gate_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    report_below_gate.python_func(auc=0.53214, min_auc=0.9)
    assert capsys.readouterr().out == "below the gate: auc 0.5321 is less than 0.9000, nothing is registered\n"
