"""Batch predictions of the local Vertex AI: predicted by the model's own server, or failed with what to register."""

from __future__ import annotations

import json
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.local_emulator.state import State
from tests.local_emulator.planes.vertex.test_plane import PARENT, Plane
from tests.local_emulator.runners.fake_store import Store
from tests.processes import is_gone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVER = """
import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200 if self.path == os.environ["AIP_HEALTH_ROUTE"] else 404, {})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "refuse" in json.dumps(asked):
            return self.answer(400, {"error": "a row is too long"})
        more = asked.get("parameters", {}).get("add", 0)
        self.answer(200, {"predictions": [[len(asked["instances"]), it, more] for it in asked["instances"]]})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

HTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()
"""
JOBS = f"{PARENT}/batchPredictionJobs"
CSV = b'age,name\n40,"ann"\n7,"bob"\n'
SERVED = {"command": [sys.executable, "-c", SERVER], "healthRoute": "/v1/health", "predictRoute": "/v1/predict"}


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    store.server.start()
    yield store
    store.server.stop()


@pytest.fixture
def plane(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plane]:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", store.server.url)
    plane = Plane(State.at(tmp_path / "state"))
    yield plane
    plane.stop()


def register(plane: Plane, container: Any, **more: Any) -> None:
    model = {"displayName": "churn", "artifactUri": "gs://bucket/model", "containerSpec": container, **more}
    status, _ = plane("POST", f"{PARENT}/models:upload", {"model": model, "modelId": "churn"})
    assert status == 200


def a_job(*uris: str, form: str = "jsonl", **more: Any) -> dict[str, Any]:
    return {
        "displayName": "score",
        "model": f"{PARENT}/models/churn",
        "inputConfig": {"instancesFormat": form, "gcsSource": {"uris": list(uris)}},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://bucket/out/"}},
        "labels": {"retrigger-job": "score-1"},
        **more,
    }


def created(plane: Plane, job: dict[str, Any], **query: str) -> dict[str, Any]:
    status, made = plane("POST", JOBS, job, **query)
    assert status == 200, made
    return dict(made)


def ended(plane: Plane, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        _, found = plane("GET", name)
        if found["state"] in ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"):
            return dict(found)
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def test_every_instance_is_predicted_by_the_model_s_own_server(plane: Plane, store: Store) -> None:
    register(plane, SERVED)
    store.objects = {"in/1.jsonl": b"[1]\n[2]\n\n", "in/2.jsonl": b"[3]", "in/sub/4.jsonl": b"[4]"}
    tuned = {"manualBatchTuningParameters": {"batchSize": 2}, "modelParameters": {"add": 9}}
    made = created(plane, a_job("gs://bucket/in/*", **tuned))
    done = ended(plane, made["name"])
    folder = "out/prediction-churn-2026-01-02T00:00:00.000000Z"
    assert (done["state"], done["completionStats"], done["outputInfo"]) == (
        "JOB_STATE_SUCCEEDED",
        {"successfulCount": "3"},
        {"gcsOutputDirectory": f"gs://bucket/{folder}"},
    )
    lines = store.objects[f"{folder}/prediction.results-00000-of-00001"].decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"instance": [1], "prediction": [2, [1], 9]},
        {"instance": [2], "prediction": [2, [2], 9]},
        {"instance": [3], "prediction": [1, [3], 9]},
    ]


def test_rows_of_a_table_are_lists_below_its_header(plane: Plane, store: Store) -> None:
    register(plane, SERVED)
    store.objects = {"in.csv": CSV}
    done = ended(plane, created(plane, a_job("gs://bucket/in.csv", form="csv"))["name"])
    result = store.objects[f"{done['outputInfo']['gcsOutputDirectory']}/prediction.results-00000-of-00001"[12:]]
    assert [json.loads(line)["instance"] for line in result.splitlines()] == [[40.0, "ann"], [7.0, "bob"]]


def test_it_takes_no_id_of_the_caller_s_and_is_found_by_its_label(plane: Plane, store: Store) -> None:
    register(plane, SERVED)
    store.objects = {"in.jsonl": b"[1]"}
    job = a_job("gs://bucket/in.jsonl")
    first, second = (created(plane, job, batchPredictionJobId="mine")["name"] for _ in range(2))
    created(plane, {**job, "labels": {"retrigger-job": "score-2"}})
    _, found = plane("GET", JOBS, filter='labels.retrigger-job="score-1"')
    assert {it["name"] for it in found["batchPredictionJobs"]} == {first, second}
    assert [it["labels"] for it in found["batchPredictionJobs"]] == [{"retrigger-job": "score-1"}] * 2
    for name in (first, second):
        ended(plane, name)


