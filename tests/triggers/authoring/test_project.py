from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import files
from retrigger.triggers.authoring.compile import check
from retrigger.triggers.authoring.environments import ProjectFile
from retrigger.triggers.authoring.models import TriggerFile
from retrigger.triggers.authoring.problems import ProjectError
from retrigger.triggers.authoring.project import find_root, load_project
from retrigger.triggers.environment import Channel, Endpoint, Environment, Limits, Pipeline, Store
from retrigger.triggers.launches import PipelineLaunch
from retrigger.triggers.spec import (
    Column,
    Concurrency,
    MessageSource,
    ObjectCheck,
    ObjectSource,
    OnFailure,
    ScheduleSource,
    Throttle,
    Trigger,
    WindowCheck,
    WindowRule,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Write = Callable[[Mapping[str, str]], Path]

SECTION_6 = Path(__file__).parents[2] / "golden" / "section6"
DEFAULTS = "defaults: {concurrency: {limit: 3, key: event.kind}, deduplicate: {keep: 7d}, archive: metadata}\n"


def places(root: Path) -> list[tuple[str, int, int, str]]:
    with pytest.raises(ProjectError) as caught:
        load_project(root)
    return [(problem.path, problem.line, problem.column, problem.code) for problem in caught.value.problems]


def test_the_trigger_file_of_the_design_says_this() -> None:
    schema = json.loads((SECTION_6 / "schemas" / "retrain-request.json").read_text(encoding="utf-8"))
    assert load_project(SECTION_6).triggers == (
        Trigger(
            name="churn-retrain",
            description="Retrain the churn model when a day's customer tables are complete.",
            sources=(
                ObjectSource(store="landing", match="churn/dt={dt}/*.csv"),
                MessageSource(
                    channel="retrain-requests",
                    schema=schema,
                    key="event.message.json.request_id",
                    parameters={"data": "${{ event.message.json.data }}", "as_of": "${{ event.message.json.as_of }}"},
                ),
                ScheduleSource(
                    cron="0 3 * * MON",
                    timezone="Europe/Paris",
                    missed="last",
                    late_at_most=timedelta(hours=6),
                    parameters={
                        "data": "${{ vars.full_table }}",
                        "as_of": "${{ date(event.schedule.scheduled_for, 'Europe/Paris') }}",
                    },
                ),
            ),
            object_check=ObjectCheck(
                format="csv",
                columns={
                    "Customer_Age": Column(type="int"),
                    "Attrition_Flag": Column(one_of=("Existing Customer", "Attrited Customer")),
                },
                max_null_ratio=0.02,
                max_bytes=2 << 30,
            ),
            window_check=WindowCheck(min_rows=1000),
            window=WindowRule(
                key="match.dt",
                until="churn/dt={dt}/_SUCCESS",
                max_wait=timedelta(hours=2),
                at_max_wait="reject",
                bad_member="drop",
            ),
            concurrency=Concurrency(limit=1),
            throttle=Throttle(limit=6, per=timedelta(hours=24)),
            keep=timedelta(days=35),
            on_failure=OnFailure(retry=1, then="carry_over"),
            launch=PipelineLaunch(
                pipeline="churn",
                parameters={"data": "${{ window.folder }}", "as_of": "${{ match.dt }}", "min_auc": 0.9},
            ),
        ),
    )


def test_the_project_file_of_the_design_says_this() -> None:
    project = load_project(SECTION_6)
    dev, prod = project.templates
    assert project.environments == {
        "dev": Environment(
            name="dev",
            cloud="gcp",
            project="acme-dev",
            location="europe-west4",
            ledger="gs://acme-dev-retrigger",
            vars={"full_table": "gs://acme-dev-landing/churn/full.csv"},
            stores={"landing": Store(kind="gcs", bucket="acme-dev-landing")},
            channels={"retrain-requests": Channel(address="projects/acme-dev/topics/retrain-requests")},
            pipelines={
                "churn": Pipeline(
                    template=dev,
                    root="gs://acme-dev-pipelines",
                    service_account="churn@acme-dev.iam.gserviceaccount.com",
                    caching=False,
                    labels={"team": "growth"},
                )
            },
            limits=Limits(submit_per_minute=50, running=20),
        ),
        "prod": Environment(
            name="prod",
            cloud="azure",
            workspace="/subscriptions/…/workspaces/ml",
            ledger="https://acmeprod.blob.core.windows.net/retrigger",
            vars={"full_table": "azureml://datastores/landing/paths/churn/full.csv"},
            stores={"landing": Store(kind="blob", account="acmeprod", bucket="landing")},
            channels={"retrain-requests": Channel(address="sb://acme.servicebus.windows.net/retrain-requests")},
            pipelines={"churn": Pipeline(template=prod)},
            endpoints={"churn": Endpoint(name="churn-online")},
        ),
    }


def test_a_trigger_that_says_little_has_the_defaults_of_the_spec(write: Write) -> None:
    assert load_project(write({})).triggers == (
        Trigger(
            name="churn",
            sources=(
                ObjectSource(store="landing", match="{dt}/*.csv"),
                MessageSource(channel="requests", parameters={"data": "${{ vars.table }}"}),
            ),
            launch=PipelineLaunch(pipeline="train", parameters={"data": "${{ window.folder }}"}),
        ),
    )


def test_a_window_that_says_nothing_has_the_defaults_of_the_spec(write: Write) -> None:
    root = write({})
    file = root / "triggers" / "churn.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "admit: {window: {}}\n", encoding="utf-8")
    assert load_project(root).triggers[0].window == WindowRule()


def test_defaults_hold_where_a_trigger_says_nothing(write: Write) -> None:
    root = write({})
    project, trigger = root / "retrigger.yaml", root / "triggers" / "churn.yaml"
    project.write_text(DEFAULTS + project.read_text(encoding="utf-8"), encoding="utf-8")
    own = "admit: {concurrency: {limit: 5}}\ndeduplicate: {keep: 9d}\narchive: none\n"
    (root / "triggers" / "own.yaml").write_text(trigger.read_text(encoding="utf-8") + own, encoding="utf-8")
    found = load_project(root)
    assert [(one.concurrency, one.keep, one.archive) for one in found.triggers] == [
        (Concurrency(limit=3, key="event.kind"), timedelta(days=7), "metadata"),
        (Concurrency(limit=5, key="event.kind"), timedelta(days=9), "none"),
    ]
    assert {one.archive for one in found.environments.values()} == {"metadata"}


def test_stores_are_folders(write: Write) -> None:
    root = write({})
    file = root / "retrigger.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("gs://acme-dev-landing}", "gs://acme-dev-landing/in/a}"), encoding="utf-8")
    assert load_project(root).environments["dev"].stores == {
        "landing": Store(kind="gcs", bucket="acme-dev-landing", prefix="in/a/")
    }


def test_the_root_is_the_nearest_folder_with_a_project_file(write: Write) -> None:
    root = write({})
    assert find_root(root / "triggers") == root.resolve()


def test_no_project_is_told_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="name the project's folder") as caught:
        find_root(tmp_path)
    assert [problem.code for problem in caught.value.problems] == ["no_project"]


