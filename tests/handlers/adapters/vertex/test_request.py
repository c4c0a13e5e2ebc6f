from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from retrigger.handlers.adapters.vertex.request import job_request
from retrigger.handlers.jobs import PipelineJob, Request
from retrigger.triggers.errors import Refused

RECORDINGS = Path(__file__).resolve().parents[4] / "../shared/recordings"


def a_job(**changes: Any) -> PipelineJob:
    usual: dict[str, Any] = {
        "id": "churn-0a1b",
        "display_name": "churn nightly",
        "pipeline": "churn",
        "template": "0" * 64,
        "root": "gs://b/root",
        "service_account": "sa@p1.iam.gserviceaccount.com",
        "caching": None,
        "parameters": {},
        "labels": {"team": "growth"},
        "fingerprint": "f00d",
    }
    return PipelineJob(**{**usual, **changes})


def a_spec(version: str = "2.1.0", **parameters: str) -> dict[str, Any]:
    key = "type" if version == "2.0.0" else "parameterType"
    return {
        "schemaVersion": version,
        "pipelineInfo": {"name": "churn"},
        "deploymentSpec": {},
        "components": {
            "comp-leaf": {"executorLabel": "exec"},
            "comp-branch": {"dag": {"tasks": {"inner": {"componentRef": {"name": "comp-leaf"}}}}},
        },
        "root": {
            "inputDefinitions": {"parameters": {name: {key: kind} for name, kind in parameters.items()}},
            "dag": {"tasks": {"outer": {"cachingOptions": {"enableCache": True}}}},
        },
    }


def request(job: PipelineJob, template: dict[str, Any], endpoint: str | None = None) -> Request:
    return job_request(job, template, project="p1", location="us-central1", endpoint=endpoint)


def refusal(job: PipelineJob, template: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        request(job, template)
    return caught.value.code, str(caught.value)


def test_the_whole_request() -> None:
    spec = a_spec(rate="NUMBER_DOUBLE", tags="STRUCT", gone="STRING")
    assert request(a_job(parameters={"rate": 1, "tags": {"a": [True]}, "gone": None}), spec) == Request(
        method="POST",
        url="https://us-central1-aiplatform.googleapis.com/v1/projects/p1/locations/us-central1/pipelineJobs"
        "?pipelineJobId=churn-0a1b",
        body={
            "displayName": "churn nightly",
            "pipelineSpec": spec,
            "labels": {"team": "growth", "retrigger-fingerprint": "f00d"},
            "runtimeConfig": {
                "gcsOutputDirectory": "gs://b/root",
                "parameterValues": {"rate": 1, "tags": {"a": [True]}},
            },
            "serviceAccount": "sa@p1.iam.gserviceaccount.com",
        },
    )


def test_the_first_schema_types_its_parameters() -> None:
    spec = a_spec("2.0.0", epochs="INT", rate="DOUBLE", tags="STRING")
    body: Any = request(a_job(parameters={"epochs": 3, "rate": 0.5, "tags": {"a": True}}), spec).body
    assert body["runtimeConfig"] == {
        "gcsOutputDirectory": "gs://b/root",
        "parameters": {
            "epochs": {"intValue": 3},
            "rate": {"doubleValue": 0.5},
            "tags": {"stringValue": '{"a": true}'},
        },
    }


@pytest.mark.parametrize("caching", [True, False])
def test_caching_is_said_to_every_task_and_the_template_stays_as_it_was(*, caching: bool) -> None:
    spec = a_spec()
    before = json.dumps(spec)
    sent: Any = request(a_job(caching=caching), spec).body["pipelineSpec"]
    option = {"cachingOptions": {"enableCache": caching}}
    assert sent["root"]["dag"]["tasks"] == {"outer": option}
    assert sent["components"] == {
        "comp-leaf": {"executorLabel": "exec"},
        "comp-branch": {"dag": {"tasks": {"inner": {"componentRef": {"name": "comp-leaf"}, **option}}}},
    }
    assert json.dumps(spec) == before


def test_a_document_around_the_pipeline_brings_defaults() -> None:
    template = {
        "pipelineSpec": a_spec(a="STRING", b="STRING"),
        "runtimeConfig": {
            "gcsOutputDirectory": "gs://theirs",
            "parameters": {"a": {"stringValue": "theirs"}, "b": {"stringValue": "theirs"}},
            "failurePolicy": "PIPELINE_FAILURE_POLICY_FAIL_FAST",
        },
    }
    body: Any = request(a_job(parameters={"b": "ours"}, root=""), template).body
    assert body["runtimeConfig"] == {
        "gcsOutputDirectory": "gs://theirs",
        "parameterValues": {"a": "theirs", "b": "ours"},
        "failurePolicy": "PIPELINE_FAILURE_POLICY_FAIL_FAST",
    }


def test_where_it_goes() -> None:
    elsewhere = request(a_job(), a_spec(), "http://127.0.0.1:8/").url
    worldwide = job_request(a_job(), a_spec(), project="p1", location="global").url
    assert [elsewhere, worldwide] == [
        "http://127.0.0.1:8/v1/projects/p1/locations/us-central1/pipelineJobs?pipelineJobId=churn-0a1b",
        "https://aiplatform.googleapis.com/v1/projects/p1/locations/global/pipelineJobs?pipelineJobId=churn-0a1b",
    ]


def test_unknown_parameters_are_refused() -> None:
    spec = a_spec(min_auc="NUMBER_DOUBLE")
    assert [refusal(a_job(parameters={name: 1}), spec) for name in ("min_acu", "zzz")] == [
        ("unknown_parameter", "pipeline churn has no parameter min_acu; did you mean min_auc?"),
        ("unknown_parameter", "pipeline churn has no parameter zzz; it takes min_auc"),
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": "Churn"}, "invalid_job_id"),
        ({"id": "a" * 128}, "invalid_job_id"),
        ({"id": "a?b=c"}, "invalid_job_id"),
        ({"root": ""}, "no_root"),
        ({"labels": {"Team": "x"}}, "invalid_label"),
        ({"labels": {"team": "X Y"}}, "invalid_label"),
        ({"labels": {"team": "x" * 64}}, "invalid_label"),
        ({"labels": {"team": "x\n"}}, "invalid_label"),
    ],
)
def test_what_the_platform_would_refuse(changes: dict[str, Any], code: str) -> None:
    assert refusal(a_job(**changes), a_spec())[0] == code


