"""Cloud Run functions: `events` answers Eventarc, Pub/Sub push and schedules, `tick` a Cloud Scheduler job a minute.

`main` serves both from one process: `/tick` is a tick, any other path a route of events (`/`, `/pubsub/CHANNEL`, …).
"""

from __future__ import annotations

import gc

gc.disable()  # what a start loads stays: looking for garbage in it takes a tenth of the time that loading does

import functools
import os
from typing import TYPE_CHECKING

import functions_framework

from retrigger.functions import logs
from retrigger.functions.auth import Call, Callers
from retrigger.functions.response import answer, answer_caller, answer_other_methods, answer_tick
from retrigger.handlers.wiring import Settings, app
from retrigger.triggers.formats.wire import MAX_BODY, ORIGIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Request
    from flask.typing import ResponseReturnValue

    from retrigger.functions.response import Answer


@functools.cache
def callers() -> Callers:
    """Who may call this process."""
    return Callers.from_settings(Settings.from_environment(os.environ))


@functions_framework.http
def events(request: Request) -> ResponseReturnValue:
    """Decode, handle, encode, for whoever may call."""
    logs.configure()
    call = _call(request)
    return answer_caller(lambda: callers().admit(call), lambda: _events(request, call.headers))


@functions_framework.http
def tick(request: Request) -> ResponseReturnValue:
    """Do what is due, for whoever may call."""
    logs.configure()
    return answer_caller(lambda: callers().admit(_call(request)), lambda: answer_tick(lambda: app().tick().run()))


@functions_framework.http
def main(request: Request) -> ResponseReturnValue:
    """Both, by path."""
    return tick(request) if request.path.strip("/") == "tick" else events(request)


def _call(request: Request) -> Call:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Call(headers=headers, code=request.args.get("code"), peer=request.remote_addr)


def _events(request: Request, headers: Mapping[str, str]) -> Answer:
    handshake = request.method == "OPTIONS" and ORIGIN in headers
    if request.method != "POST" and not handshake:
        return answer_other_methods()
    raw = request.stream.read(MAX_BODY + 1)
    route = request.path.strip("/") or "events"
    return answer(app, raw, lambda: app().parse(headers, raw, route))


# Nor does any later collection walk through it, neither in the first event nor in a fork.
gc.freeze()
gc.enable()
