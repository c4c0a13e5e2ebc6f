"""The function that people write by hand: the SDK, a compiled pipeline, `submit`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from google.cloud import aiplatform

if TYPE_CHECKING:
    from flask import Request

aiplatform.init(
    project=os.environ["GOOGLE_CLOUD_PROJECT"],
    location="europe-west4",
    api_endpoint=os.environ["VERTEX_ENDPOINT"],
    api_transport="rest",
)


def main(request: Request) -> str:
    return launch(request.get_json())


def launch(wanted: dict[str, Any]) -> str:
    job = aiplatform.PipelineJob(
        display_name="churn-retrain",
        template_path=os.environ["TEMPLATE"],
        pipeline_root="gs://acme-dev-pipelines",
        parameter_values={"data": wanted["data"], "as_of": wanted["as_of"], "min_auc": 0.9},
        enable_caching=False,
    )
    job.submit(service_account="churn@acme-dev.iam.gserviceaccount.com")
    name: str = job.name
    return name
