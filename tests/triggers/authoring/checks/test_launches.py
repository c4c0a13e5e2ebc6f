from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]

PROJECT = """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-dev-retrigger
    vars: {out: "gs://acme-dev-predictions", rows: 100}
    stores: {landing: gs://acme-dev-landing}
    channels: {requests: projects/acme-dev/topics/requests}
    platforms: {ml: /subscriptions/1/workspaces/ml, bq: projects/acme-dev}
    pipelines:
      train: {template: pipelines/train.json, root: gs://acme-dev-pipelines}
      lite: {template: pipelines/lite.json, root: gs://acme-dev-pipelines}
      graph: {template: pipelines/graph.json, root: gs://acme-dev-pipelines}
    endpoints: {churn: "1234567890"}
    models: {table: {batch: {instances_format: csv}}}
"""
LITE = """\
{"deploymentSpec": {"executors": {}}, "pipelineInfo": {"name": "lite"}, "schemaVersion": "2.1.0",
 "root": {"dag": {"tasks": {}}, "inputDefinitions": {"parameters": {"data": {"parameterType": "STRING"}}}}}
"""
GRAPH = """\
{"deploymentSpec": {"executors": {}}, "pipelineInfo": {"name": "graph"}, "schemaVersion": "2.1.0",
 "root": {"dag": {"tasks": {}}, "inputDefinitions": {
   "artifacts": {"model": {"artifactType": {"schemaTitle": "system.Model"}},
                 "base": {"artifactType": {"schemaTitle": "system.Model"}, "isOptional": true}}}}}
"""
OBJECT = 'object: {in: landing, match: "{dt}/*.csv"}'
MESSAGE = "message: {in: requests}"
REGISTERED = "lifecycle: {from: ml, type: Microsoft.MachineLearningServices.ModelRegistered}"
ROLLOUT = "online_deployment: {endpoint: churn, model: {name: churn, version: VERSION}}"


def told(write: Write, source: str, launch: str, *more: str, project: str = PROJECT) -> list[tuple[int, int, str]]:
    lines = ["name: churn", "source:", f"  - {source}", "launch:", f"  {launch}", *more]
    files = {"retrigger.yaml": project, "pipelines/lite.json": LITE, "pipelines/graph.json": GRAPH, "smoke.json": "{}"}
    root = write({**files, "triggers/churn.yaml": "\n".join(lines) + "\n"})
    found = (problem for problem in compiling.check(root) if problem.code != "unused_name")
    return [(problem.line, problem.column, problem.code) for problem in found]


