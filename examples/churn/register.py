"""What becomes of the better model: a version in the registry, or a line in the log.

(Why the imports stand inside: see prepare.)
"""

from kfp import dsl
from kfp.dsl import Input, Metrics, Model

from .requirements import BASE_IMAGE, REQUIREMENTS


@dsl.component(base_image=BASE_IMAGE, packages_to_install=REQUIREMENTS)
def register_model(
    model: Input[Model], metrics: Input[Metrics], model_name: str, as_of: str, data: str, job: str
) -> str:
    """Makes the model a version of `model_name` in the Vertex AI model registry; returns its resource name.

    The version's alias is the id of the pipeline job, so that a second attempt finds what the first one made, and
    `MODEL@JOB` is the model that the job made.
    REST: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.models
    """
    import os
    import re
    import time
    from typing import Any

    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    # projects/P/locations/L/pipelineJobs/ID, on Vertex AI
    place = re.fullmatch(r"projects/([^/]+)/locations/([^/]+)/pipelineJobs/([^/]+)", job)
    if place is None:
        raise ValueError(f"job: {job!r} is not projects/P/locations/L/pipelineJobs/ID. Run this in a pipeline job.")
    project, location, job_id = place.groups()
    endpoint = os.environ.get("RETRIGGER_VERTEX_ENDPOINT", f"https://{location}-aiplatform.googleapis.com")
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    session = AuthorizedSession(credentials)
    parent = f"projects/{project}/locations/{location}"
    wanted = f"{parent}/models/{model_name}"

    def call(method: str, path: str, body: object = None) -> dict[str, Any]:
        response = session.request(method, f"{endpoint}/v1/{path}", json=body, timeout=60)
        if response.status_code == 404 and method == "GET":
            return {}
        if not response.ok:
            raise RuntimeError(f"{method} {path}: {response.status_code} {response.text[:1000]}")
        answer: dict[str, Any] = response.json()
        return answer

    version = call("GET", f"{wanted}@{job_id}")
    if not version:
        upload = {
            "model": {
                "displayName": model_name,
                "description": "Who will close the account soon.",
                "versionAliases": [job_id],
                "versionDescription": f"AUC {metrics.metadata['auc']:.4f}, as of {as_of}, from {data}",
                "artifactUri": model.uri,
                "containerSpec": model.metadata["containerSpec"],
                "labels": {"as-of": as_of, "framework": model.metadata["framework"]},
            },
            **({"parentModel": wanted} if call("GET", wanted) else {"modelId": model_name}),
        }
        operation = call("POST", f"{parent}/models:upload", upload)
        pause, deadline = 0.1, time.monotonic() + 600
        while not operation.get("done"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{operation['name']}: the upload is not done after 10 minutes. Look at it there.")
            time.sleep(pause)
            pause = min(2 * pause, 10)
            operation = call("GET", operation["name"])
        if "error" in operation:
            raise RuntimeError(f"{wanted}: the upload failed: {operation['error']}")
        version = {"name": operation["response"]["model"], "versionId": operation["response"]["modelVersionId"]}

    name = f"{version['name'].partition('@')[0]}@{version['versionId']}"
    if not call("GET", f"{name}/evaluations").get("modelEvaluations"):
        evaluation = {
            "displayName": job_id,
            "metricsSchemaUri": "gs://google-cloud-aiplatform/schema/modelevaluation/classification_metrics_1.0.0.yaml",
            "metrics": {"auRoc": metrics.metadata["auc"]},
            "metadata": {k: metrics.metadata[k] for k in ("auc_logreg", "auc_xgb")},
        }
        call("POST", f"{name}/evaluations:import", {"modelEvaluation": evaluation})
    print(f"registered {name}")
    return name


@dsl.component(base_image=BASE_IMAGE, packages_to_install=REQUIREMENTS)
def report_below_gate(auc: float, min_auc: float) -> None:
    print(f"below the gate: auc {auc:.4f} is less than {min_auc:.4f}, nothing is registered")
