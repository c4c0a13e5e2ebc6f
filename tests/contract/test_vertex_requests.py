"""Our request is the one that google-cloud-aiplatform sends for the same job, captured live, over its options.

Each option by itself, those that belong together in every combination, and all of them in pairs.
Compared as what the API reads out of both, the message `PipelineJob`: the SDK writes `5.0` for `5` and an enum as its
number, which the API does not tell apart. There are no exceptions.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from google.protobuf import json_format

from retrigger.handlers.adapters.vertex.request import job_request
from retrigger.handlers.jobs import PipelineJob
from tests.contract.kfp_registry import HOST, Registry
from tests.contract.pairwise import every_pair
from tests.handlers.conftest import Loopback, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.handlers.conftest import Received

SERVICE_ACCOUNT = "churn@acme-dev.iam.gserviceaccount.com"
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
VALUES: Mapping[str, list[Any]] = {
    "STRING": ["text", "", 'quotes " \\ é 🎉', "5", "true"],
    "NUMBER_INTEGER": [0, -5, 2**53],
    "NUMBER_DOUBLE": [0.5, 3, 1e-05, 1e22],
    "BOOLEAN": [True, False],
    "LIST": [[], [1, "a", None, {"b": [True]}]],
    "STRUCT": [{}, {"a": {"b": [1, 2.5]}, "c": None}],
}
OLD_VALUES: Mapping[str, list[Any]] = {
    "STRING": ["text", "", {"a": [1]}, [1, "a"], True],
    "INT": [0, -5, 2**53],
    "DOUBLE": [0.5, 3.0, 1e-05],
}


def a_spec(version: str = "2.1.0", **parameters: str) -> dict[str, Any]:
    """A pipeline with a graph in a graph, one of whose tasks says how it is cached."""
    key = "type" if version == "2.0.0" else "parameterType"
    leaf = {"componentRef": {"name": "comp-leaf"}, "taskInfo": {"name": "leaf"}}
    inner = {"dag": {"tasks": {"inner": {**leaf, "cachingOptions": {"enableCache": True}}}}}
    root: dict[str, Any] = {"dag": {"tasks": {"outer": {"componentRef": {"name": "comp-branch"}}, "other": leaf}}}
    if parameters:
        root["inputDefinitions"] = {"parameters": {name: {key: kind} for name, kind in parameters.items()}}
    return {
        "schemaVersion": version,
        "sdkVersion": "kfp-2.17.0",
        "pipelineInfo": {"name": "churn"},
        "deploymentSpec": {"executors": {"exec": {"container": {"image": "python:3.11"}}}},
        "components": {"comp-leaf": {"executorLabel": "exec"}, "comp-branch": inner},
        "root": root,
    }


def a_job(**changes: Any) -> PipelineJob:
    usual: dict[str, Any] = {
        "id": "churn-retrain-0a1b",
        "display_name": "churn-retrain",
        "pipeline": "churn",
        "template": "0" * 64,
        "root": "gs://acme-dev-pipelines/churn",
        "service_account": SERVICE_ACCOUNT,
        "caching": None,
        "parameters": {},
        "labels": {"team": "growth"},
        "fingerprint": "f00d",
    }
    return PipelineJob(**{**usual, **changes})


RUNTIME = {
    "gcsOutputDirectory": "gs://acme-dev-pipelines/template",
    "parameterValues": {"rate": 0.25, "name": "of the template"},
    "failurePolicy": "PIPELINE_FAILURE_POLICY_FAIL_FAST",
}
OLD_RUNTIME = {"gcsOutputDirectory": "gs://b/old", "parameters": {"rate": {"doubleValue": 0.25}}}
WHOLE = {"rate": "NUMBER_DOUBLE", "name": "STRING"}

CASES: Mapping[str, tuple[dict[str, Any], PipelineJob]] = {
    **{
        f"caching {caching}, labels {labels}, service account {account}, artifacts {artifacts}": (
            a_spec(),
            a_job(caching=caching, labels=labels, service_account=account, artifacts=artifacts),
        )
        for caching, labels, account, artifacts in itertools.product(
            (None, True, False),
            ({}, {"team": "growth"}),
            ("default", SERVICE_ACCOUNT),
            ({}, {"base": "123", "other": "4"}),
        )
    },
    **{
        f"2.1.0 {kind} {value!r}": (a_spec(it=kind), a_job(parameters={"it": value}))
        for kind, values in VALUES.items()
        for value in values
    },
    **{
        f"2.0.0 {kind} {value!r}": (a_spec("2.0.0", it=kind), a_job(parameters={"it": value}))
        for kind, values in OLD_VALUES.items()
        for value in values
    },
    **{
        f"network {network}, ranges {ranges}, key {key}, failure policy {policy}": (
            a_spec(),
            a_job(network=network, reserved_ip_ranges=ranges, kms_key=key, failure_policy=policy),
        )
        for network, ranges, key, policy in itertools.product(
            (None, "projects/12/global/networks/ml"), ((), ("a", "b")), (None, KEY), (None, "slow", "fast")
        )
        if network is not None or not ranges
    },
    "a failure policy over that of the job around the pipeline": (
        {"pipelineSpec": a_spec(**WHOLE), "runtimeConfig": RUNTIME},
        a_job(failure_policy="slow"),
    ),
    "a parameter without a value": (a_spec(it="STRING"), a_job(parameters={"it": None})),
    "the root of the template": ({**a_spec(), "defaultPipelineRoot": "gs://acme/default"}, a_job(root="")),
    "a job around the pipeline": (
        {"pipelineSpec": a_spec(**WHOLE), "runtimeConfig": RUNTIME},
        a_job(parameters={"rate": 0.5}),
    ),
    "the root of a job around the pipeline": (
        {"pipelineSpec": a_spec(**WHOLE), "runtimeConfig": RUNTIME},
        a_job(root=""),
    ),
    "an old job around an old pipeline": (
        {"pipelineSpec": a_spec("2.0.0", rate="DOUBLE"), "runtimeConfig": OLD_RUNTIME},
        a_job(),
    ),
}


PINNED = f"https://{HOST}/acme-dev/pipelines/churn/sha256:{'1' * 64}"
HOSTILE = "é🎉 \u202e\u2028 \\ \" ' <b> ${{x}} {{$.inputs}} %2F\t\n"
OPTIONS: Mapping[str, list[Any]] = {
    "given": [
        *(("2.1.0", kind, values[-1]) for kind, values in VALUES.items()),
        *(("2.0.0", kind, values[0]) for kind, values in OLD_VALUES.items()),
        ("2.1.0", "STRING", HOSTILE),
        ("2.1.0", "STRING", "x" * 100_000),
        ("2.1.0", "STRUCT", {HOSTILE: [HOSTILE]}),
        ("2.0.0", "STRING", HOSTILE),
    ],
    "around": ["nothing", "a job", "a root"],
    "root": ["gs://acme-dev-pipelines/churn", "gs://b/é 🎉", ""],
    "template_uri": [None, PINNED],
    "id": ["churn-retrain-0a1b", "a" * 127],
    "display_name": ["churn", "é🎉" * 64, HOSTILE],
    "caching": [None, True, False],
    "labels": [{}, {"team": "growth"}, {f"k{n:02}" + "_" * 60: "v" * 63 for n in range(60)}],
    "service_account": ["default", SERVICE_ACCOUNT],
    "artifacts": [{}, {"base": "123", "other": "churn-0a1b"}],
    "failure_policy": [None, "slow", "fast"],
    "network": [(None, ()), ("projects/12/global/networks/ml", ()), ("projects/12/global/networks/ml", ("a", "b"))],
    "kms_key": [None, KEY],
}


def a_row(row: dict[str, Any]) -> tuple[dict[str, Any], PipelineJob]:
    """The template and the job of one row."""
    (version, kind, value), (network, ranges) = row.pop("given"), row.pop("network")
    spec, around = a_spec(version, it=kind), row.pop("around")
    if around == "a root" or not row["root"]:
        spec["defaultPipelineRoot"] = "gs://acme/default"
    job = a_job(**row, parameters={"it": value}, network=network, reserved_ip_ranges=ranges)
    config = {"gcsOutputDirectory": "gs://acme/wrapped", "failurePolicy": "PIPELINE_FAILURE_POLICY_FAIL_FAST"}
    return ({"pipelineSpec": spec, "runtimeConfig": config} if around == "a job" else spec), job


CASES = {**CASES, **{f"pairs, row {number}": a_row(row) for number, row in enumerate(every_pair(OPTIONS))}}


class Sdk:
    """google-cloud-aiplatform against a loopback that takes every job, and a registry that has every template."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.loopback = Loopback()
        self.loopback.always = self._answer

    def _answer(self, received: Received) -> Reply:
        if "/pipelineJobs" not in received.path:
            return Reply(403, b"{}")  # or else the SDK looks after the bucket, and asks Google itself about the project
        name = f"projects/p/locations/l/pipelineJobs/{parse_qs(urlsplit(received.path).query)['pipelineJobId'][0]}"
        return Reply(200, json.dumps({"name": name}).encode())

    def launch(self, file: Path, job: PipelineJob) -> Received:
        self.loopback.requests.clear()
        self.registry.document = file.read_bytes()
        made = aiplatform.PipelineJob(
            display_name=job.display_name,
            template_path=job.template_uri or str(file),
            job_id=job.id,
            pipeline_root=job.root or None,
            parameter_values=dict(job.parameters),
            input_artifacts=dict(job.artifacts) or None,
            enable_caching=job.caching,
            encryption_spec_key_name=job.kms_key,
            failure_policy=job.failure_policy,
            labels={**job.labels, "retrigger-fingerprint": job.fingerprint},
        )
        made.submit(
            service_account=None if job.service_account == "default" else job.service_account,
            network=job.network,
            reserved_ip_ranges=list(job.reserved_ip_ranges) or None,
        )
        [sent] = [it for it in self.loopback.requests if "/pipelineJobs" in it.path]
        return sent


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sdk]:
    registry = Registry(tmp_path_factory.mktemp("registry"))
    made = Sdk(registry)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", registry.url)
        patch.setenv("https_proxy", registry.url)
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("no_proxy", "127.0.0.1")
        patch.setenv("SSL_CERT_FILE", str(registry.certificate))
        patch.setenv("STORAGE_EMULATOR_HOST", made.loopback.url)
        aiplatform.init(
            project="p",
            location="europe-west4",
            credentials=AnonymousCredentials(),
            api_endpoint=made.loopback.url,
            api_transport="rest",
        )
        yield made
    aiplatform.initializer.global_config.__init__()
    made.loopback.close()
    registry.close()


def read(body: object) -> Any:
    """What the API reads, in one form."""
    message = json_format.ParseDict(body, aiplatform.gapic.PipelineJob()._pb)
    return json_format.MessageToDict(message)


@pytest.mark.parametrize("case", CASES)
def test_our_request_is_the_sdks(case: str, sdk: Sdk, tmp_path: Path) -> None:
    template, job = CASES[case]
    file = tmp_path / "pipeline.json"
    file.write_text(json.dumps(template), encoding="utf-8")
    theirs = sdk.launch(file, job)
    ours = job_request(job, template, project="p", location="europe-west4", endpoint=sdk.loopback.url)
    url = urlsplit(theirs.path)
    assert (theirs.method, f"{sdk.loopback.url}{url.path}") == (ours.method, ours.url.partition("?")[0])
    assert parse_qs(url.query)["pipelineJobId"] == [job.id]
    assert read(ours.body) == read(json.loads(theirs.body))
