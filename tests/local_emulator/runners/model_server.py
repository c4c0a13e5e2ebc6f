"""A model server for tests: it tells who asked it what, dies when it is told to, and never gets well as `sick`."""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(503 if "sick" in sys.argv else 200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/die":
            os.write(1, b"out of memory\n")
            os._exit(7)
        if self.path == "/hang":
            self.rfile.read(1)
        told = {"path": self.path, "body": body.decode(), "pid": os.getpid(), "note": self.headers.get("X-Note")}
        self._answer(200, json.dumps(told).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("X-Model", os.environ.get("MODEL", ""))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
