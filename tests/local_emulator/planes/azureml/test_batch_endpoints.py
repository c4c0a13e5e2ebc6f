"""Batch endpoints of the local Azure ML: asking one makes a job, which predicts for real."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from retrigger.local_emulator.planes.azureml.arm import Workspace
from retrigger.local_emulator.planes.azureml.plane import Asset, Furniture, Put
from retrigger.local_emulator.state import State
from tests.local_emulator.planes.azureml.azureml_plane import ACCOUNT, WORKSPACE, Plane
from tests.local_emulator.planes.azureml.served_models import LOADER, MLMODEL, put_code, put_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDPOINT = "/batchEndpoints/scores"
FOLDER = f"https://{ACCOUNT}.blob.core.windows.net/landing/in/"
HTTP = urllib3.PoolManager()
SCRIPT = """\
import os
from pathlib import Path


def init():
    global factor
    factor = int((Path(os.environ["AZUREML_MODEL_DIR"]) / "model" / "data" / "factor").read_text())


def run(mini_batch):
    if any(Path(file).name == "bad.csv" for file in mini_batch):
        raise ValueError("bad.csv")
    return [f"{Path(file).name}*{factor} of {len(mini_batch)}" for file in mini_batch]
"""


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    plane = Plane(State.at(tmp_path / "state"))
    for name, body in (("a.csv", b"x,y\n1,2\n3,4\n"), ("b.csv", b"x,y\n5,6\n")):
        plane.put_blob("landing", f"in/{name}", body)
    yield plane
    plane.stop()


def serve(plane: Plane, **properties: Any) -> None:
    """An endpoint whose default deployment is `blue`."""
    assert plane("PUT", ENDPOINT, {"location": "w", "properties": {"authMode": "AADToken"}})[0] == 201
    told = {"model": {"assetId": put_model(plane, 2), "referenceType": "Id"}, **properties}
    status, made = plane("PUT", f"{ENDPOINT}/deployments/blue", {"location": "w", "properties": told})
    assert (status, made["properties"]["provisioningState"]) == (201, "Succeeded")
    body = {"location": "w", "properties": {"authMode": "AADToken", "defaults": {"deploymentName": "blue"}}}
    assert plane("PUT", ENDPOINT, body)[0] == 200


def scripted(plane: Plane, **properties: Any) -> None:
    code = {"codeId": put_code(plane, SCRIPT), "scoringScript": "onlinescoring/score.py"}
    serve(plane, codeConfiguration=code, **properties)


def asked(name: str | None = "run-1", uri: str = FOLDER, **properties: Any) -> dict[str, Any]:
    kind = "UriFolder" if uri.endswith("/") else "UriFile"
    given = {"inputData": {kind: {"jobInputType": kind, "uri": uri}}, **properties}
    return {"properties": given if name is None else {"name": name, **given}}


def invoke(plane: Plane, body: Any, **headers: str) -> tuple[int, Any]:
    url = f"{plane.server.url}{WORKSPACE}{ENDPOINT}/jobs"
    answer = HTTP.request("POST", url, json=body, headers=headers, retries=False)
    return answer.status, answer.json()


def told(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["code"]


def predictions(plane: Plane, place: str = "azureml/run-1/score/predictions.csv") -> list[str]:
    return plane.blob("azureml", place).decode().splitlines()


def test_a_model_of_mlflow_predicts_every_row_of_every_file(plane: Plane) -> None:
    serve(plane)
    status, job = invoke(plane, asked(tags={"team": "growth"}, properties={"experimentName": "churn"}))
    assert (status, job["name"], job["properties"]["status"]) == (201, "run-1", "NotStarted")
    assert plane("GET", ENDPOINT)[1]["properties"]["scoringUri"] == f"{plane.server.url}{WORKSPACE}{ENDPOINT}/jobs"
    ended = plane.ended("run-1")
    assert ended["status"] == "Completed", plane.page("run-1")
    assert (ended["tags"], ended["experimentName"]) == ({"team": "growth"}, "churn")
    lines = [json.loads(line) for line in predictions(plane)]
    assert lines == [[0, 6, "a.csv"], [1, 14, "a.csv"], [0, 22, "b.csv"]]


def test_one_file_is_scored_and_the_output_goes_where_it_is_wanted(plane: Plane) -> None:
    serve(plane, outputFileName="scores.txt")
    place = {"jobOutputType": "UriFolder", "uri": f"https://{ACCOUNT}.blob.core.windows.net/landing/out/"}
    invoke(plane, asked(uri=f"{FOLDER}b.csv", outputData={"mine": place}))
    assert plane.ended("run-1")["status"] == "Completed", plane.page("run-1")
    assert plane.blob("landing", "out/scores.txt") == b'[0, 22, "b.csv"]\n'


def test_a_scoring_script_gets_so_many_files_at_a_time(plane: Plane) -> None:
    scripted(plane, miniBatchSize=2)
    plane.put_blob("landing", "in/c.csv", b"z\n")
    invoke(plane, asked())
    assert plane.ended("run-1")["status"] == "Completed", plane.page("run-1")
    assert predictions(plane) == ["a.csv*2 of 2", "b.csv*2 of 2", "c.csv*2 of 1"]


@pytest.mark.parametrize(
    ("threshold", "status"),
    [(-1, "Completed"), (1, "Completed"), (0, "Failed")],
)
def test_files_that_cannot_be_scored_are_tolerated_up_to_a_number(plane: Plane, threshold: int, status: str) -> None:
    scripted(plane, miniBatchSize=1, errorThreshold=threshold)
    plane.put_blob("landing", "in/bad.csv", b"z\n")
    invoke(plane, asked())
    assert plane.ended("run-1")["status"] == status, plane.page("run-1")
    if status == "Completed":
        assert predictions(plane) == ["a.csv*2 of 1", "b.csv*2 of 1"]
    else:
        assert "of 3 files could not be scored" in plane.page("run-1")


def test_a_job_in_which_nothing_was_scored_has_failed(plane: Plane) -> None:
    scripted(plane)
    plane.put_blob("landing", "in/bad.csv", b"z\n")
    invoke(plane, asked())
    assert plane.ended("run-1")["status"] == "Failed"
    assert "3 of 3 files could not be scored" in plane.page("run-1")


def test_a_name_is_taken_once_but_the_same_request_is_the_same_job(plane: Plane) -> None:
    serve(plane)
    same = {"repeatability_request-id": "1"}
    assert [invoke(plane, asked(), **same)[0] for _ in range(2)] == [201, 201]
    assert told(invoke(plane, asked(), **{"repeatability_request-id": "2"})) == (409, "Conflict")
    assert told(invoke(plane, asked())) == (409, "Conflict")
    names = {invoke(plane, asked(None), **same)[1]["name"] for _ in range(2)}
    assert len(names) == 1
    assert invoke(plane, asked(None))[1]["name"] not in names
    for name in ("run-1", *names):
        plane.ended(name)


def test_what_a_project_brings_along_is_there_and_what_is_wrong_of_it_is_told(plane: Plane, tmp_path: Path) -> None:
    for name, body in (("MLmodel", MLMODEL), ("code/scale.py", LOADER), ("data/factor", b"5")):
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_bytes(body)
    workspace = Workspace("s", "rg", "ml")
    model = {"modelUri": (tmp_path / "model").as_uri(), "modelType": "mlflow_model"}
    asset = Asset(kind="models", name="own", version="1", properties=model)
    place = ("batchEndpoints", "scores")
    puts = (
        Put(path=place, properties={"defaults": {"deploymentName": "blue"}}),
        Put(path=(*place, "deployments", "blue"), properties={"model": {"assetId": "azureml:own:1"}}),
        Put(path=(*place, "deployments", "red"), properties={"model": {"assetId": "azureml:none:1"}}),
    )
    for _ in range(2):  # at each start
        plane.azureml.furnish(Furniture(workspace=workspace, assets=(asset,), endpoints=("churn",), puts=puts))
    (refused,) = plane.azureml.refused
    assert refused.startswith("batchEndpoints/scores/deployments/red: azureml:none:1 is not registered")
    assert (plane("GET", "/onlineEndpoints/churn")[0], plane.told) == (200, [])
    assert invoke(plane, asked())[0] == 201
    assert plane.ended("run-1")["status"] == "Completed", plane.page("run-1")
    assert json.loads(predictions(plane)[0]) == [0, 15, "a.csv"]


def test_a_job_is_cancelled_as_any_other(plane: Plane) -> None:
    code = put_code(plane, "import time\ndef init(): time.sleep(600)\n")
    serve(plane, codeConfiguration={"codeId": code, "scoringScript": "onlinescoring/score.py"})
    invoke(plane, asked())
    assert plane("POST", "/jobs/run-1/cancel")[0] == 200
    assert plane.ended("run-1")["status"] == "Canceled"


def test_a_header_chooses_the_deployment_and_the_endpoint_has_a_default(plane: Plane) -> None:
    serve(plane)
    header = "azureml-model-deployment"
    assert told(invoke(plane, asked(), **{header: "red"})) == (404, "NotFound")
    assert invoke(plane, asked(), **{header: "blue"})[0] == 201
    assert plane.ended("run-1")["properties"]["azureml.deployment"] == "blue"
    body = {"properties": {"defaults": {"deploymentName": "red"}}}
    assert told(plane("PUT", ENDPOINT, body)) == (400, "UserError")
    assert plane("PUT", ENDPOINT, {"properties": {}})[0] == 200
    assert told(invoke(plane, asked("run-2"))) == (400, "UserError")


def test_tags_are_patched_and_the_default_stays(plane: Plane) -> None:
    serve(plane)
    status, patched = plane("PATCH", ENDPOINT, {"tags": {"team": "growth"}})
    assert (status, patched["tags"], patched["properties"]["defaults"]) == (
        200,
        {"team": "growth"},
        {"deploymentName": "blue"},
    )
    assert told(plane("PATCH", ENDPOINT, {"properties": {}})) == (400, "UserError")


def test_endpoints_and_deployments_are_listed_and_deleted(plane: Plane) -> None:
    serve(plane)
    listed = [plane("GET", path)[1]["value"] for path in ("/batchEndpoints", f"{ENDPOINT}/deployments")]
    assert [[item["name"] for item in items] for items in listed] == [["scores"], ["blue"]]
    assert listed[1][0]["id"] == f"{WORKSPACE}{ENDPOINT}/deployments/blue"
    assert [plane("DELETE", ENDPOINT)[0] for _ in range(2)] == [200, 204]
    assert told(plane("GET", f"{ENDPOINT}/deployments/blue")) == (404, "NotFound")


REFUSED: list[dict[str, Any]] = [
    {},
    {"inputData": []},
    {"inputData": {"a": {"jobInputType": "Literal", "value": 1}}},
    {"inputData": {"a": {"jobInputType": "UriFolder"}}},
    {"inputData": {"a": {"jobInputType": "UriFolder", "uri": "ftp://x"}}},
    asked(outputData={"a": {}, "b": {}})["properties"],
    asked(outputData={"a b": {}})["properties"],
    asked("not a name")["properties"],
    asked(tags=[1])["properties"],
]
UNFIT: list[dict[str, Any]] = [
    {"model": None},
    {"miniBatchSize": 0},
    {"miniBatchSize": "2"},
    {"errorThreshold": 0.5},
    {"outputFileName": "../x"},
    {"outputFileName": ""},
]


def test_what_cannot_be_asked_is_refused(plane: Plane) -> None:
    serve(plane)
    answers = [told(invoke(plane, {"properties": properties})) for properties in REFUSED]
    assert answers == [(400, "UserError")] * len(REFUSED)
    assert plane("GET", "/jobs")[1]["value"] == []


def test_a_deployment_that_cannot_score_is_refused(plane: Plane) -> None:
    assert plane("PUT", ENDPOINT, {"properties": {}})[0] == 201
    usual = {"model": {"assetId": put_model(plane, 2)}}
    puts = [plane("PUT", f"{ENDPOINT}/deployments/blue", {"properties": {**usual, **unfit}}) for unfit in UNFIT]
    assert [told(answer) for answer in puts] == [(400, "UserError")] * len(UNFIT)
