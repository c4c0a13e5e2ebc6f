"""What an environment says on either cloud, side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring.compile import check
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.environment import Channel, Endpoint, Environment, Limits, Pipeline, Platform, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]

WORKSPACE = "/subscriptions/1/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/ml"
GOOGLE = """\
environments:
  it:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    ledger: gs://acme-retrigger/ledger
    service_account: all@b
    vars: {table: a}
    stores: {landing: gs://acme-landing/in, raw: gs://acme-raw}
    channels:
      requests: projects/acme-dev/topics/requests
      all: {topic: projects/acme-dev/topics/all, subscription: projects/acme-dev/subscriptions/all}
    platforms: {vertex: projects/other/locations/us-central1, bq: projects/acme-dev, ml: WORKSPACE}
    pipelines:
      train:
        {template: pipelines/train.json, root: gs://acme-runs, service_account: a@b, caching: false, labels: {a: b},
         failure_policy: fast, network: projects/12/global/networks/ml, reserved_ip_ranges: [one, two],
         kms_key: projects/p/locations/l/keyRings/r/cryptoKeys/k}
      lite: {template: pipelines/train.json, root: gs://acme-runs}
      any: {template: pipelines/train.json, root: gs://acme-runs, service_account: default}
    endpoints:
      churn: "1234567890"
      other: projects/p/locations/l/endpoints/1
      served:
        name: "42"
        machine_type: n1-standard-4
        accelerator_type: NVIDIA_TESLA_T4
        accelerator_count: 2
        min_replica_count: 1
        max_replica_count: 3
        service_account: a@b
    limits: {submit_per_minute: 5, running: 2}
    callers: platform
"""
AZURE = """\
environments:
  it:
    cloud: azure
    workspace: WORKSPACE
    ledger: https://acmeprod.blob.core.windows.net/retrigger/ledger
    vars: {table: a}
    stores: {landing: https://acmeprod.blob.core.windows.net/landing/in, raw: https://raw.blob.core.windows.net/raw}
    channels:
      requests: sb://acme.servicebus.windows.net/requests
      queue: https://acmeprod.queue.core.windows.net/requests
      grid: /subscriptions/1/resourceGroups/r/providers/Microsoft.EventGrid/topics/requests
      all: {topic: sb://acme.servicebus.windows.net/t, subscription: sb://acme.servicebus.windows.net/t/subscriptions/all}
    platforms: {vertex: projects/other/locations/us-central1, bq: projects/acme-dev, ml: WORKSPACE}
    pipelines:
      train:
        template: pipelines/train.yaml
        root: https://acmeprod.blob.core.windows.net/runs
        compute: cpu-cluster
        experiment: churn
        caching: false
        tags: {Cost Centre: "47"}
    endpoints:
      churn: churn-online
      served: {name: served, instance_type: Standard_F4s_v2, instance_count: 2, health: platform}
      coded:
        name: coded
        environment: azureml://registries/azureml/environments/sklearn-1.5/versions/9
        code: azureml:score:7
        scoring_script: src/score.py
        environment_variables: {WORKERS: "2"}
        request_timeout_ms: 20000
        max_concurrent_requests: 4
        app_insights: true
    limits: {submit_per_minute: 5, running: 2}
    callers: platform
"""
JOB = "type: pipeline\ninputs: {data: {type: uri_folder}}\njobs: {a: {component: azureml:train:1}}\n"
PLATFORMS = {
    "vertex": Platform(kind="vertex", resource="projects/other/locations/us-central1"),
    "bq": Platform(kind="bigquery", resource="projects/acme-dev"),
    "ml": Platform(kind="azureml", resource=WORKSPACE),
}
SHARED = Environment(
    name="it",
    cloud="gcp",
    ledger="",
    vars={"table": "a"},
    platforms=PLATFORMS,
    limits=Limits(submit_per_minute=5, running=2),
    callers="platform",
)


def settled(write: Write, text: str) -> tuple[Environment, str]:
    root = write({"retrigger.yaml": text.replace("WORKSPACE", WORKSPACE), "pipelines/train.yaml": JOB})
    assert {problem.code for problem in check(root)} <= {"unused_name"}
    project = load_project(root)
    (sha,) = project.templates
    return project.environments["it"], sha


def test_everything_that_google_can_say(write: Write) -> None:
    environment, sha = settled(write, GOOGLE)
    assert environment == replace(
        SHARED,
        project="acme-dev",
        location="europe-west4",
        ledger="gs://acme-retrigger/ledger",
        stores={
            "landing": Store(kind="gcs", bucket="acme-landing", prefix="in/"),
            "raw": Store(kind="gcs", bucket="acme-raw"),
        },
        channels={
            "requests": Channel(address="projects/acme-dev/topics/requests"),
            "all": Channel(address="projects/acme-dev/topics/all", subscription="projects/acme-dev/subscriptions/all"),
        },
        pipelines={
            "train": Pipeline(
                template=sha,
                root="gs://acme-runs",
                labels={"a": "b"},
                service_account="a@b",
                caching=False,
                failure_policy="fast",
                network="projects/12/global/networks/ml",
                reserved_ip_ranges=("one", "two"),
                kms_key="projects/p/locations/l/keyRings/r/cryptoKeys/k",
            ),
            "lite": Pipeline(template=sha, root="gs://acme-runs", service_account="all@b"),
            "any": Pipeline(template=sha, root="gs://acme-runs", service_account="default"),
        },
        endpoints={
            "churn": Endpoint(name="1234567890"),
            "other": Endpoint(name="projects/p/locations/l/endpoints/1"),
            "served": Endpoint(
                name="42",
                machine_type="n1-standard-4",
                accelerator_type="NVIDIA_TESLA_T4",
                accelerator_count=2,
                min_replica_count=1,
                max_replica_count=3,
                service_account="a@b",
            ),
        },
    )
    own = Platform(kind="vertex", resource="projects/acme-dev/locations/europe-west4")
    assert [environment.platform(name) for name in (None, "bq")] == [own, PLATFORMS["bq"]]


def test_everything_that_azure_can_say(write: Write) -> None:
    environment, sha = settled(write, AZURE)
    bus = "sb://acme.servicebus.windows.net"
    assert environment == replace(
        SHARED,
        cloud="azure",
        workspace=WORKSPACE,
        ledger="https://acmeprod.blob.core.windows.net/retrigger/ledger",
        stores={
            "landing": Store(kind="blob", account="acmeprod", bucket="landing", prefix="in/"),
            "raw": Store(kind="blob", account="raw", bucket="raw"),
        },
        channels={
            "requests": Channel(address=f"{bus}/requests"),
            "queue": Channel(address="https://acmeprod.queue.core.windows.net/requests"),
            "grid": Channel(address="/subscriptions/1/resourceGroups/r/providers/Microsoft.EventGrid/topics/requests"),
            "all": Channel(address=f"{bus}/t", subscription=f"{bus}/t/subscriptions/all"),
        },
        pipelines={
            "train": Pipeline(
                template=sha,
                root="https://acmeprod.blob.core.windows.net/runs",
                labels={"Cost Centre": "47"},
                caching=False,
                compute="cpu-cluster",
                experiment="churn",
            )
        },
        endpoints={
            "churn": Endpoint(name="churn-online"),
            "served": Endpoint(name="served", instance_type="Standard_F4s_v2", instance_count=2, health="platform"),
            "coded": Endpoint(
                name="coded",
                environment="azureml://registries/azureml/environments/sklearn-1.5/versions/9",
                code="azureml:score:7",
                scoring_script="src/score.py",
                environment_variables={"WORKERS": "2"},
                request_timeout_ms=20_000,
                max_concurrent_requests=4,
                app_insights=True,
            ),
        },
    )
    assert environment.platform(None) == Platform(kind="azureml", resource=WORKSPACE)
    assert environment.channels["all"].heard_at == f"{bus}/t/subscriptions/all"


@pytest.mark.parametrize(
    ("text", "wrong", "code"),
    [
        (AZURE, ("https://acmeprod.blob.core.windows.net/retrigger", "https://acmeprod/retrigger"), "bad_value"),
        (AZURE, ("https://raw.blob.core.windows.net/raw", "gs://raw"), "bad_value"),
        (AZURE, ("sb://acme.servicebus.windows.net/requests", "projects/p/topics/t"), "bad_value"),
        (AZURE, ("cpu-cluster", "cpu cluster"), "bad_value"),
        (AZURE, ("    workspace: WORKSPACE\n", ""), "missing_key"),
        (AZURE, ("callers: platform", "project: acme"), "unknown_key"),
        (AZURE, ("ml: WORKSPACE", "ml: https://ml.azure.com"), "bad_value"),
        (AZURE, ("        scoring_script: src/score.py\n", ""), "missing_key"),
        (
            AZURE,
            ("        environment: azureml://registries/azureml/environments/sklearn-1.5/versions/9\n", ""),
            "missing_key",
        ),
        (AZURE, ("azureml:score:7", "azureml:score"), "bad_value"),
        (AZURE, ("azureml:score:7", "./src"), "bad_value"),
        (AZURE, ("sklearn-1.5/versions/9", "sklearn-1.5/labels/latest"), "bad_value"),
        (AZURE, ("request_timeout_ms: 20000", "request_timeout_ms: 180001"), "bad_value"),
        (AZURE, ("health: platform", "health: metrics"), "bad_value"),
        (AZURE, ('WORKERS: "2"', "API_KEY: 0123456789abcdef"), "secret_in_parameter"),
        (GOOGLE, ("subscription: projects/acme-dev/subscriptions/all", "subscription: all"), "bad_value"),
        (GOOGLE, (", subscription: projects/acme-dev/subscriptions/all", ""), "missing_key"),
        (GOOGLE, ("projects/p/locations/l/endpoints/1", "projects/p"), "bad_value"),
        (GOOGLE, ("root: gs://acme-runs", "root: https://acmeprod.blob.core.windows.net/runs"), "bad_value"),
        (GOOGLE, ("network: projects/12/global/networks/ml, ", ""), "unused_key"),
        (GOOGLE, ("projects/12/global/networks/ml", "ml"), "bad_value"),
        (GOOGLE, ("/cryptoKeys/k", ""), "bad_value"),
        (GOOGLE, ("        accelerator_count: 2\n", ""), "unused_key"),
        (GOOGLE, ("max_replica_count: 3", "max_replica_count: 0"), "bad_value"),
        (GOOGLE, ("min_replica_count: 1", "min_replica_count: 4"), "bad_value"),
        (GOOGLE, ("failure_policy: fast", "failure_policy: soon"), "bad_value"),
    ],
)
def test_what_is_wrong_in_an_environment_is_told(write: Write, text: str, wrong: tuple[str, str], code: str) -> None:
    assert wrong[0] in text
    changed = text.replace(*wrong, 1).replace("WORKSPACE", WORKSPACE)
    found = check(write({"retrigger.yaml": changed, "pipelines/train.yaml": JOB}))
    told = [(problem.path, problem.code) for problem in found if problem.code != "unused_name"]
    assert told == [("retrigger.yaml", code)]


def test_a_key_of_the_other_cloud_is_not_suggested(write: Write) -> None:
    root = write({"retrigger.yaml": AZURE.replace("WORKSPACE", WORKSPACE) + "    projcet: x\n    locatoin: x\n"})
    told = [problem.message for problem in check(root) if problem.code == "unknown_key"]
    assert told == ["There is no key `projcet` here.", "There is no key `locatoin` here."]
