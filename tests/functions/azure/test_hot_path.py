"""What the process of an Azure function has loaded after events of each kind, above what an empty app has.

Every module there is paid for by a cold start.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.functions.azure import FOLDER
from retrigger.triggers.authoring.compile import compile_project
from retrigger.triggers.authoring.project import load_project
from tests.handlers.conftest import Loopback, Reply
from tests.test_hot_path import FORBIDDEN

if TYPE_CHECKING:
    from tests.handlers.conftest import Received

PROJECT = Path(__file__).parents[2] / "golden" / "section6"
# azure-functions is the host's own, urllib3 imports importlib.metadata; of Google's side nothing is wanted here.
UNWANTED = (
    *(name for name in FORBIDDEN if name not in {"azure", "importlib.metadata"}),
    "retrigger.handlers.adapters.gcs",
    "retrigger.handlers.adapters.pubsub",
    "retrigger.handlers.adapters.vertex",
    "retrigger.handlers.transport.google",
)
BARE = """
import json, sys
import azure.functions as func
from azure.functions.servicebus import ServiceBusMessage
from azure.functions.timer import TimerRequest
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
print(json.dumps(sorted(sys.modules)))
"""
CHILD = """
import importlib.util, json, sys
from azure.functions.servicebus import ServiceBusMessage
from azure.functions.timer import TimerRequest
spec = importlib.util.spec_from_file_location("function_app", sys.argv[1])
app = importlib.util.module_from_spec(spec)
spec.loader.exec_module(app)
functions = {it.get_function_name(): it.get_user_function() for it in app.functions.get_functions()}
message = ServiceBusMessage(body=sys.argv[2].encode(), message_id="m-1", application_properties={}, user_properties={})
functions["bus_retrain-requests"](message)
functions["event_grid"](sys.argv[3])
functions["minute"](TimerRequest(past_due=False, schedule_status={}))
print(json.dumps(sorted(sys.modules)))
"""
ASKED = {"request_id": "r", "data": "https://acmeprod.blob.core.windows.net/landing/a.csv", "as_of": "2026-01-01"}
UPLOAD = {
    "id": "e-1",
    "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/acmeprod",
    "subject": "/blobServices/default/containers/landing/blobs/churn/dt=1/a.csv",
    "eventType": "Microsoft.Storage.BlobCreated",
    "eventTime": "2026-01-05T09:00:00Z",
    "data": {
        "api": "PutBlob",
        "eTag": "0x8D1",
        "contentLength": 3,
        "url": "https://acmeprod.blob.core.windows.net/landing/churn/dt=1/a.csv",
    },
    "dataVersion": "",
    "metadataVersion": "1",
}


def azure(received: Received) -> Reply:
    """A token for whoever asks, a place for every job, and no object."""
    if "oauth2/token" in received.path:
        return Reply(200, json.dumps({"access_token": "t", "expires_on": "4000000000"}).encode())
    return Reply(201, b"{}") if received.method == "PUT" else Reply(404)


def ran(code: str, *arguments: str, **environment: str) -> set[str]:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    modules: list[str] = json.loads(done.stdout.splitlines()[-1])
    return set(modules)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], set[str]]:
    """(what Resource Manager was asked, the modules above an empty app's)."""
    folder = tmp_path_factory.mktemp("function")
    platform = Loopback()
    platform.always = azure
    try:
        project = load_project(PROJECT)
        services = dict.fromkeys(("blob", "azureml", "metadata"), platform.url)
        local = replace(project.environments["prod"], ledger=f"sqlite:{folder / 'ledger'}", services=services)
        compiled = folder / "compiled.json"
        compiled.write_text(compile_project(project, local), encoding="utf-8")
        arguments = (str(FOLDER / "function_app.py"), json.dumps(ASKED), json.dumps(UPLOAD))
        ours = ran(CHILD, *arguments, RETRIGGER_COMPILED=str(compiled))
    finally:
        platform.close()
    asked: list[Any] = [f"{it.method} {it.path.split('/')[-2]}" for it in platform.requests if "/jobs/" in it.path]
    return asked, ours - ran(BARE)


def test_the_message_was_launched(loaded: tuple[list[str], set[str]]) -> None:
    asked, _ = loaded
    assert asked[0] == "PUT jobs"


def test_nothing_that_a_function_does_not_need_is_loaded(loaded: tuple[list[str], set[str]]) -> None:
    _, modules = loaded
    assert [name for name in sorted(modules) if any(f"{name}.".startswith(f"{root}.") for root in UNWANTED)] == []
    assert [name for name in sorted(modules) if name.startswith("azure.")] == []


def test_what_an_event_needs_is_loaded(loaded: tuple[list[str], set[str]]) -> None:
    """Or else the test above would not see what it looks for."""
    _, modules = loaded
    assert {"cronsim", "sqlite3"} <= modules
    assert "retrigger.handlers.adapters.azureml.client" in modules
    assert [name for name in UNWANTED if name.startswith("retrigger.") and importlib.util.find_spec(name) is None] == []
