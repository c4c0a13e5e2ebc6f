from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import urllib3

from retrigger.local_emulator.hosts.functions_framework import Function, FunctionsHost
from tests.local_emulator.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDER = Path(__file__).parents[1] / "recorder.py"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FunctionsHost]:
    environment = {**os.environ, "RECORD": str(tmp_path / "record"), "HANG": str(tmp_path / "hang")}
    function = Function(source=RECORDER, target="main", environment=environment)
    host = FunctionsHost(function, tmp_path / "functions.log")
    host.start()
    yield host
    host.stop()


def test_it_comes_back_on_the_same_port_after_each_kill(host: FunctionsHost) -> None:
    host.wait_ready(20)
    for deaths in (1, 2):
        assert host.pid
        os.kill(host.pid, signal.SIGKILL)
        eventually(lambda deaths=deaths: host.deaths == deaths, 20)
        eventually(lambda: answers(host), 20)


def test_what_the_function_says_is_in_its_log(host: FunctionsHost, tmp_path: Path) -> None:
    host.wait_ready(20)
    assert answers(host)
    assert (tmp_path / "functions.log").read_text() == "recorded /\n"


def answers(host: FunctionsHost) -> bool:
    try:
        return urllib3.request("POST", host.url, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False
