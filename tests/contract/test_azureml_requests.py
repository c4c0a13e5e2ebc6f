"""Our request is the one that azure-ai-ml sends for the same job, captured live, over the options that a pipeline has.

Each by itself, and all that an environment, a trigger and a template can say of a job in pairs.
What is told apart from the template (parameters, tags, the environment's compute, experiment and caching) is written
into the job's YAML, as one would write it for `az ml job create`. EXCEPTIONS names what differs on purpose.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from retrigger.handlers.adapters.azureml.request import job_request
from retrigger.handlers.jobs import PipelineJob
from tests.contract.azureml_sdk import SUBSCRIPTION, WORKSPACE, Credential, Recorder
from tests.contract.pairwise import every_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.contract.azureml_sdk import Sent

pytestmark = [
    # raised inside the SDK, while it is imported and used; nothing of ours
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

BLOB = "https://acmeprod.blob.core.windows.net/landing/churn/dt=2026-11-20/"
ELSEWHERE = "/subscriptions/2/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w"
DATA_TYPES = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")
ASSET = {name: "azureml:churn_model:3" if name.endswith("model") else "azureml:churn_table:3" for name in DATA_TYPES}


def without_experiment(theirs: dict[str, Any]) -> None:
    del theirs["experimentName"]


def with_a_model(theirs: dict[str, Any]) -> None:
    theirs["inputs"]["it"]["uri"] = theirs["inputs"]["it"]["uri"].replace("/data/", "/models/")


# Case -> why ours differs from what the client sends, and what the client would have to send to be ours.
EXCEPTIONS: Mapping[str, tuple[str, Callable[[dict[str, Any]], None]]] = {
    "no experiment at all": ("the client sends the name of its working directory, we none", without_experiment),
    "triton_model at azureml:churn_model:3": ("the client looks for this one kind of model among data", with_a_model),
}


def a_pipeline(**changes: Any) -> dict[str, Any]:
    step = {"type": "command", "component": "azureml:train:3"}
    usual = {"type": "pipeline", "experiment_name": "churn", "settings": {"default_compute": "azureml:cpu"}}
    return {**usual, "jobs": {"train": step}, **changes}


def a_step(**step: Any) -> dict[str, Any]:
    return a_pipeline(jobs={"only": {"component": "azureml:train:3", **step}})


def a_sweep(**changes: Any) -> dict[str, Any]:
    usual = {
        "type": "sweep",
        "trial": "azureml:trainer:4",
        "sampling_algorithm": "random",
        "search_space": {"lr": {"type": "uniform", "min_value": 0.1, "max_value": 0.9}},
        "objective": {"primary_metric": "auc", "goal": "maximize"},
        "limits": {"max_total_trials": 4, "max_concurrent_trials": 2, "timeout": 600, "trial_timeout": 120},
        "inputs": {"rate": 1},
    }
    return a_pipeline(jobs={"tune": {**usual, **changes}})


def a_parallel(**changes: Any) -> dict[str, Any]:
    return a_pipeline(jobs={"score": {"type": "parallel", "component": "azureml:score:1", **changes}})


def a_job(**changes: Any) -> PipelineJob:
    usual: dict[str, Any] = {
        "id": "churn-retrain-0a1b",
        "display_name": "churn-retrain",
        "pipeline": "churn",
        "template": "0" * 64,
        "root": "",
        "service_account": None,
        "caching": None,
        "parameters": {},
        "labels": {"team": "growth", "retrigger-run": "churn-retrain-0a1b"},
        "fingerprint": "f00d",
    }
    return PipelineJob(**{**usual, **changes})


MIXED = {
    "data": {"type": "uri_folder", "mode": "ro_mount"},
    "as_of": {"type": "string"},
    "min_auc": 0.8,
    "rounds": {"type": "integer", "default": 3, "min": 1, "max": 9},
    "rate": {"type": "number", "default": 0.5},
    "balanced": {"type": "boolean", "default": True},
}

CASES: Mapping[str, tuple[dict[str, Any], PipelineJob]] = {
    "the least": (a_pipeline(), a_job()),
    "no settings": (a_pipeline(settings={"default_compute": "serverless"}), a_job()),
    "the project's experiment": (a_pipeline(), a_job(experiment="weekly")),
    "no experiment at all": ({k: v for k, v in a_pipeline().items() if k != "experiment_name"}, a_job()),
    "defaults of inputs": (
        a_pipeline(inputs={name: it for name, it in MIXED.items() if name not in {"data", "as_of"}}),
        a_job(),
    ),
    "parameters": (
        a_pipeline(inputs=MIXED),
        a_job(parameters={"data": BLOB, "as_of": "2026-11-20", "min_auc": 0.9, "rounds": 5, "balanced": False}),
    ),
    **{
        f"the literal {value!r}": (a_pipeline(inputs={"it": {"type": kind}}), a_job(parameters={"it": value}))
        for kind, value in (
            ("string", "text"),
            ("string", "0012"),
            ("string", "true"),
            ("string", 'quotes " and \\ and é 🎉'),
            ("string", " spaces "),
            ("string", "azureml:not-data:1"),
            ("integer", 0),
            ("integer", -(2**53)),
            ("number", 1e-05),
            ("number", 2.0),
            ("number", 3),
            ("number", 1e22),
            ("boolean", True),
            ("boolean", False),
        )
    },
    **{
        f"{kind} at {place}": (a_pipeline(inputs={"it": {"type": kind}}), a_job(parameters={"it": place}))
        for kind in DATA_TYPES
        for place in (BLOB, ASSET[kind], "azureml://datastores/landing/paths/churn/")
    },
    **{
        f"data at {place}": (a_pipeline(inputs={"it": {"type": "uri_folder"}}), a_job(parameters={"it": place}))
        for place in (
            "https://acmeprod.blob.core.windows.net/landing/a%20b%23c.csv",
            "wasbs://landing@acmeprod.blob.core.windows.net/x y/",
            "abfss://landing@acmeprod.dfs.core.windows.net/x/",
            "azureml://registries/acme/data/churn/versions/1.0.0",
            "azureml://subscriptions/2/resourcegroups/r/workspaces/w/datastores/d/paths/x",
            "azureml://jobs/other-run/outputs/model/paths/x",
            f"azureml:{ELSEWHERE}/data/churn/versions/7",
        )
    },
    **{
        f"{kind} with mode {mode}": (
            a_pipeline(inputs={"it": {"type": kind, "mode": mode, "path": ASSET[kind]}}),
            a_job(),
        )
        for kind, mode in (
            ("uri_file", "download"),
            ("uri_folder", "ro_mount"),
            ("uri_folder", "direct"),
            ("mltable", "eval_mount"),
            ("mltable", "eval_download"),
            ("mlflow_model", "direct"),
        )
    },
    "data without a type": (a_pipeline(inputs={"it": {"path": "azureml:churn_table:3"}}), a_job()),
    "outputs": (
        a_pipeline(
            outputs={
                "plain": {},
                "model": {"type": "mlflow_model"},
                "placed": {"type": "uri_folder", "path": "azureml://datastores/out/paths/x/", "mode": "upload"},
                "named": {"type": "uri_file", "name": "scores", "version": "2"},
                "mounted": {"type": "custom_model", "mode": "rw_mount"},
                "mount": {"type": "mltable", "mode": "mount"},
                "direct": {"mode": "direct", "path": BLOB},
            }
        ),
        a_job(),
    ),
    "every setting": (
        a_pipeline(
            settings={
                "default_compute": "azureml:cpu",
                "default_datastore": "azureml:landing",
                "continue_on_step_failure": True,
                "force_rerun": True,
            }
        ),
        a_job(),
    ),
    "no caching": (a_pipeline(), a_job(caching=False)),
    "caching over the template": (
        a_pipeline(settings={"default_compute": "azureml:cpu", "force_rerun": True}),
        a_job(caching=True),
    ),
    "the project's compute": (a_pipeline(), a_job(compute="gpu")),
    "a compute of the job": (a_pipeline(compute="azureml:big"), a_job()),
    "a compute elsewhere": (a_pipeline(settings={"default_compute": f"azureml:{ELSEWHERE}/computes/c"}), a_job()),
    "tags, description, properties": (
        a_pipeline(tags={"team": "overridden", "own": "1"}, description="nightly", properties={"p": "q"}),
        a_job(),
    ),
    **{
        f"identity {identity}": (a_pipeline(identity=identity), a_job())
        for identity in (
            {"type": "managed"},
            {"type": "managed_identity", "client_id": SUBSCRIPTION},
            {"type": "managed", "object_id": SUBSCRIPTION, "client_id": SUBSCRIPTION},
            {"type": "user_identity"},
            {"type": "aml_token"},
        )
    },
    **{
        f"the component {reference}": (a_step(component=reference), a_job())
        for reference in (
            "azureml:train:3",
            "azureml:train-it_all:2026.11.20-rc1",
            "azureml://registries/acme/components/train/versions/1.0.0",
            f"azureml:{ELSEWHERE}/components/train/versions/3",
        )
    },
    "inputs of a step": (
        a_step(
            type="command",
            inputs={
                "bound": "${{parent.inputs.it}}",
                "mounted": {"path": "${{parent.inputs.it}}", "mode": "ro_mount"},
                "typed": {"type": "mltable", "path": "${{parent.inputs.it}}", "mode": "eval_mount"},
                "text": "x",
                "empty": "",
                "number": 5,
                "float": 0.5,
                "flag": True,
                "asset": {"type": "uri_file", "path": "azureml:churn_table:3"},
                "model": {"type": "mlflow_model", "path": "azureml:churn_model:3"},
                "registry": {"type": "uri_file", "path": "azureml://registries/acme/data/d/versions/1"},
                "place": {"type": "uri_folder", "path": BLOB, "mode": "download"},
            },
        )
        | {"inputs": {"it": {"type": "uri_folder", "path": BLOB}}},
        a_job(),
    ),
    "outputs of a step": (
        a_step(
            outputs={
                "bound": "${{parent.outputs.it}}",
                "mode": {"type": "mltable", "mode": "upload"},
                "plain": {"mode": "rw_mount"},
                "placed": {"type": "uri_file", "path": "azureml://datastores/x/paths/y"},
                "named": {"type": "mlflow_model", "name": "churn", "version": "3"},
            }
        )
        | {"outputs": {"it": {"type": "uri_folder"}}},
        a_job(),
    ),
    "one step after another": (
        a_pipeline(
            inputs={"it": 1},
            jobs={
                "prepare": {"component": "azureml:prepare:1", "inputs": {"it": "${{parent.inputs.it}}"}},
                "train": {
                    "component": "azureml:train:1",
                    "inputs": {"table": "${{parent.jobs.prepare.outputs.table}}"},
                },
            },
        ),
        a_job(),
    ),
    "a command's own": (
        a_step(
            type="command",
            display_name="Train",
            description="is not sent",
            comment="why",
            tags={"a": "b"},
            properties={"p": "q"},
            compute="azureml:gpu",
            resources={"instance_count": 2, "instance_type": "STANDARD_D2", "shm_size": "2g"},
            limits={"timeout": 3661},
            environment_variables={"A": "b"},
            identity={"type": "managed", "client_id": SUBSCRIPTION},
        ),
        a_job(),
    ),
    **{f"a limit of {n} s": (a_step(limits={"timeout": n}), a_job()) for n in (59, 60, 7200, 86400, 90061)},
    "a step without a cluster": (a_step(compute="serverless", identity={"type": "user_identity"}), a_job()),
    "a registered pipeline": (a_step(type="pipeline", component="azureml:inner:2", inputs={"a": 1}), a_job()),
    "a sweep": (a_sweep(), a_job()),
    "a sweep with a sampling algorithm of its own": (
        a_sweep(sampling_algorithm={"type": "random", "rule": "sobol", "seed": 3}),
        a_job(),
    ),
    "a search space": (
        a_sweep(
            search_space={
                "a": {"type": "choice", "values": ["x", 2.5]},
                "b": {"type": "loguniform", "min_value": 0.1, "max_value": 0.9},
                "c": {"type": "quniform", "min_value": 1, "max_value": 9, "q": 2},
                "d": {"type": "normal", "mu": 1, "sigma": 2},
                "e": {"type": "randint", "upper": 4},
            }
        ),
        a_job(),
    ),
    **{
        f"trials given up by {policy['type']}": (a_sweep(early_termination=policy, compute="azureml:gpu"), a_job())
        for policy in (
            {"type": "bandit", "slack_factor": 0.1, "evaluation_interval": 1},
            {"type": "median_stopping", "delay_evaluation": 5, "evaluation_interval": 1},
            {"type": "truncation_selection", "truncation_percentage": 20},
        )
    },
    "parallel": (
        a_parallel(
            compute="azureml:gpu",
            inputs={"table": {"type": "mltable", "path": "${{parent.inputs.it}}", "mode": "eval_mount"}},
            outputs={"scores": "${{parent.outputs.it}}"},
            mini_batch_error_threshold=3,
            error_threshold=-1,
            logging_level="INFO",
            retry_settings={"max_retries": 2, "timeout": 60},
            max_concurrency_per_instance=2,
            environment_variables={"A": "b"},
            resources={"instance_count": 2, "instance_type": "Standard_D2"},
        )
        | {"inputs": {"it": {"type": "mltable", "path": "azureml:t:1"}}, "outputs": {"it": {}}},
        a_job(),
    ),
    **{f"batches of {size}": (a_parallel(mini_batch_size=size), a_job()) for size in ("5", "10kb", "2MB", "1gb")},
}


HOSTILE = "é🎉 \u202e \\ \" ' <b> %2F: #"
OPTIONS: Mapping[str, list[Any]] = {
    "given": [
        *((kind, {}, place) for kind in DATA_TYPES[:-1] for place in (BLOB, ASSET[kind])),  # EXCEPTIONS has the last
        ("uri_file", {"mode": "ro_mount"}, f"azureml:churn-manifest:{'0' * 32}"),
        ("uri_folder", {"mode": "download"}, f"{BLOB}é%20🎉/"),
        ("custom_model", {"mode": "direct"}, "azureml://datastores/landing/paths/model/"),
        ("string", {}, HOSTILE),
        ("string", {"optional": True}, "x" * 20_000),
        ("string", {"default": "of the template"}, "5"),
        ("integer", {"min": -5, "max": 5}, -5),
        ("number", {"default": 0.5}, 1e-07),
        ("boolean", {}, False),
        ("boolean", {"optional": True}, True),
    ],
    "compute": [None, "gpu"],
    "experiment": [None, "weekly", "w" * 255],
    "caching": [None, True, False],
    "id": ["churn-retrain-0a1b", "a" * 255],
    "display_name": ["churn", HOSTILE],
    "labels": [{}, {"team": "growth", HOSTILE: HOSTILE}, {f"k{n}": "v" * 256 for n in range(40)}],
    "settings": [
        {"default_compute": "azureml:cpu"},
        {"default_compute": "serverless", "force_rerun": True, "continue_on_step_failure": False},
    ],
    "own": [{}, {"tags": {"team": "of the template"}, "description": HOSTILE, "properties": {"p": HOSTILE}}],
    "identity": [{}, {"identity": {"type": "managed"}}, {"identity": {"type": "user_identity"}}],
}


def a_row(row: dict[str, Any]) -> tuple[dict[str, Any], PipelineJob]:
    """The template and the job of one row."""
    kind, about, value = row.pop("given")
    settings, own, identity = (row.pop(name) for name in ("settings", "own", "identity"))
    template = a_pipeline(inputs={"it": {"type": kind, **about}}, settings=settings, **own, **identity)
    return template, a_job(**row, parameters={"it": value})


CASES = {**CASES, **{f"pairs, row {number}": a_row(row) for number, row in enumerate(every_pair(OPTIONS))}}


def as_written_by_hand(template: Mapping[str, Any], job: PipelineJob) -> dict[str, Any]:
    """The YAML of one job: the template, filled in."""
    document = copy.deepcopy(dict(template))
    for name, declared in document.get("inputs", {}).items():
        about = declared if isinstance(declared, dict) else {"default": declared}
        value = job.parameters.get(name, about.get("path", about.get("default")))
        of_data = about.get("type", "uri_folder" if "path" in about else "") in DATA_TYPES
        document["inputs"][name] = {**about, "path": value} if of_data else value
    tags = {**document.get("tags", {}), **job.labels, "retrigger-fingerprint": job.fingerprint}
    document |= {"name": job.id, "display_name": job.display_name, "tags": tags}
    if job.experiment is not None:
        document["experiment_name"] = job.experiment
    if job.compute is not None:
        document["settings"]["default_compute"] = f"azureml:{job.compute}"
    if job.caching is not None:
        document["settings"]["force_rerun"] = not job.caching
    return document


class Sdk:
    """azure-ai-ml against the recorder."""

    def __init__(self, recorder: Recorder) -> None:
        from azure.ai.ml import MLClient

        self.recorder = recorder
        self._client = MLClient(Credential(), SUBSCRIPTION, "rg", "ml", enable_telemetry=False)

    def launch(self, file: Path) -> Sent:
        from azure.ai.ml import load_job

        self.recorder.sent.clear()
        self._client.jobs.create_or_update(load_job(str(file)))
        [put] = [sent for sent in self.recorder.sent if sent.method == "PUT"]
        return put


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sdk]:
    folder = tmp_path_factory.mktemp("azureml")
    recorder = Recorder(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZUREML_DEV_URL_MFE", recorder.url)
        patch.setenv("REQUESTS_CA_BUNDLE", str(recorder.certificate))
        patch.setenv("NO_PROXY", "localhost")
        patch.setenv("no_proxy", "localhost")
        patch.chdir(folder)  # the client would send the git state of this repository along
        yield Sdk(recorder)
    recorder.close()


@pytest.mark.parametrize("case", CASES)
def test_our_request_is_the_sdks(case: str, sdk: Sdk, tmp_path: Path) -> None:
    template, job = CASES[case]
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump(as_written_by_hand(template, job), allow_unicode=True), encoding="utf-8")
    theirs = sdk.launch(file)
    ours = job_request(job, template, workspace=WORKSPACE, endpoint=sdk.recorder.url)
    assert ours.url == f"{sdk.recorder.url}{theirs.path}?{theirs.query}"
    expected = theirs.body["properties"]
    if case in EXCEPTIONS:
        assert ours.body != {"properties": expected}, f"no exception any more: {EXCEPTIONS[case][0]}"
        EXCEPTIONS[case][1](expected)
    assert ours.body == {"properties": expected}


def test_every_exception_is_of_a_case() -> None:
    assert EXCEPTIONS.keys() <= CASES.keys()
