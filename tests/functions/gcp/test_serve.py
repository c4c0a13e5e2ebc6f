"""serve.py: gunicorn alone around the WSGI entry point, with the variables of Cloud Run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest
import urllib3

from retrigger.functions.gcp import serve
from retrigger.triggers.formats.wire import MAX_BODY

if TYPE_CHECKING:
    from pathlib import Path


def test_settings_are_those_of_the_platform() -> None:
    given = {"PORT": "9000", "HOST": "127.0.0.1", "WORKERS": "2", "THREADS": "5", "GUNICORN_LOG_LEVEL": "info"}
    assert serve.settings(given) == {
        "bind": "127.0.0.1:9000",
        "workers": 2,
        "threads": 5,
        "timeout": 0,
        "loglevel": "info",
        "forwarded_allow_ips": "",
    }
    assert serve.settings({})["bind"] == "0.0.0.0:8080"
    assert serve.settings({})["workers"] == 1


@pytest.mark.parametrize("given", ["", "x", "-1", "0", "1.5", "99999", "\u0663"])
@pytest.mark.parametrize("name", ["PORT", "WORKERS", "THREADS"])
def test_what_is_no_number_is_told_in_a_sentence(name: str, given: str) -> None:
    with pytest.raises(SystemExit, match=f"^{name} is .*: set it to a whole number from 1 to 65535, or leave it out$"):
        serve.settings({name: given})


def test_every_setting_is_one_of_gunicorns() -> None:
    server = serve.Server()
    assert {name: server.cfg.settings[name].get() for name in ("timeout", "control_socket_disable")} == {
        "timeout": 0,
        "control_socket_disable": True,
    }


def test_the_server_answers_and_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    reserved = socket.socket()  # bound and never listening: nobody else is given the port
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    port = reserved.getsockname()[1]
    environ = {**os.environ, "PORT": str(port), "HOST": "127.0.0.1", "HOME": str(tmp_path)}
    environ.pop("RETRIGGER_COMPILED", None)
    command = [sys.executable, "-m", "retrigger.functions.gcp.serve"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environ)
    try:
        retries = urllib3.Retry(connect=200, backoff_factor=0.05, backoff_max=0.05, redirect=False)
        told = urllib3.request("POST", f"http://127.0.0.1:{port}/", body=b"{}", retries=retries)
        assert (told.status, told.json()["error"]["code"]) == (503, "not_configured")
        assert "compiled.json" in told.json()["error"]["message"]
        proxied = {"SCRIPT_NAME": "/x", "X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "off"}
        assert urllib3.request("POST", f"http://127.0.0.1:{port}/", body=b"{}", headers=proxied).status == 503
        assert told_to_who_writes_all(port, bytes(3 * MAX_BODY)) == 503
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    assert list(tmp_path.iterdir()) == []
    deadline = time.monotonic() + 5
    while _listens(port):
        assert time.monotonic() < deadline
    reserved.close()


def told_to_who_writes_all(port: int, body: bytes) -> int:
    """The status that a client meets who listens only when all of the body is sent."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/", body=body)
        return connection.getresponse().status
    finally:
        connection.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
