"""Cloud Run functions: `events` answers Eventarc, Pub/Sub push and schedules, `tick` a Cloud Scheduler job a minute.

`main` serves both from one process: `/tick` is a tick, any other path a route of events (`/`, `/pubsub/CHANNEL`, …).
`wsgi` serves the same without functions-framework.
"""

from __future__ import annotations

import gc

gc.disable()  # what a start loads stays: looking for garbage in it takes a tenth of the time that loading does

from typing import TYPE_CHECKING

import functions_framework

from retrigger.functions.auth import Call
from retrigger.functions.gcp import dispatch
from retrigger.functions.gcp.dispatch import Asked

if TYPE_CHECKING:
    from flask import Request
    from flask.typing import ResponseReturnValue


@functions_framework.http
def events(request: Request) -> ResponseReturnValue:
    """Decode, handle, encode, for whoever may call."""
    return dispatch.events(_asked(request))


@functions_framework.http
def tick(request: Request) -> ResponseReturnValue:
    """Do what is due, for whoever may call."""
    return dispatch.tick(_asked(request))


@functions_framework.http
def main(request: Request) -> ResponseReturnValue:
    """Both, by path."""
    return dispatch.serve(_asked(request))


def _asked(request: Request) -> Asked:
    headers = {name.lower(): value for name, value in request.headers.items()}
    call = Call(headers=headers, code=request.args.get("code"), peer=request.remote_addr)
    return Asked(method=request.method, path=request.path, call=call, read=request.stream.read)


# Nor does any later collection walk through it, neither in the first event nor in a fork.
gc.freeze()
gc.enable()
