"""What the tests of endpoints share: models whose server is `vertex_model`, and how they are deployed."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.local_emulator.planes.vertex.test_plane import PARENT, Plane

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDPOINTS = f"{PARENT}/endpoints"
CHURN = f"{ENDPOINTS}/churn"
DEDICATED = {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1, "maxReplicaCount": 1}


def container(name: str, **env: str) -> dict[str, Any]:
    return {
        "imageUri": "image",
        "command": [sys.executable],
        "args": [str(Path(__file__).with_name("vertex_model.py"))],
        "env": [{"name": key, "value": value} for key, value in {"NAME": name, **env}.items()],
        "healthRoute": "/v1/health",
        "predictRoute": "/v1/predict",
    }


def register(plane: Plane, name: str, **env: str) -> None:
    """The next version of the model `churn`."""
    model = {"displayName": "Churn", "artifactUri": "gs://bucket/model", "containerSpec": container(name, **env)}
    body: dict[str, Any] = {"model": model, "modelId": "churn"}
    status, told = plane("POST", f"{PARENT}/models:upload", body)
    assert status == 200, told


def an_endpoint(plane: Plane) -> None:
    status, told = plane("POST", ENDPOINTS, {"displayName": "Churn"}, endpointId="churn")
    assert status == 200, told


def deployment(
    version: int = 1, *, number: str = "7", split: Mapping[str, int] | None = None, **more: Any
) -> dict[str, Any]:
    asked = {"id": number, "model": f"{PARENT}/models/churn@{version}", "dedicatedResources": DEDICATED, **more}
    return {"deployedModel": asked, **({} if split is None else {"trafficSplit": split})}


def ended(plane: Plane, operation: Mapping[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        status, found = plane("GET", operation["name"])
        assert status == 200, found
        if found.get("done"):
            return dict(found)
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def deployed(plane: Plane, body: Mapping[str, Any]) -> dict[str, Any]:
    status, operation = plane("POST", f"{CHURN}:deployModel", body)
    assert status == 200, operation
    return ended(plane, operation)


def look(plane: Plane) -> dict[str, Any]:
    status, found = plane("GET", CHURN)
    assert status == 200, found
    return dict(found)


def error(status: int, name: str, message: str) -> tuple[int, Any]:
    return status, {"error": {"code": status, "message": message, "status": name}}
