"""The signature of an Azure ML pipeline; that of Kubeflow Pipelines is in test_signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers import signature, templates
from retrigger.triggers.signature import Misfit, Parameter, Signature

if TYPE_CHECKING:
    from retrigger.triggers.event import Json


def job(**inputs: Json) -> dict[str, Json]:
    return {"type": "pipeline", "name": "churn", "inputs": inputs, "jobs": {}}


CHURN = templates.read(
    job(
        data={"type": "uri_folder", "mode": "ro_mount"},
        sample={"type": "uri_file", "path": "azureml:sample:1"},
        table={"path": "azureml://datastores/d/paths/t"},
        as_of={"type": "string"},
        note={"type": "string", "optional": True},
        trees={"type": "integer", "default": 100, "min": 1, "max": 500},
        rate={"type": "number", "default": 1},
        metric={"type": "string", "default": "auc", "enum": ["auc", "f1"]},
        fast=False,
        min_auc=0.8,
        deep=3,
        label="Attrition_Flag",
    )
)


def test_the_inputs_of_an_azure_pipeline_are_its_signature() -> None:
    expected = [
        Parameter(name="data", type="uri_folder"),
        Parameter(name="sample", type="uri_file", required=False, default="azureml:sample:1"),
        Parameter(name="table", type="uri_folder", required=False, default="azureml://datastores/d/paths/t"),
        Parameter(name="as_of", type="STRING"),
        Parameter(name="note", type="STRING", required=False),
        Parameter(name="trees", type="NUMBER_INTEGER", required=False, default=100, low=1, high=500),
        Parameter(name="rate", type="NUMBER_DOUBLE", required=False, default=1),
        Parameter(name="metric", type="STRING", required=False, default="auc", literals=("auc", "f1")),
        Parameter(name="fast", type="BOOLEAN", required=False, default=False),
        Parameter(name="min_auc", type="NUMBER_DOUBLE", required=False, default=0.8),
        Parameter(name="deep", type="NUMBER_INTEGER", required=False, default=3),
        Parameter(name="label", type="STRING", required=False, default="Attrition_Flag"),
    ]
    assert Signature(name="churn", parameters={it.name: it for it in expected}, platform="azureml") == CHURN


def test_an_empty_text_is_no_value_on_azure() -> None:
    """So a mapping that gives none is told before a launch is refused for it."""
    template: dict[str, Json] = {
        "type": "pipeline",
        "inputs": {"a": "", "b": {"type": "string", "default": ""}, "c": {"type": "string", "optional": True}},
        "jobs": {},
    }
    required = {name: it.required for name, it in templates.read(template).parameters.items()}
    assert required == {"a": True, "b": True, "c": False}


@pytest.mark.parametrize("template", [{"type": "pipeline", "jobs": {}}, {"root": {}, "schemaVersion": "2.1.0"}])
def test_one_without_a_name_is_called_as_its_reader_says(template: dict[str, Json]) -> None:
    assert templates.read(template, unnamed="pipelines/churn.yaml").name == "pipelines/churn.yaml"


def test_a_mapping_is_held_against_it() -> None:
    types = {"data": "string", "as_of": "list"}
    literals: dict[str, Json] = {"sample": 5, "trees": 501, "metric": "mse", "deep": 2.0, "minauc": 1}
    assert signature.check(CHURN, types, literals) == [
        Misfit("as_of", "wrong_type", "it is STRING, the expression gives a list"),
        Misfit("sample", "wrong_type", "it is uri_file, 5 is not"),
        Misfit("trees", "bad_literal", "501 is not in 1..500"),
        Misfit("metric", "bad_literal", "'mse' is none of 'auc', 'f1'"),
        Misfit("minauc", "unknown_parameter", "the pipeline churn has no parameter minauc (did you mean `min_auc`?)"),
    ]


def test_values_are_fitted_as_they_are_sent() -> None:
    given: dict[str, Json] = {"data": "https://acme.blob.core.windows.net/a/b/", "as_of": "2026-01-01", "deep": 2.0}
    assert signature.fit(CHURN, given) == {**given, "deep": 2}


@pytest.mark.parametrize("schema", ["https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json", None])
def test_a_pipeline_job_is_known_by_its_schema_or_its_type(schema: str | None) -> None:
    template: dict[str, Json] = {"jobs": {}, **({"$schema": schema} if schema else {"type": "pipeline"})}
    assert templates.read(template) == Signature(name="pipeline", parameters={}, platform="azureml")


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (job(data=None), "the pipeline's input data has no known type"),
        (job(data={"type": "uri_blob"}), "the pipeline's input data has no known type"),
        (job(data=["a"]), "the pipeline's input data has no known type"),
        ({"type": "pipeline", "jobs": []}, "`jobs` of the pipeline is not an object"),
        ({"type": "pipeline", "jobs": {}, "inputs": 1}, "`inputs` of the pipeline is not an object"),
        ({"type": "command", "command": "x"}, "this is a `command` of Azure ML, not a pipeline"),
        ({"jobs": {}}, "this is no compiled pipeline"),
    ],
)
def test_what_cannot_be_read_is_told(template: dict[str, Json], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        templates.read(template)
