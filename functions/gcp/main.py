"""Cloud Run functions: `events` answers Eventarc, Pub/Sub push and schedules, `tick` a Cloud Scheduler job a minute.

`main` serves both from one process: `/tick` is a tick, any other path a route of events (`/`, `/pubsub/CHANNEL`, …).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import functions_framework

from retrigger.functions import logs
from retrigger.functions.response import answer, answer_other_methods, answer_tick
from retrigger.handlers.wiring import app
from retrigger.triggers.formats import parse
from retrigger.triggers.formats.wire import MAX_BODY, ORIGIN

if TYPE_CHECKING:
    from flask import Request
    from flask.typing import ResponseReturnValue


@functions_framework.http
def events(request: Request) -> ResponseReturnValue:
    """Decode, handle, encode."""
    handshake = request.method == "OPTIONS" and ORIGIN in request.headers
    if request.method != "POST" and not handshake:
        return answer_other_methods()
    logs.configure()
    raw = request.stream.read(MAX_BODY + 1)
    headers, route = dict(request.headers), request.path.strip("/") or None
    return answer(app, raw, lambda: parse(headers, raw, route, now=app().ledger.records.now()))


@functions_framework.http
def tick(_: Request) -> ResponseReturnValue:
    """Do what is due."""
    logs.configure()
    return answer_tick(lambda: app().tick().run())


@functions_framework.http
def main(request: Request) -> ResponseReturnValue:
    """Both, by path."""
    return tick(request) if request.path == "/tick" else events(request)
