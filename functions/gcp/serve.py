"""Serve events and ticks under gunicorn alone: `python -m retrigger.functions.gcp.serve`, the command of a bundle.

PORT, HOST, WORKERS, THREADS and GUNICORN_LOG_LEVEL mean what they mean to functions-framework, which has the same
server. A request line is held to gunicorn's bound, which functions-framework lifts: no sender needs more.
RETRIGGER_COMPILED is `compiled.json` where it is not set.
"""

from __future__ import annotations

import gc

gc.disable()  # what a start loads stays: looking for garbage in it takes a tenth of the time that loading does

import os
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication

from retrigger.functions.gcp.wsgi import app

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed.wsgi import WSGIApplication


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn publishes no types
    """gunicorn, without a command line of its own."""

    def load_config(self) -> None:
        for name, value in settings(os.environ).items():
            self.cfg.set(name, value)
        # A way in for operators, which older gunicorns lack: here nobody can use it, and the first event waits for it.
        if "control_socket_disable" in self.cfg.settings:
            self.cfg.set("control_socket_disable", True)

    def load(self) -> WSGIApplication:
        return app


def settings(environ: Mapping[str, str]) -> dict[str, Any]:
    """gunicorn's, from a process's variables. Raises SystemExit, with a sentence, for what is no number."""
    return {
        "bind": f"{environ.get('HOST', '0.0.0.0')}:{_whole(environ, 'PORT', 8080)}",  # noqa: S104  # Cloud Run asks for it
        "workers": _whole(environ, "WORKERS", 1),
        "threads": _whole(environ, "THREADS", 4 * (os.cpu_count() or 1)),
        "timeout": 0,  # the platform ends a request that takes too long
        "loglevel": environ.get("GUNICORN_LOG_LEVEL", "error"),
        # Nobody's headers move the path or refuse a request: who asked us, and how, is read from none of them.
        "forwarded_allow_ips": "",
    }


def _whole(environ: Mapping[str, str], name: str, default: int) -> int:
    given = environ.get(name, str(default))
    if not (given.isascii() and given.isdecimal() and 0 < int(given) < 2**16):
        raise SystemExit(f"{name} is {given!r}: set it to a whole number from 1 to 65535, or leave it out")
    return int(given)


def main() -> None:
    os.environ.setdefault("RETRIGGER_COMPILED", "compiled.json")
    # Nor does any later collection walk through what was loaded, neither in the first event nor in a fork.
    gc.freeze()
    gc.enable()
    Server().run()


if __name__ == "__main__":
    main()
