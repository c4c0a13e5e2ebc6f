"""What the comparison with azure-ai-ml (tests/contract) cannot tell: what is refused, and what is ours alone."""

from __future__ import annotations

from typing import Any

import pytest

from retrigger.handlers.adapters.azureml.request import job_request
from retrigger.handlers.jobs import PipelineJob, Request
from retrigger.triggers.errors import Refused

WORKSPACE = "/subscriptions/1/resourceGroups/my group/providers/Microsoft.MachineLearningServices/workspaces/ml"
QUOTED = WORKSPACE.replace(" ", "%20")
TEMPLATE: dict[str, Any] = {
    "type": "pipeline",
    "display_name": "the author's",
    "inputs": {"data": {"type": "uri_folder"}, "rate": {"type": "number", "default": 0.5}},
    "outputs": {"model": {"type": "mlflow_model"}},
    "jobs": {
        "train": {
            "component": "azureml:train:3",
            "inputs": {"data": "${{parent.inputs.data}}"},
            "outputs": {"model": "${{parent.outputs.model}}"},
        }
    },
}


def a_job(**changes: Any) -> PipelineJob:
    usual: dict[str, Any] = {
        "id": "churn-0a1b",
        "display_name": "churn nightly",
        "pipeline": "churn",
        "template": "0" * 64,
        "root": "https://acme.blob.core.windows.net/pipelines",
        "service_account": None,
        "caching": None,
        "parameters": {"data": "https://acme.blob.core.windows.net/landing/x/"},
        "labels": {"team": "growth"},
        "fingerprint": "f00d",
    }
    return PipelineJob(**{**usual, **changes})


def a_template(declared: object) -> dict[str, Any]:
    step = {"component": "azureml:train:3", "inputs": {"it": "${{parent.inputs.it}}", "k": "a ${{parent.inputs.it}}"}}
    return {"type": "pipeline", "inputs": {"it": declared}, "jobs": {"train": step}}


def request(job: PipelineJob, template: dict[str, Any], endpoint: str | None = None) -> Request:
    return job_request(job, template, workspace=WORKSPACE, endpoint=endpoint)


def properties(job: PipelineJob, template: dict[str, Any]) -> Any:
    return request(job, template).body["properties"]


