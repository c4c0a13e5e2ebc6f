"""What we send to a batch endpoint is what azure-ai-ml's `batch_endpoints.invoke` sends, captured live."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.adapters.azureml.batch_request import batch_request, endpoint_url, headers_of
from retrigger.handlers.jobs import BatchJob
from tests.contract.azureml_sdk import SUBSCRIPTION, WORKSPACE, Credential, Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.azureml_sdk import Sent

pytestmark = [
    # raised inside the SDK, while it is imported and used; nothing of ours
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

FOLDER = "https://acme.blob.core.windows.net/landing/dt=1/"
OUTPUT = "azureml://datastores/scores/paths/churn/"
# Property of the job that we send and the client has no way to -> why.
OURS_ALONE = {"tags": "what the run is for, and its cost; the API has them, the client's `invoke` does not"}


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path_factory.mktemp("azureml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZUREML_DEV_URL_MFE", recorder.url)
        patch.setenv("REQUESTS_CA_BUNDLE", str(recorder.certificate))
        patch.setenv("NO_PROXY", "localhost")
        patch.setenv("no_proxy", "localhost")
        yield recorder
    recorder.close()


def invoked(recorder: Recorder, job: BatchJob) -> list[Sent]:
    from azure.ai.ml import Input, MLClient, Output

    client = MLClient(Credential(), SUBSCRIPTION, "rg", "ml", enable_telemetry=False)
    (given,) = job.input
    kind = "uri_file" if given.endswith(".csv") else "uri_folder"
    recorder.sent.clear()
    client.batch_endpoints.invoke(
        endpoint_name=job.endpoint,
        input=Input(type=kind, path=given),
        outputs={"score": Output(type="uri_folder", path=job.output)},
        deployment_name=job.deployment,
        job_name=job.id,
        experiment_name=job.experiment,
    )
    return [sent for sent in recorder.sent if sent.method == "POST" or sent.path.endswith(str(job.endpoint))]


@pytest.mark.parametrize(
    ("given", "deployment", "experiment"),
    [*itertools.product((FOLDER, f"{FOLDER}a.csv", "azureml:churn_table:3"), (None, "blue"), (None, "churn"))],
)
def test_our_request_is_the_sdks(
    recorder: Recorder, given: str, deployment: str | None, experiment: str | None
) -> None:
    job = BatchJob(
        id="score-0a1b",
        display_name="score",
        labels={"team": "growth"},
        fingerprint="f00d",
        input=[given],
        output=OUTPUT,
        endpoint="churn-batch",
        deployment=deployment,
        experiment=experiment,
    )
    asked, posted = invoked(recorder, job)
    ours = batch_request(job, workspace=WORKSPACE, endpoint=recorder.url)
    assert f"{recorder.url}{asked.path}" == endpoint_url(job, WORKSPACE, recorder.url) == ours.url.partition("#")[0]
    assert asked.query == "api-version=2023-10-01"
    properties: Any = ours.body["properties"]
    assert OURS_ALONE.keys() <= properties.keys()
    sent = {name: value for name, value in properties.items() if name not in OURS_ALONE}
    assert {"properties": sent} == posted.body
    headers = headers_of(job)
    # The client keeps its headers from call to call: a deployment that was named once goes with every later call, too.
    assert headers.keys() <= posted.headers.keys()
    assert headers.get("azureml-model-deployment", "blue") == posted.headers.get("azureml-model-deployment", "blue")
