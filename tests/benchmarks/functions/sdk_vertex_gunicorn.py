"""`sdk_vertex` without functions-framework: under gunicorn alone, with the settings that retrigger's function has."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from gunicorn.app.base import BaseApplication
from sdk_vertex import launch  # the file beside this one

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    name = launch(json.loads(environ["wsgi.input"].read()))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [name.encode()]


class Server(BaseApplication):
    def load_config(self) -> None:
        own = {"bind": f"127.0.0.1:{os.environ['PORT']}", "threads": 4 * (os.cpu_count() or 1), "timeout": 0}
        for name, value in {**own, "loglevel": "error", "control_socket_disable": True}.items():
            self.cfg.set(name, value)

    def load(self) -> object:
        return app


if __name__ == "__main__":
    Server().run()
