"""From a message to a model that serves, on a laptop: Azure ML trains and registers it, a rollout puts it online."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from tests.cli.conftest import retrigger
from tests.cli.test_emulator import until
from tests.projects import write_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("azure_functions_runtime", reason="Microsoft's worker library is not installed")
pytestmark = pytest.mark.xdist_group("emulator of the command line")

WORKSPACE = "/subscriptions/1/resourceGroups/ml/providers/Microsoft.MachineLearningServices/workspaces/ml"
ENDPOINT = f"{WORKSPACE}/onlineEndpoints/churn-online"
PROJECT = f"""\
environments:
  prod:
    cloud: azure
    workspace: {WORKSPACE}
    ledger: https://acmeprod.blob.core.windows.net/retrigger
    stores: {{landing: "https://acmeprod.blob.core.windows.net/landing"}}
    channels: {{requests: "sb://acme.servicebus.windows.net/requests"}}
    pipelines: {{train: {{template: pipelines/train.yaml}}}}
    endpoints: {{churn: churn-online}}
"""
PIPELINE = """\
type: pipeline
inputs: {factor: {type: string}}
outputs: {model: {type: mlflow_model, name: churn}}
jobs:
  train:
    type: command
    component: azureml:train:1
    inputs: {factor: "${{parent.inputs.factor}}"}
    outputs: {model: "${{parent.outputs.model}}"}
"""
TRAIN = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: train
version: 1
inputs: {factor: {type: string}}
outputs: {model: {type: mlflow_model}}
code: ../src
command: cp -r . ${{outputs.model}} && echo "${{inputs.factor}}" > ${{outputs.model}}/factor
"""
LOADER = """\
class Scale:
    def __init__(self, factor):
        self.factor = factor

    def predict(self, data):
        return [sum(row) * self.factor for row in getattr(data, "values", data)]


def _load_pyfunc(path):
    return Scale(int(open(path).read()))
"""
REQUESTS = """\
name: requests
source:
  - message: {in: requests, key: event.message.json.id, parameters: {factor: "${{ event.message.json.factor }}"}}
launch: {pipeline: train}
"""
SERVE = """\
name: serve
source: [{lifecycle: {type: Microsoft.MachineLearningServices.ModelRegistered}}]
launch:
  online_deployment:
    endpoint: churn
    model: {name: churn, version: "${{ event.lifecycle.version }}"}
    smoke: smoke.json
    steps: [50, 100]
    bake: 2m
    rollback_if: {error_rate: 1%}
"""
ASKED = {"input_data": [[1, 2]]}


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of a running emulator."""
    files = {
        "retrigger.yaml": PROJECT,
        "pipelines/train.yaml": PIPELINE,
        "components/train.yaml": TRAIN,
        "src/MLmodel": "flavors: {python_function: {loader_module: scale, data: factor, code: code}}\n",
        "src/code/scale.py": LOADER,
        "triggers/requests.yaml": REQUESTS,
        "triggers/serve.yaml": SERVE,
        "smoke.json": json.dumps(ASKED),
    }
    project = tmp_path_factory.mktemp("azure") / "project"
    write_files(project, files)
    called = retrigger("up", "--project", project, "--detach")
    assert called.code == 0, called.err
    yield project / ".retrigger"
    assert retrigger("down", "--state", project / ".retrigger").code == 0


def rollouts(laptop: Path) -> list[Any]:
    return retrigger("rollouts", "--format", "json", "--state", laptop).lines


def trained(laptop: Path, factor: str) -> None:
    told = json.dumps({"id": factor, "factor": factor})
    assert retrigger("publish", "requests", told, "--state", laptop).code == 0


def ended(laptop: Path, version: str) -> dict[str, Any]:
    """The rollout of a version, at its end; the clock is wound until then."""

    def look() -> dict[str, Any] | None:
        assert retrigger("clock", "advance", "1m", "--state", laptop).code == 0
        found = [one for one in rollouts(laptop) if one["version"] == version]
        return found[0] if found and found[0]["phase"] == "ended" else None

    told: dict[str, Any] = until(look, timeout=90)
    return told


def asked(laptop: Path, method: str, path: str) -> Any:
    url = json.loads((laptop / "emulator.json").read_text())["url"]
    return urllib3.request(method, f"{url}{path}").json()


def predicted(laptop: Path) -> Any:
    key = asked(laptop, "POST", f"{ENDPOINT}/listKeys")["primaryKey"]
    uri = asked(laptop, "GET", ENDPOINT)["properties"]["scoringUri"]
    return urllib3.request("POST", uri, json=ASKED, headers={"Authorization": f"Bearer {key}"}).json()


def test_each_model_that_is_trained_is_put_online_and_a_broken_one_is_not(laptop: Path) -> None:
    for version, factor in (("1", "2"), ("2", "3")):
        trained(laptop, factor)
        told = ended(laptop, version)
        assert told["state"] == "succeeded", told
        assert predicted(laptop) == [3 * int(factor)]
    trained(laptop, "no number")
    told = ended(laptop, "3")
    assert told["state"] == "failed", told
    assert predicted(laptop) == [9]
    (deployment,) = asked(laptop, "GET", f"{ENDPOINT}/deployments")["value"]
    assert deployment["properties"]["model"] == f"{WORKSPACE}/models/churn/versions/2"
