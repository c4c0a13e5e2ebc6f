from __future__ import annotations

from typing import Any

import pytest

from retrigger.local_emulator.runners.conditions import holds, select
from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.specs import validate
from retrigger.local_emulator.runners.values import bind


def pipeline(**parameters: dict[str, Any]) -> dict[str, Any]:
    return {"root": {"dag": {"tasks": {}}, "inputDefinitions": {"parameters": parameters}}, "deploymentSpec": {}}


def test_defaults_fill_in_and_numbers_take_the_form_of_their_type() -> None:
    spec = pipeline(
        rows={"parameterType": "NUMBER_INTEGER"},
        rate={"parameterType": "NUMBER_DOUBLE", "defaultValue": 1.0},
        tree={"parameterType": "STRUCT", "defaultValue": {"depth": 3.0, "eta": 0.5}},
        note={"parameterType": "STRING", "isOptional": True},
        old={"type": "INT"},
    )
    bound = bind(spec, {"rows": 40.0, "rate": 2, "old": 7})
    assert bound == {"rows": 40, "rate": 2.0, "tree": {"depth": 3, "eta": 0.5}, "old": 7}
    assert [type(bound[key]) for key in ("rows", "rate")] == [int, float]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("STRING", 1),
        ("NUMBER_INTEGER", "1"),
        ("NUMBER_INTEGER", 1.5),
        ("NUMBER_INTEGER", 2**60),
        ("NUMBER_INTEGER", True),
        ("NUMBER_DOUBLE", True),
        ("BOOLEAN", 1),
        ("LIST", {}),
        ("STRUCT", []),
    ],
)
def test_a_value_of_another_type_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(PipelineError, match=f"parameter 'x' must be {kind}, not "):
        bind(pipeline(x={"parameterType": kind}), {"x": value})


def test_unknown_and_missing_parameters_are_named() -> None:
    spec = pipeline(x={"parameterType": "STRING"})
    with pytest.raises(PipelineError, match="parameter 'y' is not in the pipeline's signature; it takes: x"):
        bind(spec, {"x": "1", "y": "2"})
    with pytest.raises(PipelineError, match="parameter 'x' is required and was not given"):
        bind(spec, {})


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        ("inputs.parameter_values['x'] == 'no'", 'it\'s "no"', False),
        ("inputs.parameter_values['x'] == 'x > 1 && true'", "x > 1 && true", True),
        ("int(inputs.parameter_values['x']) == 1", 1, True),
        ("!(inputs.parameter_values['x'] >= 0.9) && true", 1, False),
        ("inputs.parameter_values['x'] == true", False, False),
    ],
)
def test_conditions_are_cel(condition: str, value: Any, *, expected: bool) -> None:
    assert holds(condition, {"x": value}) is expected


@pytest.mark.parametrize("condition", ["inputs.parameter_values['x'] == 'it's'", "inputs.parameter_values['x'] > 1"])
def test_a_condition_without_an_answer_is_an_error_not_a_no(condition: str) -> None:
    with pytest.raises(PipelineError, match="condition"):
        holds(condition, {"x": "text"})


def test_a_selector_takes_a_field_of_an_item() -> None:
    assert select({"a": {"b": [7]}}, "parseJson(string_value)[\"a\"]['b'][0]") == 7
    assert select('{"a": 1}', 'parseJson(string_value)["a"]') == 1
    for selector in ('parseJson(string_value)["none"]', "something(else)"):
        with pytest.raises(PipelineError, match="selector"):
            select({"a": 1}, selector)


@pytest.mark.parametrize(
    "spec",
    [
        None,
        [],
        {},
        {"root": {}, "deploymentSpec": {}},
        {"root": {"dag": {"tasks": {"t": 3}}}, "deploymentSpec": {}},
        {"root": {"dag": {"tasks": {"t": {"componentRef": {"name": "none"}}}}}, "deploymentSpec": {}},
        {"root": {"dag": {"tasks": {}}}, "deploymentSpec": {}, "components": {"c": {"executorLabel": "none"}}},
        {"root": {"dag": {"tasks": {}}, "inputDefinitions": {"parameters": {"x": 1}}}, "deploymentSpec": {}},
    ],
)
def test_what_is_not_a_pipeline_is_refused(spec: Any) -> None:
    with pytest.raises(PipelineError):
        validate(spec)
