"""Predictions go to deployed models by the endpoint's split, and what their servers say comes back."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from retrigger.local_emulator.state import State
from tests.local_emulator.planes.vertex.online import CHURN, an_endpoint, deployed, deployment, error, register
from tests.local_emulator.planes.vertex.test_plane import PARENT, Plane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """One endpoint with blue and green."""
    plane = Plane(State.at(tmp_path_factory.mktemp("online") / "state"))
    register(plane, "blue")
    register(plane, "green")
    an_endpoint(plane)
    deployed(plane, deployment(1, number="1", split={"0": 100}))
    deployed(plane, deployment(2, number="2", split={"1": 90, "0": 10}))
    yield plane
    plane.stop()


def predict(plane: Plane, body: Any) -> tuple[int, Any]:
    return plane("POST", f"{CHURN}:predict", body)


def test_a_prediction_names_the_model_that_made_it(plane: Plane) -> None:
    status, told = predict(plane, {"instances": [[1, 2], "x"], "parameters": {"k": 3}, "labels": {}})
    name, deployed_id, version = ("blue", "1", "1") if told["deployedModelId"] == "1" else ("green", "2", "2")
    assert (status, told) == (
        200,
        {
            "predictions": [{"by": name, "of": it, "with": {"k": 3}} for it in ([1, 2], "x")],
            "deployedModelId": deployed_id,
            "model": f"{PARENT}/models/churn",
            "modelDisplayName": "Churn",
            "modelVersionId": version,
        },
    )


def test_of_a_hundred_requests_each_model_gets_its_percentage(plane: Plane) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: predict(plane, {"instances": [0]}), range(100)))
    assert Counter((status, told["deployedModelId"]) for status, told in answers) == {(200, "1"): 90, (200, "2"): 10}


@pytest.mark.parametrize(
    ("answered", "status", "name"),
    [
        (400, 400, "INVALID_ARGUMENT"),
        (404, 404, "NOT_FOUND"),
        (418, 400, "FAILED_PRECONDITION"),
        (429, 429, "RESOURCE_EXHAUSTED"),
        (500, 500, "INTERNAL"),
        (503, 503, "UNAVAILABLE"),
        (599, 503, "UNAVAILABLE"),
        (302, 503, "UNAVAILABLE"),
    ],
)
def test_what_a_server_refuses_is_told_with_its_status_and_its_words(
    plane: Plane, answered: int, status: int, name: str
) -> None:
    assert predict(plane, {"instances": [{"status": answered, "say": "too hot"}]}) == error(status, name, "too hot")


@pytest.mark.parametrize("say", ["", "nonsense", "[]", "{}", '{"predictions": {}}', "[" * 100_000])
def test_an_answer_without_predictions_is_the_servers_fault(plane: Plane, say: str) -> None:
    told = "The model server did not answer a JSON object with a list of predictions."
    assert predict(plane, {"instances": [{"status": 200, "say": say}]}) == error(500, "INTERNAL", told)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "instances is required, and must be a list."),
        ({"instances": {}}, "instances is required, and must be a list."),
        (b"{", "The request is not JSON."),
        (b"", "The request is not JSON."),
        (b"[]", "The request must be a JSON object."),
    ],
)
def test_what_is_no_request_for_a_prediction_is_refused(plane: Plane, body: Any, message: str) -> None:
    assert predict(plane, body) == error(400, "INVALID_ARGUMENT", message)


def test_a_request_above_the_limit_is_refused_as_vertex_does(plane: Plane) -> None:
    body = json.dumps({"instances": ["x" * 1_500_000]}).encode()
    told = "The request size exceeds 1.500MB limit."
    assert predict(plane, body) == error(400, "FAILED_PRECONDITION", told)


def test_a_raw_prediction_passes_everything_on(plane: Plane) -> None:
    url = f"{plane.server.url}/v1/{CHURN}:rawPredict"
    answer = urllib3.request("POST", url, body=b"\x00abc", headers={"Content-Type": "application/x-image"})
    told = {name.lower(): value for name, value in answer.headers.items()}
    assert (answer.status, answer.data, told["content-type"]) == (200, b"cba\x00", "application/x-image")
    assert (told["x-vertex-ai-endpoint-id"], told["x-vertex-ai-deployed-model-id"] in {"1", "2"}) == ("churn", True)
    refused = urllib3.request("POST", url, json={"instances": [{"status": 418, "say": "a teapot"}]})
    assert (refused.status, refused.data) == (418, b"a teapot")


def test_an_endpoint_without_a_split_predicts_nothing(tmp_path: Path) -> None:
    plane = Plane(State.at(tmp_path / "state"))
    try:
        register(plane, "blue")
        an_endpoint(plane)
        told = f"Endpoint {CHURN} doesn't have traffic_split: deploy a model, and give it traffic."
        assert predict(plane, {"instances": [1]}) == error(400, "FAILED_PRECONDITION", told)
        deployed(plane, deployment(number="1"))
        assert predict(plane, {"instances": [1]}) == error(400, "FAILED_PRECONDITION", told)
    finally:
        plane.stop()
