"""Models are deployed to endpoints, and undeployed, by operations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.local_emulator.state import State
from tests.local_emulator.planes.vertex.online import (
    CHURN,
    DEDICATED,
    an_endpoint,
    container,
    deployed,
    deployment,
    ended,
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
SHOWN = {
    "id": "7",
    "model": f"{PARENT}/models/churn",
    "modelVersionId": "1",
    "displayName": "Churn",
    "createTime": NOW,
    "dedicatedResources": DEDICATED,
    "serviceAccount": "sa@p",
}


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    plane = Plane(State.at(tmp_path / "state"))
    yield plane
    plane.stop()


@pytest.fixture
def sick(tmp_path: Path) -> Path:
    """A model's server is not healthy while this file is there."""
    path = tmp_path / "sick"
    path.touch()
    return path


def predict(plane: Plane) -> Any:
    status, told = plane("POST", f"{CHURN}:predict", {"instances": [1]})
    assert status == 200, told
    return told


def test_a_model_is_deployed_when_its_server_is_healthy_and_not_before(plane: Plane, sick: Path) -> None:
    register(plane, "blue", SICK_WHILE=str(sick))
    an_endpoint(plane)
    before = look(plane)
    asked = deployment(number="7", split={"0": 100}, serviceAccount="sa@p")
    status, operation = plane("POST", f"{CHURN}:deployModel", asked)
    assert (status, operation) == (
        200,
        {
            "name": operation["name"],
            "metadata": {
                "@type": f"{V1}.DeployModelOperationMetadata",
                "genericMetadata": {"createTime": NOW, "updateTime": NOW},
            },
        },
    )
    assert operation["name"].rpartition("/")[0] == f"{CHURN}/operations"
    assert operation in plane("GET", f"{CHURN}/operations")[1]["operations"]
    assert look(plane) == before
    again = plane("POST", f"{CHURN}:deployModel", asked)
    assert again == error(409, "ALREADY_EXISTS", f"DeployedModel 7 of {CHURN} already exists.")
    told = f"{CHURN} has the deployed models 7: undeploy them first."
    assert plane("DELETE", CHURN) == error(400, "FAILED_PRECONDITION", told)
    sick.unlink()
    response = {"@type": f"{V1}.DeployModelResponse", "deployedModel": SHOWN}
    assert ended(plane, operation) == {**operation, "done": True, "response": response}
    after = look(plane)
    assert after == {**before, "deployedModels": [SHOWN], "trafficSplit": {"7": 100}, "etag": after["etag"]}
    assert after["etag"] != before["etag"]
    assert predict(plane)["deployedModelId"] == "7"


def test_a_server_that_does_not_come_up_fails_the_operation_with_its_last_words(plane: Plane) -> None:
    register(plane, "blue", BROKEN="1")
    an_endpoint(plane)
    before = look(plane)
    failed = deployed(plane, deployment(split={"0": 100}))
    assert failed["error"] == {
        "code": 9,
        "message": f"Model server of {PARENT}/models/churn@1 never became ready: "
        "the server ended with status 1: the model file is not readable.\nthe model file is not readable",
    }
    assert look(plane) == before
    register(plane, "green")
    assert "response" in deployed(plane, deployment(2, number="7", split={"0": 100}))
    assert predict(plane)["predictions"] == [{"by": "green", "of": 1, "with": None}]


def test_a_burst_of_one_deployment_makes_one(plane: Plane) -> None:
    register(plane, "blue")
    an_endpoint(plane)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: plane("POST", f"{CHURN}:deployModel", deployment()), range(32)))
    assert sorted(status for status, _ in found) == [200, *[409] * 31]
    [operation] = [told for status, told in found if status == 200]
    ended(plane, operation)
    assert [it["id"] for it in look(plane)["deployedModels"]] == ["7"]


def test_the_emulator_serves_no_more_models_than_it_says(plane: Plane) -> None:
    spec = {"command": ["sleep", "600"]}
    plane("POST", f"{PARENT}/models:upload", {"model": {"displayName": "C", "containerSpec": spec}, "modelId": "churn"})
    an_endpoint(plane)
    found = [plane("POST", f"{CHURN}:deployModel", deployment(number=f"{number}")) for number in range(1, 34)]
    assert [status for status, _ in found] == [200] * 32 + [429]
    told = "The emulator serves at most 32 deployed models: undeploy another first."
    assert found[-1] == error(429, "RESOURCE_EXHAUSTED", told)


def test_a_server_has_as_long_as_its_container_says(plane: Plane, sick: Path) -> None:
    spec = {**container("blue", SICK_WHILE=str(sick)), "deploymentTimeout": "0.5s"}
    plane("POST", f"{PARENT}/models:upload", {"model": {"displayName": "C", "containerSpec": spec}, "modelId": "churn"})
    an_endpoint(plane)
    told = deployed(plane, deployment())["error"]["message"]
    assert told.startswith(f"Model server of {PARENT}/models/churn@1 never became ready: the server was not healthy")


