"""A batch prediction on a real emulator: from a dropped day to the model's answers, and a model that is not there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from tests.cli.conftest import PROJECT, retrigger, write_project
from tests.cli.test_emulator import DAY, listed, on, until
from tests.local_emulator.planes.vertex.test_batch_predictions import SERVED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("emulator of the command line")

SCORE = """\
name: score
source: [{object: {in: landing, match: "churn/dt={dt}/*.csv"}}]
admit: {window: {key: match.dt, until: {object: "churn/dt={dt}/_SUCCESS"}, max_wait: 2h}}
launch: {batch_prediction: {model: churn, input: "${{ window.uris }}", output: "${{ vars.out }}"}}
"""
MODELS = """\
    vars: {out: "gs://acme-dev-scores/churn"}
    models: {churn: {resource: churn@champion, batch: {machine_type: n1-standard-4, batch_size: 2}}}
"""


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Path]:
    """The state folder of a running emulator."""
    files = {"retrigger.yaml": PROJECT + MODELS, "triggers/score.yaml": SCORE}
    project = write_project(tmp_path / "project", files)
    (project / "triggers" / "tables.yaml").unlink()
    called = retrigger("up", "--project", project, "--detach")
    assert called.code == 0, called.err
    state = project / ".retrigger"
    yield state
    assert retrigger("down", "--state", state).code == 0


def get(laptop: Path, path: str, body: Any = None) -> urllib3.BaseHTTPResponse:
    (told,) = on(laptop, "status", "--format", "json").lines
    return urllib3.request("POST" if body else "GET", told["url"] + path, json=body)


def drop_a_day(laptop: Path, folder: Path) -> dict[str, Any]:
    """-> the run that it makes, once the platform has it or has refused it."""
    for name, text in {"a.csv": "age\n1\n2\n", "b.csv": "age\n3\n", "_SUCCESS": ""}.items():
        (folder / name).write_text(text)
        assert on(laptop, "drop", folder / name, f"{DAY}/{name}").code == 0
    runs = until(
        lambda: [run for run in listed(laptop, "runs", trigger="score") if run["phase"] in {"launched", "dead"}]
    )
    run: dict[str, Any] = runs[0]
    return run


def test_a_dropped_day_is_predicted_by_the_registered_model(laptop: Path, tmp_path: Path) -> None:
    model = {"displayName": "churn", "containerSpec": SERVED, "versionAliases": ["champion"]}
    uploaded = get(
        laptop, "/v1/projects/acme-dev/locations/europe-west4/models:upload", {"model": model, "modelId": "churn"}
    )
    assert uploaded.status == 200
    run = drop_a_day(laptop, tmp_path)
    uris = [f"{DAY}/a.csv", f"{DAY}/b.csv"]
    assert (run["phase"], run["parameters"]) == ("launched", {"input": uris, "output": "gs://acme-dev-scores/churn"})

    def ended() -> Any:
        assert on(laptop, "clock", "advance", "2m").code == 0
        return listed(laptop, "runs", trigger="score", phase="succeeded")

    [done] = until(ended, 60)
    assert done["metrics"] == {"successful_count": 3.0}
    names = get(laptop, "/storage/v1/b/acme-dev-scores/o").json()["items"]
    result = get(laptop, f"/storage/v1/b/acme-dev-scores/o/{names[0]['name'].replace('/', '%2F')}?alt=media")
    lines = [json.loads(line) for line in result.data.splitlines()]
    assert [(it["instance"], it["prediction"][0]) for it in lines] == [([1.0], 2), ([2.0], 2), ([3.0], 1)]


def test_a_model_that_is_not_registered_is_a_dead_letter(laptop: Path, tmp_path: Path) -> None:
    run = drop_a_day(laptop, tmp_path)
    told = "models/churn is not found;"
    assert (run["phase"], told in run["error"]) == ("dead", True), run["error"]
