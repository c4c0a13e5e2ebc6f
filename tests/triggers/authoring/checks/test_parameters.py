from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from retrigger.triggers.event import Json

    Write = Callable[[Mapping[str, str]], Path]

PROJECT = """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-dev-retrigger
    vars: {table: "gs://acme-dev-landing/full.csv", rows: 9007199254740993, few: 3, form: pdf}
    stores: {landing: gs://acme-dev-landing}
    pipelines: {train: {template: pipelines/train.json, root: gs://acme-dev-pipelines}}
"""
TEMPLATE = """\
{"deploymentSpec": {"executors": {}}, "pipelineInfo": {"name": "train"}, "schemaVersion": "2.1.0",
 "root": {"dag": {"tasks": {}}, "inputDefinitions": {"parameters": {
   "form": {"parameterType": "STRING", "literals": ["pdf", "html"], "isOptional": true},
   "rows": {"parameterType": "NUMBER_INTEGER", "isOptional": true}}}}}
"""
TRIGGER = """\
name: churn
source: [{object: {in: landing, match: "{dt}/*.csv"}}]
launch: {pipeline: train, parameters: {NAME: "VALUE"}}
"""


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("form", "${{ vars.form }}", []),
        ("form", "${{ vars.table }}", [(3, 46, "bad_literal")]),
        ("form", "p${{ 'd' }}f", []),
        ("form", "${{ window.folder }}", []),
        ("rows", "${{ vars.few + 1 }}", []),
        ("rows", "${{ vars.rows }}", [(3, 46, "lossy_number")]),
        ("rows", "${{ vars.form }}", [(3, 46, "wrong_type")]),
        ("rows", "${{ vars.few / 0 }}", []),
    ],
)
def test_what_the_environment_alone_decides_is_held_against_the_pipeline_as_a_value(
    write: Write, name: str, value: str, expected: list[tuple[int, int, str]]
) -> None:
    trigger = TRIGGER.replace("NAME", name).replace("VALUE", value)
    root = write({"retrigger.yaml": PROJECT, "pipelines/train.json": TEMPLATE, "triggers/churn.yaml": trigger})
    assert [(problem.line, problem.column, problem.code) for problem in compiling.check(root)] == expected


@pytest.mark.parametrize(
    ("declared", "parameter", "code"),
    [
        ({"type": "string"}, "rows", "wrong_type"),
        ({"type": "boolean"}, "rows", "wrong_type"),
        ({"type": "integer"}, "data", "wrong_type"),
        ({"type": "number"}, "data", "wrong_type"),
        ({"$ref": "#/$defs/text"}, "rows", "wrong_type"),
        ({"type": "integer"}, "rows", None),
        ({"type": "number"}, "rows", None),  # it may be a whole one
        ({"type": ["string", "integer"]}, "rows", None),
        ({}, "rows", None),
        ({"type": "string"}, "data", None),
    ],
)
def test_a_field_of_a_message_has_the_type_that_its_schema_says(
    write: Write, declared: Json, parameter: str, code: str | None
) -> None:
    schema = {"properties": {"job": {"properties": {"x": declared}}}, "$defs": {"text": {"type": "string"}}}
    given = {"data": '"${{ vars.table }}"', parameter: '"${{ event.message.json.job.x }}"'}
    source = f"{{in: requests, schema: x.json, parameters: {{{', '.join(f'{k}: {v}' for k, v in given.items())}}}}}"
    trigger = f"name: asked\nsource:\n  - message: {source}\nlaunch: {{pipeline: train}}\n"
    problems = compiling.check(write({"triggers/asked.yaml": trigger, "x.json": json.dumps(schema)}))
    assert [(it.code, it.message[: len(parameter) + 2]) for it in problems] == (
        [] if code is None else [(code, f"`{parameter}`")]
    )