@pytest.mark.parametrize(
    ("source", "launch", "expected"),
    [
        (OBJECT, 'batch_prediction: {model: table, input: "${{ window.folder }}", output: "${{ vars.out }}"}', []),
        (
            OBJECT,
            'batch_prediction: {model: churn, input: "${{ window.folder }}", output: "gs://b/o"}',
            [(5, 43, "unknown_format")],
        ),
        (OBJECT, "batch_prediction: {model: churn, input: gs://b/x/, output: gs://b/o}", [(5, 43, "unknown_format")]),
        (OBJECT, 'batch_prediction: {model: churn, input: "${{ window.uris }}", output: "gs://b/o"}', []),
        (
            OBJECT,
            'batch_prediction: {model: churn, input: "${{ window.rows }}", output: "gs://b/o"}',
            [(5, 43, "wrong_type")],
        ),
        (
            OBJECT,
            'batch_prediction: {endpoint: churn, input: "${{ window.folder }}", output: "gs://b/o"}',
            [(5, 32, "no_batch_endpoint")],
        ),
        (
            OBJECT,
            'batch_prediction: {model: churn, input: "${{ window.manifest }}", output: "gs://b/o"}',
            [(5, 43, "no_root")],
        ),
        (
            OBJECT,
            'batch_prediction: {model: churn, input: "${{ event.object.uri }}", output: "gs://b/o"}',
            [(5, 48, "unknown_name")],
        ),
        (
            OBJECT,
            'batch_prediction: {model: churn, input: a, output: "gs://b/${{ match.dt }}"}',
            [(5, 66, "unknown_name")],
        ),
        (OBJECT, 'batch_prediction: {model: churn, input: a, output: "${{ vars.rows }}"}', [(5, 54, "wrong_type")]),
        (
            OBJECT,
            "batch_prediction: {endpoint: chrun, input: a, output: b}",
            [(5, 32, "no_batch_endpoint"), (5, 32, "unknown_endpoint")],
        ),
        (OBJECT, "batch_prediction: {input: a, output: b}", [(5, 21, "one_of_keys")]),
        (OBJECT, "batch_prediction: {model: m, endpoint: churn, input: a, output: b}", [(5, 21, "one_of_keys")]),
        (OBJECT, 'batch_prediction: {model: "${{ vars.out }}", input: a, output: b}', [(5, 29, "untrusted_data")]),
        (REGISTERED, ROLLOUT.replace("VERSION", '"${{ event.lifecycle.version }}"'), []),
        (REGISTERED, ROLLOUT.replace("VERSION", "7"), []),
        (REGISTERED, ROLLOUT.replace("VERSION", '"7"'), []),
        (REGISTERED, ROLLOUT.replace("VERSION", "latest"), [(5, 70, "bad_value")]),
        (REGISTERED, ROLLOUT.replace("VERSION", '"${{ event.lifecycle.tags }}"'), [(5, 70, "wrong_type")]),
        (REGISTERED, ROLLOUT.replace("VERSION", '"${{ event.lifecycle.versoin }}"'), [(5, 75, "unknown_name")]),
        (REGISTERED, ROLLOUT.replace("name: churn", 'name: "${{ event.id }}"'), [(5, 54, "untrusted_data")]),
        (
            REGISTERED.replace("}", ", parameters: {a: 1}}"),
            ROLLOUT.replace("VERSION", "7"),
            [(3, 84, "unused_key")],
        ),
        (REGISTERED.replace("from: ml", "from: mk"), ROLLOUT.replace("VERSION", "7"), [(3, 23, "unknown_platform")]),
    ],
)
def test_what_is_launched_is_checked(
    write: Write, source: str, launch: str, expected: list[tuple[int, int, str]]
) -> None:
    assert told(write, source, launch.replace("VERSION", "7")) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("steps: [10, 50, 100], bake: 30m", []),
        ("smoke: smoke.json, bake: 30m, rollback_if: {error_rate: 1%, p95: 300ms}", []),
        ("rollback_if: {error_rate: 1%}", [(5, 74, "unwatched")]),
        ("steps: [10, 100], approve: {before: 100, within: 3d}", []),
        ("steps: [50, 10, 100]", [(5, 81, "bad_steps")]),
        ("steps: [10, 50]", [(5, 81, "bad_steps")]),
        ("steps: [10, 100], approve: {before: 50, within: 3d}", [(5, 22, "bad_steps")]),
        ("rollback_if: {error_rate: 101%}", [(5, 100, "bad_ratio")]),
        ("rollback_if: {p95: 5m}", [(5, 93, "bad_duration")]),
        ("smoke: schemas/none.json", [(5, 81, "missing_file")]),
        ("mirror: {percent: 10, for: 30m}", [(5, 74, "no_mirror")]),
        ("mirror: {percent: 51, for: 30m}", [(5, 92, "bad_value")]),
        ("mirror: {percent: 10, for: 0}", [(5, 101, "bad_duration")]),
    ],
)
def test_a_rollout_is_checked(write: Write, more: str, expected: list[tuple[int, int, str]]) -> None:
    launch = ROLLOUT.replace("VERSION}", "7}").removesuffix("}") + f", {more}}}"
    assert told(write, REGISTERED, launch) == expected


def test_bounds_without_a_smoke_test_are_for_the_platforms_figures(write: Write) -> None:
    judged = PROJECT.replace('endpoints: {churn: "1234567890"}', 'endpoints: {churn: {name: "1", health: platform}}')
    launch = ROLLOUT.replace("VERSION}}", "7}, rollback_if: {error_rate: 1%}}")
    assert told(write, REGISTERED, launch, project=judged) == []


