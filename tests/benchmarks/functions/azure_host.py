"""Serves the one HTTP function of an Azure Functions app, on Microsoft's worker library and little else.

`python azure_host.py FOLDER PORT`: a POST to `/api/events/ROUTE` is one request. What it imports is what every variant
pays, so it is the standard library's server and not the emulator's host.
"""

from __future__ import annotations

import asyncio
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from retrigger.local_emulator.hosts.azure_library import Returned, http_datum, invoke, load

_ROUTE = "/api/events/"


def main(folder: Path, port: int) -> None:
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    (function,) = [each for each in asyncio.run(load(folder)) if each.kind == "httpTrigger"]

    class Handler(BaseHTTPRequestHandler):
        wbufsize = -1  # head and body leave together

        def do_POST(self) -> None:
            asked = http_datum(
                method="POST",
                url=self.path,
                headers=dict(self.headers.items()),
                query={},
                params={"route": self.path.removeprefix(_ROUTE)},
                body=self.rfile.read(int(self.headers["Content-Length"])),
            )
            match asyncio.run(invoke(function, asked, {})):
                case Returned(value) if value.type == "http":
                    status, body = int(value.value["status_code"].value), value.value["body"].value
                case failed:
                    status, body = 500, str(failed).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
