"""What we send to change an endpoint is what google-cloud-aiplatform sends, captured live, over its options.

Compared as what the API reads out of both. Three things differ, and are meant to: a deployment has an id of ours, so
that making it twice makes one; to make or remove one leaves the split alone, where the SDK writes the one it has read
before over whatever is there by then; and of an endpoint only the split is sent, not all that the mask leaves out.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from google.cloud.aiplatform_v1.types import DeployModelRequest, Endpoint, UndeployModelRequest
from google.protobuf import json_format

from retrigger.handlers.adapters.vertex.serving import (
    Place,
    deploy_request,
    deployment_id,
    split_request,
    undeploy_request,
)
from tests.handlers.adapters.vertex.test_serving import a_rollout
from tests.handlers.conftest import Loopback, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.handlers.jobs import Request
    from tests.handlers.conftest import Received

LOCATION = "europe-west4"
PARENT = f"projects/p/locations/{LOCATION}"
ENDPOINT = {
    "name": f"{PARENT}/endpoints/123",
    "displayName": "churn",
    "description": "online",
    "etag": "AMEw9yN",
    "labels": {"team": "growth"},
    "deployedModels": [{"id": "1", "model": f"{PARENT}/models/churn"}, {"id": "2", "model": f"{PARENT}/models/churn"}],
    "trafficSplit": {"1": 100},
}
MODEL = {
    "name": f"{PARENT}/models/churn",
    "versionId": "7",
    "displayName": "churn",
    "supportedDeploymentResourcesTypes": ["DEDICATED_RESOURCES"],
}
TYPES = "type.googleapis.com/google.cloud.aiplatform.v1"
DONE: Mapping[str, dict[str, Any]] = {
    ":deployModel": {"@type": f"{TYPES}.DeployModelResponse", "deployedModel": {"id": "3"}},
    ":undeployModel": {"@type": f"{TYPES}.UndeployModelResponse"},
}
OPTIONS = [
    {name: value for option in options for name, value in option.items()}
    for options in itertools.product(
        ({}, {"machine_type": "n1-highmem-4"}),
        ({}, {"accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 2}),
        ({}, {"min_replica_count": 2}, {"max_replica_count": 3}, {"min_replica_count": 2, "max_replica_count": 5}),
        ({}, {"service_account": "churn@p.iam.gserviceaccount.com"}),
    )
]


class Sdk:
    """google-cloud-aiplatform against a loopback with one model and one endpoint, where everything is done at once."""

    def __init__(self) -> None:
        self.loopback = Loopback()
        self.loopback.always = self._answer

    def _answer(self, received: Received) -> Reply:
        path = urlsplit(received.path).path
        verb = f":{path.rpartition(':')[2]}"
        if verb in DONE:
            done = {"name": f"{ENDPOINT['name']}/operations/1", "done": True, "response": DONE[verb]}
            return Reply(200, json.dumps(done).encode())
        return Reply(200, json.dumps(MODEL if "/models/" in path else ENDPOINT).encode())

    def wrote(self) -> Received:
        [sent] = [it for it in self.loopback.requests if it.method != "GET"]
        return sent


@pytest.fixture
def sdk() -> Iterator[Sdk]:
    made = Sdk()
    aiplatform.init(
        project="p",
        location=LOCATION,
        credentials=AnonymousCredentials(),
        api_endpoint=made.loopback.url,
        api_transport="rest",
    )
    yield made
    aiplatform.initializer.global_config.__init__()
    made.loopback.close()


def read(message: Any, body: object) -> dict[str, Any]:
    """What the API reads, in one form."""
    return json_format.MessageToDict(json_format.ParseDict(body, message()._pb))


def same_call(ours: Request, theirs: Received, sdk: Sdk) -> bool:
    return (ours.method, ours.url.partition("?")[0]) == (
        theirs.method,
        f"{sdk.loopback.url}{urlsplit(theirs.path).path}",
    )


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_our_deployment_is_the_sdks(options: dict[str, Any], sdk: Sdk) -> None:
    job = a_rollout(options=options)
    aiplatform.Endpoint("123").deploy(
        aiplatform.Model("churn", version="7"), deployed_model_display_name=job.id, **options
    )
    theirs, ours = sdk.wrote(), deploy_request(job, "p", LOCATION, sdk.loopback.url)
    assert same_call(ours, theirs, sdk)
    sent = read(DeployModelRequest, json.loads(theirs.body))
    assert sent.pop("trafficSplit") == {"0": 0, "1": 100}
    sent["deployedModel"]["id"] = deployment_id(job)
    assert read(DeployModelRequest, ours.body) == sent


def test_our_split_is_the_sdks(sdk: Sdk) -> None:
    split = {"1": 90, "2": 10}
    aiplatform.Endpoint("123").update(traffic_split=split)
    theirs, ours = sdk.wrote(), split_request(Place("p", LOCATION, "123"), split, "AMEw9yN", sdk.loopback.url)
    assert same_call(ours, theirs, sdk)
    masks = [parse_qs(urlsplit(url).query)["updateMask"] for url in (ours.url, theirs.path)]
    assert masks == [["trafficSplit"]] * 2
    sent = read(Endpoint, json.loads(theirs.body))
    assert read(Endpoint, ours.body) == {name: sent[name] for name in ("trafficSplit", "etag")}


def test_our_removal_is_the_sdks(sdk: Sdk) -> None:
    aiplatform.Endpoint("123").undeploy("2")
    theirs, ours = sdk.wrote(), undeploy_request(Place("p", LOCATION, "123"), "2", sdk.loopback.url)
    assert same_call(ours, theirs, sdk)
    sent = read(UndeployModelRequest, json.loads(theirs.body))
    assert sent.pop("trafficSplit") == {"1": 100}
    assert read(UndeployModelRequest, ours.body) == sent
