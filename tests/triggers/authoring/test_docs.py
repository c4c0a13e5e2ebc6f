"""The examples of docs/triggers.md are right."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from retrigger.triggers.authoring.compile import check, compile_project
from retrigger.triggers.authoring.project import load_project

DOCS = Path(__file__).parents[3] / "docs" / "triggers.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
PROJECT = """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    ledger: gs://acme-dev-retrigger
    vars: {predictions: "gs://acme-predictions"}
    stores: {landing: gs://acme-dev-landing}
    channels: {requests: projects/acme-dev/topics/requests}
    platforms: {ml: /subscriptions/1/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/ml}
    pipelines:
      churn: {template: churn.json, root: gs://acme-dev-pipelines}
      churn-lite: {template: churn.json, root: gs://acme-dev-pipelines}
    endpoints: {churn: "1234567890"}
"""
TEMPLATE = {
    "pipelineInfo": {"name": "churn"},
    "schemaVersion": "2.1.0",
    "root": {"dag": {"tasks": {}}, "inputDefinitions": {"parameters": {"data": {"parameterType": "STRING"}}}},
}
LIFECYCLE = "source: [{lifecycle: {from: ml, type: a.b}}]\n"
OBJECTS = 'source: [{object: {in: landing, match: "*.csv"}}]\n'
MESSAGES = "source: [{message: {in: requests}}]\n"
PIPELINE = 'launch: {pipeline: churn, parameters: {data: "gs://b/x"}}\n'
REST = {
    "lifecycle:": PIPELINE,
    "pipeline:": MESSAGES,
    "batch_prediction:": OBJECTS,
    "online_deployment:": LIFECYCLE,
}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[1].strip(" -:").partition(":")[0])
def test_each_example_is_checked_and_compiled(tmp_path: Path, block: str) -> None:
    rest = next(text for key, text in REST.items() if key in block)
    smoke = tmp_path / "requests" / "smoke.json"
    for path, text in (
        (tmp_path / "retrigger.yaml", PROJECT),
        (tmp_path / "churn.json", json.dumps(TEMPLATE)),
        (smoke, "{}"),
        (tmp_path / "triggers" / "t.yaml", f"name: t\n{rest}{block}"),
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert [it for it in check(tmp_path) if it.code != "unused_name"] == []
    assert compile_project(load_project(tmp_path), "dev")


def test_there_are_examples() -> None:
    assert len(BLOCKS) == len(REST)
