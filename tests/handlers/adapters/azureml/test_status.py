from __future__ import annotations

import pytest

from retrigger.handlers.adapters.azureml.status import job_status
from retrigger.handlers.jobs import JobStatus
from retrigger.triggers.errors import Unavailable


@pytest.mark.parametrize(
    ("platform", "ours"),
    [
        ("NotStarted", "running"),
        ("Starting", "running"),
        ("Provisioning", "running"),
        ("Preparing", "running"),
        ("Queued", "running"),
        ("Running", "running"),
        ("Finalizing", "running"),
        ("CancelRequested", "running"),
        ("NotResponding", "running"),
        ("Paused", "running"),
        ("Unknown", "running"),
        ("Completed", "succeeded"),
        ("Canceled", "cancelled"),
    ],
)
def test_every_state_of_the_platform_is_one_of_ours(platform: str, ours: str) -> None:
    assert job_status({"properties": {"status": platform}}) == JobStatus(state=ours)  # type: ignore[arg-type]


def test_a_job_that_says_nothing_yet_runs() -> None:
    assert [job_status(it).state for it in ({}, {"properties": None}, {"properties": {}})] == ["running"] * 3


def test_a_failed_job_says_where_its_error_can_be_read() -> None:
    address = "https://ml.azure.com/runs/churn-0a1b?wsid=/subscriptions/1"
    studio = {"Studio": {"endpoint": address, "jobServiceType": "Studio"}}
    assert job_status({"properties": {"status": "Failed", "services": studio}}) == JobStatus(
        state="failed", error=f"Azure ML says why at {address}"
    )
    for services in (None, {}, {"Studio": None}, {"Studio": {"endpoint": None}}):
        told = job_status({"properties": {"status": "Failed", "services": services}})
        assert told == JobStatus(state="failed", error="Azure ML says why in its studio")


@pytest.mark.parametrize("status", ["Melted", "running", "x" * 1000, ["Failed"], None, 3])
def test_a_state_that_is_not_known_is_neither_running_nor_ended(status: object) -> None:
    with pytest.raises(Unavailable, match="a newer retrigger may know it") as caught:
        job_status({"properties": {"status": status}})
    assert caught.value.code == "unknown_state"


@pytest.mark.parametrize("properties", [[], "x", 5, [{"status": "Failed"}]])
def test_an_odd_answer_says_nothing(properties: object) -> None:
    assert job_status({"properties": properties}) == JobStatus(state="running")


def test_a_job_has_the_tags_that_it_gave_itself() -> None:
    tags = {"accuracy": "0.93", "odd": 3, "none": None, "long": "x" * 5000}
    told = job_status({"properties": {"status": "Completed", "tags": tags}})
    assert told == JobStatus(state="succeeded", tags={"accuracy": "0.93", "long": "x" * 1000})
    assert job_status({"properties": {"status": "Completed", "tags": []}}) == JobStatus(state="succeeded")
