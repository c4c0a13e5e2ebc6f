"""The real azure-ai-ml against the local Azure ML.

The client gives no token to plain HTTP, so the plane stands behind a certificate here; it uploads code to Blob as it
is told to, over plain HTTP. Where models and data would be uploaded it composes the address itself, from an account's
name: those are registered by their addresses.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.local_emulator.state import State
from tests.contract.azureml_tls import served_over_tls
from tests.local_emulator.planes.azureml.azureml_plane import ACCOUNT, Plane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    # raised inside the SDK, while it is imported and used; nothing of ours
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

TRAIN = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
name: train
version: 1
type: command
inputs:
  data: {type: uri_folder}
  rounds: {type: integer, default: 3}
  quiet: {type: boolean, default: true}
  note: {type: string, optional: true}
outputs: {model: {type: custom_model}}
code: ./src
environment: azureml:bare:2
command: >-
  sh train.sh ${{inputs.data}} "${{inputs.rounds}} ${{inputs.quiet}}" ${{outputs.model}} $[[--note ${{inputs.note}}]]
"""
NEST = """\
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
name: nest
version: 1
type: pipeline
inputs: {data: {type: uri_folder}, rounds: {type: integer}}
outputs: {model: {type: custom_model}}
jobs:
  inner:
    type: command
    component: COMPONENT
    inputs: {data: "${{parent.inputs.data}}", rounds: "${{parent.inputs.rounds}}"}
    outputs: {model: "${{parent.outputs.model}}"}
"""
PIPELINE = """\
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
experiment_name: churn
tags: {team: growth}
inputs: {data: {type: uri_folder, path: azureml:tables:7}, rounds: 5}
outputs: {model: {type: custom_model, name: churn}}
settings: {default_compute: azureml:cpu}
jobs:
  train:
    type: command
    component: COMPONENT
    inputs: {data: "${{parent.inputs.data}}", rounds: "${{parent.inputs.rounds}}"}
    outputs: {model: "${{parent.outputs.model}}"}
  nested:
    type: pipeline
    component: NESTED
    inputs: {data: "${{parent.inputs.data}}", rounds: 7}
    outputs: {model: {type: custom_model, name: inner, version: "4"}}
"""


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    plane = Plane(State.at(tmp_path / "state"))
    plane.put_blob("landing", "in/a.csv", b"x\n")
    yield plane
    plane.stop()


@pytest.fixture
def client(plane: Plane, tmp_path: Path) -> Iterator[Any]:
    with served_over_tls(plane, tmp_path) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path, client: Any) -> Path:
    """The files of an author, whose environment and data are registered."""
    from azure.ai.ml.entities import Data, Environment

    files = {
        "src/train.sh": 'cat "$1"/* > "$3/seen"; echo "$2" >> "$3/seen"; echo "$4" >> "$3/seen"\n',
        "train.yaml": TRAIN,
        "nest.yaml": NEST.replace("COMPONENT", "azureml:train:1"),
        "nest_local.yaml": NEST.replace("COMPONENT", "./train.yaml"),
        "pipeline.yaml": PIPELINE.replace("COMPONENT", "azureml:train:1").replace("NESTED", "azureml:nest:1"),
        "local.yaml": PIPELINE.replace("COMPONENT", "./train.yaml").replace("NESTED", "./nest_local.yaml"),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    bare = Environment(name="bare", version="2", image="ubuntu", conda_file={"dependencies": ["python=3.11"]})
    client.environments.create_or_update(bare)
    address = f"https://{ACCOUNT}.blob.core.windows.net/landing/in/"
    client.data.create_or_update(Data(name="tables", version="7", path=address, type="uri_folder"))
    return tmp_path


def submitted(client: Any, file: Path, name: str) -> Any:
    from azure.ai.ml import load_job

    job = load_job(file)
    job.name = name
    return client.jobs.create_or_update(job)


def edit(file: Path, before: str, after: str) -> Path:
    file.write_text(file.read_text().replace(before, after))
    return file


def ended(client: Any, name: str) -> Any:
    deadline = time.monotonic() + 30
    while (status := client.jobs.get(name).status) not in ("Completed", "Failed", "Canceled"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return status


def test_a_pipeline_of_registered_components_runs_and_registers_its_models(
    plane: Plane, client: Any, folder: Path
) -> None:
    from azure.ai.ml import load_component
    from azure.core.exceptions import HttpResponseError

    for name in ("train", "nest"):
        client.components.create_or_update(load_component(folder / f"{name}.yaml"))
    first = submitted(client, folder / "pipeline.yaml", "run-1")
    assert (first.name, first.status) == ("run-1", "NotStarted")
    assert submitted(client, folder / "pipeline.yaml", "run-1").name == "run-1"
    with pytest.raises(HttpResponseError, match="A job with this name already exists"):
        submitted(client, edit(folder / "pipeline.yaml", "rounds: 5", "rounds: 9"), "run-1")
    assert ended(client, "run-1") == "Completed", plane.page("run-1")
    assert plane.blob("azureml", "azureml/run-1/model/seen") == b"x\n5 True\n\n"
    assert [job.name for job in client.jobs.list(tag="team=growth")] == ["run-1"]
    assert [job.name for job in client.jobs.list(tag="team=other")] == []
    model = client.models.get("churn", label="latest")
    assert (model.version, model.path) == ("1", f"https://{ACCOUNT}.blob.core.windows.net/azureml/azureml/run-1/model")
    assert [model.version for model in client.models.list("inner")] == ["4"]


def test_a_pipeline_with_its_code_beside_it_runs_too(plane: Plane, client: Any, folder: Path) -> None:
    noted = edit(folder / "local.yaml", 'inputs.rounds}}"}', 'inputs.rounds}}", note: hello}')
    submitted(client, noted, "run-1")
    assert ended(client, "run-1") == "Completed", plane.page("run-1")
    assert plane.blob("azureml", "azureml/run-1/model/seen") == b"x\n5 True\n--note\n"


def test_a_job_is_cancelled(plane: Plane, client: Any, folder: Path) -> None:
    (folder / "src/train.sh").write_text("exec sleep 600")
    submitted(client, folder / "local.yaml", "run-1")
    client.jobs.begin_cancel("run-1").result()
    assert ended(client, "run-1") == "Canceled", plane.page("run-1")
