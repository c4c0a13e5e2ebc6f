from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]

AZURE = """\
environments:
  prod:
    cloud: azure
    workspace: /subscriptions/1/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/ml
    ledger: https://acmeprod.blob.core.windows.net/retrigger
    stores: {landing: https://acmeprod.blob.core.windows.net/landing}
    pipelines: {train: {template: pipelines/train.yaml}}
    channels: {requests: sb://acme.servicebus.windows.net/requests}
    vars: {table: azureml://datastores/landing/paths/full.csv}
"""
JOB = """\
type: pipeline
inputs: {data: {type: uri_folder}}
jobs:
"""
PINNED = "  a: {component: azureml:train:1}\n"


def told(write: Write, template: str) -> list[tuple[str, int, int, str]]:
    root = write({"retrigger.yaml": AZURE, "pipelines/train.yaml": template})
    return [(it.path, it.line, it.column, it.code) for it in compiling.check(root)]


@pytest.mark.parametrize(
    "job",
    [
        PINNED,
        "  a: {component: azureml://registries/acme/components/train/versions/1.0.0}\n",
        "  a: {component: /subscriptions/1/providers/x/workspaces/ml/components/train/versions/3}\n",
        "  a: {type: sweep, trial: azureml:train:1}\n",
        "  a: {type: pipeline, component: azureml:inner:2}\n",
        '  a: {component: azureml:train:1, inputs: {x: {path: "azureml:table:7"}, y: "${{parent.inputs.data}}"}}\n',
        '  a: {component: azureml:train:1, inputs: {x: {path: "azureml://datastores/d/paths/p"}}}\n',
        '  a: {component: azureml:train:1, inputs: {x: {path: "https://acme.blob.core.windows.net/c/d"}}}\n',
    ],
)
def test_what_is_registered_and_pinned_is_right(write: Write, job: str) -> None:
    assert told(write, JOB + job) == []


@pytest.mark.parametrize(
    ("job", "column"),
    [
        ("  a: {component: azureml:train@latest}\n", 18),
        ("  a: {component: azureml:train}\n", 18),
        ("  a: {component: azureml://registries/acme/components/train/labels/latest}\n", 18),
        ("  a: {component: ./train.yaml}\n", 18),
        ("  a: {component: 'file:train.yaml'}\n", 18),
        ("  a: {component: {type: command, command: python x.py}}\n", 6),
        ("  a: {type: command, command: python x.py, environment: azureml:e:1}\n", 6),
        ("  a: {type: command, command: python x.py, code: ./src}\n", 50),
        ("  a: {type: sweep, trial: azureml:train@latest}\n", 27),
        ("  a: {type: pipeline, jobs: {b: {component: azureml:train:1}}}\n", 6),
        ("  a: {component: {type: pipeline, jobs: {b: {component: ./b.yaml}}}}\n", 6),
        ("  a: {component: azureml:train:1, inputs: {x: {path: 'azureml:table@latest'}}}\n", 54),
        ("  a: {component: azureml:train:1, inputs: {x: {path: ./data}}}\n", 54),
    ],
)
def test_what_would_be_looked_up_or_uploaded_at_launch_is_told_at_its_place(
    write: Write, job: str, column: int
) -> None:
    assert told(write, JOB + job) == [("pipelines/train.yaml", 4, column, "unpinned_reference")]


def test_what_a_launch_does_not_send_is_told_too(write: Write) -> None:
    job = "  a: {component: azureml:train:1, distribution: {type: mpi}}\n"
    assert told(write, JOB + job) == [("pipelines/train.yaml", 4, 49, "not_launchable")]


def test_data_of_the_pipeline_itself_is_pinned_too(write: Write) -> None:
    template = "type: pipeline\ninputs: {data: {path: 'azureml:table@latest'}}\njobs:\n" + PINNED
    assert told(write, template) == [("pipelines/train.yaml", 2, 23, "unpinned_reference")]


def test_the_reason_says_what_to_write(write: Write) -> None:
    root = write({"retrigger.yaml": AZURE, "pipelines/train.yaml": JOB + "  a: {component: azureml:train@latest}\n"})
    assert [problem.message for problem in compiling.check(root)] == [
        "`component`: `azureml:train@latest` names no version: register it, then write `azureml:NAME:VERSION`."
    ]


def test_a_template_of_the_other_platform_is_told_where_it_is_named(write: Write) -> None:
    root = write({"retrigger.yaml": AZURE.replace("train.yaml", "train.json")})
    (problem,) = compiling.check(root)
    told = "wrong_platform: `pipelines/train.json` is made for Vertex AI; environment `prod` is on Azure ML."
    assert str(problem) == f"retrigger.yaml:7:35: {told}"
