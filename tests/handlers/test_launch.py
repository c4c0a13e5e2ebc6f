from __future__ import annotations

from typing import Any

import pytest

from retrigger.handlers.jobs import PipelineJob
from retrigger.handlers.launch import job_of
from retrigger.handlers.records import Run
from retrigger.triggers.errors import RetriggerError

FROZEN: dict[str, Any] = {
    "display_name": "churn",
    "labels": {},
    "fingerprint": "f00d",
    "pipeline": "train",
    "template": "sha",
    "root": "gs://b/root",
    "service_account": None,
    "caching": None,
    "parameters": {"rate": 0.5},
}


def a_run(**changes: Any) -> Run:
    return Run(state="ready", trigger="churn", **changes)


def test_a_request_that_was_frozen_before_there_were_kinds_is_a_pipeline_s() -> None:
    job = PipelineJob(id="churn-1", **FROZEN)
    assert job_of("churn-1", a_run(job=FROZEN)) == job_of("churn-1", a_run(job={**FROZEN, "kind": "pipeline"})) == job


def test_a_retry_is_a_job_of_its_own() -> None:
    assert job_of("churn-1", a_run(job=FROZEN, epoch=2)).id == "churn-1-2"


def test_a_kind_that_a_newer_version_froze_is_told_and_not_guessed() -> None:
    with pytest.raises(RetriggerError, match="run churn-1 is to launch a dream") as raised:
        job_of("churn-1", a_run(job={**FROZEN, "kind": "dream"}))
    assert raised.value.code == "unknown_kind"
