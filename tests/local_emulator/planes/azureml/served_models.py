"""Models that can be served: one of MLflow, which brings its loader along, and scoring scripts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.local_emulator.planes.azureml.azureml_plane import ACCOUNT, WORKSPACE

if TYPE_CHECKING:
    from tests.local_emulator.planes.azureml.azureml_plane import Plane

MLMODEL = b"flavors:\n  python_function: {loader_module: scale, data: data/factor, code: code}\n"
LOADER = b"""\
class Scale:
    def __init__(self, factor):
        self.factor = factor

    def predict(self, data):
        rows = getattr(data, "values", data)
        return [sum(row) * self.factor for row in rows]


def _load_pyfunc(path):
    return Scale(int(open(path).read()))
"""
SCRIPT = """\
import json, os, time
from pathlib import Path

import words


def init():
    global factor
    factor = int((Path(os.environ["AZUREML_MODEL_DIR"]) / "model" / "data" / "factor").read_text())


def run(raw):
    asked = json.loads(raw)
    if asked == "sleep":
        time.sleep(30)
    if asked == "die":
        os._exit(9)
    if asked == "fail":
        raise ValueError("a secret of the model")
    return {"said": words.HELLO, "factor": factor, "got": asked, "mode": os.environ.get("MODE")}
"""


def put_model(plane: Plane, factor: int, name: str = "churn", version: str = "1") -> str:
    """Register a model of MLflow that multiplies the sum of each row; its id."""
    files = {"MLmodel": MLMODEL, "code/scale.py": LOADER, "data/factor": str(factor).encode()}
    for file, body in files.items():
        plane.put_blob("landing", f"{name}/{version}/model/{file}", body)
    uri = f"https://{ACCOUNT}.blob.core.windows.net/landing/{name}/{version}/model"
    path = f"/models/{name}/versions/{version}"
    status, _ = plane("PUT", path, {"properties": {"modelUri": uri, "modelType": "mlflow_model"}})
    assert status in {200, 201}
    return WORKSPACE + path


def put_code(plane: Plane, script: str = SCRIPT) -> str:
    """Register code with a scoring script, `onlinescoring/score.py`, and a module that it imports; its id."""
    plane.put_blob("landing", "code/onlinescoring/score.py", script.encode())
    plane.put_blob("landing", "code/words.py", b"HELLO = 'hello'\n")
    uri = f"https://{ACCOUNT}.blob.core.windows.net/landing/code"
    assert plane("PUT", "/codes/score/versions/1", {"properties": {"codeUri": uri}})[0] in {200, 201}
    return f"{WORKSPACE}/codes/score/versions/1"


def put_endpoint(plane: Plane, traffic: Any = None, **properties: Any) -> tuple[int, Any]:
    body = {"location": "westeurope", "properties": {"authMode": "Key", "traffic": traffic or {}, **properties}}
    return plane("PUT", "/onlineEndpoints/churn", body)


def deploy(plane: Plane, name: str, model: str | None, **properties: Any) -> tuple[int, Any]:
    body = {"location": "westeurope", "properties": {"model": model, "endpointComputeType": "Managed", **properties}}
    return plane("PUT", f"/onlineEndpoints/churn/deployments/{name}", body)


def deployed(plane: Plane, name: str) -> str:
    """The provisioning state of a deployment at its end."""
    deadline = time.monotonic() + 30
    while True:
        status, found = plane("GET", f"/onlineEndpoints/churn/deployments/{name}")
        assert status == 200, found
        if (state := found["properties"]["provisioningState"]) not in {"Creating", "Updating"}:
            return str(state)
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
