"""What a function's process has loaded after events of each kind, above what its bare host has.

Every module there is paid for by a cold start. Those of a function that has launched a message's run are all named, in
golden/hot_path.txt: one that comes along is written there on purpose, or imported where it is used. They are those of
`serve`; under functions-framework it is `main` that calls them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.functions.gcp import SOURCE
from retrigger.triggers.authoring.compile import compile_project, local_environment
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.event import FIRED, Event, Message, Object, Schedule
from retrigger.triggers.formats.encoding import encode
from tests.benchmarks.loopback import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrigger.triggers.event import Payload
    from retrigger.triggers.formats.encoding import Form

PROJECT = Path(__file__).parent / "golden" / "section6"
LAUNCHING = Path(__file__).parent / "golden" / "hot_path.txt"
HELLO = Path(__file__).parent / "benchmarks" / "functions" / "hello.py"
MONDAY = datetime(2026, 1, 5, 2, tzinfo=UTC)
FORBIDDEN = (
    "azure",
    "click",
    "cryptography",
    "google.api_core",
    "google.auth",
    "google.cloud",
    "grpc",
    "importlib.metadata",
    "jsonschema",
    "jsonschema_rs",
    "jwt",
    "kfp",
    "obstore",
    "pydantic",
    "requests",
    "retrigger.handlers.validate.jsonl_gate",
    "retrigger.handlers.validate.parquet_gate",
    "retrigger.local_emulator",
    "retrigger.triggers.authoring",
    "rich",
    "starlette",
    "urllib3",
    "uvicorn",
    "yaml",
)
# The framework's own modules as its command line loads them; the requests come from its test client.
CHILD = """
import json, sys
import functions_framework, functions_framework._cli, functions_framework._http.gunicorn
client = functions_framework.create_app("main", sys.argv[1], "http").test_client()
answers = [client.post(path, headers=headers, data=body) for path, headers, body in json.loads(sys.argv[2])]
print(json.dumps({"answers": [[it.status_code, it.text] for it in answers], "modules": sorted(sys.modules)}))
"""


# What `serve` has loaded when it listens, and what its worker loads besides; requests are made as it makes them.
GUNICORN = """
import json, sys
import gunicorn.app.base, gunicorn.workers.gthread
print(json.dumps({"modules": sorted(sys.modules)}))
"""
SERVICE = """
import io, json, sys
from retrigger.functions.gcp import serve
import gunicorn.workers.gthread

def answer(path, headers, body):
    said = []
    own = {"CONTENT_TYPE": headers.pop("content-type", ""), "CONTENT_LENGTH": str(len(body))}
    sent = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}
    asked = {"REQUEST_METHOD": "POST", "PATH_INFO": path, "REMOTE_ADDR": "127.0.0.1", **own, **sent}
    text = serve.app({**asked, "wsgi.input": io.BytesIO(body.encode())}, lambda status, _: said.append(int(status[:3])))
    return [said[0], b"".join(text).decode()]

