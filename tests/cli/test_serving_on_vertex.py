"""From a message to a model that serves, on a laptop: rollouts to an endpoint of Vertex AI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from tests.cli.conftest import retrigger
from tests.cli.test_emulator import until
from tests.local_emulator.planes.vertex.online import container
from tests.projects import write_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("emulator of the command line")

PARENT = "projects/acme-prod/locations/europe-west4"
ENDPOINT = f"v1/{PARENT}/endpoints/1234567890123"
PROJECT = """\
environments:
  prod:
    cloud: gcp
    project: acme-prod
    location: europe-west4
    ledger: gs://acme-prod-ledger
    service_account: runner@acme-prod.iam.gserviceaccount.com
    channels: {approved: projects/acme-prod/topics/approved}
    endpoints: {churn: {name: "1234567890123", machine_type: n1-standard-2}}
"""
SERVE = """\
name: serve
source: [{message: {in: approved, key: event.message.json.version}}]
launch:
  online_deployment:
    endpoint: churn
    model: {name: churn, version: "${{ event.message.json.version }}"}
    smoke: smoke.json
    steps: [50, 100]
    bake: 2m
    rollback_if: {error_rate: 1%}
"""


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of a running emulator."""
    files = {"retrigger.yaml": PROJECT, "triggers/serve.yaml": SERVE, "smoke.json": json.dumps({"instances": [1]})}
    project = tmp_path_factory.mktemp("gcp") / "project"
    write_files(project, files)
    called = retrigger("up", "--project", project, "--detach")
    assert called.code == 0, called.err
    yield project / ".retrigger"
    assert retrigger("down", "--state", project / ".retrigger").code == 0


def asked(laptop: Path, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    url = json.loads((laptop / "emulator.json").read_text())["url"]
    answer = urllib3.request(method, f"{url}/{path}", json=body)
    return answer.status, answer.json()


def approved(laptop: Path, version: str, **env: str) -> None:
    """Register the next version of the model, and ask for it to be served."""
    model = {"displayName": "churn", "containerSpec": container(f"v{version}", **env)}
    status, made = asked(laptop, "POST", f"v1/{PARENT}/models:upload", {"model": model, "modelId": "churn"})
    assert (status, made["response"]["modelVersionId"]) == (200, version)
    assert retrigger("publish", "approved", json.dumps({"version": version}), "--state", laptop).code == 0


def ended(laptop: Path, version: str) -> dict[str, Any]:
    """The rollout of a version, at its end; the clock is wound until then. On the way it is a run like any other."""

    def look() -> dict[str, Any] | None:
        called = retrigger("runs", "--state", laptop)
        assert called.code == 0, called.err
        assert retrigger("clock", "advance", "1m", "--state", laptop).code == 0
        lines = retrigger("rollouts", "--format", "json", "--state", laptop).lines
        found = [one for one in lines if one["version"] == version]
        return found[0] if found and found[0]["phase"] == "ended" else None

    told: dict[str, Any] = until(look, timeout=90)
    return told


def predictors(laptop: Path) -> set[str]:
    answers = [asked(laptop, "POST", f"{ENDPOINT}:predict", {"instances": [1]}) for _ in range(4)]
    return {told["predictions"][0]["by"] for status, told in answers if status == 200}


def test_each_model_that_is_approved_is_put_online_and_a_broken_one_is_not(laptop: Path) -> None:
    for version in ("1", "2"):
        approved(laptop, version)
        told = ended(laptop, version)
        assert told["state"] == "succeeded", told
        assert predictors(laptop) == {f"v{version}"}
    approved(laptop, "3", BROKEN="1")
    told = ended(laptop, "3")
    assert (told["state"], "the model file is not readable" in json.dumps(told)) == ("failed", True), told
    assert predictors(laptop) == {"v2"}
    _, endpoint = asked(laptop, "GET", ENDPOINT)
    [deployed] = endpoint["deployedModels"]
    assert (deployed["model"], deployed["modelVersionId"]) == (f"{PARENT}/models/churn", "2")
    assert endpoint["trafficSplit"] == {deployed["id"]: 100}
