"""From the start of a process to its launch request on the wire, under the real functions-framework.

Functions that take turns: a bare hello-world (up to its first response), retrigger's with a message trigger, whose
parameters are fields of the message, the same with a filter that needs the CEL runtime, and one that submits the same
pipeline through google-cloud-aiplatform.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrigger.functions.gcp import SOURCE
from retrigger.handlers.adapters.sqlite import SqliteRecords
from retrigger.triggers.authoring.compile import compile_project, local_environment
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.event import Event, Message
from retrigger.triggers.formats import encode
from tests.benchmarks.loopback import Platform
from tests.benchmarks.measure import in_turns, progress
from tests.benchmarks.report import Benchmark, Report, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_PROJECT: Final = Path(__file__).parents[1] / "golden" / "section6"
_OWN: Final = Path(__file__).with_name("functions")
_TOPIC: Final = "projects/acme-dev/topics/retrain-requests"
_FILTER: Final = "event.attempt < 10"
_PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Function:
    """What a host is started with, and the one request that it is sent."""

    source: Path
    environment: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


def run(sizes: Sequence[int], *, sdk: bool = True) -> Report:
    """`sizes`: rounds. `sdk` is false where only ours is to be looked at: the SDK takes seconds a round."""
    (rounds,) = sizes
    with tempfile.TemporaryDirectory() as folder, Platform() as platform:
        progress("cold_start: one round that is not counted, which writes the bytecode")
        cases = _cases(Path(folder), platform, sdk=sdk)
        for case in cases.values():
            case()
        progress(f"cold_start: {rounds} rounds")
        took = {name: 1000 * value for name, value in in_turns(cases, rounds).items()}
    return _report(took, rounds)


def _cases(folder: Path, platform: Platform, *, sdk: bool) -> dict[str, Callable[[], float]]:
    def bare() -> float:
        with _started(_hello()) as (began, ask):
            ask()
            return time.monotonic() - began

    def launching(function: Function) -> float:
        platform.forget()
        with _started(function) as (began, ask):
            ask()
            return platform.launched_at(_PATIENCE_S) - began

    cases: dict[str, Callable[[], float]] = {
        "bare": bare,
        "retrigger": lambda: launching(_retrigger(folder, platform)),
        "retrigger_cel": lambda: launching(_retrigger(folder, platform, _FILTER)),
    }
    if sdk:
        cases["sdk"] = lambda: launching(_sdk(platform))
    return cases


def _hello() -> Function:
    return Function(_OWN / "hello.py", {}, {}, b"")


def _retrigger(folder: Path, platform: Platform, filter_: str | None = None) -> Function:
    """A ledger of its own each time, which exists before the function starts, as in life."""
    name = uuid.uuid4().hex
    ledger, compiled = folder / f"{name}.sqlite3", folder / f"{name}.json"
    project = load_project(_PROJECT)
    authored = tuple(replace(one, trigger=replace(one.trigger, filter=filter_)) for one in project.authored)
    project = replace(project, authored=authored)
    services = dict.fromkeys(("storage", "vertex", "metadata"), platform.url)
    local = local_environment(project, like="dev", ledger=f"sqlite:{ledger}", services=services)
    compiled.write_text(compile_project(project, local), encoding="utf-8")
    SqliteRecords(ledger)
    headers, body = encode(_message(name), "pubsub-push")
    return Function(SOURCE, {"RETRIGGER_COMPILED": str(compiled)}, headers, body)


def _sdk(platform: Platform) -> Function:
    environment = {
        "GOOGLE_CLOUD_PROJECT": "acme-dev",
        "GCE_METADATA_HOST": platform.address,
        "GCE_METADATA_IP": platform.address,
        "STORAGE_EMULATOR_HOST": platform.url,
        "VERTEX_ENDPOINT": platform.url,
        "TEMPLATE": str(_PROJECT / "pipelines" / "churn.json"),
    }
    return Function(_OWN / "sdk.py", environment, {"content-type": "application/json"}, _wanted("sdk"))


def _message(name: str) -> Event:
    now = datetime.now(UTC)
    payload = Message(channel=_TOPIC, id=name, body=_wanted(name), published=now)
    return Event(id=name, source=f"//pubsub/{_TOPIC}", type="message", time=now, subject=None, payload=payload)


def _wanted(request: str) -> bytes:
    return f'{{"request_id": "{request}", "data": "gs://acme-dev-landing/a.csv", "as_of": "2026-01-01"}}'.encode()


@contextmanager
def _started(function: Function) -> Iterator[tuple[float, Callable[[], None]]]:
    """A host on a free port -> (when it was started, sends the request as soon as it is accepted)."""
    port = _free_port()
    served = ["--source", str(function.source), "--target", "main", "--signature-type", "http"]
    address = ["--host", "127.0.0.1", "--port", str(port)]
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "functions_framework", *served, *address],
        env={**_environment(), **function.environment},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield began, lambda: _ask(port, function, process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _ask(port: int, function: Function, process: subprocess.Popen[bytes]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            connection.connect()
            break
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.001)
    connection.request("POST", "/", body=function.body, headers=dict(function.headers))
    response = connection.getresponse()
    said = response.read()
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{function.source.name} answered {response.status}: {said[:500]!r}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _environment() -> dict[str, str]:
    """Ours, but bytecode is written and read, as an image that was built has it; and no proxy stands in between."""
    left_out = {"PYTHONDONTWRITEBYTECODE", "GOOGLE_APPLICATION_CREDENTIALS"}
    inherited = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**inherited, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


_NAMES: Final = {
    "bare": "first response of a hello-world",
    "retrigger": "launch request of retrigger",
    "retrigger_cel": "launch request of retrigger, with a filter",
    "sdk": "launch request of the SDK",
}


def _report(took: Mapping[str, float], rounds: int) -> Report:
    ratios = {f"{name}_of_bare": value / took["bare"] for name, value in took.items() if name != "bare"}
    targets = [
        Target("cold start, in hello-worlds", ratios["retrigger_of_bare"], 1.5),
        Target("the same with a filter", ratios["retrigger_cel_of_bare"], 1.5),
    ]
    if "sdk" in took:
        ratios["sdk_of_retrigger"] = took["sdk"] / took["retrigger"]
        ratios["the_same_above_bare"] = (took["sdk"] - took["bare"]) / (took["retrigger"] - took["bare"])
        targets.append(Target("how much sooner than the SDK", ratios["sdk_of_retrigger"], 10, at_least=True))
    return Report(
        columns=("process start to", "ms", "hello-worlds", "ms over it"),
        rows=[(_NAMES[name], value, value / took["bare"], value - took["bare"]) for name, value in took.items()],
        data={"rounds": rounds, "ms": dict(took), "ratios": dict(ratios)},
        targets=targets,
        notes=[f"median of {rounds} rounds that take turns; bytecode compiled by a round before; loopback, no TLS"],
    )


COLD_START: Final = Benchmark(
    line="process start to the launch request on the wire", unit="rounds", sizes=(9,), smallest=(1,), run=run
)
