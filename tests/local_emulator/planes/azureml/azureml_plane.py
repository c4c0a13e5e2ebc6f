"""The local Azure ML as it is served, with the Blob Storage that its jobs read and write."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import urllib3

from retrigger.local_emulator.http import Server
from retrigger.local_emulator.planes.azureml.plane import RUNNER, AzureMl
from retrigger.local_emulator.planes.resources import Resources
from retrigger.local_emulator.runners.process import JobProcesses
from retrigger.local_emulator.runners.routing import Traffic
from retrigger.local_emulator.runners.serving import Servers
from retrigger.local_emulator.stores import blob_http
from retrigger.local_emulator.stores.errors import Conflict
from retrigger.local_emulator.stores.names import BLOB
from retrigger.local_emulator.stores.objects import Objects
from retrigger.local_emulator.stores.resource import Description

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.local_emulator.state import State
    from retrigger.triggers.event import Json

ACCOUNT = "acmeprod"
WORKSPACE = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ml"
ENDS = ("Completed", "Failed", "Canceled")


class Plane:
    """A running plane whose clock stands still, and a client of it. `told` are the events of Event Grid."""

    def __init__(self, state: State) -> None:
        self.now = datetime(2026, 1, 2, tzinfo=UTC)
        self.told: list[Mapping[str, Json]] = []
        self.resources = Resources(state.resources)
        self.blobs = Objects(state.blobs, lambda: self.now, lambda _: None, BLOB)
        self.blob_server = Server(blob_http.routes(self.blobs))
        self.blob_server.start()
        with suppress(Conflict):  # made by an earlier plane on this state
            self.blobs.insert_bucket(f"{ACCOUNT}/landing", {})
        environment = {**os.environ, "RETRIGGER_BLOB_ENDPOINT": self.blob_server.url}
        self.processes = JobProcesses(state.azure_jobs, env=environment, now=lambda: self.now, runner=RUNNER)
        self.servers, self.traffic = Servers(state.servers, environment), Traffic()
        self.azureml = AzureMl(
            self.resources,
            self.processes,
            lambda: self.now,
            blobs=self.blobs,
            blob_url=self.blob_server.url,
            account=ACCOUNT,
            tell=self.told.append,
            clock=state.clock,
            servers=self.servers,
            traffic=self.traffic,
            deployments=state.deployments,
        )
        self.azureml.recover()
        self.server = Server(self.azureml.routes())
        self.server.start()
        self._http = urllib3.PoolManager(maxsize=8)

    def stop(self) -> None:
        self.server.stop()
        self.processes.close()
        self.servers.close()
        self.azureml.close()
        self.blob_server.stop()
        self.blobs.close()
        self.resources.close()

    def __call__(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        asked = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        answer = self._http.request(method, f"{self.server.url}{WORKSPACE}{path}?{asked}", body=raw)
        return answer.status, answer.json() if answer.data else None

    def component(self, name: str, version: str = "1", **spec: Any) -> str:
        """Register a component; its id."""
        given = {"name": name, "version": version, "type": "command", **spec}
        path = f"/components/{name}/versions/{version}"
        assert self("PUT", path, {"properties": {"componentSpec": given}})[0] in {200, 201}
        return WORKSPACE + path

    def ended(self, name: str) -> dict[str, Any]:
        """The properties of a job at its end."""
        deadline = time.monotonic() + 20
        while True:
            _, found = self("GET", f"/jobs/{name}")
            if found["properties"]["status"] in ENDS:
                return dict(found["properties"])
            assert time.monotonic() < deadline, found
            time.sleep(0.02)

    def page(self, name: str) -> str:
        url = f"{self.server.url}/retrigger/azureml{WORKSPACE}/jobs/{name}"
        return self._http.request("GET", url).data.decode()

    def blob(self, container: str, name: str) -> bytes:
        _, content = self.blobs.open(f"{ACCOUNT}/{container}", name)
        with content:
            return content.read()

    def put_blob(self, container: str, name: str, body: bytes) -> str:
        """Its address in Azure."""
        with self.blobs.receive() as content:
            content.write(body)
            self.blobs.put(f"{ACCOUNT}/{container}", name, content, Description())
        return f"https://{ACCOUNT}.blob.core.windows.net/{container}/{name}"


def literal(value: str) -> dict[str, str]:
    return {"value": value, "jobInputType": "literal"}


def step(component: str, outputs: Mapping[str, Any] | None = None, **inputs: str) -> dict[str, Any]:
    """As azure-ai-ml writes one; inputs are literals and bindings."""
    given = {name: {"value": value, "job_input_type": "literal"} for name, value in inputs.items()}
    return {"type": "command", "componentId": component, "inputs": given, "outputs": dict(outputs or {})}


def job(jobs: Mapping[str, Any], inputs: Mapping[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    given = {"jobType": "Pipeline", "inputs": dict(inputs or {}), "jobs": dict(jobs), **properties}
    return {"properties": given}