def test_a_template_may_be_yaml(write: Write) -> None:
    root = write({})
    text = (root / "pipelines" / "train.json").read_text(encoding="utf-8")
    as_json = load_project(root).templates
    (root / "pipelines" / "train.yaml").write_text(text, encoding="utf-8")
    project = root / "retrigger.yaml"
    project.write_text(project.read_text(encoding="utf-8").replace("train.json", "train.yaml"), encoding="utf-8")
    assert load_project(root).templates.keys() == as_json.keys()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_json"),
        ("[]", "bad_template"),
        ("{}", "bad_template"),
        ('{"a": NaN}', "bad_json"),
        ('{"a":' * 100_000, "bad_json"),
        ('{"a":' * 100 + "1" + "}" * 100, "bad_json"),
    ],
)
def test_what_is_no_pipeline_is_told_where_it_is_named(write: Write, text: str, code: str) -> None:
    assert places(write({"pipelines/train.json": text})) == [("retrigger.yaml", 10, 35, code)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"$ref": "file:///etc/passwd"}', "remote_ref"),
        ('{"allOf": [{"properties": {"a": {"$ref": "https://example.com"}}}]}', "remote_ref"),
        ('{"type": "objekt"}', "bad_schema"),
        ('{"type": "string", "pattern": "("}', "bad_schema"),
        ("3", "bad_schema"),
        ("{", "bad_json"),
    ],
)
def test_what_is_no_message_schema_is_told_where_it_is_named(write: Write, text: str, code: str) -> None:
    trigger = "name: m\nsource:\n  - message: {in: requests, schema: s.json}\nlaunch: {pipeline: train}\n"
    assert places(write({"triggers/churn.yaml": trigger, "s.json": text})) == [("triggers/churn.yaml", 3, 37, code)]


