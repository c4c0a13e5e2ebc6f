"""Online endpoints of the local Azure ML: deployments serve for real, and requests go where the split says."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from retrigger.local_emulator.runners.serving import RESTARTS
from retrigger.local_emulator.state import State
from tests.local_emulator.planes.azureml.azureml_plane import WORKSPACE, Plane
from tests.local_emulator.planes.azureml.served_models import (
    LOADER,
    SCRIPT,
    deploy,
    deployed,
    put_code,
    put_endpoint,
    put_model,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENDPOINT = "/onlineEndpoints/churn"
PLACE = f"{WORKSPACE}{ENDPOINT}".lower().lstrip("/")
ROWS = {"input_data": {"columns": ["a", "b"], "index": [0, 1], "data": [[1, 2], [3, 4]]}}
HTTP = urllib3.PoolManager(maxsize=4)


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    plane = Plane(State.at(tmp_path / "state"))
    yield plane
    plane.stop()


def serve(plane: Plane, **factors: int) -> None:
    """An endpoint with a deployment for each factor, all ready."""
    put_endpoint(plane)
    for name, factor in factors.items():
        assert deploy(plane, name, put_model(plane, factor, version=str(factor)))[0] == 201
    assert {deployed(plane, name) for name in factors} == {"Succeeded"}


def scripted(plane: Plane, script: str = SCRIPT, **properties: Any) -> tuple[int, Any]:
    """A deployment `blue` of a scoring script, with a model."""
    code = {"codeId": put_code(plane, script), "scoringScript": "onlinescoring/score.py"}
    return deploy(plane, "blue", put_model(plane, 7), codeConfiguration=code, **properties)


def key(plane: Plane) -> str:
    return str(plane("POST", f"{ENDPOINT}/listKeys")[1]["primaryKey"])


def score(plane: Plane, body: Any = ROWS, *, secret: str | None = None, **headers: str) -> Any:
    url = plane("GET", ENDPOINT)[1]["properties"]["scoringUri"]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {"Authorization": f"Bearer {key(plane) if secret is None else secret}", **named}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HTTP.request("POST", url, body=raw, headers=sent, retries=False, timeout=30)


def told(answer: tuple[int, Any]) -> tuple[int, str, str]:
    status, body = answer
    return status, body["error"]["code"], body["error"]["message"]


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def counted(plane: Plane, deployment: str) -> dict[int, int]:
    hour = timedelta(hours=1)
    return dict(plane.traffic.of(PLACE, deployment, plane.now - hour, plane.now + hour).statuses)


def test_a_model_of_mlflow_is_served_without_a_line_of_code(plane: Plane) -> None:
    assert put_endpoint(plane)[0] == 201
    status, made = deploy(plane, "blue", put_model(plane, 2))
    assert (status, made["properties"]["provisioningState"]) == (201, "Creating")
    assert deployed(plane, "blue") == "Succeeded"
    assert put_endpoint(plane, {"blue": 100})[0] == 200
    answer = score(plane)
    assert (answer.status, answer.json(), answer.headers["azureml-model-deployment"]) == (200, [6, 14], "blue")
    assert score(plane, {"input_data": [{"a": 1, "b": 5}]}).json() == [12]
    assert score(plane, {"input_data": [[1], [2]]}).json() == [2, 4]
    assert [item["name"] for item in plane("GET", f"{ENDPOINT}/deployments")[1]["value"]] == ["blue"]
    logs = plane("POST", f"{ENDPOINT}/deployments/blue/getLogs", {"tail": 1})[1]["content"]
    assert logs == '"POST /score HTTP/1.1" 200 -\n'


def test_requests_follow_the_split_exactly_but_those_that_name_a_deployment(plane: Plane) -> None:
    serve(plane, blue=2, green=3)
    put_endpoint(plane, {"blue": 90, "green": 10})
    secret = key(plane)
    answers = Counter(score(plane, secret=secret).headers["azureml-model-deployment"] for _ in range(100))
    assert answers == {"blue": 90, "green": 10}
    assert score(plane, azureml_model_deployment="green").json() == [9, 21]
    assert (counted(plane, "blue"), counted(plane, "green")) == ({200: 90}, {200: 11})


def test_mirrored_requests_are_answered_by_the_live_deployment_alone(plane: Plane) -> None:
    serve(plane, blue=2, green=3)
    put_endpoint(plane, {"blue": 100}, mirrorTraffic={"green": 50})
    assert {tuple(score(plane).json()) for _ in range(20)} == {(6, 14)}
    until(lambda: counted(plane, "green") == {200: 10})
    assert counted(plane, "blue") == {200: 20}


def test_without_traffic_nobody_answers(plane: Plane) -> None:
    serve(plane, blue=2)
    assert (score(plane).status, score(plane, azureml_model_deployment="red").status) == (404, 404)
    assert score(plane, azureml_model_deployment="blue").status == 200


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"traffic": {"blue": 90}}, "90 % in sum"),
    ({"traffic": {"blue": 100, "green": 10}}, "no such deployment"),
    ({"traffic": {"blue": "100"}}, "whole percentages"),
    ({"traffic": {"blue": True}}, "whole percentages"),
    ({"traffic": {"blue": 101}}, "whole percentages"),
    ({"traffic": [100]}, "whole percentages"),
    ({"mirrorTraffic": {"blue": 60}}, "50 % at the most"),
    ({"traffic": {"blue": 100}, "mirrorTraffic": {"blue": 10}}, "no live traffic"),
    ({"authMode": "Open"}, "`authMode` is one of"),
]


def test_a_split_that_cannot_be_is_refused(plane: Plane) -> None:
    serve(plane, blue=2)
    for properties, message in IMPOSSIBLE:
        status, code, text = told(put_endpoint(plane, **properties))
        assert (status, code, message in text) == (400, "UserError", True), (properties, text)
    assert plane("GET", ENDPOINT)[1]["properties"]["traffic"] == {}


def test_a_deployment_is_deleted_when_it_has_no_traffic_and_an_endpoint_with_all_of_it(
    plane: Plane, tmp_path: Path
) -> None:
    serve(plane, blue=2, green=3)
    put_endpoint(plane, {"blue": 100}, mirrorTraffic={"green": 10})
    for name in ("blue", "green"):
        assert told(plane("DELETE", f"{ENDPOINT}/deployments/{name}"))[:2] == (400, "UserError")
    put_endpoint(plane, {"blue": 100, "green": 0})
    assert plane("DELETE", f"{ENDPOINT}/deployments/green") == (200, None)
    assert plane("DELETE", f"{ENDPOINT}/deployments/green") == (204, None)
    assert told(plane("GET", f"{ENDPOINT}/deployments/green"))[:2] == (404, "NotFound")
    assert plane("DELETE", ENDPOINT) == (200, None)
    assert plane("DELETE", ENDPOINT) == (204, None)
    assert plane("GET", "/onlineEndpoints") == (200, {"value": []})
    assert list((tmp_path / "state" / "deployments").iterdir()) == []
    assert list((tmp_path / "state" / "servers").iterdir()) == []


def test_one_made_anew_under_an_old_name_serves_its_own_model(plane: Plane) -> None:
    serve(plane, blue=2)
    plane("DELETE", ENDPOINT)
    serve(plane, blue=5)
    assert score(plane, azureml_model_deployment="blue").json() == [15, 35]


def test_a_change_waits_for_the_one_that_is_under_way(plane: Plane, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    slow = f"import os, time\ndef init():\n    while not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    put_endpoint(plane)
    assert scripted(plane, f"{slow}def run(raw): return raw\n")[0] == 201
    assert told(deploy(plane, "blue", put_model(plane, 3)))[:2] == (409, "Conflict")
    assert told(plane("DELETE", f"{ENDPOINT}/deployments/blue"))[:2] == (409, "Conflict")
    assert score(plane, azureml_model_deployment="blue").status == 503
    gate.touch()
    assert deployed(plane, "blue") == "Succeeded"
    assert score(plane, "hi", azureml_model_deployment="blue").json() == '"hi"'


def test_a_changed_deployment_goes_on_answering_until_the_new_one_is_ready(plane: Plane) -> None:
    serve(plane, blue=2)
    put_endpoint(plane, {"blue": 100})
    assert deploy(plane, "blue", put_model(plane, 2, version="2"))[1]["properties"]["provisioningState"] == "Succeeded"
    status, changed = deploy(plane, "blue", put_model(plane, 3, version="3"))
    assert (status, changed["properties"]["provisioningState"]) == (200, "Updating")
    assert score(plane).json() in ([6, 14], [9, 21])
    assert deployed(plane, "blue") == "Succeeded"
    assert score(plane).json() == [9, 21]


def test_one_that_cannot_be_served_has_failed_and_its_logs_say_why(plane: Plane) -> None:
    serve(plane, blue=2)
    put_endpoint(plane, {"blue": 100})
    broken = put_model(plane, 4, version="4")
    plane.put_blob("landing", "churn/4/model/code/scale.py", b"raise RuntimeError('no such weights')\n")
    url = f"{plane.server.url}{WORKSPACE}{ENDPOINT}/deployments/blue"
    body = {"properties": {"model": broken}}
    answer = HTTP.request("PUT", url, json=body)
    assert deployed(plane, "blue") == "Failed"
    operation = HTTP.request("GET", answer.headers["azure-asyncoperation"]).json()
    assert operation["status"] == "Failed"
    assert operation["error"]["message"] == "the server ended with status 1: RuntimeError: no such weights"
    logs = plane("POST", f"{ENDPOINT}/deployments/blue/getLogs", {})[1]["content"]
    assert logs.endswith("RuntimeError: no such weights\n")
    assert score(plane).json() == [6, 14]
    plane.put_blob("landing", "churn/4/model/code/scale.py", LOADER)
    assert deploy(plane, "blue", broken)[1]["properties"]["provisioningState"] == "Updating"
    assert deployed(plane, "blue") == "Succeeded"
    assert score(plane).json() == [12, 28]


def test_a_scoring_script_has_its_model_its_modules_and_its_variables(plane: Plane) -> None:
    put_endpoint(plane)
    scripted(plane, environmentVariables={"MODE": "fast"})
    assert deployed(plane, "blue") == "Succeeded"
    answer = score(plane, [1], azureml_model_deployment="blue")
    assert answer.json() == {"said": "hello", "factor": 7, "got": [1], "mode": "fast"}


def test_a_model_that_fails_is_a_424_that_tells_nothing_of_its_inside(plane: Plane) -> None:
    put_endpoint(plane)
    scripted(plane)
    assert deployed(plane, "blue") == "Succeeded"
    answer = score(plane, "fail", azureml_model_deployment="blue")
    assert (answer.status, answer.headers["ms-azureml-model-error-statuscode"]) == (424, "500")
    assert answer.data == b'"the model failed: ValueError"'
    assert "a secret of the model" in plane("POST", f"{ENDPOINT}/deployments/blue/getLogs", {})[1]["content"]


def test_a_model_that_takes_too_long_is_a_408_and_one_that_dies_comes_back(plane: Plane) -> None:
    put_endpoint(plane)
    scripted(plane, requestSettings={"requestTimeout": "PT0.3S"})
    assert deployed(plane, "blue") == "Succeeded"
    assert score(plane, "die", azureml_model_deployment="blue").status == 502
    until(lambda: score(plane, [1], azureml_model_deployment="blue").status == 200)
    assert score(plane, "sleep", azureml_model_deployment="blue").status == 408


def test_after_a_change_that_failed_the_old_one_comes_back_as_it_was_when_it_dies(plane: Plane) -> None:
    put_endpoint(plane)
    scripted(plane, environmentVariables={"MODE": "old"})
    assert deployed(plane, "blue") == "Succeeded"
    scripted(plane, "raise SystemExit(3)\n", environmentVariables={"MODE": "new"})
    assert deployed(plane, "blue") == "Failed"
    assert score(plane, "die", azureml_model_deployment="blue").status == 502
    until(lambda: score(plane, [1], azureml_model_deployment="blue").status == 200)
    assert score(plane, [1], azureml_model_deployment="blue").json()["mode"] == "old"


def test_one_that_has_died_for_good_is_made_anew_when_it_is_put_again(plane: Plane) -> None:
    put_endpoint(plane)
    scripted(plane)
    assert deployed(plane, "blue") == "Succeeded"
    for _ in range(1 + RESTARTS):
        until(lambda: score(plane, [1], azureml_model_deployment="blue").status == 200)
        assert score(plane, "die", azureml_model_deployment="blue").status == 502
    until(lambda: score(plane, [1], azureml_model_deployment="blue").status == 503)
    until(lambda: scripted(plane)[1]["properties"]["provisioningState"] == "Updating")
    assert deployed(plane, "blue") == "Succeeded"
    assert score(plane, [1], azureml_model_deployment="blue").status == 200


def test_a_burst_on_a_slow_model_is_cut_and_holds_up_nobody_else(plane: Plane) -> None:
    put_endpoint(plane)
    scripted(plane, requestSettings={"requestTimeout": "PT1S"})
    assert deployed(plane, "blue") == "Succeeded"
    uri, secret = plane("GET", ENDPOINT)[1]["properties"]["scoringUri"], key(plane)
    headers = {"Authorization": f"Bearer {secret}", "azureml-model-deployment": "blue"}
    pool = urllib3.PoolManager(maxsize=200)

    def ask(_: int) -> int:
        return int(pool.request("POST", uri, body=b'"sleep"', headers=headers, retries=False, timeout=60).status)

    with ThreadPoolExecutor(200) as callers:
        asked = callers.map(ask, range(200))
        began = time.monotonic()
        assert plane("GET", ENDPOINT)[0] == 200
        looked = time.monotonic() - began
        statuses = Counter(asked)
    assert looked < 5
    assert statuses.keys() == {408, 429}
    assert statuses[408] >= 128


def test_so_many_deployments_are_served_and_no_more(plane: Plane) -> None:
    put_endpoint(plane)
    model = put_model(plane, 2)
    for number in range(32):
        plane.resources.create(f"{PLACE.replace('churn', 'other')}/deployments/d{number}", {})
    assert told(deploy(plane, "blue", model))[:2] == (400, "UserError")


def test_only_who_has_a_key_is_let_in(plane: Plane) -> None:
    serve(plane, blue=2)
    put_endpoint(plane, {"blue": 100})
    first = plane("POST", f"{ENDPOINT}/listKeys")[1]
    assert [score(plane, secret=secret).status for secret in (*first.values(), "", "wrong", "é")] == [200, 200] + [
        401
    ] * 3
    assert plane("POST", f"{ENDPOINT}/regenerateKeys", {"keyType": "Primary"})[0] == 200
    second = plane("POST", f"{ENDPOINT}/listKeys")[1]
    assert second["secondaryKey"] == first["secondaryKey"]
    assert [score(plane, secret=keys["primaryKey"]).status for keys in (first, second)] == [401, 200]
    assert told(plane("POST", f"{ENDPOINT}/token"))[:2] == (400, "UserError")


def test_a_token_of_the_endpoint_lets_in_for_an_hour(plane: Plane) -> None:
    serve(plane, blue=2)
    put_endpoint(plane, {"blue": 100}, authMode="AMLToken")
    token = plane("POST", f"{ENDPOINT}/token")[1]["accessToken"]
    forged = f"{int(token.partition('.')[0]) + 9}.{token.partition('.')[2]}"
    assert [score(plane, secret=secret).status for secret in (token, forged, "x")] == [200, 401, 401]
    plane.now += timedelta(hours=1)
    assert score(plane, secret=token).status == 401


def test_with_tokens_of_entra_any_token_is_let_in_and_none_is_not(plane: Plane) -> None:
    serve(plane, blue=2)
    put_endpoint(plane, {"blue": 100}, authMode="aadToken")
    assert [score(plane, secret=secret).status for secret in ("a.b.c", "")] == [200, 401]


def test_after_a_restart_what_was_served_is_served_again_though_its_model_is_gone(plane: Plane, tmp_path: Path) -> None:
    serve(plane, blue=2)
    put_endpoint(plane, {"blue": 100})
    secret = key(plane)
    for name in ("MLmodel", "code/scale.py", "data/factor"):
        plane.blobs.delete("acmeprod/landing", f"churn/2/model/{name}")
    plane.stop()
    again = Plane(State.at(tmp_path / "state"))
    try:
        until(lambda: score(again, secret=secret).status == 200)
        assert score(again).json() == [6, 14]
    finally:
        again.stop()


def test_tags_are_patched_and_nothing_else(plane: Plane) -> None:
    put_endpoint(plane)
    status, patched = plane("PATCH", ENDPOINT, {"tags": {"team": "growth"}})
    assert (status, patched["tags"]) == (200, {"team": "growth"})
    for body in ({}, {"tags": 1}, {"properties": {"traffic": {}}}):
        assert told(plane("PATCH", ENDPOINT, body))[0] == 400


IMPROPER: list[tuple[str, str, Any]] = [
    ("PUT", "/onlineEndpoints/under_line", {"properties": {"authMode": "Key"}}),
    ("PUT", "/onlineEndpoints/a", {"properties": {"authMode": "Key"}}),
    ("PUT", "/onlineEndpoints/other", {}),
    ("PUT", "/onlineEndpoints/other", {"properties": {"authMode": "Key"}, "tags": [1]}),
    ("PUT", f"{ENDPOINT}/deployments/x", {"properties": {"model": None}}),
    ("PUT", f"{ENDPOINT}/deployments/blue", {"properties": {"model": None}}),
    ("PUT", f"{ENDPOINT}/deployments/blue", {"properties": {"model": "azureml:nobody:1"}}),
    ("PUT", f"{ENDPOINT}/deployments/blue", {"properties": {"model": {"path": "x"}}}),
    ("PUT", f"{ENDPOINT}/deployments/blue", {"properties": {"model": ["x"]}}),
    ("PUT", f"{ENDPOINT}/deployments/blue", {"properties": {"codeConfiguration": "score.py"}}),
    ("PUT", f"{ENDPOINT}/deployments/blue", {"properties": {"codeConfiguration": {"codeId": "x"}}}),
    ("PUT", f"{ENDPOINT}/deployments/blue", {"properties": {"environmentVariables": [1]}}),
    ("POST", f"{ENDPOINT}/deployments/blue/getLogs", {}),
    ("POST", f"{ENDPOINT}/regenerateKeys", {"keyType": "third"}),
    ("POST", f"{ENDPOINT}/regenerateKeys", {"keyType": "Primary", "keyValue": "\ud800"}),
    ("POST", f"{ENDPOINT}/regenerateKeys", {"keyType": "Primary", "keyValue": "a\r\nb"}),
    ("POST", f"{ENDPOINT}/other", {}),
    ("GET", "/endpointOperations", None),
]


def test_what_cannot_be_done_is_told_so(plane: Plane) -> None:
    put_endpoint(plane)
    for method, path, body in IMPROPER:
        status, code, _ = told(plane(method, path, body))
        assert (status, code) in {(400, "UserError"), (404, "NotFound")}, (method, path, body)


def test_a_request_may_take_three_minutes_at_the_most(plane: Plane) -> None:
    put_endpoint(plane)
    model = put_model(plane, 2)
    for timeout in ("5", "PT0S", "PT4M", "PT", 7, "P1D"):
        answer = deploy(plane, "blue", model, requestSettings={"requestTimeout": timeout})
        assert told(answer)[:2] == (400, "UserError")


def test_a_deployment_needs_its_endpoint_and_an_operation_its_deployment(plane: Plane) -> None:
    model = put_model(plane, 2)
    assert told(deploy(plane, "blue", model))[:2] == (404, "NotFound")
    status, operation = plane("GET", "/endpointOperations/churn:blue:1")
    assert (status, operation["status"]) == (200, "Canceled")


def test_what_is_asked_of_nobody_or_is_too_much_is_refused(plane: Plane) -> None:
    serve(plane, blue=2)
    assert score(plane, b"x" * (17 << 20), azureml_model_deployment="blue").status == 413
    for body in (b"", b"{", b"\xff", b"[]", b'{"input_data": 1}', b"9" * 5000):
        assert score(plane, body, azureml_model_deployment="blue").status == 424
    assert score(plane, ROWS, azureml_model_deployment="blue").status == 200
    for path in ("nothing", f"{WORKSPACE.removeprefix('/subscriptions/')}/onlineEndpoints/nobody/score"):
        assert HTTP.request("POST", f"{plane.server.url}/retrigger/azureml/online/subscriptions/{path}").status == 404