def test_a_type_that_the_first_schema_does_not_know() -> None:
    assert refusal(a_job(parameters={"a": 1}), a_spec("2.0.0", a="STRUCT"))[0] == "unknown_type"


def test_the_recorded_sdk_request_as_protos() -> None:
    recording = RECORDINGS / "vertex_rest.json"
    if not recording.exists():
        pytest.skip("the recordings are not here")
    call = next(
        call
        for call in json.loads(recording.read_text())["pipeline.submit"]["calls"]
        if call["path"].endswith("/pipelineJobs")
    )
    theirs = call["body"]
    ours = request(
        a_job(
            id="churn-abc123",
            root="gs://bkt/root",
            caching=False,
            labels={"retrigger-event": "abc123"},
            parameters={
                "data_uri": "gs://in/x.csv",
                "epochs": 5,
                "lr": 0.5,
                "layers": [8, 16],
                "tags": {"k": "v"},
                "shuffle": False,
            },
        ),
        # The recording's own template had been changed by its `enable_caching`: ours starts from the opposite.
        cached(theirs["pipelineSpec"]),
    )
    url = urlsplit(ours.url)
    assert (ours.method, url.path) == (call["method"], call["path"])
    assert parse_qs(url.query)["pipelineJobId"] == call["query"]["pipelineJobId"]
    # What this job does not ask for, or adds: the label that tells our launches.
    for name in ("encryptionSpec", "network", "reservedIpRanges"):
        theirs.pop(name)
    theirs["runtimeConfig"].pop("failurePolicy")
    theirs["labels"]["retrigger-fingerprint"] = "f00d"
    assert as_proto(ours.body) == as_proto(theirs)


@pytest.mark.parametrize("version", ["2.0.0", "2.1.0"])
@pytest.mark.parametrize("caching", [None, True, False])
def test_the_sdks_own_builder_makes_the_same_job(tmp_path: Path, version: str, *, caching: bool | None) -> None:
    aiplatform = pytest.importorskip("google.cloud.aiplatform")
    credentials = pytest.importorskip("google.auth.credentials")
    kinds = {"2.0.0": ("INT", "STRING", "STRING"), "2.1.0": ("NUMBER_INTEGER", "STRUCT", "STRING")}[version]
    spec = a_spec(version, epochs=kinds[0], tags=kinds[1], text=kinds[2])
    spec["sdkVersion"] = "kfp-2.17.0"
    parameters: dict[str, Any] = {"epochs": 3, "tags": {"a": [1, True]}, "text": "ü"}
    template = tmp_path / "pipeline.json"
    template.write_text(json.dumps(spec))
    theirs = aiplatform.PipelineJob(
        display_name="churn nightly",
        template_path=str(template),
        job_id="churn-0a1b",
        pipeline_root="gs://b/root",
        parameter_values=parameters,
        input_artifacts={"model": "4711"},
        enable_caching=caching,
        labels={"team": "growth", "retrigger-fingerprint": "f00d"},
        project="p1",
        location="us-central1",
        credentials=credentials.AnonymousCredentials(),
    )
    ours = request(
        a_job(service_account="default", caching=caching, parameters=parameters, artifacts={"model": "4711"}), spec
    )
    assert as_proto(ours.body) == theirs._gca_resource


def cached(spec: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(spec))
    for component in (copy["root"], *copy["components"].values()):
        for task in component.get("dag", {}).get("tasks", {}).values():
            task["cachingOptions"] = {"enableCache": True}
    return copy


def as_proto(body: Any) -> Any:
    types = pytest.importorskip("google.cloud.aiplatform_v1.types")
    return types.PipelineJob.from_json(json.dumps(body))
