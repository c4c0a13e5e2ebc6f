"""What is sent to endpoints of Vertex AI, and how what comes back is read."""

from __future__ import annotations

import re
from typing import Any

import pytest

from retrigger.handlers.adapters.vertex.serving import (
    Place,
    deploy_request,
    deployment_id,
    endpoint_of,
    failure_of,
    model_id,
    place_of,
    predict_url,
    split_request,
    tries,
    undeploy_request,
)
from retrigger.handlers.endpoints import Deployment, Endpoint
from retrigger.handlers.jobs import Request, RolloutJob
from retrigger.triggers.errors import Refused, Unavailable

AT = "projects/p/locations/l/endpoints/123"
URL = f"https://l-aiplatform.googleapis.com/v1/{AT}"
PLACE = Place("p", "l", "123")
NAME = "6924153678"


def a_rollout(**changes: Any) -> RolloutJob:
    usual: dict[str, Any] = {
        "id": "churn-0a1b",
        "display_name": "churn",
        "labels": {"team": "growth"},
        "fingerprint": "f00d",
        "endpoint": "123",
        "model": "churn",
        "version": "7",
        "steps": [10, 100],
        "smoke": {"instances": [[1]]},
    }
    return RolloutJob(**{**usual, **changes})


def an_endpoint(**changes: Any) -> dict[str, Any]:
    """As the platform answers: with the number of the project, and the version apart from the model."""
    usual = {
        "name": "projects/99/locations/l/endpoints/123",
        "displayName": "churn",
        "etag": "AMEw9yN",
        "deployedModels": [
            {"id": "1", "model": "projects/99/locations/l/models/churn", "modelVersionId": "6"},
            {"id": NAME, "model": "projects/99/locations/l/models/churn@7", "modelVersionId": "7"},
        ],
        "trafficSplit": {"1": 90, NAME: 10},
    }
    return {**usual, **changes}


def an_operation(**changes: Any) -> dict[str, Any]:
    usual = {
        "name": f"{AT}/operations/1",
        "metadata": {
            "@type": "type.googleapis.com/google.cloud.aiplatform.v1.DeployModelOperationMetadata",
            "genericMetadata": {"createTime": "2026-01-01T00:00:01.123456789Z"},
        },
        "done": True,
        "error": {"code": 9, "message": "Model server never became ready.\nSee the logs."},
    }
    return {**usual, **changes}


CREATED_MS = 1_767_225_601_123


def test_a_deployment_is_made_with_an_id_of_ours_and_leaves_the_split_alone() -> None:
    assert deploy_request(a_rollout(), "p", "l") == Request(
        method="POST",
        url=f"{URL}:deployModel",
        body={
            "deployedModel": {
                "id": NAME,
                "model": "projects/p/locations/l/models/churn@7",
                "displayName": "churn-0a1b",
                "dedicatedResources": {
                    "machineSpec": {"machineType": "n1-standard-2"},
                    "minReplicaCount": 1,
                    "maxReplicaCount": 1,
                },
            }
        },
    )


def test_what_it_is_deployed_on_is_what_the_environment_says() -> None:
    options = {
        "machine_type": "g2-standard-8",
        "accelerator_type": "NVIDIA_L4",
        "accelerator_count": 1,
        "min_replica_count": 2,
        "max_replica_count": 5,
        "service_account": "churn@p.iam.gserviceaccount.com",
    }
    deployed: Any = deploy_request(a_rollout(options=options), "p", "l").body["deployedModel"]
    assert (deployed["dedicatedResources"], deployed["serviceAccount"]) == (
        {
            "machineSpec": {
                "machineType": "g2-standard-8",
                "acceleratorType": "NVIDIA_L4",
                "acceleratorCount": 1,
            },
            "minReplicaCount": 2,
            "maxReplicaCount": 5,
        },
        "churn@p.iam.gserviceaccount.com",
    )


def test_as_many_machines_at_the_most_as_at_least() -> None:
    deployed: Any = deploy_request(a_rollout(options={"min_replica_count": 3}), "p", "l").body["deployedModel"]
    assert deployed["dedicatedResources"]["maxReplicaCount"] == 3


@pytest.mark.parametrize("number", range(50))
def test_an_id_is_one_that_the_platform_takes_and_the_same_for_the_same_rollout(number: int) -> None:
    job = a_rollout(id=f"churn-{number}")
    assert re.fullmatch(r"[1-9][0-9]{9}", deployment_id(job))
    assert deployment_id(job) == deployment_id(a_rollout(id=f"churn-{number}", version="8"))
    assert deployment_id(job) != deployment_id(a_rollout(id=f"churn-{number}-1"))


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("churn", "projects/p/locations/l/models/churn@7"),
        ("churn@3", "projects/p/locations/l/models/churn@7"),
        ("projects/o/locations/l/models/4711@3", "projects/o/locations/l/models/4711@7"),
    ],
)
def test_the_version_is_the_rollouts_and_no_project_is_compared(model: str, sent: str) -> None:
    job = a_rollout(model=model)
    deployed: Any = deploy_request(job, "p", "l").body["deployedModel"]
    assert (deployed["model"], model_id(job)) == (sent, sent.rpartition("/")[2])


def test_an_endpoint_may_be_named_whole_and_is_asked_where_it_is() -> None:
    place = place_of("projects/o/locations/us-central1/endpoints/9", "p", "l")
    assert place == Place("o", "us-central1", "9")
    assert (
        place.url() == "https://us-central1-aiplatform.googleapis.com/v1/projects/o/locations/us-central1/endpoints/9"
    )
    assert place_of("123", "p", "l") == PLACE


