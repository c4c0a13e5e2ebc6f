"""The function that people write by hand: a client of the SDK, a pipeline job's YAML, `create_or_update`."""

from __future__ import annotations

import os

import azure.functions as func
from azure.ai.ml import MLClient, load_job
from azure.identity import DefaultAzureCredential

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
client = MLClient(
    DefaultAzureCredential(),
    subscription_id=os.environ["SUBSCRIPTION"],
    resource_group_name="ml",
    workspace_name="churn",
)


@app.route("events/{*route}", methods=["POST"])
def main(req: func.HttpRequest) -> func.HttpResponse:
    wanted = req.get_json()
    given = [{"inputs.data.path": wanted["data"]}, {"inputs.as_of": wanted["as_of"]}, {"inputs.min_auc": 0.9}]
    job = load_job(os.environ["TEMPLATE"], params_override=given)
    return func.HttpResponse(client.jobs.create_or_update(job).name)
