from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers import signature, templates
from retrigger.triggers.signature import Misfit, Parameter, Signature

if TYPE_CHECKING:
    from retrigger.triggers.event import Json


def spec(**inputs: Json) -> dict[str, Json]:
    return {
        "pipelineInfo": {"name": "churn"},
        "schemaVersion": "2.1.0",
        "root": {"inputDefinitions": {"parameters": inputs}},
    }


CHURN = templates.read(
    spec(
        data={"parameterType": "STRING"},
        min_auc={"parameterType": "NUMBER_DOUBLE", "defaultValue": 1.0},
        trees={"parameterType": "NUMBER_INTEGER", "defaultValue": 100.0, "isOptional": True},
        fast={"parameterType": "BOOLEAN", "isOptional": True},
        columns={"parameterType": "LIST", "defaultValue": [1.0, 0.5]},
        options={"parameterType": "STRUCT", "defaultValue": {"depth": 3.0}},
        metric={"parameterType": "STRING", "defaultValue": "auc", "literals": ["auc", "f1"]},
        status={"parameterType": "TASK_FINAL_STATUS"},
    )
)


def test_a_signature_is_read_from_a_pipeline_spec() -> None:
    assert (
        Signature(
            name="churn",
            parameters={
                "data": Parameter(name="data", type="STRING"),
                "min_auc": Parameter(name="min_auc", type="NUMBER_DOUBLE", required=False, default=1.0),
                "trees": Parameter(name="trees", type="NUMBER_INTEGER", required=False, default=100),
                "fast": Parameter(name="fast", type="BOOLEAN", required=False),
                "columns": Parameter(name="columns", type="LIST", required=False, default=[1, 0.5]),
                "options": Parameter(name="options", type="STRUCT", required=False, default={"depth": 3}),
                "metric": Parameter(
                    name="metric", type="STRING", required=False, default="auc", literals=("auc", "f1")
                ),
            },
        )
        == CHURN
    )


def test_a_job_gives_defaults_and_artifacts_are_no_parameters() -> None:
    inner = spec(data={"parameterType": "STRING"})
    inner["root"] = {
        "inputDefinitions": {
            "parameters": {"data": {"parameterType": "STRING"}},
            "artifacts": {"model": {"artifactType": {"schemaTitle": "system.Model"}}},
        }
    }
    job: dict[str, Json] = {"pipelineSpec": inner, "runtimeConfig": {"parameterValues": {"data": "gs://b/x"}}}
    assert templates.read(job) == Signature(
        name="churn",
        parameters={"data": Parameter(name="data", type="STRING", required=False, default="gs://b/x")},
        artifacts={"model": True},
    )


def test_the_old_schema_is_read() -> None:
    old = {**spec(n={"type": "INT"}, x={"type": "DOUBLE"}, s={"type": "STRING"}), "schemaVersion": "2.0.0"}
    job: dict[str, Json] = {
        "pipelineSpec": old,
        "runtimeConfig": {"parameters": {"n": {"intValue": "3"}, "s": {"stringValue": "a"}}},
    }
    assert templates.read(job).parameters == {
        "n": Parameter(name="n", type="NUMBER_INTEGER", required=False, default=3),
        "x": Parameter(name="x", type="NUMBER_DOUBLE"),
        "s": Parameter(name="s", type="STRING", required=False, default="a"),
    }


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}, "this is an Argo workflow"),
        ({"implementation": {"container": {}}}, "this is a component, not a pipeline"),
        ({}, "this is no compiled pipeline"),
        ({"root": {}, "schemaVersion": "3.0"}, "this is no compiled pipeline"),
        ({"root": {}, "schemaVersion": 2.1}, None),
        ({"pipelineSpec": "text"}, "`pipelineSpec` of the pipeline is not an object"),
        ({"root": [], "schemaVersion": "2.1.0"}, "`root` of the pipeline is not an object"),
        (spec(x={"parameterType": "TENSOR"}), "the pipeline's input x has no known type"),
        (spec(x=None), "the pipeline's input x is not an object"),
        (
            {"pipelineSpec": spec(), "runtimeConfig": {"parameters": {"n": 3}}},
            "`runtimeConfig` of the pipeline gives n in no known form",
        ),
        (
            {"pipelineSpec": spec(), "runtimeConfig": {"parameters": {"n": {"intValue": "three"}}}},
            "`runtimeConfig` of the pipeline gives n in no known form",
        ),
    ],
)
def test_anything_else_is_named(template: dict[str, Json], reason: str | None) -> None:
    if reason is None:
        assert templates.read(template) == Signature(name="pipeline", parameters={})
        return
    with pytest.raises(ValueError, match=re.escape(reason)):
        templates.read(template)


