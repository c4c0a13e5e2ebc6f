from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]


TRIGGER = """\
name: churn
description: "${{ of no matter }}"
source:
  - object: {in: landing, match: "MATCH"}
  - message: {in: requests, parameters: {data: "${{ event.id }}"}}
  - schedule: {cron: "CRON", timezone: "ZONE", parameters: {data: "${{ event.id }}"}}
launch: {pipeline: PIPELINE, parameters: {data: "${{ window.folder }}"}}
"""
RIGHT = {"MATCH": "*.csv", "CRON": "0 6 * * *", "ZONE": "UTC", "PIPELINE": "train"}


def places(root: Path) -> list[tuple[int, int, str]]:
    return [(it.line, it.column, it.code) for it in compiling.check(root) if it.code != "unused_name"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"MATCH": "${{ event.id }}/*.csv"}, [(4, 34, "untrusted_data")]),
        ({"CRON": "${{ event.id }} * * * *"}, [(6, 22, "untrusted_data")]),
        ({"ZONE": "${{ vars.zone }}"}, [(6, 45, "untrusted_data")]),
        ({"PIPELINE": '"${{ event.message.json.pipeline }}"'}, [(7, 20, "untrusted_data")]),
    ],
)
def test_an_expression_gives_parameters_only(
    write: Write, changed: dict[str, str], expected: list[tuple[int, int, str]]
) -> None:
    trigger = TRIGGER
    for key, text in {**RIGHT, **changed}.items():
        trigger = trigger.replace(key, text)
    assert places(write({"triggers/churn.yaml": trigger})) == expected


@pytest.mark.parametrize(
    ("changed", "to"),
    [
        ("gs://acme-dev-pipelines", '"gs://acme-dev-pipelines/${{ event.id }}"'),
        ("pipelines/train.json", '"${{ event.message.json.template }}"'),
        ('"gs://acme-dev-landing/full.csv"', '"${{ event.message.json.table }}"'),
        ("{landing: gs", '{"${{ x }}": gs://acme-x, landing: gs'),
        ("gcp\n", 'gcp\n    callers: [{key: {setting: "${{ vars.secret }}"}}]\n'),
    ],
)
def test_nothing_is_evaluated_in_the_project_file(write: Write, changed: str, to: str) -> None:
    root = write({})
    file = root / "retrigger.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(changed, to), encoding="utf-8")
    (problem,) = (it for it in compiling.check(root) if it.code not in ("unused_name", "unknown_pipeline"))
    line = file.read_text(encoding="utf-8").splitlines()[problem.line - 1]
    assert (problem.path, problem.code) == ("retrigger.yaml", "untrusted_data")
    assert line[problem.column - 1 :].partition("}}")[0].count("${{") == 1
