"""The local Azure ML over plain HTTP."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.local_emulator.state import State
from tests.local_emulator.planes.azureml.azureml_plane import ACCOUNT, WORKSPACE, Plane, job, literal, step
from tests.processes import is_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILE = {"type": "uri_file"}
FOLDER = {"type": "uri_folder"}
BOUND = {"value": "${{parent.outputs.out}}", "type": "literal"}


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    plane = Plane(State.at(tmp_path / "state"))
    yield plane
    plane.stop()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def shell(plane: Plane, command: str, **spec: Any) -> str:
    return plane.component("run", command=command, **spec)


def refusal(answer: tuple[int, Any]) -> tuple[int, str, str]:
    status, told = answer
    return status, told["error"]["code"], told["error"]["message"]


def test_a_job_runs_its_component_and_is_shown_as_azure_ml_shows_it(plane: Plane) -> None:
    command = "echo ${{inputs.word}} > ${{outputs.out}}"
    say = shell(plane, command, inputs={"word": {"type": "string"}}, outputs={"out": FILE})
    body = job(
        {"say": step(say, {"out": BOUND}, word="${{parent.inputs.word}}")},
        {"word": literal("hello")},
        outputs={"out": {"jobOutputType": "uri_file"}},
        tags={"run": "r1"},
        experimentName="churn",
    )
    status, created = plane("PUT", "/jobs/run-1", body)
    assert (status, created["id"], created["properties"]["status"]) == (201, f"{WORKSPACE}/jobs/run-1", "NotStarted")
    ended = plane.ended("run-1")
    services = ended.pop("services")
    assert ended == {**body["properties"], "status": "Completed"}
    assert services["Studio"]["endpoint"] == f"{plane.server.url}/retrigger/azureml{WORKSPACE}/jobs/run-1"
    assert plane.blob("azureml", "azureml/run-1/out") == b"hello\n"


def test_data_goes_from_the_store_through_the_steps_into_the_store(plane: Plane) -> None:
    for name in ("a.csv", "deep/b.csv"):
        uri = plane.put_blob("landing", f"in/{name}", f"of {name}\n".encode()).removesuffix(name)
    plane("PUT", "/data/tables/versions/7", {"properties": {"dataUri": uri, "dataType": "uri_folder"}})
    stored = {"datastoreType": "AzureBlob", "accountName": ACCOUNT, "containerName": "landing"}
    plane("PUT", "/datastores/lake", {"properties": stored})
    join = plane.component(
        "join",
        command="cat $(find ${{inputs.data}} -type f | sort) > ${{outputs.table}}; echo note > outputs/note.txt",
        inputs={"data": FOLDER},
        outputs={"table": FILE},
    )
    count = plane.component(
        "count",
        command="wc -l < ${{inputs.table}} > ${{outputs.model}}/lines",
        inputs={"table": FILE},
        outputs={"model": {"type": "custom_model"}},
    )
    places = {
        "uri": uri,
        "asset": f"{WORKSPACE}/data/tables/versions/7",
        "short": "azureml:tables@latest",
        "datastore": "azureml://datastores/lake/paths/in/",
        "long": f"azureml:/{WORKSPACE}/datastores/lake/paths/in/",
        "hadoop": f"wasbs://landing@{ACCOUNT}.blob.core.windows.net/in/",
    }
    steps: dict[str, Any] = {}
    for name in places:
        steps[f"join_{name}"] = step(join, data=f"${{{{parent.inputs.{name}}}}}")
        steps[f"count_{name}"] = step(count, table=f"${{{{parent.jobs.join_{name}.outputs.table}}}}")
    inputs = {name: {"uri": place, "jobInputType": "uri_folder"} for name, place in places.items()}
    assert plane("PUT", "/jobs/all", job(steps, inputs))[0] == 201
    assert plane.ended("all")["status"] == "Completed", plane.page("all")
    for name in places:
        assert plane.blob("azureml", f"azureml/all/join_{name}/table") == b"of a.csv\nof deep/b.csv\n"
        assert plane.blob("azureml", f"azureml/all/count_{name}/model/lines").strip() == b"2"
    assert plane.blob("azureml", "azureml/all/join_uri/outputs/note.txt") == b"note\n"


def test_a_step_finds_its_code_its_variables_and_the_names_of_its_run(plane: Plane, tmp_path: Path) -> None:
    (tmp_path / "src" / ".git").mkdir(parents=True)
    (tmp_path / "src" / "say.sh").write_text('ls -A; echo "$AZUREML_ROOT_RUN_ID $AZUREML_ARM_WORKSPACE_NAME $A $B"\n')
    code = plane("PUT", "/codes/c/versions/1", {"properties": {"codeUri": (tmp_path / "src").as_uri()}})[1]["id"]
    say = shell(
        plane,
        "sh say.sh > ${{outputs.out}}",
        code=f"azureml:{code}",
        outputs={"out": FILE},
        environment_variables={"A": "component's", "B": "component's"},
    )
    own = {**step(say), "environment_variables": {"B": "step's"}}
    assert plane("PUT", "/jobs/j", job({"say": own}))[0] == 201
    assert plane.ended("j")["status"] == "Completed", plane.page("j")
    assert plane.blob("azureml", "azureml/j/say/out") == b"logs\noutputs\nsay.sh\nj ml component's step's\n"


def test_pipelines_nest_and_a_job_may_be_a_component(plane: Plane) -> None:
    inner = shell(
        plane, "echo ${{inputs.n}} > ${{outputs.out}}", inputs={"n": {"type": "integer"}}, outputs={"out": FILE}
    )
    outer = plane.component(
        "outer",
        type="pipeline",
        inputs={"n": {"type": "integer", "default": "3"}},
        outputs={"out": FILE},
        jobs={"inner": step(inner, {"out": BOUND}, n="${{parent.inputs.n}}")},
    )
    output = {"out": {"jobOutputType": "uri_file", "uri": f"https://{ACCOUNT}.blob.core.windows.net/landing/result"}}
    nested = {**step(outer, {"out": BOUND}, n="5"), "type": "pipeline"}
    assert plane("PUT", "/jobs/nested", job({"outer": nested}, outputs=output))[0] == 201
    assert plane("PUT", "/jobs/whole", job({}, componentId=outer, outputs={"out": {}}))[0] == 201
    assert plane.ended("nested")["status"] == "Completed", plane.page("nested")
    assert plane.ended("whole")["status"] == "Completed", plane.page("whole")
    assert plane.blob("landing", "result") == b"5\n"
    assert plane.blob("azureml", "azureml/whole/out") == b"3\n"


@pytest.mark.parametrize(
    ("goes_on", "status", "states"),
    [(True, "Failed", {"bad": "failed", "after": "not_triggered", "beside": "succeeded"}), (False, "Failed", None)],
)
def test_a_step_that_fails_stops_what_needs_it_or_all(
    plane: Plane, tmp_path: Path, goes_on: bool, status: str, states: dict[str, str] | None
) -> None:
    gate = tmp_path / "gate"
    bad = plane.component("bad", command="echo broken; exit 3", outputs={"out": FILE})
    after = plane.component("after", command="true", inputs={"x": FILE})
    waits = f"until [ -e {gate} ]; do sleep 0.02; done" if not goes_on else "true"
    beside = plane.component("beside", command=waits)
    jobs = {"bad": step(bad), "after": step(after, x="${{parent.jobs.bad.outputs.out}}"), "beside": step(beside)}
    assert plane("PUT", "/jobs/j", job(jobs, settings={"continue_on_step_failure": goes_on}))[0] == 201
    assert plane.ended("j")["status"] == status
    page = plane.page("j")
    assert page.startswith("j: Failed\nbad: exit status 3: broken\n")
    expected = states or {"bad": "failed", "beside": "cancelled"}
    assert [f"{name}: {state}\n" in page for name, state in expected.items()] == [True] * len(expected), page


def test_what_azure_alone_can_do_fails_with_what_to_do_here(plane: Plane) -> None:
    spark = plane.component("clean", type="spark")
    jobs = {"automl": {"type": "automl", "task": "regression"}, "clean": {**step(spark), "type": "spark"}}
    assert plane("PUT", "/jobs/j", job(jobs))[0] == 201
    assert plane.ended("j")["status"] == "Failed"
    for name, kind in (("automl", "automl"), ("clean", "spark")):
        assert f"'{name}' is of the kind {kind}, which runs only in Azure; to try" in plane.page("j")
    plane.component("clean", command="true")  # a stand-in, under the same name and version
    assert plane("PUT", "/jobs/again", job({"clean": jobs["clean"]}))[0] == 201
    assert plane.ended("again")["status"] == "Completed"


def test_a_command_that_takes_too_long_is_ended(plane: Plane) -> None:
    slow = {**step(shell(plane, "sleep 600")), "limits": {"timeout": "PT1S", "job_limits_type": "Command"}}
    plane("PUT", "/jobs/j", job({"slow": slow}))
    assert plane.ended("j")["status"] == "Failed"
    assert "slow: the command took longer than its limit, 1 s" in plane.page("j")


def test_an_output_that_is_a_file_must_be_written(plane: Plane) -> None:
    plane("PUT", "/jobs/j", job({"lazy": step(shell(plane, "true", outputs={"out": FILE}))}))
    assert plane.ended("j")["status"] == "Failed"
    assert "output 'out' is a uri_file, and the command did not write it" in plane.page("j")


def test_a_job_that_is_put_again_is_the_same_and_another_under_its_name_is_refused(plane: Plane) -> None:
    run = shell(plane, "true", inputs={"n": {"type": "integer"}})
    body = job({"run": step(run, n="${{parent.inputs.n}}")}, {"n": literal("5")}, tags={"a": "1"})
    assert [plane("PUT", "/jobs/j", body)[0] for _ in range(2)] == [201, 200]
    retagged = {"properties": {**body["properties"], "tags": {"a": "2"}}}
    status, shown = plane("PUT", "/jobs/j", retagged)
    assert (status, shown["properties"]["tags"]) == (200, {"a": "2"})
    other = {"properties": {**body["properties"], "inputs": {"n": literal("6")}}}
    told = (
        "A job with this name already exists. If you are trying to create a new job, use a different name. If you are "
        "trying to update an existing job, the existing job's inputs cannot be changed."
    )
    assert refusal(plane("PUT", "/jobs/j", other)) == (400, "UserError", told)


def test_jobs_are_listed_by_tag_and_deleted_when_they_have_ended(plane: Plane) -> None:
    run = step(shell(plane, "true"))
    for name, tags in (("a", {"run": "1"}), ("b", {"run": "2"}), ("c", {})):
        plane("PUT", f"/jobs/{name}", job({"run": run}, tags=tags, isArchived=name == "c"))

    def listed(**query: str) -> list[str]:
        return sorted(item["name"] for item in plane("GET", "/jobs", **query)[1]["value"])

    assert (listed(), listed(tag="run=2"), listed(tag="run")) == (["a", "b"], ["b"], ["a", "b"])
    assert (listed(listViewType="ArchivedOnly"), listed(listViewType="All")) == (["c"], ["a", "b", "c"])
    plane.ended("b")
    assert plane("DELETE", "/jobs/b") == (200, None)
    assert refusal(plane("GET", "/jobs/b")) == (404, "NotFound", "The job 'b' was not found in the workspace ml.")
    assert plane("PUT", "/jobs/b", job({"run": run}))[0] == 201
    assert plane.ended("b")["status"] == "Completed"


def test_a_cancelled_job_leaves_no_process(plane: Plane, tmp_path: Path) -> None:
    stubborn = f"trap '' TERM; echo $$ > {tmp_path}/p; mv {tmp_path}/p {tmp_path}/pid; while :; do sleep 1; done"
    plane("PUT", "/jobs/j", job({"run": step(shell(plane, stubborn))}))
    eventually((tmp_path / "pid").exists)
    assert refusal(plane("DELETE", "/jobs/j"))[:2] == (400, "UserError")
    assert plane("POST", "/jobs/j/cancel") == (200, None)
    assert plane.ended("j")["status"] == "Canceled"
    assert is_gone(int((tmp_path / "pid").read_text()))
    assert plane("POST", "/jobs/j/cancel") == (200, None)
    assert plane.told == []


def test_the_end_of_a_job_and_a_new_model_are_told_as_event_grid_does(plane: Plane) -> None:
    command = "echo x > ${{outputs.out}}/m"
    train = shell(plane, command, outputs={"out": {"type": "custom_model"}})
    named = {"out": {"jobOutputType": "custom_model", "assetName": "churn"}}
    inner = {"job_output_type": "custom_model", "name": "inner", "version": "4"}
    steps = {"train": step(train, {"out": BOUND}), "other": step(train, {"out": inner})}
    for name in ("one", "two"):
        plane("PUT", f"/jobs/{name}", job(steps, outputs=named, experimentName="churn", tags={"run": name}))
        plane.ended(name)
        eventually(lambda: any(event["eventType"].endswith("RunCompleted") for event in plane.told))
    bad = plane.component("bad", command="exit 1")
    plane("PUT", "/jobs/bad", job({"bad": step(bad)}))
    eventually(lambda: any(event["eventType"].endswith("RunStatusChanged") for event in plane.told))
    assert sorted(
        (event["subject"].rpartition("/")[2], event["eventType"].rpartition(".")[2]) for event in plane.told
    ) == [
        ("bad", "RunStatusChanged"),
        ("churn:1", "ModelRegistered"),
        ("churn:2", "ModelRegistered"),
        ("inner:4", "ModelRegistered"),
        ("one", "RunCompleted"),
        ("two", "RunCompleted"),
    ]
    completed = next(event for event in plane.told if event["subject"].endswith("/one"))
    experiment = completed["data"]["experimentId"]
    assert completed == {
        "topic": WORKSPACE,
        "subject": f"experiments/{experiment}/runs/one",
        "eventType": "Microsoft.MachineLearningServices.RunCompleted",
        "id": completed["id"],
        "data": {
            "experimentId": experiment,
            "experimentName": "churn",
            "runId": "one",
            "runType": "azureml.PipelineRun",
            "runStatus": "Completed",
            "runTags": {"run": "one"},
            "runProperties": {},
        },
        "dataVersion": "1.0",
        "metadataVersion": "1",
        "eventTime": completed["eventTime"],
    }
    _, model = plane("GET", "/models/churn/labels/latest")
    assert (model["name"], model["properties"]["modelUri"], model["properties"]["jobName"]) == (
        "2",
        f"https://{ACCOUNT}.blob.core.windows.net/azureml/azureml/two/out",
        "two",
    )


def test_what_was_accepted_runs_after_a_crash_and_what_ended_is_told_once(tmp_path: Path) -> None:
    state = State.at(tmp_path / "state")
    before = Plane(state)
    run = shell(before, "true")
    before("PUT", "/jobs/ended", job({"run": step(run)}))
    before.ended("ended")
    eventually(lambda: len(before.told) == 1)
    # As a crash leaves it: recorded, and not yet handed to the runner.
    before.processes.submit = lambda *_: None  # type: ignore[method-assign]
    before("PUT", "/jobs/accepted", job({"run": step(run)}))
    before.stop()
    after = Plane(state)
    assert after.ended("accepted")["status"] == "Completed"
    eventually(lambda: len(after.told) == 1)
    assert [event["subject"].rpartition("/")[2] for event in after.told] == ["accepted"]
    after.stop()


def test_an_end_that_nobody_could_be_told_of_is_told_after_a_restart(tmp_path: Path) -> None:
    state = State.at(tmp_path / "state")
    before = Plane(state)
    before.processes.on_end(lambda _: None)
    model = {"out": {"jobOutputType": "custom_model", "assetName": "churn"}}
    train = shell(before, "true", outputs={"out": {"type": "custom_model"}})
    before("PUT", "/jobs/j", job({"train": step(train, {"out": BOUND})}, outputs=model))
    before.ended("j")
    before.stop()
    for told in (["ModelRegistered", "RunCompleted"], []):
        after = Plane(state)
        assert [event["eventType"].rpartition(".")[2] for event in after.told] == told
        after.stop()


RUN = f"{WORKSPACE}/components/run/versions/1"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "The request is not JSON."),
        (b"[]", "The request must be a JSON object."),
        ({}, "The request body must be an object with `properties`."),
        ({"properties": {"jobType": "Sweep"}}, "A job of the type 'Sweep' is not emulated: pipelines are."),
        (job({}), "The pipeline has no jobs."),
        (job({}, tags=["a"]), "`properties.tags` must be an object."),
        (job({"a": step("azureml:\ud800:3")}), "The request holds half a character"),
        (job({"a": 5}), "`jobs.a` must be an object."),
        (job({"a": {"type": "command"}}), "jobs.a names no component: register one"),
        (job({"a": step("azureml:none:3")}), "azureml:none:3 is not registered: put the component's YAML into"),
        (job({"../a": step(RUN)}), "'../a' in `jobs` is no name"),
        (job({"a": {**step(RUN), "inputs": []}}), "`inputs` must be an object."),
        (job({"a": {**step(RUN), "limits": {"timeout": "soon"}}}), "limits.timeout is 'soon': write it as PT1H30M"),
        (job({"a": step(RUN)}, {"x": {"uri": "gs://bucket/x"}}), "x: The address 'gs://bucket/x' leads nowhere here"),
        (job({"a": step(RUN)}, {"x": {"uri": "azureml:none:1"}}), "x: azureml:none:1 is not registered"),
        (job({"a": step(RUN)}, {"x": {"uri": "azureml:loop:1"}}), "x: azureml:loop:1 stands for another asset"),
        (job({"a": step(RUN)}, {"x": {"uri": "azureml://datastores/no/paths/x"}}), "x: There is no datastore 'no'"),
        (job({}, componentId=RUN), f"{RUN} is no pipeline component"),
    ],
)
def test_a_request_that_cannot_be_run_is_refused(plane: Plane, body: Any, said: str) -> None:
    shell(plane, "true")
    plane("PUT", "/data/loop/versions/1", {"properties": {"dataUri": "azureml:loop:1"}})
    status, code, message = refusal(plane("PUT", "/jobs/j", body))
    assert (status, code, said in message) == (400, "UserError", True), message
    assert plane("GET", "/jobs/j")[0] == 404


@pytest.mark.parametrize("name", ["-a", "a.b", "a%2Fb", "a" * 256])
def test_a_name_that_no_job_can_have_is_refused(plane: Plane, name: str) -> None:
    assert plane("PUT", f"/jobs/{name}", job({"a": step(RUN)}))[0] in {400, 404}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/schedules/e"), ("PATCH", "/jobs/j"), ("POST", "/jobs"), ("GET", "/x/y/z")]
)
def test_what_is_not_emulated_is_told(plane: Plane, method: str, path: str) -> None:
    status, code, message = refusal(plane(method, path))
    assert (status, code, "is not emulated: docs/emulator.md says what is" in message) == (404, "NotFound", True)


def test_names_are_the_same_in_upper_and_lower_case(plane: Plane) -> None:
    plane("PUT", "/jobs/J", job({"run": step(shell(plane, "true").replace("resourceGroups", "resourcegroups"))}))
    assert plane("GET", "/JOBS/j")[0] == 404  # a kind is written in one way
    assert plane("GET", "/jobs/j")[1]["name"] == "J"


def test_assets_have_versions_and_a_latest_one(plane: Plane) -> None:
    for version in ("1", "2"):
        plane.component("train", version, command=f"echo {version}")
    _, container = plane("GET", "/components/train")
    assert (container["properties"]["latestVersion"], container["properties"]["nextVersion"]) == ("2", "3")
    assert [item["name"] for item in plane("GET", "/components/train/versions")[1]["value"]] == ["2", "1"]
    assert plane("DELETE", "/components/train/versions/2") == (200, None)
    assert plane("GET", "/components/train/versions/2")[0] == 404
    assert [item["name"] for item in plane("GET", "/components")[1]["value"]] == ["train"]


def test_a_list_goes_on_page_by_page(plane: Plane) -> None:
    for number in range(103):
        plane("PUT", f"/data/d/versions/{number}", {"properties": {"dataUri": "https://a.blob.x/c/n"}})
    _, first = plane("GET", "/data/d/versions")
    rest = plane._http.request("GET", first["nextLink"]).json()
    assert (len(first["value"]), len(rest["value"]), "nextLink" in rest) == (100, 3, False)
    assert len({item["name"] for item in (*first["value"], *rest["value"])}) == 103


def test_the_workspace_its_computes_and_its_default_datastore_are_there(plane: Plane) -> None:
    assert plane("GET", "")[1]["properties"]["provisioningState"] == "Succeeded"
    assert plane("GET", "/computes/any")[1]["properties"]["computeType"] == "AmlCompute"
    assert plane("GET", "/datastores/workspaceblobstore")[1]["properties"]["containerName"] == "azureml"
    assert plane("POST", "/datastores/workspaceblobstore/listSecrets")[1]["secretsType"] == "Sas"
    assert plane("GET", "/datastores/none")[0] == 400


def test_the_page_of_a_job_that_is_not_there_is_told(plane: Plane) -> None:
    assert plane.page("none") == "The job 'none' was not found in the workspace ml.\n"
    assert os.sep not in plane.page("none")
