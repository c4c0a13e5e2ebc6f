from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PROJECT = """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    ledger: gs://acme-dev-retrigger
    vars: {table: "gs://acme-dev-landing/full.csv", rows: 100}
    stores: {landing: gs://acme-dev-landing}
    channels: {requests: projects/acme-dev/topics/requests}
    pipelines: {train: {template: pipelines/train.json, root: gs://acme-dev-pipelines, service_account: default}}
"""
TEMPLATE = """\
{"deploymentSpec": {"executors": {}}, "pipelineInfo": {"name": "train"}, "schemaVersion": "2.1.0",
 "root": {"dag": {"tasks": {}}, "inputDefinitions": {"parameters": {
   "data": {"parameterType": "STRING"}, "rows": {"parameterType": "NUMBER_INTEGER", "defaultValue": 0}}}}}
"""
TRIGGER = """\
name: churn
source:
  - object: {in: landing, match: "{dt}/*.csv"}
  - message: {in: requests, parameters: {data: "${{ vars.table }}"}}
launch: {pipeline: train, parameters: {data: "${{ window.folder }}"}}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Writes a small project that is right, with these files added or put in place of its own."""

    def write_files(changed: Mapping[str, str]) -> Path:
        own = {"retrigger.yaml": PROJECT, "pipelines/train.json": TEMPLATE, "triggers/churn.yaml": TRIGGER}
        for name, text in {**own, **changed}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write_files