def test_an_id_is_made_where_none_is_given_and_the_version_is_found_by_its_alias(plane: Plane) -> None:
    register(plane, "blue")
    register(plane, "green")
    an_endpoint(plane)
    asked = {"model": f"{PARENT}/models/churn@default", "automaticResources": {"minReplicaCount": 1}}
    done = deployed(plane, {"deployedModel": asked})
    shown = done["response"]["deployedModel"]
    assert shown == {
        **asked,
        "id": shown["id"],
        "model": f"{PARENT}/models/churn",
        "modelVersionId": "1",
        "displayName": "Churn",
        "createTime": NOW,
    }
    assert shown["id"].isdecimal()
    assert "trafficSplit" not in look(plane)


NO_MACHINE = {"machineSpec": {}, "minReplicaCount": 1}
NO_REPLICA = {**DEDICATED, "minReplicaCount": 0}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, "INVALID_ARGUMENT", "deployed_model is required."),
        ({"deployedModel": []}, "INVALID_ARGUMENT", "deployed_model is required."),
        (deployment(number="0"), "INVALID_ARGUMENT", "Invalid deployed_model.id '0': 1 to 10 digits"),
        (deployment(number="12345678901"), "INVALID_ARGUMENT", "Invalid deployed_model.id '12345678901'"),
        (deployment(id=7), "INVALID_ARGUMENT", "Invalid deployed_model.id '7'"),
        (deployment(displayName=7), "INVALID_ARGUMENT", "deployed_model.display_name must be a string."),
        (deployment(number="x"), "INVALID_ARGUMENT", "Invalid deployed_model.id 'x'"),
        (deployment(number="٣"), "INVALID_ARGUMENT", "Invalid deployed_model.id"),
        (deployment(model="churn"), "INVALID_ARGUMENT", "deployed_model.model must be projects/"),
        (deployment(model=[]), "INVALID_ARGUMENT", "deployed_model.model must be projects/"),
        (deployment(9), "NOT_FOUND", f"{PARENT}/models/churn@9 is not found."),
        (deployment(dedicatedResources=NO_MACHINE), "INVALID_ARGUMENT", "machine_spec.machine_type is required"),
        (deployment(dedicatedResources=NO_REPLICA), "INVALID_ARGUMENT", "min_replica_count must be a whole number"),
        (deployment(dedicatedResources=None), "INVALID_ARGUMENT", "dedicated_resources or automatic_resources"),
        (deployment(split={"0": 90}), "INVALID_ARGUMENT", "must add up to 100, not to 90."),
        (deployment(split={"0": 90, "8": 10}), "INVALID_ARGUMENT", "DeployedModel ID(s) [8] do not exist."),
        (deployment(2), "INVALID_ARGUMENT", "there is no command to run for its image 'image'; upload the model"),
    ],
)
def test_what_cannot_be_deployed_is_told_at_once(plane: Plane, body: Any, status: str, said: str) -> None:
    register(plane, "blue")
    plane(
        "POST",
        f"{PARENT}/models:upload",
        {"model": {"displayName": "Churn", "containerSpec": {"imageUri": "image"}}, "modelId": "churn"},
    )
    an_endpoint(plane)
    code, told = plane("POST", f"{CHURN}:deployModel", body)
    assert (code, told["error"]["status"], said in told["error"]["message"]) == (
        404 if status == "NOT_FOUND" else 400,
        status,
        True,
    ), told
    _, listed = plane("GET", f"{CHURN}/operations")
    assert [it["metadata"]["@type"] for it in listed["operations"]] == [f"{V1}.CreateEndpointOperationMetadata"]


def test_an_endpoint_that_is_not_there_is_told(plane: Plane) -> None:
    register(plane, "blue")
    missing = error(404, "NOT_FOUND", f"{CHURN} is not found.")
    assert plane("POST", f"{CHURN}:deployModel", deployment()) == missing
    assert plane("POST", f"{CHURN}:undeployModel", {"deployedModelId": "7"}) == missing
    assert plane("GET", f"{CHURN}/operations") == (200, {"operations": [], "nextPageToken": ""})


