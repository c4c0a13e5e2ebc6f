from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest

from retrigger.cli.churn.pipeline import REQUIREMENTS, churn_training, compiled

EXAMPLE = Path(__file__).resolve().parents[3] / "examples/churn"
SPEC = json.loads((EXAMPLE / "pipelines/churn.json").read_text(encoding="utf-8"))


def test_the_compiled_form_is_that_of_the_source() -> None:
    assert json.loads(compiled()) == SPEC, "run: python -m retrigger.cli.churn.pipeline"
    assert not churn_training.platform_spec.ListFields()  # nothing that a pipeline job could not carry


def test_the_pipeline_takes_what_the_trigger_gives() -> None:
    assert SPEC["pipelineInfo"]["name"] == "churn-training"
    assert SPEC["root"]["inputDefinitions"]["parameters"] == {
        "data": {"parameterType": "STRING"},
        "as_of": {"parameterType": "STRING"},
        "min_auc": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.9, "isOptional": True},
        "model_name": {"parameterType": "STRING", "defaultValue": "churn", "isOptional": True},
        "min_rows": {"parameterType": "NUMBER_INTEGER", "defaultValue": 1000, "isOptional": True},
        "max_null_ratio": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.02, "isOptional": True},
        "test_fraction": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.25, "isOptional": True},
        "seed": {"parameterType": "NUMBER_INTEGER", "defaultValue": 7, "isOptional": True},
    }


def test_one_environment_serves_every_component() -> None:
    executors = SPEC["deploymentSpec"]["executors"].values()
    installs = {executor["container"]["command"][2] for executor in executors}
    assert len(executors) == 8
    assert len(installs) == 1
    assert all(f"'{requirement}'" in next(iter(installs)) for requirement in REQUIREMENTS)


REQUEST = {"request_id": "r-1", "data": "gs://acme-dev-landing/churn/dt=2026-01-31/", "as_of": "2026-01-31"}


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"data": "gs://acme-dev-landing/churn/full.csv"}, True),
        ({"data": "gs://acme-dev-landing/churn/full"}, False),
        ({"data": "gs://acme-dev-landing/"}, False),
        ({"data": "https://acme-dev-landing/churn/"}, False),
        ({"data": f"gs://acme-dev-landing/{'a' * 1100}/"}, False),
        ({"as_of": "31.01.2026"}, False),
        ({"as_of": "2026-02-30"}, False),
        ({"request_id": ""}, False),
        ({"request_id": 1}, False),
        ({"min_auc": 0.1}, False),
    ],
)
def test_a_request_says_what_to_read_and_nothing_else(change: dict[str, object], valid: bool) -> None:
    schema = json.loads((EXAMPLE / "schemas/retrain-request.json").read_text(encoding="utf-8"))
    assert jsonschema_rs.validator_for(schema, validate_formats=True).is_valid({**REQUEST, **change}) is valid
