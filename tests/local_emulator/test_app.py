from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from retrigger.handlers.adapters.sqlite import SqliteRecords
from retrigger.local_emulator.app import Emulator
from retrigger.local_emulator.claim import Claim, InUse, running
from retrigger.local_emulator.hosts.functions_framework import HostFailed
from tests.local_emulator.conftest import eventually
from tests.processes import is_gone

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local_emulator.conftest import Laptop

SOON = timedelta(seconds=10)
BACKOFF = timedelta(seconds=10)


def call(method: str, url: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    response = urllib3.request(method, url, body=content, headers=headers, retries=False, timeout=30)
    return response.status, json.loads(response.data or b"null")


def upload(emulator: Emulator, name: str, body: bytes = b"x", bucket: str = "landing") -> None:
    status, _ = call("POST", f"{emulator.url}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}", body)
    assert status == 200


def listening_after_a_free_port() -> socket.socket:
    while True:
        taken = socket.create_server(("127.0.0.1", 0))
        try:
            socket.create_server(("127.0.0.1", taken.getsockname()[1] - 1)).close()
        except OSError:
            taken.close()
        else:
            return taken


def group_of(leader: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,pgid="], capture_output=True, text=True, check=True).stdout
    return [int(pid) for pid, group in map(str.split, listed.splitlines()) if int(group) == leader]


class TestEvents:
    def test_an_upload_reaches_the_function_as_a_cloudevent(self, laptop: Laptop, emulator: Emulator) -> None:
        upload(emulator, "a%20b%25.csv")
        assert emulator.wait_idle(SOON)
        (request,) = laptop.requests()
        names = ("ce-specversion", "ce-type", "ce-source", "ce-subject", "content-type")
        assert [request["headers"][name] for name in names] == [
            "1.0",
            "google.cloud.storage.object.v1.finalized",
            "//storage.googleapis.com/projects/_/buckets/landing",
            "objects/a%20b%25.csv",
            "application/json",
        ]
        assert json.loads(request["body"])["name"] == "a b%.csv"

    def test_only_watched_buckets_are_announced(self, laptop: Laptop, emulator: Emulator) -> None:
        upload(emulator, "a.csv", bucket="other")
        assert emulator.wait_idle(SOON)
        assert laptop.requests() == []

    def test_a_message_reaches_the_function_as_eventarc_sends_it(self, laptop: Laptop, emulator: Emulator) -> None:
        topic = "projects/local-project/topics/retrain"
        message = {"data": "eyJhIjogMX0=", "attributes": {"k": "v"}, "orderingKey": "o"}
        status, answer = call("POST", f"{emulator.url}/v1/{topic}:publish", {"messages": [message]})
        assert status == 200
        assert emulator.wait_idle(SOON)
        (request,) = laptop.requests()
        body = json.loads(request["body"])
        assert request["headers"]["ce-source"] == f"//pubsub.googleapis.com/{topic}"
        assert request["headers"]["ce-id"] == body["message"]["messageId"] == answer["messageIds"][0]
        assert {name: body["message"][name] for name in message} == message
        assert (body["deliveryAttempt"], body["subscription"]) == (
            1,
            "projects/local-project/subscriptions/eventarc-retrain",
        )

    def test_duplicates_on_request_share_the_id_of_their_event(self, laptop: Laptop) -> None:
        emulator = laptop.up(copies=2)
        try:
            upload(emulator, "a.csv")
            upload(emulator, "b.csv")
            assert emulator.wait_idle(SOON)
        finally:
            emulator.stop()
        ids = [request["headers"]["ce-id"] for request in laptop.requests()]
        assert (len(ids), len(set(ids))) == (4, 2)


class TestCrashes:
    def test_an_event_whose_function_is_killed_is_delivered_again(self, laptop: Laptop, emulator: Emulator) -> None:
        laptop.hang.touch()
        upload(emulator, "a.csv")
        eventually(lambda: len(laptop.requests()) == 1)
        assert emulator.functions.pid
        os.kill(emulator.functions.pid, signal.SIGKILL)
        assert emulator.wait_idle(SOON)
        laptop.hang.unlink()
        emulator.advance(BACKOFF)
        assert emulator.wait_idle(SOON)
        first, again = laptop.requests()
        assert first["headers"]["ce-id"] == again["headers"]["ce-id"]
        attempts = [it for it in emulator.attempts(10) if it.subscription == "objects"]
        assert [(it.number, it.status) for it in attempts] == [(1, 0), (2, 200)]

    def test_an_event_that_was_accepted_before_a_kill_of_the_emulator_is_delivered_after_it(
        self, laptop: Laptop
    ) -> None:
        laptop.hang.touch()
        process, url = start_elsewhere(laptop)
        call("POST", f"{url}/upload/storage/v1/b/landing/o?uploadType=media&name=a.csv", b"x")
        eventually(lambda: len(laptop.requests()) == 1)
        process.kill()
        process.wait()
        laptop.hang.unlink()
        emulator = laptop.up()
        try:
            assert emulator.wait_idle(SOON)
        finally:
            emulator.stop()
        first, again = laptop.requests()
        assert first["headers"]["ce-id"] == again["headers"]["ce-id"]

    def test_a_killed_emulator_leaves_no_process(self, laptop: Laptop) -> None:
        process, url = start_elsewhere(laptop)
        leader = call("GET", f"{url}/retrigger/v1/status")[1]["functions"]["pid"]
        members = group_of(leader)
        assert len(members) >= 2
        process.kill()
        process.wait()
        eventually(lambda: all(is_gone(pid) for pid in members))
        assert running(laptop.state) is None

    def test_a_stopped_emulator_leaves_no_process(self, laptop: Laptop) -> None:
        emulator = laptop.up()
        assert emulator.functions.pid
        members = group_of(emulator.functions.pid)
        emulator.stop()
        assert all(is_gone(pid) for pid in members)
        assert not laptop.state.process.exists()


class TestClaim:
    def test_a_second_emulator_on_a_state_folder_is_refused(self, laptop: Laptop, emulator: Emulator) -> None:
        with pytest.raises(InUse, match="already runs on the state folder"):
            Claim.take(laptop.state)
        assert running(laptop.state) is not None
        assert emulator.wait_idle(SOON)

    def test_a_taken_port_is_said_to_be_taken(self, tmp_path: Path, laptop: Laptop, emulator: Emulator) -> None:
        port = int(emulator.url.rpartition(":")[2])
        other = type(laptop)(tmp_path / "other").state
        with pytest.raises(InUse, match=f"port {port} cannot be opened"):
            Claim.take(other, port)
        Claim.take(other).release()

    def test_the_two_ports_after_it_are_for_blob_and_queue(self, laptop: Laptop) -> None:
        other = laptop.state
        with closing(listening_after_a_free_port()) as taken:
            blob = taken.getsockname()[1]
            with pytest.raises(InUse, match=f"port {blob} cannot be opened"):
                Claim.take(other, blob - 1)
        for port in (65534, 65535):
            with pytest.raises(InUse, match=f"after port {port} there are no two"):
                Claim.take(other, port)
        Claim.take(other).release()

    def test_functions_that_cannot_be_loaded_stop_everything_and_say_why(self, laptop: Laptop) -> None:
        (laptop.folder / "broken.py").write_text("import no_such_module\n")
        settings = replace(laptop.settings(), function_source=laptop.folder / "broken.py")
        with pytest.raises(HostFailed, match="No module named 'no_such_module'"):
            Emulator(Claim.take(laptop.state), settings).start()
        Claim.take(laptop.state).release()


class TestControl:
    def test_it_shuts_down_on_request(self, laptop: Laptop) -> None:
        process, url = start_elsewhere(laptop)
        assert call("POST", f"{url}/retrigger/v1/shutdown")[0] == 202
        assert process.wait(10) == 0

    def test_every_face_refuses_names_that_are_not_loopback(self, emulator: Emulator) -> None:
        for path in ("/retrigger/v1/status", "/storage/v1/b", "/computeMetadata/v1/", "/v1/projects/p/topics"):
            assert call("GET", emulator.url + path, Host="evil.example")[0] == 403
        assert call("GET", emulator.blob_url + "/acme?comp=list", Host="evil.example")[0] == 403

    def test_the_clock_stays_wound_after_a_restart(self, laptop: Laptop) -> None:
        emulator = laptop.up()
        assert call("POST", f"{emulator.url}/retrigger/v1/clock:advance", {"seconds": 7200})[0] == 200
        emulator.stop()
        emulator = laptop.up()
        status = call("GET", f"{emulator.url}/retrigger/v1/status")[1]
        emulator.stop()
        assert status["wound_s"] == 7200

    def test_the_ledger_sees_the_wound_clock_before_anything_becomes_due(
        self, laptop: Laptop, emulator: Emulator
    ) -> None:
        seen: list[timedelta] = []
        ledger = SqliteRecords(laptop.state.ledger)
        emulator.clock.on_advance(lambda _: seen.append(ledger.now() - datetime.now(UTC)))
        emulator.advance(timedelta(hours=2))
        assert [round(ahead.total_seconds()) for ahead in seen] == [7200]

    def test_all_faces_share_the_port(self, emulator: Emulator) -> None:
        jobs = "/v1/projects/local-project/locations/europe-west4/pipelineJobs"
        assert call("GET", emulator.url + jobs)[0] == 200
        assert call("GET", emulator.url + "/v1/projects/local-project/topics")[0] == 200
        assert call("GET", emulator.url + "/storage/v1/b")[0] == 200
        assert urllib3.request("GET", emulator.url, retries=False).headers["Metadata-Flavor"] == "Google"

    def test_what_the_function_answered_can_be_read(self, emulator: Emulator) -> None:
        upload(emulator, "a.csv")
        assert call("GET", f"{emulator.url}/retrigger/v1/wait-idle?timeout=10") == (200, {"idle": True})
        status, listed = call("GET", f"{emulator.url}/retrigger/v1/deliveries")
        attempts = [it for it in listed["attempts"] if it["subscription"] == "objects"]
        assert (status, listed["dead"], len(attempts)) == (200, [], 1)
        assert (attempts[0]["status"], attempts[0]["answer"]) == (200, {"outcome": "recorded"})


_ELSEWHERE = """
import sys
from pathlib import Path
from tests.local_emulator.conftest import Laptop
emulator = Laptop(Path(sys.argv[1])).up()
print(emulator.url, flush=True)
emulator.wait()
emulator.stop()
"""


def start_elsewhere(laptop: Laptop) -> tuple[subprocess.Popen[str], str]:
    """An emulator in a process of its own, that can be killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", _ELSEWHERE, str(laptop.folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        return process, process.stdout.readline().strip()
