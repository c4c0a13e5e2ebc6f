"""The local Vertex AI over plain HTTP."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from retrigger.local_emulator.http import Server
from retrigger.local_emulator.planes.resources import Resources
from retrigger.local_emulator.planes.vertex.plane import Vertex
from retrigger.local_emulator.runners.process import JobProcesses
from retrigger.local_emulator.runners.routing import Traffic
from retrigger.local_emulator.runners.serving import Servers
from retrigger.local_emulator.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARENT = "projects/p/locations/europe-west4"


def pipeline(script: str) -> dict[str, Any]:
    """A pipeline with one required parameter and one container task."""
    return {
        "pipelineInfo": {"name": "one"},
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.17.0",
        "root": {
            "dag": {
                "tasks": {
                    "only": {
                        "componentRef": {"name": "comp-only"},
                        "inputs": {"parameters": {"rows": {"componentInputParameter": "rows"}}},
                        "taskInfo": {"name": "only"},
                    }
                },
                "outputs": {
                    "parameters": {
                        "said": {"valueFromParameter": {"producerSubtask": "only", "outputParameterKey": "said"}}
                    }
                },
            },
            "inputDefinitions": {"parameters": {"rows": {"parameterType": "NUMBER_INTEGER"}}},
        },
        "components": {
            "comp-only": {
                "executorLabel": "exec-only",
                "inputDefinitions": {"parameters": {"rows": {"parameterType": "NUMBER_INTEGER"}}},
                "outputDefinitions": {
                    "parameters": {"said": {"parameterType": "STRING"}},
                    "artifacts": {
                        "data": {"artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}}
                    },
                },
            }
        },
        "deploymentSpec": {
            "executors": {
                "exec-only": {
                    "container": {
                        "image": "alpine",
                        "command": ["sh", "-c", script],
                        "args": [
                            "{{$.inputs.parameters['rows']}}",
                            "{{$.outputs.parameters['said'].output_file}}",
                            "{{$.outputs.artifacts['data'].path}}",
                        ],
                    }
                }
            }
        },
    }


def job(script: str = 'printf "$0 rows" > "$1"; printf x > "$2"', **config: Any) -> dict[str, Any]:
    return {
        "displayName": "One",
        "pipelineSpec": pipeline(script),
        "labels": {"run": "r1"},
        "runtimeConfig": {"gcsOutputDirectory": "gs://bucket/root", "parameterValues": {"rows": 3}, **config},
        "serviceAccount": "sa@p",
    }


class Plane:
    """A running plane whose clock stands still, and a client of it."""

    def __init__(self, state: State) -> None:
        self.now = datetime(2026, 1, 2, tzinfo=UTC)
        self.resources = Resources(state.root / "resources.sqlite3")
        self.processes = JobProcesses(state.jobs, env=os.environ, now=lambda: self.now)
        self.servers = Servers(state.servers)
        self.traffic = Traffic()
        self.vertex = Vertex(
            self.resources,
            self.processes,
            lambda: self.now,
            servers=self.servers,
            traffic=self.traffic,
            cache=state.root / "cache",
            clock=state.clock,
        )
        self.vertex.recover()
        self.server = Server(self.vertex.routes())
        self.server.start()
        self._http = urllib3.PoolManager(maxsize=8)

    def stop(self) -> None:
        self.server.stop()
        self.processes.close()
        self.servers.close()
        self.resources.close()

    def __call__(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        url = f"{self.server.url}/v1/{path}"
        if query:
            url += "?" + "&".join(f"{key}={value}" for key, value in query.items()).replace(" ", "%20")
        answer = self._http.request(method, url, body=raw)
        return answer.status, answer.json()

    def create(self, job_id: str, body: Any) -> tuple[int, Any]:
        return self("POST", f"{PARENT}/pipelineJobs", body, pipelineJobId=job_id)

    def ended(self, job_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 20
        while True:
            _, found = self("GET", f"{PARENT}/pipelineJobs/{job_id}")
            if found["state"] in ("PIPELINE_STATE_SUCCEEDED", "PIPELINE_STATE_FAILED", "PIPELINE_STATE_CANCELLED"):
                return dict(found)
            assert time.monotonic() < deadline, found
            time.sleep(0.02)


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    plane = Plane(State.at(tmp_path / "state"))
    yield plane
    plane.stop()


def error(status: int, name: str, message: str) -> tuple[int, Any]:
    return status, {"error": {"code": status, "message": message, "status": name}}


def test_a_job_is_shown_as_vertex_shows_it(plane: Plane) -> None:
    status, created = plane.create("run-1", job())
    name = f"{PARENT}/pipelineJobs/run-1"
    assert (status, created["name"], created["state"]) == (200, name, "PIPELINE_STATE_PENDING")
    ended = plane.ended("run-1")
    times = {key: ended.pop(key) for key in ("startTime", "endTime", "updateTime")}
    assert times["startTime"] <= times["endTime"] == times["updateTime"]
    root, only = ended.pop("jobDetail")["taskDetails"]
    assert ended == {
        **job(),
        "name": name,
        "createTime": "2026-01-02T00:00:00.000000Z",
        "state": "PIPELINE_STATE_SUCCEEDED",
    }
    assert (root["taskId"], root["taskName"], root["state"]) == ("1", "run-1", "SUCCEEDED")
    assert root["execution"]["metadata"] == {"output:said": "3 rows"}
    [made] = only["outputs"].pop("data")["artifacts"]
    assert made.pop("name").startswith(f"{PARENT}/metadataStores/default/artifacts/")
    assert made == {
        "displayName": "data",
        "uri": "gs://bucket/root/run-1/001-only/data",
        "schemaTitle": "system.Dataset",
        "schemaVersion": "0.0.1",
        "metadata": {},
    }
    for key in ("createTime", "startTime", "endTime"):
        assert only.pop(key) <= times["endTime"]
    assert only == {
        "taskId": "2",
        "parentTaskId": "1",
        "taskName": "only",
        "state": "SUCCEEDED",
        "inputs": {},
        "outputs": {},
        "execution": {
            "name": f"{PARENT}/metadataStores/default/executions/2",
            "displayName": "only",
            "state": "COMPLETE",
            "schemaTitle": "system.ContainerExecution",
            "metadata": {"input:rows": 3, "output:said": "3 rows"},
        },
    }


def test_a_second_create_of_an_id_is_told_that_it_exists(plane: Plane, tmp_path: Path) -> None:
    script = f'echo >> {tmp_path}/runs; printf "" > "$1"'
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: plane.create("run-1", job(script)), range(8)))
    assert sorted(status for status, _ in answers) == [200, *[409] * 7]
    assert plane.create("run-1", job(script)) == error(
        409, "ALREADY_EXISTS", f"{PARENT}/pipelineJobs/run-1 already exists."
    )
    plane.ended("run-1")
    assert (tmp_path / "runs").read_text() == "\n"


def test_an_id_is_made_where_none_is_given(plane: Plane) -> None:
    (_, first), (_, second) = (plane("POST", f"{PARENT}/pipelineJobs", job()) for _ in range(2))
    assert first["name"] != second["name"]
    assert first["name"].startswith(f"{PARENT}/pipelineJobs/one-")


def test_what_vertex_would_refuse_is_refused_and_leaves_no_job(plane: Plane) -> None:
    refused = {
        "Bad_Id": job(),
        "a" * 128: job(),
        "no-root": job(gcsOutputDirectory=""),
        "no-parameter": job(parameterValues={}),
        "unknown": job(parameterValues={"rows": 3, "extra": 1}),
        "wrong-type": job(parameterValues={"rows": "3"}),
        "not-an-object": job(parameterValues=[]),
        "artifacts": job(inputArtifacts={"data": {"artifactId": "1"}}),
        "no-spec": {"runtimeConfig": {"gcsOutputDirectory": "gs://b"}},
        "odd-spec": {**job(), "pipelineSpec": {"root": 3}},
        "odd-config": {**job(), "runtimeConfig": 3},
    }
    answers = {job_id: plane.create(job_id, body) for job_id, body in refused.items()}
    assert {job_id: (status, body["error"]["status"]) for job_id, (status, body) in answers.items()} == dict.fromkeys(
        refused, (400, "INVALID_ARGUMENT")
    )
    assert answers["wrong-type"] == error(
        400, "INVALID_ARGUMENT", "parameter 'rows' must be NUMBER_INTEGER, not \"3\"."
    )
    assert plane("GET", f"{PARENT}/pipelineJobs") == (200, {"pipelineJobs": [], "nextPageToken": ""})


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000, b'"' + b"x" * (17 << 20)])
def test_what_is_no_json_object_is_refused(plane: Plane, body: bytes) -> None:
    status, answer = plane.create("run-1", body)
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_the_parameters_of_schema_2_0_are_unwrapped(plane: Plane) -> None:
    old = {"parameters": {"rows": {"intValue": "12"}}, "parameterValues": {}}
    plane.create("run-1", job(**old))
    [root, _] = plane.ended("run-1")["jobDetail"]["taskDetails"]
    assert root["execution"]["metadata"] == {"output:said": "12 rows"}


def test_a_failure_carries_the_tasks_last_words(plane: Plane) -> None:
    plane.create("run-1", job("echo first; echo the last words >&2; exit 3"))
    ended = plane.ended("run-1")
    assert (ended["state"], ended["error"]) == (
        "PIPELINE_STATE_FAILED",
        {"code": 9, "message": "only: exit status 3: the last words"},
    )
    assert ended["jobDetail"]["taskDetails"][1]["error"] == {"code": 9, "message": "exit status 3: the last words"}


def test_a_job_is_cancelled_and_only_then_deleted(plane: Plane) -> None:
    plane.create("run-1", job("exec sleep 600"))
    status, answer = plane("DELETE", f"{PARENT}/pipelineJobs/run-1")
    assert (status, answer["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert plane("POST", f"{PARENT}/pipelineJobs/run-1:cancel", {}) == (200, {})
    ended = plane.ended("run-1")
    assert (ended["state"], ended["error"]["code"]) == ("PIPELINE_STATE_CANCELLED", 1)
    assert plane("POST", f"{PARENT}/pipelineJobs/run-1:cancel", {}) == (200, {})
    status, operation = plane("DELETE", f"{PARENT}/pipelineJobs/run-1")
    assert (status, operation["done"]) == (200, True)
    assert plane("GET", operation["name"]) == (200, operation)
    missing = error(404, "NOT_FOUND", f"{PARENT}/pipelineJobs/run-1 is not found.")
    assert plane("GET", f"{PARENT}/pipelineJobs/run-1") == missing
    assert plane("POST", f"{PARENT}/pipelineJobs/run-1:cancel", {}) == missing


def test_jobs_are_listed_newest_first_filtered_masked_and_in_pages(plane: Plane) -> None:
    for number in range(5):
        plane.now += timedelta(seconds=1)
        plane.create(f"run-{number}", {**job(), "labels": {"odd": str(number % 2), "n": f"v{number}"}})

    def listed(**query: str) -> list[str]:
        names: list[str] = []
        while True:
            _, found = plane("GET", f"{PARENT}/pipelineJobs", readMask="name,create_time", **query)
            assert all(set(item) == {"name", "createTime"} for item in found["pipelineJobs"])
            names += [item["name"].rsplit("-", 1)[1] for item in found["pipelineJobs"]]
            if not found["nextPageToken"]:
                return names
            query["pageToken"] = found["nextPageToken"]

    assert listed(pageSize="2") == ["4", "3", "2", "1", "0"]
    assert listed(pageSize="2", orderBy="create_time") == ["0", "1", "2", "3", "4"]
    assert listed(filter='labels.odd="0" AND labels.n!="v2"') == ["4", "0"]
    assert listed(filter='display_name="One" AND labels.n:v3') == ["3"]
    assert listed(filter="labels.none:*") == []
    for bad in ({"filter": "labels.odd="}, {"pageToken": "!"}, {"pageSize": "-1"}, {"orderBy": "name sideways"}):
        assert plane("GET", f"{PARENT}/pipelineJobs", **bad)[0] == 400


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    state = State.at(tmp_path / "state")
    plane = Plane(state)
    plane.create("run-1", job())
    ended = plane.ended("run-1")
    plane.stop()
    again = Plane(state)
    assert again("GET", f"{PARENT}/pipelineJobs/run-1") == (200, ended)
    assert again.create("run-1", job())[0] == 409
    again.stop()


def test_a_job_accepted_just_before_a_crash_is_run_after_it(tmp_path: Path) -> None:
    state = State.at(tmp_path / "state")
    accepted = Resources(state.root / "resources.sqlite3")
    name = f"{PARENT}/pipelineJobs/run-1"
    accepted.create(name, {**job(), "name": name, "createTime": "2026-01-02T00:00:00.000000Z"})
    accepted.close()
    plane = Plane(state)
    assert plane.ended("run-1")["state"] == "PIPELINE_STATE_SUCCEEDED"
    plane.stop()


def test_models_have_versions_aliases_and_evaluations(plane: Plane) -> None:
    model = {"displayName": "churn", "artifactUri": "gs://bucket/model", "labels": {"run": "r1"}}

    def upload(**body: Any) -> str:
        status, operation = plane("POST", f"{PARENT}/models:upload", {"model": model, **body})
        assert (status, operation["done"]) == (200, True)
        assert plane("GET", operation["name"]) == (200, operation)
        return str(operation["response"]["model"])

    first = upload(modelId="churn")
    second = upload(modelId="churn", model={**model, "versionAliases": ["champion"]})
    third = upload(parentModel=f"{PARENT}/models/churn", model={**model, "versionAliases": ["default", "champion"]})
    assert [first, second, third] == [f"{PARENT}/models/churn@{version}" for version in (1, 2, 3)]

    def found(wanted: str) -> tuple[str, list[str]]:
        _, body = plane("GET", f"{PARENT}/models/{wanted}")
        assert (body["name"], body["labels"]) == (f"{PARENT}/models/churn", {"run": "r1"})
        return body["versionId"], body["versionAliases"]

    assert [found(wanted) for wanted in ("churn", "churn%401", "churn@2", "churn@champion")] == [
        ("3", ["champion", "default"]),
        ("1", []),
        ("2", []),
        ("3", ["champion", "default"]),
    ]
    assert [item["versionId"] for item in plane("GET", f"{PARENT}/models")[1]["models"]] == ["3"]
    _, versions = plane("GET", f"{PARENT}/models/churn:listVersions")
    assert sorted(item["versionId"] for item in versions["models"]) == ["1", "2", "3"]

    metrics = {"displayName": "test", "metricsSchemaUri": "gs://s", "metrics": {"auc": 0.91}}
    status, imported = plane("POST", f"{PARENT}/models/churn@2/evaluations:import", {"modelEvaluation": metrics})
    assert (status, imported["metrics"]) == (200, {"auc": 0.91})
    assert plane("GET", imported["name"]) == (200, imported)
    assert [
        plane("GET", f"{PARENT}/models/{wanted}/evaluations")[1]["modelEvaluations"] for wanted in ("churn@2", "churn")
    ] == [[imported], []]
    assert plane("GET", f"{PARENT}/models/none") == error(404, "NOT_FOUND", f"{PARENT}/models/none is not found.")
    for bad in ({}, {"model": {"displayName": "x"}, "modelId": "Not Valid"}, {"model": {"displayName": ""}}):
        assert plane("POST", f"{PARENT}/models:upload", bad)[0] == 400


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ([], "model.container_spec must be an object."),
        ({"command": "serve"}, "model.container_spec.command must be a list of strings."),
        ({"args": [1]}, "model.container_spec.args must be a list of strings."),
        ({"command": ["a\0b"]}, "model.container_spec.command must be a list of strings."),
        ({"command": ["\ud800"]}, "model.container_spec.command must be a list of strings."),
        ({"deploymentTimeout": 600}, "model.container_spec.deployment_timeout must be seconds, as in 600s."),
        ({"env": {}}, "model.container_spec.env must be a list of variables, each with a name and a value."),
        ({"env": [{}]}, "model.container_spec.env must be a list of variables, each with a name and a value."),
        (
            {"env": [{"name": "A=B"}]},
            "model.container_spec.env must be a list of variables, each with a name and a value.",
        ),
        ({"healthRoute": "health"}, "model.container_spec.health_route must be a path that begins with /."),
        ({"predictRoute": "/a b"}, "model.container_spec.predict_route must be a path that begins with /."),
        ({"predictRoute": {"a": 1}}, "model.container_spec.predict_route must be a path that begins with /."),
    ],
)
def test_a_container_that_no_server_can_be_started_of_is_refused(plane: Plane, spec: Any, said: str) -> None:
    model = {"displayName": "churn", "containerSpec": spec}
    refused = plane("POST", f"{PARENT}/models:upload", {"model": model})
    assert refused == error(400, "INVALID_ARGUMENT", said)


STORE = f"{PARENT}/metadataStores/default"


def test_an_artifact_is_created_once_under_its_id(plane: Plane) -> None:
    body = {"displayName": "churn", "uri": "gs://b/m.json", "schemaTitle": "system.Dataset", "state": 2}
    status, made = plane("POST", f"{STORE}/artifacts?artifactId=churn-0a1b", body)
    moment = "2026-01-02T00:00:00.000000Z"
    expected = {**body, "state": "LIVE", "name": f"{STORE}/artifacts/churn-0a1b"}
    assert (status, made) == (200, {**expected, "createTime": moment, "updateTime": moment})
    again = plane("POST", f"{STORE}/artifacts?artifactId=churn-0a1b", body)
    assert again == error(409, "ALREADY_EXISTS", f"{STORE}/artifacts/churn-0a1b already exists.")
    assert plane("GET", f"{STORE}/artifacts/churn-0a1b") == (200, made)
    assert plane("GET", f"{STORE}/artifacts") == (200, {"artifacts": [made], "nextPageToken": ""})
    assert plane("GET", STORE)[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("metadataStores/other/artifacts?artifactId=abcd", {}, 404),
        ("metadataStores/default/artifacts?artifactId=a/b", {}, 400),
        ("metadataStores/default/artifacts?artifactId=abc", {}, 400),
        ("metadataStores/default/artifacts?artifactId=abcd", {"uri": 3}, 400),
        ("metadataStores/default/artifacts?artifactId=abcd", {"metadata": []}, 400),
    ],
)
def test_an_artifact_that_is_none_is_refused(plane: Plane, path: str, body: dict[str, Any], status: int) -> None:
    assert plane("POST", f"{PARENT}/{path}", body)[0] == status


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"data": {"artifactId": "nobody"}}, "Artifact 'nobody', given as 'data', is not in the metadata store."),
        ({"other": {"artifactId": "1"}}, "Artifact 'other' is not in the pipeline's signature; it takes: data."),
        ({}, "Artifact 'data' is required and was not given."),
        (
            {"data": {"artifactId": f"{STORE}/artifacts/abcd"}},
            "runtime_config.input_artifacts.data must hold an artifact_id, the last part of its name.",
        ),
        ({"data": 3}, "runtime_config.input_artifacts.data must hold an artifact_id, the last part of its name."),
        (3, "runtime_config.input_artifacts must be an object."),
    ],
)
def test_a_run_is_refused_unless_its_artifacts_are_there_and_wanted(plane: Plane, given: Any, told: str) -> None:
    body = job()
    body["pipelineSpec"]["root"]["inputDefinitions"]["artifacts"] = {"data": {"artifactType": {}}}
    body["runtimeConfig"]["inputArtifacts"] = given
    assert plane.create("churn-0a1b", body) == error(400, "INVALID_ARGUMENT", told)
