from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring.compile import check
from retrigger.triggers.authoring.environments import ProjectFile
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.environment import EntraCaller, GoogleCaller, KeyCaller
from tests.triggers.authoring.conftest import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Write = Callable[[Mapping[str, str]], Path]

ALL = """\
    callers:
      - google: {audience: "https://f.run.app", service_accounts: [push@acme.iam.gserviceaccount.com, s@acme.iam]}
      - entra:
          tenant: AAAAAAAA-2222-3333-4444-555555555555
          audience: api://retrigger
          apps: [4962773B-9cdb-44cf-a8bf-237846a00ab7]
      - key: {setting: RETRIGGER_WEBHOOK_KEY}
"""
AZURE = """\
  prod:
    cloud: azure
    workspace: /subscriptions/1/workspaces/ml
    ledger: https://acmeprod.blob.core.windows.net/retrigger
"""


def test_who_may_call_is_settled(write: Write) -> None:
    project = load_project(write({"retrigger.yaml": PROJECT + ALL}))
    assert project.environments["dev"].callers == (
        GoogleCaller(
            audience="https://f.run.app", service_accounts=("push@acme.iam.gserviceaccount.com", "s@acme.iam")
        ),
        EntraCaller(
            tenant="aaaaaaaa-2222-3333-4444-555555555555",
            audience="api://retrigger",
            apps=("4962773b-9cdb-44cf-a8bf-237846a00ab7",),
        ),
        KeyCaller(setting="RETRIGGER_WEBHOOK_KEY"),
    )


@pytest.mark.parametrize(("line", "told"), [("", ()), ("    callers: platform\n", "platform")])
def test_the_platforms_word_is_not_the_default(write: Write, line: str, told: object) -> None:
    assert load_project(write({"retrigger.yaml": PROJECT + line})).environments["dev"].callers == told


@pytest.mark.parametrize("callers", [ALL, "    callers: platform\n"])
def test_an_environment_on_azure_says_it_in_the_same_way(write: Write, callers: str) -> None:
    told = load_project(write({"retrigger.yaml": PROJECT + callers + AZURE + callers})).environments
    assert told["prod"].callers == told["dev"].callers != ()


NEITHER = "`callers` must be `platform`, or a list of 1 to 20 who may call."


@pytest.mark.parametrize(
    ("callers", "expected"),
    [
        ("platfrom", f"11:14: bad_value: {NEITHER}"),
        ("[]", f"11:14: bad_value: {NEITHER}"),
        ("{key: {setting: A}}", f"11:14: bad_value: {NEITHER}"),
        ("true", f"11:14: bad_value: {NEITHER}"),
        (f"[{'{key: {setting: A}}, ' * 21}]", f"11:14: bad_value: {NEITHER}"),
        ("", "11:13: empty_value: `callers` is empty: give a value, or leave the key out."),
        ("[platform]", "11:15: wrong_type: `callers[0]` must be a mapping: text stands here."),
        ("[{}]", "11:15: one_of_keys: `callers[0]` takes exactly one of `google`, `entra`, `key`."),
        (
            "[{key: {setting: A}, google: {audience: a, service_accounts: [a@b]}}]",
            "11:15: one_of_keys: `callers[0]` takes exactly one of `google`, `entra`, `key`.",
        ),
        ("[{gogle: {}}]", "11:16: unknown_key: There is no key `gogle` here (did you mean `google`?)."),
        ("[{google: {service_accounts: [a@b]}}]", "11:16: missing_key: `audience` is missing: add it."),
        (
            "[{google: {audience: a, service_account: [a@b], service_accounts: [a@b]}}]",
            "11:38: unknown_key: There is no key `service_account` here (did you mean `service_accounts`?).",
        ),
        (
            "[{google: {audience: a, service_accounts: [everybody]}}]",
            "11:57: bad_value: `service_accounts[0]` must be a service account's e-mail address.",
        ),
        (
            "[{entra: {tenant: acme, audience: a, apps: [11111111-2222-3333-4444-555555555555]}}]",
            "11:32: bad_value: `tenant` must be a UUID: eight, four, four, four and twelve digits.",
        ),
        (
            "[{key: {setting: s3cr=t}}]",
            "11:31: bad_value: `setting` must be the name of an environment variable, never the secret itself.",
        ),
    ],
)
def test_a_mistake_is_told_at_its_place(write: Write, callers: str, expected: str) -> None:
    root = write({"retrigger.yaml": f"{PROJECT}    callers: {callers}\n"})
    assert [str(problem) for problem in check(root)] == [f"retrigger.yaml:{expected}"]


def test_a_list_of_nobody_is_refused(write: Write) -> None:
    callers = "    callers: [{google: {audience: a, service_accounts: []}}]\n"
    (problem,) = check(write({"retrigger.yaml": PROJECT + callers}))
    assert (problem.line, problem.column, problem.code) == (11, 56, "bad_value")


def test_the_examples_of_the_documentation_are_right(write: Write) -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "auth.md").read_text(encoding="utf-8")
    examples = [block.split("```", 1)[0] for block in text.split("```yaml\n")[1:]]
    told = []
    for example in examples:
        root = write({"retrigger.yaml": PROJECT + textwrap.indent(example, "    ")})
        assert check(root) == []
        told.append(load_project(root).environments["dev"].callers)
    assert told[0] == "platform"
    assert [type(caller) for caller in told[1]] == [GoogleCaller, EntraCaller, KeyCaller]


def test_editors_are_told_what_may_stand_there() -> None:
    schema = ProjectFile.model_json_schema()
    told = schema["$defs"]["Gcp"]["properties"]["callers"]
    assert told["oneOf"] == [
        {"const": "platform", "type": "string"},
        {"items": {"$ref": "#/$defs/Caller"}, "type": "array"},
    ]
    assert told["default"] == []
    assert set(schema["$defs"]["Caller"]["properties"]) == {"google", "entra", "key"}
