"""Compiled pipelines, run for real. No `from __future__ import annotations` here: kfp reads annotations as objects."""
# Components are written the way kfp reads them, and run elsewhere.
# ruff: noqa: ANN002, ANN201, E741, PLR0917, PTH104, PTH110, PTH118, PTH123, PYI024, UP045

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Optional

import pytest
from kfp import compiler, dsl
from kfp.dsl import Dataset, Input, Metrics, Output, PipelineTaskFinalStatus

from retrigger.local_emulator.runners import values
from retrigger.local_emulator.runners.request import JobRequest
from tests.local_emulator.runners.fake_store import Store
from tests.processes import is_gone

IMAGE = "python:3.11"
NAME = "projects/p/locations/l/pipelineJobs/"


@dsl.component(base_image=IMAGE)
def every_type(s: str, i: int, f: float, b: bool, l: list, d: dict) -> NamedTuple(
    "Typed", [("s", str), ("i", int), ("f", float), ("b", bool), ("l", list), ("d", dict)]
):
    from collections import namedtuple

    assert [type(v) for v in (s, i, f, b, l, d)] == [str, int, float, bool, list, dict]
    return namedtuple("Typed", "s i f b l d")(s, i, f, b, l, d)


@dsl.component(base_image=IMAGE)
def echo(x: str) -> str:
    return x


@dsl.component(base_image=IMAGE)
def join(a: str, b: int) -> str:
    return f"{a}{b}"


@dsl.component(base_image=IMAGE)
def number(x: int) -> int:
    return x


@dsl.component(base_image=IMAGE)
def upto(n: int) -> list:
    return list(range(n))


@dsl.component(base_image=IMAGE)
def total(xs: list) -> int:
    return sum(xs)


@dsl.component(base_image=IMAGE)
def write(text: str, out: Output[Dataset], metrics: Output[Metrics]):
    with open(out.path, "w") as file:
        file.write(text)
    out.metadata["length"] = len(text)
    metrics.log_metric("length", len(text))


@dsl.component(base_image=IMAGE)
def read(data: Input[Dataset]) -> str:
    with open(data.path) as file:
        return file.read()


@dsl.component(base_image=IMAGE)
def read_all(data: Input[list[Dataset]]) -> str:
    return ",".join(open(one.path).read() for one in data)


@dsl.component(base_image=IMAGE)
def fail(message: str) -> str:
    raise RuntimeError(message)


@dsl.component(base_image=IMAGE)
def last_word(status: PipelineTaskFinalStatus) -> str:
    return f"{status.pipeline_task_name} {status.state} {status.error_message}"


@dsl.component(base_image=IMAGE)
def third_time_lucky(marker: str) -> str:
    with open(marker, "a") as file:
        file.write("x")
    with open(marker) as file:
        tries = len(file.read())
    if tries < 3:
        raise RuntimeError(f"try {tries}")
    return f"try {tries}"


@dsl.component(base_image=IMAGE)
def optional(x: Optional[str] = None, n: int = 3, data: Optional[Input[Dataset]] = None) -> str:
    return f"{x} {n} {data}"


@dsl.component(base_image=IMAGE)
def meet(folder: str, mine: str, theirs: str):
    import os
    import time

    open(os.path.join(folder, mine), "w").close()
    deadline = time.monotonic() + 20
    while not os.path.exists(os.path.join(folder, theirs)):
        assert time.monotonic() < deadline, f"{theirs} never ran beside {mine}"
        time.sleep(0.01)


@dsl.component(base_image=IMAGE)
def stubborn(pids: str):
    """Ignore SIGTERM, and so does a child."""
    import os
    import signal
    import subprocess
    import time

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "600"])
    with open(pids + ".partial", "w") as file:
        file.write(f"{os.getpid()} {child.pid}")
    os.rename(pids + ".partial", pids)
    time.sleep(600)


@dsl.container_component
def greet(name: str, out: dsl.OutputPath(str), data: Output[Dataset]):
    return dsl.ContainerSpec(
        image="alpine:3",
        command=["sh", "-c", 'printf "hi $0" > "$1"; printf data > "$2"'],
        args=[dsl.ConcatPlaceholder([name, "!"]), out, data.path],
    )


@dsl.container_component
def exotic():
    return dsl.ContainerSpec(image="exotic:1", command=["no-such-program"])