def test_what_has_no_traffic_is_undeployed_with_its_server(plane: Plane) -> None:
    register(plane, "blue")
    an_endpoint(plane)
    deployed(plane, deployment(number="1", split={"0": 100}))
    deployed(plane, deployment(number="2", split={"0": 10, "1": 90}))
    before = look(plane)["etag"]
    told = "DeployedModel 2 has 10 % of the traffic: give that to another one first."
    refused = plane("POST", f"{CHURN}:undeployModel", {"deployedModelId": "2"})
    assert refused == error(400, "FAILED_PRECONDITION", told)
    status, operation = plane("POST", f"{CHURN}:undeployModel", {"deployedModelId": "1", "trafficSplit": {"2": 100}})
    assert (status, operation) == (
        200,
        {
            "name": operation["name"],
            "metadata": {
                "@type": f"{V1}.UndeployModelOperationMetadata",
                "genericMetadata": {"createTime": NOW, "updateTime": NOW},
            },
            "done": True,
            "response": {"@type": f"{V1}.UndeployModelResponse"},
        },
    )
    found = look(plane)
    assert ([it["id"] for it in found["deployedModels"]], found["trafficSplit"]) == (["2"], {"2": 100})
    assert found["etag"] != before
    again = plane("POST", f"{CHURN}:undeployModel", {"deployedModelId": "1"})
    assert again == error(404, "NOT_FOUND", f"DeployedModel '1' is not found in {CHURN}.")
    plane("POST", f"{CHURN}:undeployModel", {"deployedModelId": "2"})
    assert {"deployedModels", "trafficSplit"} & look(plane).keys() == set()


def test_a_split_whose_model_went_meanwhile_fails_the_deployment(plane: Plane, sick: Path) -> None:
    register(plane, "blue")
    register(plane, "green", SICK_WHILE=str(sick))
    an_endpoint(plane)
    deployed(plane, deployment(number="1", split={"0": 100}))
    _, operation = plane("POST", f"{CHURN}:deployModel", deployment(2, number="2", split={"1": 90, "0": 10}))
    plane("POST", f"{CHURN}:undeployModel", {"deployedModelId": "1"})
    sick.unlink()
    failed = ended(plane, operation)
    assert "The following DeployedModel ID(s) [1] do not exist." in failed["error"]["message"]
    assert "deployedModels" not in look(plane)


def test_operations_are_listed_newest_first_in_pages(plane: Plane) -> None:
    register(plane, "blue")
    an_endpoint(plane)
    deployed(plane, deployment(number="1"))
    _, first = plane("GET", f"{CHURN}/operations", pageSize="1")
    _, rest = plane("GET", f"{CHURN}/operations", pageToken=first["nextPageToken"])
    assert len(first["operations"]) == 1
    assert sorted(it["metadata"]["@type"] for it in (*first["operations"], *rest["operations"])) == [
        f"{V1}.CreateEndpointOperationMetadata",
        f"{V1}.DeployModelOperationMetadata",
    ]
    missing = plane("GET", f"{CHURN}/operations/5")
    assert missing == error(404, "NOT_FOUND", f"{CHURN}/operations/5 is not found.")


def test_what_was_deployed_serves_after_a_restart_and_what_was_being_deployed_is_gone_on_with(
    tmp_path: Path, sick: Path
) -> None:
    state = State.at(tmp_path / "state")
    plane = Plane(state)
    register(plane, "blue")
    register(plane, "green", SICK_WHILE=str(sick))
    an_endpoint(plane)
    deployed(plane, deployment(number="1", split={"0": 100}))
    _, operation = plane("POST", f"{CHURN}:deployModel", deployment(2, number="2"))
    before = look(plane)
    plane.stop()
    sick.unlink()
    plane = Plane(state)
    try:
        assert plane("GET", CHURN)[1] in (before, look(plane))
        done = ended(plane, operation)
        assert done["response"]["deployedModel"]["id"] == "2"
        found = look(plane)
        assert ([it["id"] for it in found["deployedModels"]], found["trafficSplit"]) == (["1", "2"], {"1": 100})
        answer = plane("POST", f"{CHURN}:predict", {"instances": [1]})
        while answer[0] == 503:  # its server starts
            answer = plane("POST", f"{CHURN}:predict", {"instances": [1]})
        assert answer[1]["predictions"] == [{"by": "blue", "of": 1, "with": None}]
    finally:
        plane.stop()


def test_a_model_whose_command_is_gone_keeps_the_emulator_from_nothing(tmp_path: Path) -> None:
    state = State.at(tmp_path / "state")
    program = tmp_path / "serve"
    program.symlink_to("/bin/sh")
    plane = Plane(state)
    spec = {"command": [str(program), "-c", "exec sleep 600"]}
    plane("POST", f"{PARENT}/models:upload", {"model": {"displayName": "C", "containerSpec": spec}, "modelId": "churn"})
    an_endpoint(plane)
    _, operation = plane("POST", f"{CHURN}:deployModel", deployment())
    plane.stop()
    program.unlink()
    plane = Plane(state)
    try:
        told = ended(plane, operation)["error"]["message"]
        assert told.startswith(
            f"Model server of {PARENT}/models/churn@1 never became ready: model churn@1 cannot predict here: "
            f"there is no command {str(program)!r} on this machine"
        )
    finally:
        plane.stop()
