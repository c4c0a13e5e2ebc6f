"""A Vertex AI of which much is to be expected: it acts and loses the answer, refuses for a while, lets runs fail.

It knows nothing of ledgers. What it was asked to run is what the audit goes by.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import random

    from retrigger.triggers.event import Json

_TOKEN: Final[Json] = {"access_token": "token", "expires_in": 3599, "token_type": "Bearer"}
_REFUSED_AT_FIRST: Final = 0.03
_ANSWER_LOST: Final = 0.05
_FAILS: Final = 0.03


@dataclass(slots=True)
class Submitted:
    """One job: as it was posted, and how it ends. `polls`: how often it was asked for."""

    id: str
    body: dict[str, Any]
    ends: str
    polls: int = 0

    @property
    def state(self) -> str:
        return self.ends if self.polls > 1 else "PIPELINE_STATE_RUNNING"

    @property
    def parameters(self) -> dict[str, Any]:
        values: dict[str, Any] = self.body["runtimeConfig"]["parameterValues"]
        return values

    @property
    def failed(self) -> bool:
        return self.ends == "PIPELINE_STATE_FAILED"


class Platform:
    """Takes pipeline jobs over loopback. `lost_answers`: how often it acted and nobody heard of it."""

    def __init__(self, chance: random.Random) -> None:
        self.jobs: dict[str, Submitted] = {}
        self.lost_answers = 0
        self._chance = chance
        self._lock = threading.Lock()
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body leave together: apart, the second waits 40 ms for an acknowledgement

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                told = platform.answer(self.command, self.path, body)
                if told is None:
                    self.close_connection = True
                    return
                status, value = told
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Metadata-Flavor", "Google")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer  # noqa: N815  # http.server looks them up by these names

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A caller that was killed while it was answered."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Json] | None:
        """Status and body; None: the connection breaks."""
        parts = urlsplit(path)
        with self._lock:
            match method, parts.path.rpartition("/"):
                case "GET", (_, "/", "token"):
                    return 200, _TOKEN
                case "POST", (_, "/", "pipelineJobs"):
                    return self._submit(parse_qs(parts.query)["pipelineJobId"][0], json.loads(body))
                case "GET", (_, "/", name) if name in self.jobs:
                    job = self.jobs[name]
                    job.polls += 1
                    return 200, {**job.body, "name": parts.path, "state": job.state}
                case _:
                    return _error(404, "NOT_FOUND")

    def _submit(self, name: str, body: dict[str, Any]) -> tuple[int, Json] | None:
        if self._chance.random() < _REFUSED_AT_FIRST:
            return _error(503, "UNAVAILABLE")
        if name in self.jobs:
            return _error(409, "ALREADY_EXISTS")
        ends = "PIPELINE_STATE_FAILED" if self._chance.random() < _FAILS else "PIPELINE_STATE_SUCCEEDED"
        self.jobs[name] = Submitted(name, body, ends)
        if self._chance.random() < _ANSWER_LOST:
            self.lost_answers += 1
            return None
        return 200, {**body, "name": name, "state": "PIPELINE_STATE_PENDING"}


def _error(code: int, status: str) -> tuple[int, Json]:
    return code, {"error": {"code": code, "message": status.lower(), "status": status}}