@pytest.mark.parametrize(
    ("container", "objects", "told"),
    [
        (
            {"imageUri": "sklearn"},
            {"in.jsonl": b"[1]"},
            "cannot predict here: there is no command to run for its image 'sklearn'",
        ),
        ({"command": ["no-such"]}, {"in.jsonl": b"[1]"}, "there is no command 'no-such' on this machine"),
        (SERVED, {}, "the input gs://bucket/in.jsonl is not there"),
        (SERVED, {"in.jsonl": b"[1]\n{"}, "in.jsonl is no jsonl"),
        (SERVED, {"in.jsonl": b'["refuse"]'}, 'answered 400: b\'{"error": "a row is too long"}\''),
        ({"command": [sys.executable, "-c", "exit(3)"]}, {"in.jsonl": b"[1]"}, "the server ended with status 3"),
    ],
)
def test_what_cannot_be_predicted_fails_and_says_why(
    plane: Plane, store: Store, container: Any, objects: dict[str, bytes], told: str
) -> None:
    register(plane, container)
    store.objects = objects
    done = ended(plane, created(plane, a_job("gs://bucket/in.jsonl"))["name"])
    assert (done["state"], told in done["error"]["message"]) == ("JOB_STATE_FAILED", True), done["error"]
    assert not any(name.startswith("out/") for name in store.objects)


def test_one_that_runs_is_cancelled_with_its_server_and_then_deleted(
    plane: Plane, store: Store, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    script = f"import os, time; open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    register(plane, {"command": [sys.executable, "-c", script]})
    store.objects = {"in.jsonl": b"[1]"}
    name = created(plane, a_job("gs://bucket/in.jsonl"))["name"]
    deadline = time.monotonic() + 30
    while not started.exists() or not started.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert plane("DELETE", name)[1]["error"]["status"] == "FAILED_PRECONDITION"
    assert plane("POST", f"{name}:cancel", {}) == (200, {})
    assert ended(plane, name)["state"] == "JOB_STATE_CANCELLED"
    assert is_gone(int(started.read_text()))
    assert (plane("DELETE", name)[0], plane("GET", name)[0]) == (200, 404)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"model": f"{PARENT}/models/other"}, (404, "NOT_FOUND")),
        ({"model": "churn"}, (400, "INVALID_ARGUMENT")),
        ({"displayName": ""}, (400, "INVALID_ARGUMENT")),
        (
            {"inputConfig": {"instancesFormat": "bigquery", "bigquerySource": {"inputUri": "bq://a.b.c"}}},
            (400, "INVALID_ARGUMENT"),
        ),
        ({"inputConfig": {"instancesFormat": "csv", "gcsSource": {"uris": [7]}}}, (400, "INVALID_ARGUMENT")),
        ({"inputConfig": [1]}, (400, "INVALID_ARGUMENT")),
        (
            {"outputConfig": {"predictionsFormat": "csv", "gcsDestination": {"outputUriPrefix": "gs://b"}}},
            (400, "INVALID_ARGUMENT"),
        ),
        ({"manualBatchTuningParameters": {"batchSize": "many"}}, (400, "INVALID_ARGUMENT")),
    ],
)
def test_what_is_not_accepted_is_told_at_once(plane: Plane, change: dict[str, Any], status: tuple[int, str]) -> None:
    register(plane, SERVED)
    code, body = plane("POST", JOBS, {**a_job("gs://bucket/in.jsonl"), **change})
    assert (code, body["error"]["status"]) == status


def test_what_was_accepted_and_never_reached_the_runner_runs_after_a_start(tmp_path: Path) -> None:
    state = State.at(tmp_path / "state")
    first = Plane(state)
    register(first, {"imageUri": "sklearn"})
    name = created(first, a_job("gs://bucket/in.jsonl"))["name"]
    ended(first, name)
    first.stop()
    for folder in state.jobs.iterdir():
        shutil.rmtree(folder)
    again = Plane(state)
    try:
        assert ended(again, name)["state"] == "JOB_STATE_FAILED"
    finally:
        again.stop()
