"""docs/chains.md is right: its triggers are a project, its test passes, its event is explained."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import retrigger
from tests.projects import template, write_files

PAGE = (Path(__file__).parents[1] / "docs" / "chains.md").read_text(encoding="utf-8")
PROJECT = """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-dev-retrigger
    channels: {retrain-requests: projects/acme-dev/topics/retrain-requests}
    pipelines:
      churn: {template: pipelines/churn.json, root: gs://acme-dev-pipelines}
      evaluate: {template: pipelines/evaluate.json, root: gs://acme-dev-pipelines}
    endpoints: {churn: {name: "1234567890", machine_type: n1-standard-2}}
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    pipelines = {"churn": template("churn", data="STRING"), "evaluate": template("evaluate", version="STRING")}
    files = {f"pipelines/{name}.json": text for name, text in pipelines.items()}
    for text in blocks("yaml"):
        [place] = re.findall(r"^# (triggers/[-a-z]+\.yaml)", text)
        files[place] = text
    write_files(tmp_path, {"retrigger.yaml": PROJECT, **files})
    return tmp_path


def test_the_triggers_are_right(project: Path) -> None:
    assert len(list((project / "triggers").iterdir())) == 3
    assert retrigger("check", project).code == 0


def test_the_example_of_a_test_passes(project: Path) -> None:
    names: dict[str, Any] = {}
    for text in blocks("python"):
        exec(text, names)  # noqa: S102  # the page's own code
    names["test_a_good_model_goes_online"](project)


def test_the_event_is_explained_down_to_the_request(project: Path) -> None:
    [event] = blocks("json")
    file = project / "event.json"
    file.write_text(event, encoding="utf-8")
    called = retrigger("explain", file, "--project", project, "--format", "json")
    [told] = called.lines
    assert (told["trigger"], told["result"]) == ("churn-serve", "launched")
    assert told["parameters"]["version"] == "7"
    assert told["saw"] == {"event.lifecycle.properties.metrics.accuracy": "0.93"}
    worse = event.replace("0.93", "0.87")
    file.write_text(worse, encoding="utf-8")
    called = retrigger("explain", file, "--project", project, "--format", "json")
    assert (called.code, called.lines[0]["result"]) == (1, "ignored")
