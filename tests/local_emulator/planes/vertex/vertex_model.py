"""A model's server for tests, as Vertex AI starts one. It tells its name; an instance may say how it shall answer."""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a second small write waits 40 ms for the first one to be acknowledged

    def do_GET(self) -> None:
        ready = self.path == os.environ["AIP_HEALTH_ROUTE"] and not os.path.exists(os.environ.get("SICK_WHILE", ""))  # noqa: PTH110  # "" is no path
        self._answer(200 if ready else 503, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != os.environ["AIP_PREDICT_ROUTE"]:
            return self._answer(404, b"no such route")
        if self.headers["Content-Type"] != "application/json":
            return self._answer(200, body[::-1])
        if os.environ.get("FAILS"):
            return self._answer(500, b"it always fails")
        asked = json.loads(body)
        match asked["instances"]:
            case [{"status": status, "say": say}]:
                return self._answer(status, say.encode())
            case instances:
                told = [{"by": os.environ["NAME"], "of": it, "with": asked.get("parameters")} for it in instances]
                return self._answer(200, json.dumps({"predictions": told}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", self.headers.get("Content-Type", "text/plain"))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    if os.environ.get("BROKEN"):
        sys.exit("the model file is not readable")
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()
