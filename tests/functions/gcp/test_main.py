"""Both entry points of Google: real requests, a real ledger, a platform on loopback.

main.py is served by the real functions-framework, wsgi.py is what any WSGI server calls.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrigger.handlers import wiring
from retrigger.handlers.adapters.sqlite import SqliteRecords
from retrigger.triggers.authoring.compile import compile_project, local_environment
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.compiled import load
from retrigger.triggers.formats.wire import MAX_BODY
from tests.benchmarks.loopback import Platform
from tests.functions.gcp.entries import ENTRIES, client_of, forget
from tests.projects import template, write_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from werkzeug.test import Client, TestResponse

_FILES = {
    "retrigger.yaml": """\
environments:
  dev:
    cloud: gcp
    project: acme-dev
    location: europe-west4
    service_account: ml@acme-dev.iam.gserviceaccount.com
    ledger: gs://acme-retrigger
    stores: {landing: gs://acme-landing}
    channels: {retrain: projects/acme-dev/topics/retrain}
    pipelines: {train: {template: pipelines/train.json, root: gs://acme-pipelines}}
""",
    "triggers/train.yaml": """\
name: train
source:
  - object: {in: landing, match: "{name}.csv"}
  - message: {in: retrain}
admit: {window: {key: match.name}, concurrency: {limit: 100}}
launch: {pipeline: train}
""",
    "pipelines/train.json": template("train"),
}
FINALIZED = {
    "ce-specversion": "1.0",
    "ce-id": "e-1",
    "ce-source": "//storage.googleapis.com/projects/_/buckets/acme-landing",
    "ce-type": "google.cloud.storage.object.v1.finalized",
    "ce-subject": "objects/a.csv",
    "ce-time": "2026-01-05T09:00:00Z",
    "content-type": "application/json",
}
OBJECT = {"bucket": "acme-landing", "name": "a.csv", "generation": "1", "size": "3"}
CHANNEL = "projects/acme-dev/topics/retrain"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform() as started:
        yield started


@pytest.fixture
def project(tmp_path: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Compiled for a ledger of its own."""
    write_files(tmp_path, _FILES)
    authored = load_project(tmp_path)
    services = dict.fromkeys(("storage", "vertex", "metadata"), platform.url)
    ledger = f"sqlite:{tmp_path / 'ledger.sqlite3'}"
    local = local_environment(authored, like="dev", ledger=ledger, services=services)
    compiled = tmp_path / "compiled.json"
    compiled.write_text(compile_project(authored, local), encoding="utf-8")
    monkeypatch.setenv("RETRIGGER_COMPILED", str(compiled))
    yield tmp_path
    forget()


@pytest.fixture(params=ENTRIES)
def client(request: pytest.FixtureRequest, project: Path) -> Client:
    del project
    return client_of(request.param)


def push(data: object, message_id: str = "1") -> dict[str, Any]:
    encoded = base64.b64encode(json.dumps(data).encode()).decode()
    message = {"data": encoded, "messageId": message_id, "publishTime": "2026-01-05T09:00:00Z"}
    return {"message": message, "subscription": "projects/acme-dev/subscriptions/retrain"}


def results(response: TestResponse) -> list[tuple[str, str | None]]:
    assert response.status_code == 200
    return [(outcome["result"], outcome["trigger"]) for outcome in response.get_json()["outcomes"]]


def dead_letters(project: Path) -> list[Mapping[str, Any]]:
    records = SqliteRecords(project / "ledger.sqlite3")
    found = [records.get(entry.key) for entry in records.list("d/")]
    return [record.body for record in found if record is not None]


def test_an_upload_is_launched_once(client: Client, platform: Platform) -> None:
    platform.forget()
    assert results(client.post("/", headers=FINALIZED, json=OBJECT)) == [("launched", "train")]
    platform.launched_at(timeout=5)
    assert results(client.post("/", headers=FINALIZED, json=OBJECT)) == [("duplicate", "train")]


def test_a_push_is_launched_once(client: Client) -> None:
    assert results(client.post(f"/pubsub/{CHANNEL}", json=push({"a": 1}))) == [("launched", "train")]
    assert results(client.post(f"/pubsub/{CHANNEL}", json=push({"a": 1}))) == [("duplicate", "train")]


def test_an_event_that_nobody_listens_to_is_acknowledged(client: Client) -> None:
    elsewhere = {**OBJECT, "name": "a.txt"}
    assert results(client.post("/", headers=FINALIZED, json=elsewhere)) == [("ignored", None)]


@pytest.mark.parametrize("path", ["/tick", "/tick/"])
def test_a_tick_has_a_path_of_its_own(client: Client, path: str) -> None:
    client.post(f"/pubsub/{CHANNEL}", json=push({}))
    response = client.post(path)
    assert (response.status_code, response.get_json()) == (200, {"worked": 0, "failed": 0})


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (("/", {}, b""), "malformed_json"),
        (("/", {}, b"{"), "malformed_json"),
        (("/", {}, b"[" * 100_000), "too_deep"),
        (("/", FINALIZED, b"null"), "malformed_envelope"),
        (("/", {**FINALIZED, "ce-specversion": "0.1"}, b"{}"), "unsupported_version"),
        (("/nowhere", {}, b"{}"), "unknown_route"),
        (("/", {}, b"x" * (MAX_BODY + 1)), "too_large"),
        (("/", {}, b"x" * (3 * MAX_BODY)), "too_large"),
    ],
)
def test_what_is_malformed_is_acknowledged_and_kept(
    client: Client, project: Path, request_: tuple[str, dict[str, str], bytes], code: str
) -> None:
    path, headers, body = request_
    response = client.post(path, headers=headers, data=body)
    (told,) = response.get_json()["outcomes"]
    assert (response.status_code, told["error"]["code"]) == (200, code)
    (letter,) = dead_letters(project)
    assert (letter["code"], letter["raw"]) == (code, base64.b64encode(body[: 64 * 1024]).decode())


@pytest.mark.parametrize("body", [b"", b'{"bucket": "acme-la', json.dumps(OBJECT).encode()])
@pytest.mark.parametrize("announced", ["500", str(3 * MAX_BODY), "9" * 30])
def test_what_a_broken_connection_cut_short_is_delivered_again(
    client: Client, project: Path, body: bytes, announced: str
) -> None:
    """As gunicorn tells it: the stream ends with what came."""
    environ = {"wsgi.input_terminated": True, "CONTENT_LENGTH": announced}
    response = client.post("/", headers=FINALIZED, data=body, environ_overrides=environ)
    assert (response.status_code, response.get_json()["error"]["code"]) == (503, "body_cut_short")
    assert dead_letters(project) == []


def lose(project: Path) -> None:
    """A folder where the ledger should be."""
    for file in project.glob("ledger.sqlite3*"):
        file.unlink()
    (project / "ledger.sqlite3").mkdir()


@pytest.mark.parametrize("path", ["/", "/tick"])
@pytest.mark.parametrize("body", [json.dumps(OBJECT), "{"])
def test_what_finds_no_ledger_is_delivered_again(client: Client, project: Path, path: str, body: str) -> None:
    lose(project)
    response = client.post(path, headers=FINALIZED, data=body)
    assert (response.status_code, response.get_json()["error"]["code"]) == (503, "ledger_unavailable")


@pytest.mark.parametrize("path", ["/", "/tick"])
def test_what_loses_its_ledger_is_delivered_again(client: Client, project: Path, path: str) -> None:
    client.post("/tick")
    with SqliteRecords(project / "ledger.sqlite3")._writing() as cursor:
        cursor.execute("DROP TABLE kv")
    response = client.post(path, headers=FINALIZED, json=OBJECT)
    assert (response.status_code, response.get_json()["error"]["code"]) == (503, "ledger_unavailable")


@pytest.mark.parametrize("path", ["/", "/tick"])
def test_a_function_without_its_project_says_so(client: Client, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.delenv("RETRIGGER_COMPILED")
    response = client.post(path, headers=FINALIZED, json=OBJECT)
    assert (response.status_code, response.get_json()["error"]["code"]) == (503, "not_configured")


def test_a_project_that_is_no_text_is_said_to_be_none(client: Client, project: Path) -> None:
    (project / "compiled.json").write_bytes(b"\xff\x00")
    wiring.compiled_at.cache_clear()
    response = client.post("/", headers=FINALIZED, json=OBJECT)
    assert (response.status_code, response.get_json()["error"]["code"]) == (503, "compiled_format")


def test_a_platform_that_does_not_answer_leaves_the_event_to_the_tick(
    client: Client, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = load((project / "compiled.json").read_text(encoding="utf-8")).environment
    elsewhere = replace(environment, services={**environment.services, "metadata": "http://127.0.0.1:1"})
    (project / "compiled.json").write_text(compile_project(load_project(project), elsewhere), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(project / "none.json"))
    assert results(client.post(f"/pubsub/{CHANNEL}", json=push({}))) == [("deferred", "train")]


_names = st.sampled_from(["ce-id", "ce-type", "ce-source", "ce-specversion", "ce-time", "content-type", "x-other"])
_header_values = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20)
_headers = st.dictionaries(_names, _header_values | st.sampled_from(sorted(FINALIZED.values())), max_size=6)
_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["message", "data"]), inner),
    max_leaves=6,
).map(lambda value: json.dumps(value).encode())
_paths = st.sampled_from(["/", f"/pubsub/{CHANNEL}", "/schedule/train", "/storage", "/%ff", "/x/../y"])


@given(_paths, _headers, st.binary(max_size=50) | _json)
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_have_an_answer(client: Client, path: str, headers: dict[str, str], body: bytes) -> None:
    """Never a 500, never a traceback; one ledger for all examples."""
    response = client.post(path, headers=headers, data=body)
    assert response.status_code == 200
    assert "Traceback" not in response.text
    assert set(response.get_json()) in ({"outcomes"}, {"error"})


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_posts_are_deliveries_and_nothing_else_is_kept(client: Client, project: Path, method: str) -> None:
    response = client.open("/", method=method)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert dead_letters(project) == []
