"""The endpoints of the local Vertex AI themselves; what is deployed to them is in `test_deploying`."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.local_emulator.state import State
from tests.local_emulator.planes.vertex.online import (
    CHURN,
    ENDPOINTS,
    an_endpoint,
    deployed,
    deployment,
    error,
    look,
    register,
)
from tests.local_emulator.planes.vertex.test_plane import PARENT, Plane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = "2026-01-02T00:00:00.000000Z"
V1 = "type.googleapis.com/google.cloud.aiplatform.v1"


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    plane = Plane(State.at(tmp_path / "state"))
    yield plane
    plane.stop()


def test_an_endpoint_is_made_by_an_operation_that_has_ended(plane: Plane) -> None:
    status, operation = plane(
        "POST", ENDPOINTS, {"displayName": "Churn", "labels": {"team": "ml"}, "deployedModels": [5]}, endpointId="churn"
    )
    found = look(plane)
    assert found == {
        "name": CHURN,
        "displayName": "Churn",
        "labels": {"team": "ml"},
        "createTime": NOW,
        "updateTime": NOW,
        "etag": found["etag"],
    }
    assert (status, operation) == (
        200,
        {
            "name": operation["name"],
            "metadata": {
                "@type": f"{V1}.CreateEndpointOperationMetadata",
                "genericMetadata": {"createTime": NOW, "updateTime": NOW},
            },
            "done": True,
            "response": {"@type": f"{V1}.Endpoint", **found},
        },
    )
    assert operation["name"].rpartition("/")[0] == f"{CHURN}/operations"
    assert plane("GET", operation["name"]) == (200, operation)


def test_an_id_is_taken_once_and_made_where_none_is_given(plane: Plane) -> None:
    an_endpoint(plane)
    again = plane("POST", ENDPOINTS, {"displayName": "Churn"}, endpointId="churn")
    assert again == error(409, "ALREADY_EXISTS", f"{CHURN} already exists.")
    made = {plane("POST", ENDPOINTS, {"displayName": "Churn"})[1]["response"]["name"] for _ in range(2)}
    _, listed = plane("GET", ENDPOINTS)
    assert {it["name"] for it in listed["endpoints"]} == {CHURN, *made}
    assert len(made) == 2


def test_one_that_a_project_names_is_there_and_stays_as_it_is(plane: Plane) -> None:
    name = f"{ENDPOINTS}/1234567890123"
    plane.vertex.ensure_endpoint(name)
    status, made = plane("GET", name)
    assert (status, made["displayName"]) == (200, "1234567890123")
    plane.vertex.ensure_endpoint(name)
    assert plane("GET", name) == (200, made)


@pytest.mark.parametrize("endpoint_id", ["Churn", "churn-", "-churn", "0123", "1234567890", "a" * 64, "a_b", ""])
def test_an_id_that_vertex_does_not_take_is_refused(plane: Plane, endpoint_id: str) -> None:
    status, told = plane("POST", ENDPOINTS, {"displayName": "Churn"}, endpointId=endpoint_id)
    assert (status, told["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "endpoint.display_name must be a text of 1 to 128 characters."),
        ({"displayName": "x" * 129}, "endpoint.display_name must be a text of 1 to 128 characters."),
        ({"displayName": 5}, "endpoint.display_name must be a text of 1 to 128 characters."),
        ({"displayName": "x", "labels": {"a": 1}}, "endpoint.labels must be an object of strings."),
        ({"displayName": "x", "labels": ["a"]}, "endpoint.labels must be an object of strings."),
        ({"displayName": "x", "trafficSplit": {"1": 100}}, "The following DeployedModel ID(s) [1] do not exist."),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(plane: Plane, body: Any, message: str) -> None:
    assert plane("POST", ENDPOINTS, body) == error(400, "INVALID_ARGUMENT", message)
    assert plane("GET", ENDPOINTS) == (200, {"endpoints": [], "nextPageToken": ""})


def test_endpoints_are_listed_by_filter_and_page(plane: Plane) -> None:
    for name in ("a", "b", "c"):
        plane("POST", ENDPOINTS, {"displayName": name, "labels": {"x": "1"}}, endpointId=name)
    _, listed = plane("GET", ENDPOINTS, filter='display_name="b"')
    assert [it["name"] for it in listed["endpoints"]] == [f"{ENDPOINTS}/b"]
    names, token = [], ""
    while True:
        _, listed = plane("GET", ENDPOINTS, filter='labels.x="1"', pageSize="2", pageToken=token)
        names.append([it["displayName"] for it in listed["endpoints"]])
        if not (token := listed["nextPageToken"]):
            break
    assert names == [["c", "b"], ["a"]]


@pytest.mark.parametrize("size", ["-1", "x", "9" * 5000, "²", "1e3"])  # a digit, but no number
def test_a_page_size_that_is_no_number_is_refused(plane: Plane, size: str) -> None:
    status, told = plane("GET", ENDPOINTS, pageSize=size)
    assert (status, told["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("token", [b"[" * 20_000, b"[1]", b"{}", b"\xff"])
def test_a_page_token_that_is_none_is_refused(plane: Plane, token: bytes) -> None:
    told = "Invalid page_token: pass the next_page_token of the page before."
    asked = base64.urlsafe_b64encode(token).decode()
    assert plane("GET", ENDPOINTS, pageToken=asked) == error(400, "INVALID_ARGUMENT", told)


def test_a_patch_changes_what_its_mask_names_and_with_it_the_etag(plane: Plane) -> None:
    an_endpoint(plane)
    before = look(plane)
    body = {**before, "displayName": "Loss", "labels": {"team": "ml"}, "description": "not in the mask"}
    status, patched = plane("PATCH", CHURN, body, updateMask="displayName,labels")
    assert (status, patched) == (
        200,
        {**before, "displayName": "Loss", "labels": {"team": "ml"}, "etag": patched["etag"]},
    )
    assert patched["etag"] != before["etag"]
    assert look(plane) == patched


def test_a_stale_etag_changes_nothing_and_none_overwrites(plane: Plane) -> None:
    an_endpoint(plane)
    stale = look(plane)["etag"]
    plane("PATCH", CHURN, {"displayName": "Loss"}, updateMask="display_name")
    refused = plane("PATCH", CHURN, {"displayName": "Gain", "etag": stale}, updateMask="display_name")
    told = f"{CHURN} changed since it was read: etag {stale} is not the present one."
    assert refused == error(409, "ABORTED", told)
    assert look(plane)["displayName"] == "Loss"


def test_of_changes_with_one_etag_one_is_made(plane: Plane) -> None:
    an_endpoint(plane)
    etag = look(plane)["etag"]

    def change(number: int) -> int:
        status, _ = plane("PATCH", CHURN, {"displayName": f"{number}", "etag": etag}, updateMask="displayName")
        return status

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(change, range(32))) == [200, *[409] * 31]


@pytest.mark.parametrize("mask", ["", "name", "deployedModels", "trafficSplit,etag", "*"])
def test_a_mask_that_names_nothing_changeable_is_refused(plane: Plane, mask: str) -> None:
    an_endpoint(plane)
    told = "update_mask must name fields of these: displayName, description, labels, trafficSplit."
    assert plane("PATCH", CHURN, {}, updateMask=mask) == error(400, "INVALID_ARGUMENT", told)


def test_traffic_is_split_between_what_is_deployed(plane: Plane) -> None:
    register(plane, "blue")
    an_endpoint(plane)
    deployed(plane, deployment(number="1", split={"0": 100}))
    deployed(plane, deployment(number="2"))
    assert look(plane)["trafficSplit"] == {"1": 100}
    _, patched = plane("PATCH", CHURN, {"trafficSplit": {"1": 90, "2": 10}}, updateMask="traffic_split")
    assert patched["trafficSplit"] == {"1": 90, "2": 10}
    refused = plane("PATCH", CHURN, {"trafficSplit": {"1": 90, "3": 10}}, updateMask="trafficSplit")
    assert refused == error(400, "INVALID_ARGUMENT", "The following DeployedModel ID(s) [3] do not exist.")
    status, stopped = plane("PATCH", CHURN, {}, updateMask="trafficSplit")
    assert (status, "trafficSplit" in stopped) == (200, False)


def test_an_endpoint_is_deleted_when_nothing_is_deployed_to_it(plane: Plane) -> None:
    register(plane, "blue")
    an_endpoint(plane)
    deployed(plane, deployment(number="1"))
    told = f"{CHURN} has the deployed models 1: undeploy them first."
    assert plane("DELETE", CHURN) == error(400, "FAILED_PRECONDITION", told)
    plane("POST", f"{CHURN}:undeployModel", {"deployedModelId": "1"})
    status, operation = plane("DELETE", CHURN)
    assert (status, operation["metadata"]["@type"], operation["response"]) == (
        200,
        f"{V1}.DeleteOperationMetadata",
        {"@type": "type.googleapis.com/google.protobuf.Empty"},
    )
    for method, path in (("GET", CHURN), ("DELETE", CHURN), ("POST", f"{CHURN}:predict")):
        assert plane(method, path, {"instances": [1]}) == error(404, "NOT_FOUND", f"{CHURN} is not found.")
    assert plane("GET", operation["name"]) == (200, operation)


def test_places_are_apart(plane: Plane) -> None:
    an_endpoint(plane)
    assert plane("GET", "projects/p/locations/us-central1/endpoints") == (200, {"endpoints": [], "nextPageToken": ""})
    assert plane("GET", f"{PARENT}/endpoints/other")[0] == 404