def refusal(job: PipelineJob, template: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        request(job, template)
    return caught.value.code, str(caught.value)


def test_the_whole_request() -> None:
    assert request(a_job(compute="gpu", caching=False, experiment="churn"), TEMPLATE) == Request(
        method="PUT",
        url=f"https://management.azure.com{QUOTED}/jobs/churn-0a1b?api-version=2024-01-01-preview",
        body={
            "properties": {
                "jobType": "Pipeline",
                "displayName": "churn nightly",
                "experimentName": "churn",
                "tags": {"team": "growth", "retrigger-fingerprint": "f00d"},
                "properties": {},
                "isArchived": False,
                "inputs": {
                    "data": {"uri": "https://acme.blob.core.windows.net/landing/x/", "jobInputType": "uri_folder"},
                    "rate": {"value": "0.5", "jobInputType": "literal"},
                },
                "outputs": {"model": {"jobOutputType": "mlflow_model"}},
                "settings": {
                    "default_compute": f"{WORKSPACE}/computes/gpu",
                    "force_rerun": True,
                    "_source": "YAML.JOB",
                },
                "jobs": {
                    "train": {
                        "name": "train",
                        "type": "command",
                        "_source": "REMOTE.WORKSPACE.COMPONENT",
                        "componentId": f"{WORKSPACE}/components/train/versions/3",
                        "inputs": {"data": {"value": "${{parent.inputs.data}}", "job_input_type": "literal"}},
                        "outputs": {"model": {"value": "${{parent.outputs.model}}", "type": "literal"}},
                    }
                },
            }
        },
    )


def test_the_template_is_not_changed_by_being_launched() -> None:
    before = repr(TEMPLATE)
    request(a_job(compute="gpu", caching=True), TEMPLATE)
    assert repr(TEMPLATE) == before


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:8000", "http://127.0.0.1:8000/"])
def test_another_address_of_resource_manager(endpoint: str) -> None:
    url = request(a_job(), TEMPLATE, endpoint).url
    assert url == f"http://127.0.0.1:8000{QUOTED}/jobs/churn-0a1b?api-version=2024-01-01-preview"


def test_the_environments_compute_goes_before_every_default_of_the_template() -> None:
    template = {**TEMPLATE, "compute": "azureml:big", "settings": {"default_compute": "azureml:cpu"}}
    sent = properties(a_job(compute="gpu"), template)
    assert ("computeId" in sent, sent["settings"]["default_compute"]) == (False, f"{WORKSPACE}/computes/gpu")


@pytest.mark.parametrize(
    ("declared", "given"),
    [
        ({"type": "string", "optional": True}, {}),
        ({"type": "string", "optional": True}, {"it": None}),
        ({"type": "string", "optional": True}, {"it": ""}),
        ({"type": "uri_folder", "optional": True}, {}),
        ({"type": "string"}, {}),
    ],
)
def test_an_input_without_a_value_is_left_out_with_what_is_bound_to_it(
    declared: dict[str, Any], given: dict[str, Any]
) -> None:
    sent = properties(a_job(parameters=given), a_template(declared))
    bound = {"k": {"value": "a ${{parent.inputs.it}}", "job_input_type": "literal"}}
    assert (sent["inputs"], sent["jobs"]["train"]["inputs"]) == ({}, bound)


@pytest.mark.parametrize("value", ["${{parent.inputs.other}}", "x${{name}}"])
@pytest.mark.parametrize("kind", ["string", "uri_folder"])
def test_a_value_from_outside_is_no_binding(kind: str, value: str) -> None:
    code, told = refusal(a_job(parameters={"it": value}), a_template({"type": kind}))
    assert (code, told) == ("bad_parameters", "parameter it holds a binding (`${{`), which Azure ML would resolve")


@pytest.mark.parametrize(
    "place", ["azureml:table@latest", "azureml:table", "gs://b/x", "file:///etc", "/etc/passwd", "./x", "secret", ""]
)
def test_data_is_not_looked_up_uploaded_or_read_from_elsewhere(place: str) -> None:
    code, told = refusal(a_job(parameters={"it": place}), a_template({"type": "uri_folder"}))
    assert code == "bad_parameters"
    assert told == "parameter it is no data that Azure ML reads; give a URI, or azureml:NAME:VERSION"


def test_an_empty_text_is_not_sent() -> None:
    code, told = refusal(a_job(parameters={"it": ""}), a_template({"type": "string"}))
    assert (code, "make it `optional`" in told) == ("bad_parameters", True)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(value: float) -> None:
    assert refusal(a_job(parameters={"it": value}), a_template({"type": "number"}))[0] == "not_finite"


def test_a_parameter_that_the_pipeline_has_not_is_refused() -> None:
    told = "pipeline churn has no input other; it takes it"
    assert refusal(a_job(parameters={"other": 1}), a_template(1)) == ("unknown_parameter", told)


def test_what_check_refuses_the_launcher_refuses_too() -> None:
    template = {**TEMPLATE, "jobs": {"train": {"component": "azureml:train@latest"}}}
    told = "`azureml:train@latest` names no version: register it, then write `azureml:NAME:VERSION`"
    assert refusal(a_job(), template) == ("unpinned_reference", f"pipeline churn, jobs.train.component: {told}")


@pytest.mark.parametrize("name", ["", "-x", "a/b", "a" * 256, "ä"])
def test_a_name_that_the_platform_does_not_take_is_refused(name: str) -> None:
    assert refusal(a_job(id=name), TEMPLATE)[0] == "invalid_job_id"
