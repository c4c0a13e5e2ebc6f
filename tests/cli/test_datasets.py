"""A window's manifest becomes a dataset of the platform, which the pipeline reads: on both emulated clouds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from tests.cli.conftest import retrigger
from tests.cli.test_emulator import listed, on, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("emulator of the command line")

WORKSPACE = "/subscriptions/1/resourceGroups/ml/providers/Microsoft.MachineLearningServices/workspaces/ml"
GOOGLE = """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-dev-retrigger
    stores: {landing: gs://acme-dev-landing}
    pipelines: {read: {template: pipelines/read.json, root: gs://acme-dev-pipelines/read}}
"""
AZURE = f"""\
environments:
  prod:
    cloud: azure
    workspace: {WORKSPACE}
    ledger: https://acmeprod.blob.core.windows.net/retrigger
    stores: {{landing: "https://acmeprod.blob.core.windows.net/landing"}}
    channels: {{uploads: "https://acmeprod.queue.core.windows.net/uploads"}}
    pipelines: {{read: {{template: pipelines/read.yaml, root: "https://acmeprod.blob.core.windows.net/runs"}}}}
"""
TRIGGER = """\
name: tables
source: [{object: {in: landing, match: "*.csv"}}]
launch: {pipeline: read, register: dataset, WHAT: {table: "${{ window.dataset }}"}}
"""
DATASET: Mapping[str, Any] = {
    "artifacts": {"table": {"artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}}}
}
READS = "{{$.inputs.artifacts['table'].path}}"
PIPELINE = {
    "pipelineInfo": {"name": "read"},
    "schemaVersion": "2.1.0",
    "sdkVersion": "kfp-2.17.0",
    "root": {
        "inputDefinitions": DATASET,
        "dag": {
            "tasks": {
                "read": {
                    "componentRef": {"name": "comp-read"},
                    "inputs": {"artifacts": {"table": {"componentInputArtifact": "table"}}},
                    "taskInfo": {"name": "read"},
                }
            }
        },
    },
    "components": {"comp-read": {"executorLabel": "exec-read", "inputDefinitions": DATASET}},
    "deploymentSpec": {
        "executors": {
            "exec-read": {"container": {"image": "alpine", "command": ["sh", "-c", 'grep a.csv "$0"'], "args": [READS]}}
        }
    },
}
JOB = """\
type: pipeline
inputs: {table: {type: uri_file}}
jobs:
  read: {type: command, component: azureml:read:1, inputs: {table: "${{parent.inputs.table}}"}}
"""
COMPONENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: read
version: 1
inputs: {table: {type: uri_file}}
command: grep a.csv ${{inputs.table}}
"""
FILES: Mapping[str, Mapping[str, str]] = {
    "google": {
        "retrigger.yaml": GOOGLE,
        "pipelines/read.json": json.dumps(PIPELINE),
        "triggers/tables.yaml": TRIGGER.replace("WHAT", "artifacts"),
    },
    "azure": {
        "retrigger.yaml": AZURE,
        "pipelines/read.yaml": JOB,
        "components/read.yaml": COMPONENT,
        "triggers/tables.yaml": TRIGGER.replace("WHAT", "parameters"),
    },
}


@pytest.fixture
def laptop(tmp_path: Path, cloud: str) -> Iterator[Path]:
    if cloud == "azure":
        pytest.importorskip("azure_functions_runtime", reason="Microsoft's worker library is not installed")
    folder = tmp_path / "project"
    for name, text in FILES[cloud].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    called = retrigger("up", "--project", folder, "--detach")
    assert called.code == 0, called.err
    yield folder / ".retrigger"
    assert retrigger("down", "--state", folder / ".retrigger").code == 0


def got(laptop: Path, path: str) -> dict[str, Any]:
    url = on(laptop, "status", "--format", "json").lines[0]["url"]
    answer = urllib3.request("GET", url + path, retries=False)
    assert answer.status == 200, answer.data
    found: dict[str, Any] = answer.json()
    return found


def ended(laptop: Path) -> Any:
    assert on(laptop, "clock", "advance", "1m").code == 0
    return [run for run in listed(laptop, "runs") if run["state"] != "running"]


@pytest.mark.parametrize("cloud", ["google", "azure"])
def test_a_pipeline_reads_the_manifest_that_was_registered_for_it(laptop: Path, cloud: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    store = "gs://acme-dev-landing" if cloud == "google" else "https://acmeprod.blob.core.windows.net/landing"
    assert on(laptop, "drop", tmp_path / "a.csv", f"{store}/").code == 0
    (run,) = until(lambda: ended(laptop), 60)
    assert (run["state"], run["error"]) == ("succeeded", None)
    if cloud == "google":
        place = "/v1/projects/acme-dev/locations/europe-west4/metadataStores/default/artifacts"
        found = got(laptop, f"{place}/{run['id']}")
        manifest = f"gs://acme-dev-pipelines/read/retrigger/{run['id']}/manifest.json"
        assert (found["uri"], found["schemaTitle"]) == (manifest, "system.Dataset")
        assert (found["metadata"]["members"], found["labels"]["retrigger-run"]) == (1, run["id"])
        assert [it["name"] for it in got(laptop, place)["artifacts"]] == [found["name"]]
    else:
        name, _, version = run["id"].rpartition("-")
        found = got(laptop, f"{WORKSPACE}/data/{name}-manifest/versions/{version}")["properties"]
        manifest = f"https://acmeprod.blob.core.windows.net/runs/retrigger/{run['id']}/manifest.json"
        assert (found["dataUri"], found["dataType"]) == (manifest, "uri_file")
        assert run["parameters"] == {"table": f"azureml:{name}-manifest:{version}"}