answers = [answer(*request) for request in json.loads(sys.argv[2])]
print(json.dumps({"answers": answers, "modules": sorted(sys.modules)}))
"""
FRAMEWORK = ("blinker", "click", "cloudevents", "flask", "functions_framework", "jinja2", "watchdog", "werkzeug")


def request(payload: Payload, type_: str, form: Form) -> tuple[str, Mapping[str, str], str]:
    event = Event(id="1", source="//source", type=type_, time=MONDAY, subject=None, payload=payload)
    headers, body = encode(event, form)
    return "/", headers, body.decode()


MESSAGE = request(
    Message(
        channel="projects/acme-dev/topics/retrain-requests",
        id="1",
        body=b'{"request_id": "r", "data": "gs://acme-dev-landing/a.csv", "as_of": "2026-01-01"}',
        published=MONDAY,
    ),
    "google.cloud.pubsub.topic.v1.messagePublished",
    "pubsub-push",
)
# An object whose file is looked for, a message that fits its schema, a time of a schedule, a wake-up, a tick.
REQUESTS = [
    request(
        Object(
            store="gcs",
            account=None,
            bucket="acme-dev-landing",
            name="churn/dt=1/a.csv",
            version="1",
            uri="gs://acme-dev-landing/churn/dt=1/a.csv",
        ),
        "google.cloud.storage.object.v1.finalized",
        "cloudevent-binary",
    ),
    MESSAGE,
    request(Schedule(name="churn-retrain", scheduled_for=MONDAY), FIRED, "cloudevent-binary"),
    ("/schedule/churn-retrain", {"X-CloudScheduler": "true"}, ""),
    ("/tick", {}, ""),
]


def served(source: Path, requests: Sequence[object], program: str = CHILD, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", program, str(source), json.dumps(requests)],
        env={**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.fixture(scope="module")
def bare() -> set[str]:
    return set(served(HELLO, [("/", {}, "")])["modules"])


@pytest.fixture(scope="module")
def alone() -> set[str]:
    """Of gunicorn without an application."""
    return set(served(HELLO, [], GUNICORN)["modules"])


def asked(folder: Path, requests: Sequence[object], program: str = CHILD) -> dict[str, Any]:
    """What our function answers on a new ledger, and the modules that it has then."""
    compiled = folder / "compiled.json"
    with Platform() as platform:
        services = dict.fromkeys(("storage", "vertex", "metadata"), platform.url)
        project = load_project(PROJECT)
        local = local_environment(project, like="dev", ledger=f"sqlite:{folder / 'ledger'}", services=services)
        compiled.write_text(compile_project(project, local), encoding="utf-8")
        return served(SOURCE, requests, program, RETRIGGER_COMPILED=str(compiled))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, bare: set[str]) -> tuple[list[Any], set[str]]:
    """(what was answered, the modules above the framework's own)."""
    ours = asked(tmp_path_factory.mktemp("function"), REQUESTS)
    return ours["answers"], set(ours["modules"]) - bare


def launched(folder: Path, program: str, bare: set[str]) -> list[str]:
    """What has launched a message's run: our modules, and others' packages; the standard library differs by Python."""
    ours = asked(folder, [MESSAGE], program)
    assert [it["result"] for it in json.loads(ours["answers"][0][1])["outcomes"]] == ["launched"]
    above = set(ours["modules"]) - bare
    told = {name if name.startswith("retrigger") else name.partition(".")[0] for name in above}
    return sorted(told - sys.stdlib_module_names)


def test_the_modules_of_a_function_that_launched_are_those_that_are_named(tmp_path: Path, alone: set[str]) -> None:
    named = launched(tmp_path, SERVICE, alone)
    print(*named, sep="\n")  # noqa: T201  # shown with -rP, and where this fails
    assert named == LAUNCHING.read_text(encoding="utf-8").splitlines()


def test_under_the_framework_they_are_the_same(tmp_path: Path, bare: set[str]) -> None:
    named = set(LAUNCHING.read_text(encoding="utf-8").splitlines())
    served_by = {"retrigger.functions.gcp.serve", "retrigger.functions.gcp.wsgi"}
    assert served_by <= named
    assert set(launched(tmp_path, CHILD, bare)) == (named - served_by) | {"main"}


def test_nothing_of_the_framework_is_loaded_without_it(tmp_path: Path, alone: set[str]) -> None:
    modules = set(asked(tmp_path, REQUESTS, SERVICE)["modules"]) - alone
    roots = (*FORBIDDEN, *FRAMEWORK)
    assert [name for name in sorted(modules) if any(f"{name}.".startswith(f"{root}.") for root in roots)] == []


def test_each_event_went_its_whole_way(loaded: tuple[list[Any], set[str]]) -> None:
    answers, _ = loaded
    outcomes = [json.loads(text).get("outcomes") for status, text in answers if status == 200]
    results = [(it[0]["result"], [verdict["code"] for verdict in it[0]["verdicts"]]) for it in outcomes if it]
    assert results[:3] == [("rejected", ["object_gone"]), ("launched", []), ("deferred", [])]  # one run at a time
    assert results[3] in [("duplicate", ["nothing_due"]), ("deferred", [])]  # it may be Monday, three in Paris
    assert json.loads(answers[-1][1])["failed"] == 0


def test_nothing_that_a_function_does_not_need_is_loaded(loaded: tuple[list[Any], set[str]]) -> None:
    _, modules = loaded
    assert [name for name in sorted(modules) if any(f"{name}.".startswith(f"{root}.") for root in FORBIDDEN)] == []


def test_what_an_event_needs_is_loaded(loaded: tuple[list[Any], set[str]]) -> None:
    """Or else the test above would not see what it looks for."""
    _, modules = loaded
    assert {"cel_expr_python.cel", "cronsim", "sqlite3"} <= modules
    assert "retrigger.handlers.validate.csv_gate" in modules
    assert [
        name for name in FORBIDDEN if name.startswith("retrigger.") and importlib.util.find_spec(name) is None
    ] == []
