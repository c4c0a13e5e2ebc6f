from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]


TEMPLATE = """\
{"components": {"comp-a": {"executorLabel": "a"}, "comp-b": {"dag": {"tasks": {
   "inner": {"componentRef": {"name": "comp-a"}, "cachingOptions": {"enableCache": true}}}}}},
 "deploymentSpec": {"executors": {}}, "pipelineInfo": {"name": "train"}, "schemaVersion": "2.1.0",
 "root": {"dag": {"tasks": {
   "group": {"componentRef": {"name": "comp-b"}, "cachingOptions": {}},
   "a": {"componentRef": {"name": "comp-a"}, "cachingOptions": OPTIONS}}}, "inputDefinitions": {"parameters": {
   "data": {"parameterType": "STRING"}, "rows": {"parameterType": "NUMBER_INTEGER", "defaultValue": 0}}}}}
"""
CACHED = '{"enableCache": true}'
TRIGGER = """\
name: churn
source:
  - object: {in: landing, match: "MATCH"}
  - message: {in: requests, parameters: {data: "${{ event.id }}"}}
launch: {pipeline: train, parameters: {data: "DATA"}}
"""


def told(write: Write, data: str, match: str, options: str = CACHED, caching: str = "") -> list[tuple[int, int]]:
    trigger = TRIGGER.replace("MATCH", match).replace("DATA", data)
    root = write({"triggers/churn.yaml": trigger, "pipelines/train.json": TEMPLATE.replace("OPTIONS", options)})
    file = root / "retrigger.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("service_account: default}", f"service_account: default{caching}}}"), encoding="utf-8")
    return [(it.line, it.column) for it in compiling.check(root) if it.code == "cached_constant"]


@pytest.mark.parametrize(
    ("data", "match", "constant"),
    [
        ("gs://acme/all.csv", "*.csv", True),
        ("${{ vars.table }}", "*.csv", True),
        ("${{ window.folder }}", "in/*.csv", True),
        ("${{ window.folder }}", "in/{dt}/*.csv", False),
        ("${{ window.folder }}", "in/**", False),
        ("${{ window.manifest }}", "in/a.csv", False),
        ("${{ window.uris[0] }}", "in/a.csv", True),
        ("${{ window.uris[0] }}", "in/*.csv", False),
        ("${{ broken", "in/*.csv", False),
    ],
)
def test_parameters_that_never_differ_are_told(write: Write, data: str, match: str, *, constant: bool) -> None:
    assert told(write, data, match) == ([(5, 20)] if constant else [])


@pytest.mark.parametrize(
    ("options", "caching", "cached"),
    [
        (CACHED, "", True),
        ("{}", "", False),  # one step is always done anew, and with it what reads its results
        ("{}", ", caching: true", True),
        (CACHED, ", caching: false", False),
    ],
)
def test_the_environment_s_word_on_caching_counts_over_the_template_s(
    write: Write, options: str, caching: str, *, cached: bool
) -> None:
    assert told(write, "all", "*.csv", options, caching) == ([(5, 20)] if cached else [])


def test_every_pipeline_of_a_choice_is_told(write: Write) -> None:
    trigger = TRIGGER.replace("MATCH", "*.csv").replace("DATA", "gs://acme/all.csv")
    choice = trigger.replace("pipeline: train,", "pipeline: {by: vars.table, from: {a: train, b: again}},")
    root = write({"triggers/churn.yaml": choice, "pipelines/train.json": TEMPLATE.replace("OPTIONS", CACHED)})
    file = root / "retrigger.yaml"
    train = "train: {template: pipelines/train.json, root: gs://acme-dev-pipelines, service_account: default}"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(train, f"{train}, {train.replace('train:', 'again:', 1)}"), encoding="utf-8")
    found = [problem.message for problem in compiling.check(root) if problem.code == "cached_constant"]
    assert [message.split("`")[1] for message in found] == ["again", "train"]