def test_a_name_cannot_leave_its_place() -> None:
    assert place_of("../x?y", "p", "l").url("http://h") == "http://h/v1/projects/p/locations/l/endpoints/..%2Fx%3Fy"


def test_a_split_is_written_alone_and_only_over_what_was_seen() -> None:
    request = split_request(PLACE, {"1": 90, NAME: 10}, "AMEw9yN")
    body = {"trafficSplit": {"1": 90, NAME: 10}, "etag": "AMEw9yN"}
    assert request == Request(method="PATCH", url=f"{URL}?updateMask=trafficSplit", body=body)


def test_what_is_removed_has_no_traffic_or_is_not_removed() -> None:
    body = {"deployedModelId": "1"}
    assert undeploy_request(PLACE, "1") == Request(method="POST", url=f"{URL}:undeployModel", body=body)


def test_an_endpoint_is_read_with_its_models_and_without_those_that_get_nothing() -> None:
    found = an_endpoint(trafficSplit={"2": 0, NAME: 10, "1": 90})
    assert endpoint_of(found, changing=True) == Endpoint(
        deployments={
            "1": Deployment(state="ready", model="churn@6"),
            NAME: Deployment(state="ready", model=model_id(a_rollout())),
        },
        split={"1": 90, NAME: 10},
        etag="AMEw9yN",
        changing=True,
    )


def test_an_endpoint_may_have_nothing_yet() -> None:
    found = {"name": AT, "etag": "e"}
    assert endpoint_of(found, changing=False) == Endpoint(deployments={}, split={}, etag="e")


@pytest.mark.parametrize(
    "found",
    [
        {},
        an_endpoint(etag=None),
        an_endpoint(name=7),
        an_endpoint(deployedModels={}),
        an_endpoint(deployedModels=["1"]),
        an_endpoint(deployedModels=[{"id": "1"}]),
        an_endpoint(deployedModels=[{"id": 1, "model": "m"}]),
        an_endpoint(trafficSplit=[]),
        an_endpoint(trafficSplit={"1": "100"}),
        an_endpoint(trafficSplit={"1": True}),
        an_endpoint(trafficSplit=None),
    ],
)
def test_of_an_odd_answer_nothing_is_said(found: dict[str, Any]) -> None:
    with pytest.raises(Unavailable) as raised:
        endpoint_of(found, changing=False)
    assert raised.value.code == "odd_answer"


@pytest.mark.parametrize(
    ("operation", "since_ms", "reason"),
    [
        (an_operation(), CREATED_MS, "Model server never became ready."),
        (an_operation(), CREATED_MS + 1, None),
        (an_operation(error={}), 0, "the platform gave no reason"),
        (an_operation(error="odd"), 0, "the platform gave no reason"),
        ({name: value for name, value in an_operation().items() if name != "error"}, 0, None),
        (an_operation(metadata={"@type": "…UndeployModelOperationMetadata"}), 0, None),
        (an_operation(metadata=None), 0, None),
    ],
)
def test_a_failed_deployment_is_known_by_its_operation(
    operation: dict[str, Any], since_ms: int, reason: str | None
) -> None:
    assert failure_of(operation, since_ms) == reason


def test_an_operation_without_a_time_is_neither_before_nor_since() -> None:
    odd = an_operation(metadata={"@type": "x.DeployModelOperationMetadata", "genericMetadata": {"createTime": 7}})
    with pytest.raises(Unavailable):
        failure_of(odd, 0)


@pytest.mark.parametrize(("share", "most"), [(1, 459), (10, 44), (50, 7), (99, 1), (100, 1)])
def test_a_deployment_is_missed_in_one_search_of_a_hundred(share: int, most: int) -> None:
    missed = (100 - share) / 100
    assert tries(share) == most
    assert missed**most <= 0.01 < missed ** (most - 1)


@pytest.mark.parametrize("body", [{"input_data": [1]}, [1], None, "instances"])
def test_what_is_the_containers_own_is_passed_on_as_it_is(body: Any) -> None:
    assert predict_url(an_endpoint(), PLACE, body) == f"{URL}:rawPredict"


@pytest.mark.parametrize(
    "private",
    [
        {"network": "projects/1/global/networks/n"},
        {"privateServiceConnectConfig": {"enablePrivateServiceConnect": True}},
    ],
)
def test_an_endpoint_of_a_network_cannot_be_asked_from_outside(private: dict[str, Any]) -> None:
    with pytest.raises(Refused) as raised:
        predict_url(an_endpoint(**private), PLACE, INSTANCES)
    assert raised.value.code == "private_endpoint"


INSTANCES: Any = {"instances": [[1]]}
DNS = "123.l-77.prediction.vertexai.goog"


@pytest.mark.parametrize("dns", [DNS, f"https://{DNS}"])
def test_an_endpoint_with_an_address_of_its_own_is_asked_there(dns: str) -> None:
    found = an_endpoint(dedicatedEndpointEnabled=True, dedicatedEndpointDns=dns)
    assert predict_url(found, PLACE, INSTANCES) == f"https://{DNS}/v1/{AT}:predict"
    assert predict_url(an_endpoint(), PLACE, INSTANCES) == f"{URL}:predict"
    assert predict_url(found, PLACE, INSTANCES, "http://h") == f"http://h/v1/{AT}:predict"


@pytest.mark.parametrize(
    "dns", [None, "evil.example", f"{DNS}.evil.example", f"evil.example/{DNS}", f"evil.example#{DNS}"]
)
def test_our_token_goes_to_no_address_but_vertex_ais(dns: str | None) -> None:
    with pytest.raises(Unavailable) as raised:
        predict_url(an_endpoint(dedicatedEndpointEnabled=True, dedicatedEndpointDns=dns), PLACE, INSTANCES)
    assert raised.value.code == "foreign_link"
