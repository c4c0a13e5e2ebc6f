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
        "control_socket_disable": True,
        "forwarded_allow_ips": "",
    }
    assert serve.settings({})["bind"] == "0.0.0.0:8080"
    assert serve.settings({})["workers"] == 1


def test_the_server_answers_and_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
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