@dsl.pipeline(name="types")
def types_pipeline(s: str, i: int, f: float, b: bool, l: list, d: dict) -> NamedTuple(
    "Typed", [("s", str), ("i", int), ("f", float), ("b", bool), ("l", list), ("d", dict)]
):
    return every_type(s=s, i=i, f=f, b=b, l=l, d=d).outputs


@dsl.pipeline(name="branches")
def branches_pipeline(x: int, word: str = "it's") -> str:
    chosen = number(x=x)
    with dsl.If(chosen.output == 1):
        one = echo(x="one")
    with dsl.Elif(chosen.output > 4):
        with dsl.If(word != 'a "b"'):
            big = echo(x="big")
        big = echo(x=f"big and {word}")
    with dsl.Else():
        other = echo(x="other")
    return dsl.OneOf(one.output, big.output, other.output)


@dsl.pipeline(name="branch-artifact")
def branch_artifact_pipeline(x: int) -> str:
    with dsl.If(x == 1):
        a = write(text="A")
    with dsl.Else():
        b = write(text="B")
    return read(data=dsl.OneOf(a.outputs["out"], b.outputs["out"])).output


@dsl.pipeline(name="loops")
def loops_pipeline(n: int) -> NamedTuple("Out", [("sum", int), ("pairs", list), ("texts", str)]):
    with dsl.ParallelFor(upto(n=n).output, parallelism=2) as i:
        same = number(x=i)
    with dsl.ParallelFor(["a", "b"]) as outer:
        written = write(text=outer)
        with dsl.ParallelFor([1, 2]) as inner:
            pair = echo(x=f"{outer}{inner}")
    from collections import namedtuple

    return namedtuple("Out", "sum pairs texts")(
        total(xs=dsl.Collected(same.output)).output,
        dsl.Collected(pair.output),
        read_all(data=dsl.Collected(written.outputs["out"])).output,
    )


@dsl.pipeline(name="exit")
def exit_pipeline():
    with dsl.ExitHandler(last_word()):
        echo(x=fail(message="boom").output)


@dsl.pipeline(name="retry")
def retry_pipeline(marker: str) -> str:
    return third_time_lucky(marker=marker).set_retry(3, backoff_duration="0s").output


@dsl.pipeline(name="inner")
def inner_pipeline(data: Input[Dataset], suffix: str = "?") -> str:
    return echo(x=f"{read(data=data).output}{suffix}").output


@dsl.pipeline(name="nested")
def nested_pipeline() -> str:
    return inner_pipeline(data=write(text="deep").outputs["out"]).output


@dsl.pipeline(name="optional")
def optional_pipeline(x: Optional[str] = None) -> str:
    return optional(x=x).output


@dsl.pipeline(name="import")
def import_pipeline(uri: str) -> str:
    imported = dsl.importer(artifact_uri=uri, artifact_class=Dataset, metadata={"from": uri})
    return read(data=imported.output).output


@dsl.pipeline(name="cached")
def cached_pipeline(text: str) -> str:
    return read(data=write(text=text).outputs["out"]).output


@dsl.pipeline(name="container")
def container_pipeline() -> NamedTuple("Out", [("out", str), ("data", str)]):
    from collections import namedtuple

    greeted = greet(name="you")
    return namedtuple("Out", "out data")(greeted.outputs["out"], read(data=greeted.outputs["data"]).output)


@dsl.pipeline(name="exotic")
def exotic_pipeline():
    exotic()


@dsl.pipeline(name="failing")
def failing_pipeline(marker: str):
    failed = fail(message="boom")
    after = echo(x="independent").after(third_time_lucky(marker=marker).set_retry(3, backoff_duration="0s"))
    echo(x=failed.output).after(after)


@dsl.pipeline(name="beside")
def beside_pipeline(folder: str):
    meet(folder=folder, mine="a", theirs="b")
    meet(folder=folder, mine="b", theirs="a")


@dsl.pipeline(name="stubborn")
def stubborn_pipeline(pids: str):
    stubborn(pids=pids)


