"""Cloud Run functions: `events` answers Eventarc, Pub/Sub push and schedules, `tick` a Cloud Scheduler job a minute.

`main` serves both from one process: `/tick` is a tick, any other path a route of events (`/`, `/pubsub/CHANNEL`, …).
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

import functions_framework

from retrigger.functions import logs
from retrigger.functions.response import answer, answer_tick
from retrigger.handlers.wiring import App, Settings, build
from retrigger.triggers.formats import parse
from retrigger.triggers.formats.wire import MAX_BODY

if TYPE_CHECKING:
    from flask import Request
    from flask.typing import ResponseReturnValue


@functools.cache
def _app() -> App:
    """Built by the first request of the process, from settings that are read once."""
    logs.configure()
    return build(Settings.from_environment(os.environ))


@functions_framework.http
def events(request: Request) -> ResponseReturnValue:
    """Decode, handle, encode."""
    app = _app()
    raw = request.stream.read(MAX_BODY + 1)
    headers, route = dict(request.headers), request.path.strip("/") or None
    return answer(
        app.ledger,
        raw,
        lambda: [
            outcome
            for event in parse(headers, raw, route, now=app.ledger.records.now())
            for outcome in app.core.handle(event)
        ],
    )


@functions_framework.http
def tick(_: Request) -> ResponseReturnValue:
    """Do what is due."""
    return answer_tick(lambda: _app().tick().run())


@functions_framework.http
def main(request: Request) -> ResponseReturnValue:
    """Both, by path."""
    return tick(request) if request.path == "/tick" else events(request)
