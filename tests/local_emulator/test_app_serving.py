"""The emulator as a whole: what is deployed in it serves, is there after a crash, and leaves no process."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from tests.local_emulator.conftest import eventually
from tests.local_emulator.planes.vertex.online import DEDICATED, container
from tests.local_emulator.test_app import call, start_elsewhere
from tests.processes import is_gone

if TYPE_CHECKING:
    from tests.local_emulator.conftest import Laptop

PARENT = "projects/local-project/locations/europe-west4"
ENDPOINT = f"v1/{PARENT}/endpoints/churn"


def deploy(url: str, mark: str) -> None:
    """A model whose server has `mark` among its arguments."""
    spec = container("blue")
    spec["args"] = [*spec["args"], mark]
    model = {"model": {"displayName": "churn", "containerSpec": spec}, "modelId": "churn"}
    deployed = {"id": "1", "model": f"{PARENT}/models/churn@1", "dedicatedResources": DEDICATED}
    for path, body in (
        (f"v1/{PARENT}/models:upload", model),
        (f"v1/{PARENT}/endpoints?endpointId=churn", {"displayName": "churn"}),
        (f"{ENDPOINT}:deployModel", {"deployedModel": deployed, "trafficSplit": {"0": 100}}),
    ):
        status, told = call("POST", f"{url}/{path}", body)
        assert status == 200, told


def predicts(url: str) -> Any:
    status, told = call("POST", f"{url}/{ENDPOINT}:predict", {"instances": [1]})
    return status == 200 and told["predictions"]


def servers(mark: str) -> list[int]:
    listed = subprocess.run(["ps", "-ewwo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "vertex_model.py" in line and mark in line]


def test_what_was_deployed_serves_after_a_kill_of_the_emulator_which_leaves_no_server(laptop: Laptop) -> None:
    mark = str(laptop.folder)
    process, url = start_elsewhere(laptop)
    try:
        deploy(url, mark)
        eventually(lambda: bool(predicts(url)), timeout=30)
        before = servers(mark)
        assert len(before) == 1
    finally:
        process.kill()
        process.wait()
    eventually(lambda: all(is_gone(pid) for pid in before), timeout=30)
    emulator = laptop.up()
    try:
        eventually(lambda: predicts(emulator.url) == [{"by": "blue", "of": 1, "with": None}], timeout=30)
        after = servers(mark)
        assert len(after) == 1
    finally:
        emulator.stop()
    assert all(is_gone(pid) for pid in after)