@dsl.component(base_image=IMAGE)
def tidy(pids: str):
    """Tidy up when told to end."""
    import os
    import signal
    import time

    def told(*_) -> None:
        time.sleep(0.2)
        open(pids + ".tidied", "w").close()
        raise SystemExit

    signal.signal(signal.SIGTERM, told)
    with open(pids + ".partial", "w") as file:
        file.write(str(os.getpid()))
    os.rename(pids + ".partial", pids)
    time.sleep(600)


@dsl.pipeline(name="tidy")
def tidy_pipeline(pids: str):
    tidy(pids=pids)


@dsl.pipeline(name="structs")
def structs_pipeline(items: list) -> list:
    with dsl.ParallelFor(items) as item:
        joined = join(a=item.a, b=item.b)
    return dsl.Collected(joined.output)


@dsl.pipeline(name="names")
def names_pipeline(x: str) -> str:
    return echo(x=f"{dsl.PIPELINE_JOB_NAME_PLACEHOLDER} {dsl.PIPELINE_TASK_NAME_PLACEHOLDER} {x}").output


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("compiled")

    def compile_(pipeline: Any) -> dict[str, Any]:
        path = folder / f"{pipeline.name}.json"
        if not path.exists():
            compiler.Compiler().compile(pipeline, str(path))
        spec: dict[str, Any] = json.loads(path.read_text())
        return spec

    return compile_


class Runner:
    """Starts job processes below one folder, and ends those that are left."""

    def __init__(self, folder: Path, compiled: Callable[[Any], dict[str, Any]]) -> None:
        self.folder = folder
        self.compiled = compiled
        self.started: list[subprocess.Popen[bytes]] = []
        self.store = ""  # none: artifacts stay in the job's folder

    def start(self, pipeline: Any, arguments: dict[str, Any], job: str = "job", **more: Any) -> Path:
        spec = self.compiled(pipeline)
        folder = self.folder / job
        folder.mkdir()
        request = JobRequest(NAME + job, spec, "gs://bucket/root", values.bind(spec, arguments), **more)
        request.write(folder)
        env = {**os.environ, "RETRIGGER_PARALLEL_TASKS": "2", "STORAGE_EMULATOR_HOST": self.store}
        with (folder / "runner.log").open("wb") as log:
            command = [sys.executable, "-m", "retrigger.local_emulator.runners.kfp", str(folder)]
            self.started.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=env, process_group=0)
            )
        return folder

    def run(self, pipeline: Any, arguments: dict[str, Any], job: str = "job", **more: Any) -> dict[str, Any]:
        folder = self.start(pipeline, arguments, job, **more)
        assert self.started[-1].wait(60) == 0, (folder / "runner.log").read_text()
        state: dict[str, Any] = json.loads((folder / "state.json").read_text())
        return state


@pytest.fixture
def runner(tmp_path: Path, compiled: Callable[[Any], dict[str, Any]]) -> Iterator[Runner]:
    runner = Runner(tmp_path, compiled)
    yield runner
    for process in runner.started:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stdin is not None
        process.stdin.close()


def outputs(state: dict[str, Any]) -> dict[str, Any]:
    assert (state["state"], state["error"]) == ("PIPELINE_STATE_SUCCEEDED", "")
    parameters: dict[str, Any] = state["outputs"]["parameters"]
    return parameters


def states(state: dict[str, Any]) -> dict[str, str]:
    return {task["path"]: task["state"] for task in state["tasks"]}


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_values_keep_their_types(runner: Runner) -> None:
    given = {"s": "a'b\"c", "i": 3, "f": 2, "b": False, "l": [1, "a", {"k": None}], "d": {"n": 1, "x": 1.5}}
    assert outputs(runner.run(types_pipeline, given)) == given


@pytest.mark.parametrize(("x", "answer"), [(1, "one"), (5, "big and it's"), (2, "other")])
def test_one_branch_is_taken(runner: Runner, x: int, answer: str) -> None:
    assert outputs(runner.run(branches_pipeline, {"x": x})) == {"Output": answer}


def test_an_artifact_comes_from_the_branch_that_was_taken(runner: Runner) -> None:
    state = runner.run(branch_artifact_pipeline, {"x": 2})
    assert outputs(state) == {"Output": "B"}
    assert sorted(states(state).values()) == ["NOT_TRIGGERED", *["SUCCEEDED"] * 4]


