"""The local Azure ML over plain HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.local_emulator.state import State
from tests.local_emulator.planes.azureml_plane import WORKSPACE, Plane, job, literal, step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    plane = Plane(State.at(tmp_path / "state"))
    yield plane
    plane.stop()


def test_a_job_runs_its_component_and_is_shown_as_azure_ml_shows_it(plane: Plane) -> None:
    say = plane.component(
        "say",
        command="echo ${{inputs.word}} > ${{outputs.said}}",
        inputs={"word": {"type": "string"}},
        outputs={"said": {"type": "uri_file"}},
    )
    body = job(
        {
            "say": step(
                say, {"said": {"value": "${{parent.outputs.said}}", "type": "literal"}}, word="${{parent.inputs.word}}"
            )
        },
        {"word": literal("hello")},
        outputs={"said": {"jobOutputType": "uri_file"}},
        tags={"run": "r1"},
        experimentName="churn",
    )
    status, created = plane("PUT", "/jobs/run-1", body)
    assert (status, created["id"], created["properties"]["status"]) == (201, f"{WORKSPACE}/jobs/run-1", "NotStarted")
    ended = plane.ended("run-1")
    services = ended.pop("services")
    assert ended == {**body["properties"], "status": "Completed"}
    assert services["Studio"]["endpoint"] == f"{plane.server.url}/retrigger/azureml{WORKSPACE}/jobs/run-1"
    assert plane.blob("azureml", "azureml/run-1/said") == b"hello\n"