@pytest.mark.parametrize(
    ("source", "launch", "expected"),
    [
        (MESSAGE, "pipeline: {by: event.message.json.size, from: {big: train, small: lite}}", []),
        (MESSAGE, "pipeline: {by: event.message.json.size, from: {big: trian}}", [(5, 55, "unknown_pipeline")]),
        (MESSAGE, "pipeline: {by: event.attempt, from: {big: train}}", [(5, 18, "wrong_type")]),
        (MESSAGE, "pipeline: {by: event.sise, from: {big: train}}", [(5, 18, "unknown_name")]),
        (MESSAGE, "pipeline: {by: event.id, from: {}}", [(5, 34, "bad_value")]),
        (MESSAGE, "pipeline: {by: event.id}", [(5, 3, "missing_key")]),
        (OBJECT, "pipeline: {by: match.dt, from: {a: lite}}", [(5, 18, "unknown_name")]),  # no key fixes it
        (OBJECT, "pipeline: {by: window.uri, from: {a: lite}}", [(5, 18, "unknown_name")]),
    ],
)
def test_a_choice_is_checked(write: Write, source: str, launch: str, expected: list[tuple[int, int, str]]) -> None:
    assert told(write, source, launch, '  parameters: {data: "gs://b/x"}') == expected


def test_parameters_are_held_against_every_pipeline_of_a_choice(write: Write) -> None:
    launch = "pipeline: {by: event.message.json.size, from: {big: train, small: lite}}"
    found = told(write, MESSAGE, launch, '  parameters: {data: "gs://b/x", rows: 1}')
    assert found == [(6, 40, "unknown_parameter")]  # `lite` has no `rows`
    assert told(write, MESSAGE, launch, "  parameters: {rows: 1}") == [
        (6, 3, "missing_parameter"),
        (6, 3, "missing_parameter"),
        (6, 22, "unknown_parameter"),
    ]


@pytest.mark.parametrize(
    ("artifacts", "expected"),
    [
        ('{model: "123"}', []),
        ('{model: "${{ event.message.json.model }}", base: "4"}', []),
        ('{base: "4"}', [(6, 3, "missing_artifact")]),
        ('{model: "1", bose: "4"}', [(6, 27, "unknown_artifact")]),
        ('{model: "${{ event.attempt }}"}', [(6, 22, "wrong_type")]),
        ('{model: "${{ event.message.jsom }}"}', [(6, 27, "unknown_name")]),
        ("{model: 123}", [(6, 22, "wrong_type")]),
    ],
)
def test_artifacts_are_checked(write: Write, artifacts: str, expected: list[tuple[int, int, str]]) -> None:
    assert told(write, MESSAGE, "pipeline: graph", f"  artifacts: {artifacts}") == expected


def test_sources_that_share_windows_have_the_same_parameters(write: Write) -> None:
    files = {"retrigger.yaml": PROJECT, "pipelines/lite.json": LITE, "pipelines/graph.json": GRAPH}
    trigger = """\
name: churn
source:
  - object: {in: landing, match: "a/*.csv", parameters: {data: "gs://b/x"}}
  - object: {in: landing, match: "b/*.csv", parameters: {data: "gs://b/x"}}
  - object: {in: landing, match: "c/*.csv", parameters: {data: "gs://b/y"}}
launch: {pipeline: lite}
"""
    root = write({**files, "triggers/churn.yaml": trigger})
    found = [(it.line, it.column, it.code) for it in compiling.check(root) if it.code != "unused_name"]
    assert found == [(5, 45, "different_parameters")]


def test_a_manifest_needs_a_root_to_be_written_to(write: Write) -> None:
    azure = """\
environments:
  prod:
    cloud: azure
    workspace: /subscriptions/1/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/ml
    ledger: https://acmeprod.blob.core.windows.net/retrigger
    stores: {landing: https://acmeprod.blob.core.windows.net/landing}
    pipelines: {train: {template: pipelines/train.yaml}}
"""
    job = "type: pipeline\ninputs: {data: {type: mltable}}\njobs: {a: {component: azureml:train:1}}\n"
    trigger = """\
name: churn
source:
  - object: {in: landing, match: "*.csv"}
admit: {window: {manifest: {format: mltable}}}
launch: {pipeline: train, parameters: {data: "${{ window.manifest }}"}}
"""
    files = {"pipelines/train.yaml": job, "triggers/churn.yaml": trigger}
    root = write({**files, "retrigger.yaml": azure})
    found = [(problem.line, problem.column, problem.code) for problem in compiling.check(root)]
    assert found == [(5, 46, "no_root")]
    placed = azure.replace("train.yaml}", "train.yaml, root: https://acmeprod.blob.core.windows.net/runs}")
    assert compiling.check(write({**files, "retrigger.yaml": placed})) == []