def test_loops_nest_and_are_collected_in_order(runner: Runner) -> None:
    state = runner.run(loops_pipeline, {"n": 4})
    assert outputs(state) == {"sum": 6, "pairs": [["a1", "a2"], ["b1", "b2"]], "texts": "a,b"}


def test_a_loop_over_structs_takes_their_fields(runner: Runner) -> None:
    items = [{"a": "p", "b": 1}, {"a": "q", "b": 2}]
    assert outputs(runner.run(structs_pipeline, {"items": items})) == {"Output": ["p1", "q2"]}


def test_an_exit_task_learns_of_the_failure_that_fails_the_job(runner: Runner) -> None:
    state = runner.run(exit_pipeline, {})
    assert state["state"] == "PIPELINE_STATE_FAILED"
    assert state["error"] == "exit-handler-1: fail: exit status 1: RuntimeError: boom"
    told = next(task for task in state["tasks"] if task["taskName"] == "last-word")
    assert told["outputs"]["parameters"] == {"Output": "exit-handler-1 FAILED fail: exit status 1: RuntimeError: boom"}
    assert states(state)["exit-handler-1/echo"] == "NOT_TRIGGERED"


def test_a_task_is_retried_as_its_policy_says(runner: Runner, tmp_path: Path) -> None:
    state = runner.run(retry_pipeline, {"marker": str(tmp_path / "marker")})
    assert outputs(state) == {"Output": "try 3"}
    assert [task["attempts"] for task in state["tasks"]] == [3]
    log = (tmp_path / "job" / "tasks" / state["tasks"][0]["folder"] / "log.txt").read_text()
    assert [f"RuntimeError: try {n}" in log for n in (1, 2, 3)] == [True, True, False]


def test_a_pipeline_in_a_pipeline_gets_artifacts(runner: Runner) -> None:
    assert outputs(runner.run(nested_pipeline, {})) == {"Output": "deep?"}


def test_what_is_optional_may_be_absent(runner: Runner) -> None:
    assert outputs(runner.run(optional_pipeline, {})) == {"Output": "None 3 None"}


def test_an_importer_brings_in_a_file(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "given.txt").write_text("given")
    assert outputs(runner.run(import_pipeline, {"uri": str(tmp_path / "given.txt")})) == {"Output": "given"}


def test_artifacts_have_gs_uris_types_and_metadata(runner: Runner, tmp_path: Path) -> None:
    state = runner.run(cached_pipeline, {"text": "abc"})
    made = state["tasks"][0]["outputs"]["artifacts"]
    uri = f"gs://bucket/root/job/{state['tasks'][0]['folder']}"
    assert {key: (one["uri"], one["schemaTitle"], one["metadata"]) for key, [one] in made.items()} == {
        "out": (f"{uri}/out", "system.Dataset", {"length": 3}),
        "metrics": (f"{uri}/metrics", "system.Metrics", {"length": 3}),
    }
    assert (tmp_path / "job" / "gcs" / uri.removeprefix("gs://") / "out").read_text() == "abc"


def test_gs_inputs_come_from_the_store_and_gs_outputs_go_there(runner: Runner) -> None:
    store = Store()
    store.objects = {"given.txt": b"given"}
    store.server.start()
    runner.store = store.server.url
    assert outputs(runner.run(import_pipeline, {"uri": "gs://bucket/given.txt"}, "in")) == {"Output": "given"}
    assert outputs(runner.run(cached_pipeline, {"text": "abc"}, "out")) == {"Output": "abc"}
    store.server.stop()
    assert store.objects == {"given.txt": b"given", "root/out/001-write/out": b"abc"}


