from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.plug_ins import Site

    Write = Callable[[Mapping[str, str]], Path]

GOOGLE = """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    ledger: gs://acme-dev-retrigger
    stores: {landing: gs://acme-dev-landing}
    channels: {requests: projects/acme-dev/topics/requests}
    pipelines:
      train: {template: pipelines/train.json, root: gs://acme-dev-pipelines, service_account: default}
"""
AZURE = """\
environments:
  prod:
    cloud: azure
    workspace: /subscriptions/1/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/ml
    ledger: https://acmeprod.blob.core.windows.net/retrigger
    stores: {landing: https://acmeprod.blob.core.windows.net/landing}
    pipelines: {train: {template: pipelines/train.yaml, root: https://acmeprod.blob.core.windows.net/runs}}
"""
TEMPLATE = """\
{"deploymentSpec": {"executors": {}}, "pipelineInfo": {"name": "train"}, "schemaVersion": "2.1.0",
 "root": {"dag": {"tasks": {}}, "inputDefinitions": {
   "artifacts": {"table": {"artifactType": {"schemaTitle": "system.Dataset"}, "isOptional": true}},
   "parameters": {"data": {"parameterType": "STRING", "isOptional": true}}}}}
"""
JOB = "type: pipeline\ninputs: {data: {type: TYPE, optional: true}}\njobs: {a: {component: azureml:train:1}}\n"
OBJECT = 'object: {in: landing, match: "*.csv"}'


def told(write: Write, project: str, source: str, launch: str, *more: str, kind: str = "uri_file") -> list[str]:
    lines = ["name: churn", "source:", f"  - {source}", "launch:", f"  {launch}", *more]
    files = {"pipelines/train.json": TEMPLATE, "pipelines/train.yaml": JOB.replace("TYPE", kind)}
    root = write({**files, "retrigger.yaml": project, "triggers/churn.yaml": "\n".join(lines) + "\n"})
    found = (problem for problem in compiling.check(root) if problem.code != "unused_name")
    return [f"{problem.line}:{problem.column}:{problem.code}" for problem in found]


@pytest.mark.parametrize(
    ("project", "launch"),
    [
        (GOOGLE, "{pipeline: train, register: dataset}"),
        (GOOGLE, '{pipeline: train, register: dataset, artifacts: {table: "${{ window.dataset }}"}}'),
        (GOOGLE, '{pipeline: train, register: dataset, parameters: {data: "${{ window.dataset }}"}}'),
        (AZURE, '{pipeline: train, register: dataset, parameters: {data: "${{ window.dataset }}"}}'),
    ],
)
def test_a_windows_manifest_can_be_registered_on_both_clouds(write: Write, project: str, launch: str) -> None:
    lines = ["name: churn", "source:", f"  - {OBJECT}", f"launch: {launch}", ""]
    files = {"pipelines/train.json": TEMPLATE, "pipelines/train.yaml": JOB.replace("TYPE", "uri_file")}
    root = write({**files, "retrigger.yaml": project, "triggers/churn.yaml": "\n".join(lines)})
    assert [problem for problem in compiling.check(root) if problem.code != "unused_name"] == []


@pytest.mark.parametrize(
    ("project", "source", "launch", "expected"),
    [
        (GOOGLE, "message: {in: requests}", "register: dataset", ["5:3:nothing_to_register"]),
        (GOOGLE, 'schedule: {cron: "0 3 * * *"}', "register: dataset", ["5:3:nothing_to_register"]),
        (GOOGLE, OBJECT + "\n  - message: {in: requests}", "register: dataset", ["6:3:nothing_to_register"]),
        (GOOGLE, OBJECT, 'parameters: {data: "${{ window.dataset }}"}', ["5:22:not_registered"]),
        (GOOGLE, OBJECT, "register: model", ["5:13:bad_value"]),
        (
            AZURE.replace(", root: https://acmeprod.blob.core.windows.net/runs", ""),
            OBJECT,
            "register: dataset",
            ["5:3:no_root"],
        ),
    ],
)
def test_what_makes_no_manifest_registers_nothing(
    write: Write, project: str, source: str, launch: str, expected: list[str]
) -> None:
    assert told(write, project, source, launch, "  pipeline: train") == expected


@pytest.mark.parametrize(
    "launch",
    [
        "batch_prediction: {model: m, input: a, output: b}",
        "online_deployment: {endpoint: e, model: {name: m, version: 1}}",
    ],
)
def test_only_a_pipeline_has_a_place_for_a_manifest(write: Write, launch: str) -> None:
    assert told(write, GOOGLE, OBJECT, launch, "  register: dataset") == ["5:3:unused_key"]


def test_a_launcher_of_the_projects_own_registers_nothing(write: Write, site: Site) -> None:
    code = (
        "class Launcher:\n    def __init__(self, environment): ...\n    request = submit = status = cancel = __init__\n"
    )
    site.install("acme", {"launchers": {"house": "acme:Launcher"}}, {"acme.py": code})
    project = GOOGLE.replace("    stores", "    launcher: house\n    stores")
    assert told(write, project, OBJECT, "register: dataset", "  pipeline: train") == ["5:3:nothing_to_register"]


@pytest.mark.parametrize(
    ("form", "kind", "fits"),
    [
        ("json", "uri_file", True),
        ("uris", "uri_file", True),
        ("mltable", "mltable", True),
        ("json", "mltable", False),
        ("json", "uri_folder", False),
        ("mltable", "uri_file", False),
        ("json", "string", True),
    ],
)
def test_an_input_of_azure_ml_takes_an_asset_of_its_own_type(write: Write, form: str, kind: str, fits: bool) -> None:
    more = ("  pipeline: train", "  register: dataset", f"admit: {{window: {{manifest: {{format: {form}}}}}}}")
    found = told(write, AZURE, OBJECT, 'parameters: {data: "${{ window.dataset }}"}', *more, kind=kind)
    assert found == ([] if fits else ["5:22:wrong_type"])