@pytest.mark.parametrize(
    ("name", "type_", "code"),
    [
        ("data", "string", None),
        ("data", "timestamp", None),
        ("data", "dyn", None),
        ("data", "int", "wrong_type"),
        ("data", "null", "wrong_type"),
        ("min_auc", "int", None),
        ("min_auc", "string", "wrong_type"),
        ("trees", "double", "wrong_type"),
        ("trees", "null", None),
        ("fast", "bool", None),
        ("columns", "list", None),
        ("options", "list", "wrong_type"),
        ("options", "map", None),
    ],
)
def test_types_of_expressions_are_held_against_the_signature(name: str, type_: str, code: str | None) -> None:
    found = signature.check(CHURN, {"data": "string", name: type_}, {})
    assert [misfit.code for misfit in found] == ([] if code is None else [code])


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("data", "x", None),
        ("data", 1, "wrong_type"),
        ("data", None, "missing_parameter"),
        ("trees", 3, None),
        ("trees", 3.0, None),
        ("trees", 0.5, "lossy_number"),
        ("trees", True, "wrong_type"),
        ("trees", 2**53, None),
        ("trees", 2**53 + 1, "lossy_number"),
        ("trees", 1e300, "lossy_number"),
        ("trees", None, None),
        ("min_auc", 1, None),
        ("min_auc", float("nan"), "lossy_number"),
        ("min_auc", 2**60, "lossy_number"),
        ("fast", 1, "wrong_type"),
        ("columns", [{"deep": [2**60]}], "lossy_number"),
        ("options", {"a": 1}, None),
        ("options", [], "wrong_type"),
        ("metric", "f1", None),
        ("metric", "rmse", "bad_literal"),
    ],
)
def test_known_values_are_held_against_the_signature(name: str, value: Json, code: str | None) -> None:
    found = signature.check(CHURN, {}, {"data": "x", name: value})
    assert [misfit.code for misfit in found] == ([] if code is None else [code])


def test_every_misfit_is_told_at_once_in_words() -> None:
    assert signature.check(CHURN, {"min_auk": "double"}, {"trees": 0.5}) == [
        Misfit("min_auk", "unknown_parameter", "the pipeline churn has no parameter min_auk (did you mean `min_auc`?)"),
        Misfit("trees", "lossy_number", "it is NUMBER_INTEGER, 0.5 cannot become one exactly"),
        Misfit("data", "missing_parameter", "the pipeline churn needs it (STRING) and nothing gives it"),
    ]


def test_an_artifact_is_told_from_a_misspelling() -> None:
    one = Signature(name="p", parameters={}, artifacts=("model",))
    assert signature.check(one, {}, {"model": "gs://b/m"}) == [
        Misfit(
            "model",
            "unknown_parameter",
            "the pipeline p has no parameter model: it is an artifact, so it goes under `artifacts`",
        )
    ]
    assert signature.check(one, {}, {"zzz": 1}) == [
        Misfit("zzz", "unknown_parameter", "the pipeline p has no parameter zzz (it has none)")
    ]


def test_values_are_normalised_before_they_are_sent() -> None:
    values: dict[str, Json] = {"data": "x", "trees": 3.0, "min_auc": 1.0, "options": {"a": 2.0, "b": 0.5}, "fast": None}
    sent = signature.fit(CHURN, values)
    assert sent == {"data": "x", "trees": 3, "min_auc": 1.0, "options": {"a": 2, "b": 0.5}}
    assert [type(sent["trees"]), type(sent["min_auc"])] == [int, float]


def test_values_that_do_not_fit_are_refused_with_every_reason() -> None:
    expected = (
        "trees: it is NUMBER_INTEGER, a text is not; data: the pipeline churn needs it (STRING) and nothing gives it"
    )
    with pytest.raises(ValueError, match=re.escape(expected)):
        signature.fit(CHURN, {"trees": "many", "data": None})