def test_a_schema_may_refer_to_itself(write: Write) -> None:
    trigger = "name: m\nsource:\n  - message: {in: requests, schema: s.json}\nlaunch: {pipeline: train}\n"
    schema = {"$defs": {"text": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/text"}}}
    project = load_project(write({"triggers/churn.yaml": trigger, "s.json": json.dumps(schema)}))
    assert project.schemas == {"s.json": schema}


def test_a_link_out_of_the_project_is_not_followed(write: Write, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.json"
    secret.write_text("{}", encoding="utf-8")
    root = write({})
    (root / "pipelines" / "train.json").unlink()
    (root / "pipelines" / "train.json").symlink_to(secret)
    assert places(root) == [("retrigger.yaml", 10, 35, "outside_project")]


def test_a_file_that_is_not_utf8_is_told(write: Write) -> None:
    root = write({})
    (root / "triggers" / "churn.yaml").write_bytes(b"name: caf\xe9\n")
    assert places(root) == [("triggers/churn.yaml", 0, 0, "not_utf8")]


@pytest.mark.parametrize("text", ["", "[]", "3", "null"])
def test_a_file_that_is_no_mapping_is_told(write: Write, text: str) -> None:
    assert places(write({"triggers/churn.yaml": text})) == [("triggers/churn.yaml", 1, 1, "wrong_type")]


def test_both_files_have_a_json_schema_for_editors() -> None:
    for model in (TriggerFile, ProjectFile):
        assert model.model_json_schema()["additionalProperties"] is False


def test_a_project_file_that_cannot_be_read_hides_no_trigger(write: Write) -> None:
    assert places(write({"retrigger.yaml": "a: [", "triggers/churn.yaml": "name: 1"})) == [
        ("retrigger.yaml", 2, 1, "yaml_syntax"),
        ("triggers/churn.yaml", 1, 1, "missing_key"),
        ("triggers/churn.yaml", 1, 1, "missing_key"),
        ("triggers/churn.yaml", 1, 7, "wrong_type"),
    ]


def test_a_file_that_is_too_large_is_not_read_to_its_end(write: Write) -> None:
    root = write({"triggers/churn.yaml": "#" * (files.MAX_TEXT + 1)})
    assert places(root) == [("triggers/churn.yaml", 0, 0, "file_too_large")]


def test_a_loop_of_links_is_told(write: Write) -> None:
    root = write({})
    (root / "pipelines" / "train.json").unlink()
    (root / "pipelines" / "train.json").symlink_to(root / "pipelines" / "train.json")
    assert places(root) == [("retrigger.yaml", 10, 35, "unreadable_file")]


def test_a_mistake_in_a_yaml_template_is_told_where_it_is_named(write: Write) -> None:
    root = write({"pipelines/train.yaml": "a: [\n"})
    project = root / "retrigger.yaml"
    project.write_text(project.read_text(encoding="utf-8").replace("train.json", "train.yaml"), encoding="utf-8")
    assert places(root) == [("retrigger.yaml", 10, 35, "yaml_syntax")]


def test_the_rules_judge_what_is_right_of_a_file_with_mistakes_in_its_shape(
    write: Callable[[Mapping[str, str]], Path],
) -> None:
    trigger = """\
name: churn
source: [{object: {in: landin, match: "a/*.csv"}}]
owner: me
admit: {concurrency: {limit: 0, when_busy: coalesce}}
launch: {pipeline: train}
"""
    found = [(problem.code, problem.line) for problem in check(write({"triggers/churn.yaml": trigger}))]
    assert {("unknown_store", 2), ("unknown_key", 3), ("bad_value", 4)} <= set(found)


@pytest.mark.parametrize(
    "wrong",
    [
        "mode: dry",
        "description: 5",
        "source: [{object: {in: landin, match: a, change: [creatd]}}]",
        "source: [{object: {in: landin, match: a}}, {schedule: {cron: 0 3 * * *, late_at_most: 6x, missed: no}}]",
    ],
)
def test_what_says_nothing_that_the_rules_ask_for_hides_no_other_mistake(write: Write, wrong: str) -> None:
    source = "" if "source" in wrong else "source: [{object: {in: landin, match: a}}]\n"
    trigger = f"name: churn\n{wrong}\n{source}launch: {{pipeline: trian}}\n"
    codes = {problem.code for problem in check(write({"triggers/churn.yaml": trigger}))}
    assert {"unknown_store", "unknown_pipeline"} < codes
