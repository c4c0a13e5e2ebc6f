from __future__ import annotations

from typing import Any

import pytest

from retrigger.triggers.azure_jobs import Fault, faults, is_pinned, is_readable

ID = "/subscriptions/1/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w"
UNSENT = "a launch does not send this"


def a_pipeline(**changes: Any) -> dict[str, Any]:
    return {"type": "pipeline", "jobs": {"a": {"component": "azureml:train:1"}}, **changes}


def a_step(**changes: Any) -> dict[str, Any]:
    return a_pipeline(jobs={"a": {"component": "azureml:train:1", **changes}})


def told(pipeline: dict[str, Any]) -> list[tuple[str, str]]:
    return [(".".join(fault.at), fault.code) for fault in faults(pipeline)]


@pytest.mark.parametrize(
    ("reference", "pinned"),
    [
        ("azureml:train:3", True),
        ("azureml:train-it_all.x:2026.11.20-rc1", True),
        ("azureml://registries/acme/components/train/versions/1.0.0", True),
        (f"azureml:{ID}/components/train/versions/3", True),
        (f"{ID}/components/train/versions/3", True),
        ("azureml:train", False),
        ("azureml:train@latest", False),
        ("azureml:train:", False),
        ("azureml:../../x:1", False),
        ("azureml:a:b:c", False),
        ("azureml:train:3\n", False),
        ("azureml://registries/acme/components/train/labels/latest", False),
        (f"azureml:{ID}/components/train", False),
        ("./train/versions/3", False),
        ("train:3", False),
    ],
)
def test_a_reference_is_pinned_by_its_version(reference: str, *, pinned: bool) -> None:
    assert is_pinned(reference) is pinned


@pytest.mark.parametrize(
    ("path", "readable"),
    [
        ("https://acme.blob.core.windows.net/landing/a b.csv", True),
        ("wasbs://landing@acme.blob.core.windows.net/x/", True),
        ("abfss://landing@acme.dfs.core.windows.net/x/", True),
        ("azureml://datastores/landing/paths/x/", True),
        ("azureml://subscriptions/1/resourcegroups/r/workspaces/w/datastores/d/paths/x", True),
        ("azureml:table:7", True),
        ("azureml:table@latest", False),
        ("azureml:table", False),
        ("gs://landing/a.csv", False),
        ("file:///etc/passwd", False),
        ("/etc/passwd", False),
        ("./data", False),
        ("", False),
    ],
)
def test_data_is_read_from_where_azure_ml_can_read(path: str, *, readable: bool) -> None:
    assert is_readable(path) is readable


def test_nothing_stands_in_the_way_of_a_launch() -> None:
    whole = a_pipeline(
        compute="serverless",
        identity={"type": "managed", "client_id": "x"},
        settings={"default_compute": "azureml:cpu", "default_datastore": f"azureml:{ID}/datastores/d"},
        inputs={"text": "x", "typed": {"type": "string"}, "data": {"type": "uri_folder", "mode": "ro_mount"}},
        outputs={"plain": {}, "none": None, "model": {"type": "mlflow_model", "mode": "upload"}},
    )
    step = {
        "component": "azureml:train:1",
        "compute": "azureml:gpu",
        "inputs": {"a": "${{parent.inputs.text}}", "b": {"path": "azureml:table:7"}, "c": 1},
        "outputs": {"model": "${{parent.outputs.model}}", "plain": {"type": "uri_file"}, "none": None},
    }
    tune = {"type": "sweep", "trial": "azureml:trial:1", "early_termination": {"type": "bandit"}}
    assert list(faults({**whole, "jobs": {"train": step, "tune": tune}})) == []


