"""The examples of docs/triggers.md and docs/project.md are right, and show every key."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from retrigger.triggers.authoring import yaml
from retrigger.triggers.authoring.compile import check, compile_project
from retrigger.triggers.authoring.environments import ProjectFile
from retrigger.triggers.authoring.models import TriggerFile
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.authoring.reference import keys, sections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.event import Json
    from tests.plug_ins import Site

DOCS = Path(__file__).parents[3] / "docs"


def examples(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


TRIGGERS = examples("triggers.md")
PROJECTS = examples("project.md")
PROJECT = """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-dev-retrigger
    vars: {predictions: "gs://acme-predictions", full_table: "gs://acme-dev-landing/churn/full.csv"}
    stores: {landing: gs://acme-dev-landing}
    channels: {requests: projects/acme-dev/topics/requests, told: projects/acme-dev/topics/told}
    outbox: told
    platforms: {ml: /subscriptions/1/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/ml}
    pipelines:
      churn: {template: pipelines/churn.json, root: gs://acme-dev-pipelines}
      churn-lite: {template: pipelines/churn.json, root: gs://acme-dev-pipelines}
    endpoints: {churn: "1234567890"}
"""
ON_AZURE = """\
environments:
  prod:
    cloud: azure
    workspace: /subscriptions/1/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/ml
    ledger: https://acme.blob.core.windows.net/retrigger
    vars: {predictions: "azureml://datastores/predictions/paths/churn"}
    stores: {landing: https://acme.blob.core.windows.net/landing}
    endpoints: {churn: churn-batch}
"""
PLUG_INS = {
    "validators": {"weekday": "acme_docs:no_options", "header": "acme_docs:header"},
    "launchers": {"spool": "acme_docs:Spool"},
    "formats": {"labels": "acme_docs:parse"},
}
CODE = """
def no_options():
    return lambda event, data: None

def header(names):
    return lambda event, data: None

class Spool:
    def __init__(self, environment): ...
    def request(self, job, template): ...
    def submit(self, job, template): ...
    def status(self, job): ...
    def cancel(self, job): ...

def parse(headers, body, now): ...
"""
INPUTS = {
    "parameters": {"data": {"parameterType": "STRING"}},
    "artifacts": {"base": {"artifactType": {"schemaTitle": "system.Model"}, "isOptional": True}},
}
FILES = {
    "pipelines/churn.json": json.dumps(
        {
            "pipelineInfo": {"name": "churn"},
            "schemaVersion": "2.1.0",
            "root": {"dag": {"tasks": {}}, "inputDefinitions": INPUTS},
        }
    ),
    "pipelines/churn.yaml": "type: pipeline\ninputs: {data: {type: string}}\njobs: {a: {component: azureml:train:1}}\n",
    "schemas/request.json": json.dumps(
        {
            "type": "object",
            "properties": {"request_id": {"type": "string"}, "data": {"type": "string"}},
            "required": ["request_id", "data"],
        }
    ),
    "requests/smoke.json": "{}",
}
REST = {
    "source": {
        "event.lifecycle": "source: [{lifecycle: {from: ml, type: a.b}}]\n",
        "event.message": "source: [{message: {in: requests}}]\n",
        "": 'source: [{object: {in: landing, match: "{dt}/*.csv"}}]\n',
    },
    "launch": {"": 'launch: {pipeline: churn, parameters: {data: "gs://acme-dev-landing/full.csv"}}\n'},
    "name": {"": "name: example\n"},
}
"""What an example leaves out, by what it speaks of: of each key the first that fits."""
RETRAIN = """\
name: churn-retrain
source: [{message: {in: requests}}]
launch: {pipeline: churn, parameters: {data: "gs://acme-dev-landing/full.csv"}}
"""
"""What an example of a chain follows on."""


@pytest.fixture(autouse=True)
def _plug_ins(site: Site) -> None:
    site.install("acme-docs", PLUG_INS, {"acme_docs.py": CODE})


def whole(example: str) -> str:
    """An example of a part of a trigger, as a trigger."""
    own = data(example)
    assert isinstance(own, dict)
    missing = [texts for key, texts in REST.items() if key not in own]
    return example + "".join(next(text for word, text in texts.items() if word in example) for texts in missing)


def data(text: str) -> Json:
    return yaml.parse(text, "example.yaml").data


def write(root: Path, project: str, trigger: str) -> None:
    followed = {"triggers/churn-retrain.yaml": RETRAIN} if "of: churn-retrain" in trigger else {}
    for name, text in {**FILES, **followed, "retrigger.yaml": project, "triggers/example.yaml": trigger}.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def problems(root: Path) -> list[str]:
    return [it.message for it in check(root) if it.code != "unused_name"]


@pytest.mark.parametrize("example", TRIGGERS)
def test_each_example_of_a_trigger_is_checked_and_compiled(tmp_path: Path, example: str) -> None:
    project, environment = (ON_AZURE, "prod") if "# on Azure ML" in example else (PROJECT, "dev")
    write(tmp_path, project, whole(example))
    assert problems(tmp_path) == []
    assert compile_project(load_project(tmp_path), environment)


@pytest.mark.parametrize("example", PROJECTS)
def test_each_example_of_a_project_is_checked_and_compiled(tmp_path: Path, example: str) -> None:
    write(tmp_path, example, whole("launch: {pipeline: churn, parameters: {data: a}}\n"))
    assert problems(tmp_path) == []
    project = load_project(tmp_path)
    assert all(compile_project(project, name) for name in project.environments)


def shown(value: object) -> Iterator[tuple[str, str]]:
    """The keys that somebody wrote: model, key."""
    match value:
        case BaseModel():
            for name in value.model_fields_set:
                yield type(value).__name__, type(value).model_fields[name].alias or name
                yield from shown(getattr(value, name))
        case list():
            for inner in value:
                yield from shown(inner)
        case dict():
            for inner in value.values():
                yield from shown(inner)


def shown_by(example: str) -> Iterator[tuple[str, str]]:
    """What the example itself says of a trigger, without what makes it whole."""
    file = TriggerFile.model_validate(data(whole(example)))
    own = data(example)
    assert isinstance(own, dict)
    for name, field in TriggerFile.model_fields.items():
        if (key := field.alias or name) in own:
            yield "TriggerFile", key
            yield from shown(getattr(file, name))


def test_every_key_stands_in_an_example() -> None:
    found = {key for example in TRIGGERS for key in shown_by(example)}
    found |= {key for example in PROJECTS for key in shown(ProjectFile.model_validate(data(example)))}
    lacking = [
        f"{section.path}.{key}"
        for name, section in sections().items()
        for key, field in keys(section.model)
        if (name, key) not in found
    ]
    assert lacking == []
