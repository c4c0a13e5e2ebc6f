"""The two entry points of Google as a client meets them, on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import functions_framework
from werkzeug.test import Client

from retrigger.functions.gcp import SOURCE, dispatch, wsgi
from retrigger.handlers import wiring

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

ENTRIES = ("functions-framework", "wsgi")


def client_of(entry: str) -> Client:
    """Of a new process."""
    forget()
    if entry == "wsgi":
        return Client(_from_here)
    made: Client = functions_framework.create_app("main", str(SOURCE), "http").test_client()
    return made


def forget() -> None:
    """What a process keeps of its project."""
    wiring.app.cache_clear()
    wiring.compiled_at.cache_clear()
    dispatch.callers.cache_clear()


def _from_here(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return wsgi.app({"REMOTE_ADDR": "127.0.0.1", **environ}, start_response)
