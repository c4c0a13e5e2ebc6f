from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from retrigger.cli.app import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from click.testing import Result

PROJECT = """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-dev-retrigger
    stores: {landing: gs://acme-dev-landing}
    channels: {requests: projects/acme-dev/topics/requests}
    pipelines: {train: {template: pipelines/train.json, root: gs://acme-dev-pipelines}}
"""
TABLES = """\
name: tables
source:
  - object: {in: landing, match: "churn/dt={dt}/*.csv", filter: event.object.size > 3}
admit:
  window: {key: match.dt, until: {object: "churn/dt={dt}/_SUCCESS"}, max_wait: 2h}
launch: {pipeline: train, parameters: {data: "${{ window.folder }}"}}
"""
REQUESTS = """\
name: requests
source:
  - message:
      in: requests
      key: event.message.json.id
      filter: has(event.message.json.id)
      parameters: {data: "${{ event.message.json.data }}", seconds: "${{ event.message.json.seconds }}"}
  - schedule: {cron: "0 3 1 1 *", timezone: UTC, parameters: {data: nightly, seconds: "0"}}
admit: {concurrency: {limit: 2}}
launch: {pipeline: train}
"""
TEMPLATE = {
    "pipelineInfo": {"name": "train"},
    "schemaVersion": "2.1.0",
    "sdkVersion": "kfp-2.17.0",
    "deploymentSpec": {
        "executors": {
            "exec-rest": {
                "container": {"image": "any", "command": ["sleep"], "args": ["{{$.inputs.parameters['seconds']}}"]}
            }
        }
    },
    "components": {
        "comp-rest": {
            "executorLabel": "exec-rest",
            "inputDefinitions": {"parameters": {"seconds": {"parameterType": "STRING"}}},
        }
    },
    "root": {
        "dag": {
            "tasks": {
                "rest": {
                    "componentRef": {"name": "comp-rest"},
                    "inputs": {"parameters": {"seconds": {"componentInputParameter": "seconds"}}},
                    "taskInfo": {"name": "rest"},
                }
            }
        },
        "inputDefinitions": {
            "parameters": {
                "data": {"parameterType": "STRING"},
                "seconds": {"parameterType": "STRING", "defaultValue": "0", "isOptional": True},
            }
        },
    },
}


@dataclass(frozen=True)
class Called:
    """One call of the command line, as its user sees it."""

    result: Result

    @property
    def code(self) -> int:
        return self.result.exit_code

    @property
    def out(self) -> str:
        return self.result.stdout

    @property
    def err(self) -> str:
        return self.result.stderr

    @property
    def lines(self) -> list[Any]:
        """The lines of `--format json`; nothing else may be on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


def retrigger(*arguments: str | Path, stdin: str | bytes | None = None) -> Called:
    """Run a command in this process. Whatever it is given, it shows no traceback."""
    result = CliRunner().invoke(cli, [str(one) for one in arguments], input=stdin)
    assert "Traceback" not in result.output, result.output
    assert "should not have happened" not in result.output, result.output
    return Called(result)


def write_project(folder: Path, changed: Mapping[str, str] = MappingProxyType({})) -> Path:
    """The project of these tests, with these files in place of its own, or added."""
    files = {
        "retrigger.yaml": PROJECT,
        "triggers/tables.yaml": TABLES,
        "triggers/requests.yaml": REQUESTS,
        "pipelines/train.json": json.dumps(TEMPLATE),
    }
    for name, text in {**files, **changed}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file for a command to read."""

    def write_file(name: str, content: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write_file


def uploaded(name: str, size: int = 100) -> dict[str, Any]:
    """A structured CloudEvent of Cloud Storage."""
    return {
        "specversion": "1.0",
        "id": "e1",
        "source": "//storage.googleapis.com/projects/_/buckets/acme-dev-landing",
        "type": "google.cloud.storage.object.v1.finalized",
        "subject": f"objects/{name}",
        "time": "2026-11-20T10:00:00Z",
        "data": {"bucket": "acme-dev-landing", "name": name, "generation": "17", "size": str(size)},
    }
