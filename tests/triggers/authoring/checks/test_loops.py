from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling
from retrigger.triggers.authoring.checks import loops
from retrigger.triggers.environment import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]

CHAIN = """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-dev-retrigger
    stores: {a: gs://acme-a, b: gs://acme-b}
    pipelines:
      to-a: {template: pipelines/train.json, root: gs://acme-a/runs}
      to-b: {template: pipelines/train.json, root: gs://acme-b/runs}
      to-c: {template: pipelines/train.json, root: gs://acme-c/runs}
"""
TRIGGER = """\
name: NAME
source:
  - object: {in: STORE, match: "**/model.json"}
launch: {pipeline: PIPELINE, parameters: {data: "${{ window.folder }}"}}
"""


def trigger(name: str, listens: str, launches: str) -> str:
    return TRIGGER.replace("NAME", name).replace("STORE", listens).replace("PIPELINE", launches)


def loops_of(root: Path) -> list[tuple[str, int, int]]:
    return [(it.path, it.line, it.column) for it in compiling.check(root) if it.code == "loop"]


@pytest.mark.parametrize(
    ("listened", "match", "written", "expected"),
    [
        ("gs://b", "**/*.csv", "gs://b/runs", True),
        ("gs://b", "*.csv", "gs://b/runs", False),
        ("gs://b", "*/*.csv", "gs://b/runs", True),
        ("gs://b", "{dt}/*.csv", "gs://b/runs/churn", False),
        ("gs://b", "in/**", "gs://b/runs", False),
        ("gs://b/in", "*.csv", "gs://b/runs", False),
        ("gs://b/in", "*.csv", "gs://b", True),
        ("gs://b/runs/x", "*.csv", "gs://b/runs", True),
        ("gs://b/run", "**", "gs://b/runs", False),
        ("gs://b", "**", "gs://c", False),
    ],
)
def test_a_written_folder_wakes_a_glob(listened: str, match: str, written: str, *, expected: bool) -> None:
    assert loops.may_match(Store.at(listened), match, Store.at(written)) is expected


def test_a_chain_of_pipelines_is_no_loop(write: Write) -> None:
    root = write(
        {
            "retrigger.yaml": CHAIN,
            "triggers/churn.yaml": trigger("one", "a", "to-b"),
            "triggers/two.yaml": trigger("two", "b", "to-c"),
        }
    )
    assert loops_of(root) == []


def test_a_chain_that_comes_back_is_a_loop_at_each_of_its_sources(write: Write) -> None:
    root = write(
        {
            "retrigger.yaml": CHAIN,
            "triggers/churn.yaml": trigger("one", "a", "to-b"),
            "triggers/two.yaml": trigger("two", "b", "to-a"),
        }
    )
    assert loops_of(root) == [("triggers/churn.yaml", 3, 28), ("triggers/two.yaml", 3, 28)]


def test_listening_to_the_ledger_is_a_loop(write: Write) -> None:
    project = CHAIN.replace("ledger: gs://acme-dev-retrigger", "ledger: gs://acme-a/ledger")
    root = write({"retrigger.yaml": project, "triggers/churn.yaml": trigger("one", "a", "to-c")})
    assert loops_of(root) == [("triggers/churn.yaml", 3, 28)]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("gs://acme-a/predictions", [("triggers/churn.yaml", 3, 28)]),
        ("${{ vars.out }}/today", [("triggers/churn.yaml", 3, 28)]),
        ("gs://acme-b/predictions", []),
        ("azureml://datastores/a/paths/predictions", []),
    ],
)
def test_a_batch_prediction_that_writes_where_its_trigger_listens_is_a_loop(
    write: Write, output: str, expected: list[tuple[str, int, int]]
) -> None:
    predicting = TRIGGER.replace("NAME", "one").replace("STORE", "a").partition("launch")[0]
    predicting += (
        f'launch: {{batch_prediction: {{model: churn, input: "${{{{ window.uris }}}}", output: "{output}"}}}}\n'
    )
    project = CHAIN.replace("    stores:", "    vars: {out: gs://acme-a}\n    stores:")
    assert loops_of(write({"retrigger.yaml": project, "triggers/churn.yaml": predicting})) == expected


def test_a_chain_that_comes_back_through_an_object_is_a_loop_at_both_of_its_sources(write: Write) -> None:
    follows = trigger("two", "a", "to-a").replace('object: {in: a, match: "**/model.json"}', "lifecycle: {of: one}")
    follows = follows.replace("window.folder", "event.lifecycle.name")
    root = write(
        {
            "retrigger.yaml": CHAIN,
            "triggers/churn.yaml": trigger("one", "a", "to-b"),
            "triggers/two.yaml": follows,
        }
    )
    assert loops_of(root) == [("triggers/churn.yaml", 3, 28), ("triggers/two.yaml", 3, 21)]