def test_the_same_work_is_done_once(runner: Runner, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    first = runner.run(cached_pipeline, {"text": "abc"}, "first", cache=cache)
    again = runner.run(cached_pipeline, {"text": "abc"}, "again", cache=cache)
    other = runner.run(cached_pipeline, {"text": "xyz"}, "other", cache=cache)
    assert [states(state) for state in (first, again, other)] == [
        {"write": "SUCCEEDED", "read": "SUCCEEDED"},
        {"write": "SKIPPED", "read": "SKIPPED"},
        {"write": "SUCCEEDED", "read": "SUCCEEDED"},
    ]
    assert [outputs(state) for state in (first, again, other)] == [
        {"Output": "abc"},
        {"Output": "abc"},
        {"Output": "xyz"},
    ]


def test_a_result_whose_bytes_are_lost_is_made_anew(runner: Runner, tmp_path: Path) -> None:
    import shutil

    cache = str(tmp_path / "cache")
    runner.run(cached_pipeline, {"text": "abc"}, "first", cache=cache)
    shutil.rmtree(tmp_path / "first")
    again = runner.run(cached_pipeline, {"text": "abc"}, "again", cache=cache)
    assert states(again) == {"write": "SUCCEEDED", "read": "SKIPPED"}


def test_a_container_runs_where_its_program_is_installed(runner: Runner) -> None:
    assert outputs(runner.run(container_pipeline, {})) == {"out": "hi you!", "data": "data"}


def test_a_container_without_its_program_says_so(runner: Runner) -> None:
    state = runner.run(exotic_pipeline, {})
    assert (state["state"], state["error"].partition(";")[0]) == (
        "PIPELINE_STATE_FAILED",
        "exotic: image 'exotic:1' cannot run here: there is no command 'no-such-program' on this machine",
    )


@pytest.mark.parametrize(("fail_fast", "independent"), [(False, "SUCCEEDED"), (True, "NOT_TRIGGERED")])
def test_the_failure_policy_decides_over_independent_tasks(
    runner: Runner, tmp_path: Path, fail_fast: bool, independent: str
) -> None:
    state = runner.run(failing_pipeline, {"marker": str(tmp_path / "marker")}, fail_fast=fail_fast)
    assert (state["state"], states(state)) == (
        "PIPELINE_STATE_FAILED",
        {"fail": "FAILED", "third-time-lucky": "SUCCEEDED", "echo": independent, "echo-2": "NOT_TRIGGERED"},
    )


def test_tasks_run_beside_each_other(runner: Runner, tmp_path: Path) -> None:
    outputs(runner.run(beside_pipeline, {"folder": str(tmp_path)}))


def test_a_callers_value_is_never_taken_for_a_placeholder(runner: Runner) -> None:
    state = runner.run(names_pipeline, {"x": "{{$.pipeline_job_name}}"})
    assert outputs(state) == {"Output": "job echo {{$.pipeline_job_name}}"}


def test_a_cancelled_job_leaves_no_process(runner: Runner, tmp_path: Path) -> None:
    folder = runner.start(stubborn_pipeline, {"pids": str(tmp_path / "pids")})
    eventually((tmp_path / "pids").exists)
    runner.started[-1].send_signal(signal.SIGTERM)
    assert runner.started[-1].wait(20) == 0
    state = json.loads((folder / "state.json").read_text())
    assert (state["state"], states(state)) == ("PIPELINE_STATE_CANCELLED", {"stubborn": "CANCELLED"})
    assert [is_gone(int(pid)) for pid in (tmp_path / "pids").read_text().split()] == [True, True]


def test_a_cancelled_task_may_tidy_up(runner: Runner, tmp_path: Path) -> None:
    runner.start(tidy_pipeline, {"pids": str(tmp_path / "pids")})
    eventually((tmp_path / "pids").exists)
    runner.started[-1].send_signal(signal.SIGTERM)
    assert runner.started[-1].wait(20) == 0
    assert (tmp_path / "pids.tidied").exists()


def test_a_job_ends_with_its_emulator(runner: Runner, tmp_path: Path) -> None:
    folder = runner.start(stubborn_pipeline, {"pids": str(tmp_path / "pids")})
    eventually((tmp_path / "pids").exists)
    life_line = runner.started[-1].stdin
    assert life_line is not None
    life_line.close()
    assert runner.started[-1].wait(20) == 0
    state = json.loads((folder / "state.json").read_text())
    assert (state["state"], state["error"]) == (
        "PIPELINE_STATE_FAILED",
        "the emulator stopped while the pipeline ran; launch it again",
    )
    assert [is_gone(int(pid)) for pid in (tmp_path / "pids").read_text().split()] == [True, True]


def test_a_killed_job_leaves_no_process(runner: Runner, tmp_path: Path) -> None:
    runner.start(stubborn_pipeline, {"pids": str(tmp_path / "pids")})
    eventually((tmp_path / "pids").exists)
    runner.started[-1].kill()
    eventually(lambda: all(is_gone(int(pid)) for pid in (tmp_path / "pids").read_text().split()))
