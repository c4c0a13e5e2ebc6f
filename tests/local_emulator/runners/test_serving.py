from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.local_emulator.runners import server
from retrigger.local_emulator.runners.serving import RESTARTS, Servers, ServerSpec, ServerState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = str(Path(__file__).with_name("model_server.py"))


def spec(*words: str, ready_within_s: float = 20.0) -> ServerSpec:
    return ServerSpec(
        command=[sys.executable, PROGRAM, *words],
        env={"MODEL": "churn"},
        port_names=["PORT"],
        health="/health",
        ready_within_s=ready_within_s,
    )


def script(text: str) -> ServerSpec:
    return ServerSpec(command=["/bin/sh", "-c", text], env={}, port_names=["PORT"], health="/")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    servers = Servers(tmp_path / "servers")
    yield servers
    servers.close()


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def settled(servers: Servers, key: str) -> ServerState:
    until(lambda: servers.state(key).state != "creating")
    return servers.state(key)


def asked(servers: Servers, key: str, path: str = "/score", timeout_s: float = 10.0) -> tuple[int, Any]:
    answer = servers.ask(key, "POST", path, b"[1]", {"X-Note": "hi", "Connection": "close"}, timeout_s)
    return answer.status, json.loads(answer.body) if answer.status == 200 else answer.body.decode()


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_a_server_is_created_then_ready_and_answers_what_it_is_asked(servers: Servers) -> None:
    servers.start("blue", spec())
    servers.start("blue", script("exit 1"))  # it has one
    assert settled(servers, "blue") == ServerState("ready")
    answer = servers.ask("blue", "POST", "/score", b"[1]", {"X-Note": "hi"}, 10.0)
    told = json.loads(answer.body)
    assert (answer.status, answer.headers["x-model"]) == (200, "churn")
    assert (told["path"], told["body"], told["note"]) == ("/score", "[1]", "hi")


def test_who_has_no_server_is_gone(servers: Servers) -> None:
    assert servers.state("blue") == ServerState("gone")
    assert asked(servers, "blue") == (503, "the deployment has no server that is ready\n")
    servers.stop("blue")


@pytest.mark.parametrize(
    ("made", "error"),
    [
        (script("echo no such model; exit 3"), "the server ended with status 3: no such model"),
        (script("exit 4"), "the server ended with status 4"),
        (spec("sick", ready_within_s=0.5), "the server was not healthy within 0.5 s"),
        (
            ServerSpec(command=["/no/such/program"], env={}, port_names=[], health="/"),
            "the server could not be started: [Errno 2] No such file or directory: '/no/such/program'",
        ),
    ],
)
def test_one_that_never_gets_ready_has_failed(servers: Servers, made: ServerSpec, error: str) -> None:
    servers.start("blue", made)
    assert settled(servers, "blue") == ServerState("failed", error)
    assert asked(servers, "blue")[0] == 503


def test_one_that_crashes_is_started_again_and_not_for_ever(servers: Servers) -> None:
    servers.start("blue", spec())
    settled(servers, "blue")
    pids = set()
    for _ in range(RESTARTS + 1):
        until(lambda: asked(servers, "blue")[0] == 200)
        pids.add(asked(servers, "blue")[1]["pid"])
        assert asked(servers, "blue", "/die") == (502, "the server of the deployment broke off\n")
    until(lambda: servers.state("blue") == ServerState("failed", "the server ended with status 7: out of memory"))
    assert len(pids) == RESTARTS + 1
    assert asked(servers, "blue")[0] == 503


def test_one_that_does_not_answer_in_time_has_answered_504(servers: Servers) -> None:
    servers.start("blue", spec())
    settled(servers, "blue")
    assert asked(servers, "blue", "/hang", 0.2)[0] == 504
    assert asked(servers, "blue")[0] == 200


def test_a_stopped_server_leaves_neither_process_nor_log(servers: Servers) -> None:
    servers.start("blue", spec())
    servers.start("green", spec("sick"))
    settled(servers, "blue")
    pid = asked(servers, "blue")[1]["pid"]
    servers.stop("blue")
    servers.stop("green")
    assert not lives(pid)
    assert (servers.state("blue").state, servers.state("green").state) == ("gone", "gone")
    assert not servers.log("blue").exists()


def test_what_a_server_started_goes_with_it(servers: Servers, tmp_path: Path) -> None:
    servers.start("blue", script(f"sleep 600 & echo $! > {tmp_path}/child; exit 3"))
    assert settled(servers, "blue").state == "failed"
    assert not lives(int((tmp_path / "child").read_text()))


def test_the_log_is_kept_and_bounded(servers: Servers) -> None:
    servers.start("blue", script(f"head -c {3 * server.MAX_LOG} /dev/zero | tr '\\0' 'x'; echo; echo the end; exit 1"))
    assert settled(servers, "blue").error == "the server ended with status 1: the end"
    log = servers.log("blue")
    assert log.read_text().endswith("x\nthe end\n")
    assert log.stat().st_size <= server.MAX_LOG


def test_after_the_end_nothing_is_started(servers: Servers) -> None:
    servers.close()
    servers.start("blue", spec())
    assert servers.state("blue").state == "gone"


def test_a_server_dies_with_whoever_started_it_even_by_kill_9(tmp_path: Path) -> None:
    owner = f"""
import sys, time
from pathlib import Path
from retrigger.local_emulator.runners.serving import Servers, ServerSpec
servers = Servers(Path({str(tmp_path)!r}))
servers.start("a", ServerSpec(command=[sys.executable, {PROGRAM!r}], env={{}}, port_names=["PORT"], health="/"))
while servers.state("a").state != "ready":
    time.sleep(0.01)
print(servers.ask("a", "POST", "/", b"", {{}}, 5.0).body.decode(), flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", owner], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid = json.loads(process.stdout.readline())["pid"]
        assert lives(pid)
        process.send_signal(signal.SIGKILL)
    until(lambda: not lives(pid))


def test_a_last_line_that_is_said_in_pieces_is_told_as_one(servers: Servers) -> None:
    servers.start("a", script("printf 'Runtime'; sleep 0.1; printf 'Error: no'; sleep 0.1; echo ' weights'; exit 1"))
    assert settled(servers, "a").error == "the server ended with status 1: RuntimeError: no weights"