@pytest.mark.parametrize(
    ("pipeline", "fault"),
    [
        (a_pipeline(services={}), Fault(("services",), "not_launchable", UNSENT)),
        (
            a_step(distribution={"type": "mpi"}),
            Fault(("jobs", "a", "distribution"), "not_launchable", f"{UNSENT}: set it in the component"),
        ),
        (
            a_step(type="spark"),
            Fault(
                ("jobs", "a", "type"),
                "not_launchable",
                "a step of type `spark` is not launched from here, only command, parallel, pipeline, sweep: "
                "put it into a registered pipeline component",
            ),
        ),
        (
            a_step(compute="cpu"),
            Fault(("jobs", "a", "compute"), "not_launchable", "name it as `azureml:NAME`"),
        ),
    ],
)
def test_a_fault_says_where_why_and_what_to_write(pipeline: dict[str, Any], fault: Fault) -> None:
    assert list(faults(pipeline)) == [fault]


@pytest.mark.parametrize(
    ("pipeline", "at"),
    [
        (a_pipeline(jobs={"a": "azureml:train:1"}), "jobs.a"),
        (a_pipeline(jobs={"a": {"type": ["x"], "component": "azureml:train:1"}}), "jobs.a.type"),
        (a_pipeline(settings={"on_init": "a"}), "settings.on_init"),
        (a_pipeline(settings={"default_compute": "cpu"}), "settings.default_compute"),
        (a_pipeline(settings={"default_datastore": "serverless"}), "settings.default_datastore"),
        (a_pipeline(settings=[]), "settings"),
        (a_pipeline(identity={"type": "robot"}), "identity"),
        (a_pipeline(identity={"type": ["managed"]}), "identity"),
        (a_pipeline(identity={"type": "managed", "msi_resource_id": "x"}), "identity.msi_resource_id"),
        (a_pipeline(tags={"n": 1}), "tags"),
        (a_pipeline(properties=[]), "properties"),
        (a_step(tags=None), "jobs.a.tags"),
        (a_step(limits={"timeout": "5m"}), "jobs.a.limits"),
        (a_step(limits={}), "jobs.a.limits"),
        (a_step(type="parallel", mini_batch_size="10 files"), "jobs.a.mini_batch_size"),
        (a_pipeline(identity="managed"), "identity"),
        (a_pipeline(inputs={"x": ["a"]}), "inputs.x"),
        (a_pipeline(inputs={"x": None}), "inputs.x"),
        (a_pipeline(inputs={"x": {"type": "uri_folder", "mode": "rw_mount"}}), "inputs.x.mode"),
        (a_pipeline(inputs={"x": {"type": "table"}}), "inputs.x.type"),
        (a_pipeline(outputs={"x": "y"}), "outputs.x"),
        (a_pipeline(outputs={"x": {"mode": "ro_mount"}}), "outputs.x.mode"),
        (a_step(inputs={"x": {"type": "string", "path": "azureml:t:1"}}), "jobs.a.inputs.x.type"),
        (a_step(inputs={"x": {"type": "uri_file"}}), "jobs.a.inputs.x"),
        (a_step(outputs={"x": "y"}), "jobs.a.outputs.x"),
        (a_step(environment="azureml:env:1"), "jobs.a.environment"),
        (a_step(early_termination={"type": "bandit"}), "jobs.a.early_termination"),
        (
            a_pipeline(jobs={"a": {"type": "sweep", "trial": "azureml:t:1", "early_termination": {"type": "never"}}}),
            "jobs.a.early_termination",
        ),
    ],
)
def test_what_is_not_known_is_not_dropped(pipeline: dict[str, Any], at: str) -> None:
    assert told(pipeline) == [(at, "not_launchable")]


@pytest.mark.parametrize(
    ("pipeline", "at"),
    [
        (a_step(component="./train.yaml"), "jobs.a.component"),
        (a_step(component={"type": "command"}), "jobs.a"),
        (a_step(code="./src"), "jobs.a.code"),
        (a_step(inputs={"x": {"path": "./data"}}), "jobs.a.inputs.x.path"),
        (a_pipeline(inputs={"x": {"path": "azureml:t@latest"}}), "inputs.x.path"),
        (a_pipeline(jobs={"a": {"type": "sweep", "component": "azureml:t:1"}}), "jobs.a"),
    ],
)
def test_what_is_not_registered_under_a_version_is_not_launched(pipeline: dict[str, Any], at: str) -> None:
    assert told(pipeline) == [(at, "unpinned_reference")]
