from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from retrigger.local_emulator.azureml_project import furniture_of
from retrigger.local_emulator.planes.azureml.arm import Workspace
from retrigger.local_emulator.planes.azureml.plane import Asset, Furniture, Put
from retrigger.triggers.authoring.project import load_project
from tests.projects import write_files

PROJECT = """\
environments:
  prod:
    cloud: azure
    workspace: /subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ml
    ledger: https://acmeprod.blob.core.windows.net/retrigger
    stores: {landing: https://acmeprod.blob.core.windows.net/landing/churn}
    pipelines: {train: {template: pipelines/train.yaml}}
"""
PIPELINE = """\
type: pipeline
inputs: {data: {type: string}}
jobs:
  train: {type: command, component: "azureml:train:3", inputs: {data: "${{parent.inputs.data}}"}}
  score: {type: command, component: "azureml:score:1"}
"""
TRAIN = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
name: train
version: 3
code: ../src
environment: azureml:sk:1
command: python train.py
"""
NEST = """\
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
type: pipeline
name: nest
version: 1
jobs:
  train: {component: ./train.yaml}
  other: {component: "azureml:other:1"}
"""
OWN = """\
name: own
version: "1.0"
type: command
command: "true"
environment: {image: ubuntu, conda_file: {dependencies: [numpy]}}
"""
FILES = {
    "retrigger.yaml": PROJECT,
    "pipelines/train.yaml": PIPELINE,
    "pipelines/own.yaml": OWN,
    "components/train.yaml": TRAIN,
    "components/nest.yml": NEST,
    "components/notes.yaml": "just: notes\n",
    "environments/sk.yaml": "name: sk\nversion: 1\nimage: ubuntu\nconda_file: conda.yaml\n",
    "environments/conda.yaml": "dependencies: [scikit-learn]\n",
    "src/train.py": "",
}


def furniture(folder: Path, changed: dict[str, str]) -> tuple[Furniture | None, tuple[str, ...]]:
    write_files(folder, {**FILES, **changed})
    project = load_project(folder)
    return furniture_of(project, project.environments["prod"])


def test_the_components_of_a_project_are_registered_with_their_code_where_it_lies(tmp_path: Path) -> None:
    found, unfit = furniture(tmp_path, {})
    schema = "https://azuremlschemas.azureedge.net/latest"
    train = {
        "$schema": f"{schema}/commandComponent.schema.json",
        "name": "train",
        "version": 3,
        "code": (tmp_path / "src").as_uri(),
        "environment": "azureml:sk:1",
        "command": "python train.py",
    }
    nest = {
        "$schema": f"{schema}/pipelineComponent.schema.json",
        "type": "pipeline",
        "name": "nest",
        "version": 1,
        "jobs": {"train": {"component": "azureml:train:3"}, "other": {"component": "azureml:other:1"}},
    }
    own = {
        "name": "own",
        "version": "1.0",
        "type": "command",
        "command": "true",
        "environment": {"name": "", "image": "ubuntu", "condaFile": "dependencies:\n- numpy\n"},
    }
    conda = {"name": "sk", "image": "ubuntu", "condaFile": "dependencies: [scikit-learn]\n"}
    assert unfit == ()
    assert found == Furniture(
        workspace=Workspace("s", "rg", "ml"),
        assets=(
            Asset(kind="components", name="nest", version="1", properties={"componentSpec": nest}),
            Asset(kind="components", name="train", version="3", properties={"componentSpec": train}),
            Asset(kind="environments", name="sk", version="1", properties=conda),
            Asset(kind="components", name="own", version="1.0", properties={"componentSpec": own}),
        ),
        components=("azureml:score:1", "azureml:train:3"),
        datastores={"landing": ("acmeprod", "landing")},
    )


def test_a_file_that_cannot_be_registered_is_told_with_its_reason(tmp_path: Path) -> None:
    _, unfit = furniture(
        tmp_path,
        {
            "components/train.yaml": TRAIN.replace("../src", "../none"),
            "components/nest.yml": NEST.replace("version: 1\n", ""),
            "components/bad.yaml": "a: [",
            "environments/sk.yaml": "name: sk\nversion: 1\nimage: ubuntu\nconda_file: none.yaml\n",
        },
    )
    assert [line.replace("\n", " ") for line in unfit] == [
        "components/bad.yaml: it is no YAML: while parsing a flow node",
        "components/nest.yml: it has no version; write the one by which others refer to it",
        "components/train.yaml: there is no ../none, which it names; check the path",
        "environments/sk.yaml: there is no none.yaml, which it names; check the path",
    ]


def test_a_workspace_that_is_no_resource_id_is_told(tmp_path: Path) -> None:
    write_files(tmp_path, FILES)
    project = load_project(tmp_path)
    nowhere = replace(project.environments["prod"], workspace="/subscriptions/x/workspaces/ml")
    found, unfit = furniture_of(project, nowhere)
    assert (found, unfit) == (
        None,
        ("the workspace /subscriptions/x/workspaces/ml is no resource id: its pipelines cannot run here",),
    )


def test_the_example_has_every_component_that_its_pipeline_needs() -> None:
    project = load_project(Path(__file__).resolve().parents[2] / "examples" / "churn")
    found, unfit = furniture_of(project, project.environments["prod"])
    assert found is not None
    registered = {f"azureml:{one.name}:{one.version}" for one in found.assets if one.kind == "components"}
    assert (set(found.components), unfit) == (registered, ())


SERVE = """\
name: NAME
source: [{lifecycle: {type: Microsoft.MachineLearningServices.ModelRegistered}}]
launch: {online_deployment: {endpoint: NAME, model: {name: churn, version: "1"}}}
"""


def test_the_online_endpoints_that_a_project_rolls_out_to_are_there(tmp_path: Path) -> None:
    changed = {
        "retrigger.yaml": PROJECT + "    endpoints: {churn: Churn-online, short: c, other: elsewhere}\n",
        "triggers/churn.yaml": SERVE.replace("NAME", "churn"),
        "triggers/short.yaml": SERVE.replace("NAME", "short"),
    }
    found, unfit = furniture(tmp_path, changed)
    assert found is not None
    assert found.endpoints == ("Churn-online",)
    assert [told.partition(" is none ")[0] for told in unfit] == ["the endpoint name c"]


SCHEMA = "https://azuremlschemas.azureedge.net/latest"
MODEL = f"$schema: {SCHEMA}/model.schema.json\nname: churn\nversion: 1\ntype: mlflow_model\npath: ../src\n"
SCORES = f"$schema: {SCHEMA}/batchEndpoint.schema.json\nname: scores\ndefaults: {{deployment_name: blue}}\n"
BLUE = f"""\
$schema: {SCHEMA}/modelBatchDeployment.schema.json
name: blue
endpoint_name: scores
model: azureml:churn:1
environment: azureml:sk:1
environment_variables: {{MODE: fast}}
code_configuration: {{code: ../src, scoring_script: train.py}}
settings: {{mini_batch_size: 5, output_action: summary_only}}
"""


def test_the_models_and_batch_endpoints_of_a_project_are_there(tmp_path: Path) -> None:
    changed = {"models/churn.yaml": MODEL, "endpoints/a/blue.yaml": BLUE, "endpoints/scores.yaml": SCORES}
    found, unfit = furniture(tmp_path, changed)
    assert found is not None
    model = Asset(
        kind="models",
        name="churn",
        version="1",
        properties={"modelUri": (tmp_path / "src").as_uri(), "modelType": "mlflow_model"},
    )
    assert [one for one in found.assets if one.kind == "models"] == [model]
    # `blue.yaml` lies one folder deeper: there is no ../src beside it
    assert unfit == ("endpoints/a/blue.yaml: there is no ../src, which it names; check the path",)
    assert [put.path for put in found.puts] == [("batchEndpoints", "scores")]
    (tmp_path / "endpoints/a/blue.yaml").rename(tmp_path / "endpoints/blue.yaml")
    found, unfit = furniture(tmp_path, {"models/churn.yaml": MODEL, "endpoints/scores.yaml": SCORES})
    assert found is not None
    assert unfit == ()
    scores = {"authMode": "AADToken", "defaults": {"deploymentName": "blue"}}
    blue = {
        "model": {"assetId": "azureml:churn:1", "referenceType": "Id"},
        "environmentId": "azureml:sk:1",
        "environmentVariables": {"MODE": "fast"},
        "miniBatchSize": 5,
        "errorThreshold": None,
        "outputFileName": None,
        "outputAction": "SummaryOnly",
        "codeConfiguration": {"codeId": (tmp_path / "src").as_uri(), "scoringScript": "train.py"},
    }
    assert found.puts == (
        Put(path=("batchEndpoints", "scores"), properties=scores),
        Put(path=("batchEndpoints", "scores", "deployments", "blue"), properties=blue),
    )


def test_a_batch_deployment_names_what_is_registered(tmp_path: Path) -> None:
    changed = {
        "models/churn.yaml": MODEL.replace("path: ../src\n", ""),
        "endpoints/scores.yaml": SCORES.replace("name: scores\n", ""),
        "endpoints/blue.yaml": BLUE.replace("azureml:churn:1", "./model"),
        "endpoints/green.yaml": BLUE.replace("azureml:sk:1", "{image: ubuntu}"),
    }
    _, unfit = furniture(tmp_path, changed)
    registered = "is no registered one; give that a file of its own, and name it azureml:NAME:VERSION"
    assert unfit == (
        f"endpoints/blue.yaml: its model {registered}",
        f"endpoints/green.yaml: its environment {registered}",
        "endpoints/scores.yaml: it has no name; write one",
        "models/churn.yaml: it has no path; write where the model's files are",
    )
