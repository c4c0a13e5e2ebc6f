"""What a process serves on Google Cloud, whatever the server: `/tick` is a tick, any other path a route of events."""

from __future__ import annotations

import functools
import os
from dataclasses import field
from typing import TYPE_CHECKING, Final

from retrigger.functions import logs
from retrigger.functions.auth import Callers
from retrigger.functions.response import answer, answer_caller, answer_other_methods, answer_tick
from retrigger.handlers.wiring import Settings, app
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.formats.wire import MAX_BODY, ORIGIN
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.functions.auth import Call
    from retrigger.functions.response import Answer
    from retrigger.triggers.formats import Parsed

_DIGITS: Final = 1_000  # Python reads no number of more than 4,300, and raises


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request. `read(size)` gives its body, of which nothing is read before the caller is let in."""

    method: str
    path: str
    call: Call
    read: Callable[[int], bytes] = field(repr=False)


def serve(asked: Asked) -> Answer:
    """Events and ticks, by path."""
    return tick(asked) if asked.path.strip("/") == "tick" else events(asked)


def events(asked: Asked) -> Answer:
    """Decode, handle, encode, for whoever may call."""
    logs.configure()
    return answer_caller(lambda: callers().admit(asked.call), lambda: _events(asked))


def tick(asked: Asked) -> Answer:
    """Do what is due, for whoever may call."""
    logs.configure()
    return answer_caller(lambda: callers().admit(asked.call), lambda: answer_tick(lambda: app().tick().run()))


@functools.cache
def callers() -> Callers:
    """Who may call this process."""
    return Callers.from_settings(Settings.from_environment(os.environ))


def _events(asked: Asked) -> Answer:
    handshake = asked.method == "OPTIONS" and ORIGIN in asked.call.headers
    if asked.method != "POST" and not handshake:
        return answer_other_methods()
    raw = asked.read(MAX_BODY + 1)
    return answer(app, raw, lambda: _parsed(asked, raw))


def _parsed(asked: Asked, raw: bytes) -> Parsed:
    """Raises Unavailable where the connection broke in the body: what came is not the event, and that comes again."""
    announced = announced_length(asked.call.headers.get("content-length"))
    if announced is not None and len(raw) < min(announced, MAX_BODY + 1):
        message = f"the body ended after {len(raw)} bytes, which is sooner than announced; send the event again"
        raise Unavailable(message, code="body_cut_short")
    return app().parse(asked.call.headers, raw, asked.path.strip("/") or "events")


def announced_length(content_length: str | None) -> int | None:
    """Bytes; None where the header is absent or no number that a body can have."""
    digits = content_length or ""
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS else None
