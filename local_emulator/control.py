"""The control API under `/retrigger/v1`: what the command line and the demo ask of a running emulator."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from retrigger.local_emulator.messaging.messages import QueueError
from retrigger.triggers.event import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from retrigger.local_emulator.backlog import Attempt, DeadLetter
    from retrigger.triggers.event import Json

ROOT = "/retrigger/v1"
_BODY_LIMIT = 64 * 1024
_MESSAGE_LIMIT = 1024 * 1024
_LONGEST_WAIT_S = 600.0
# A century: more than that is a typing error, and would leave the range of datetimes.
_LONGEST_WIND_S = 100 * 366 * 86400.0
_MOST_LISTED = 50_000


class Controlled(Protocol):
    """What the API needs of the emulator."""

    def status(self) -> Mapping[str, Json]: ...
    def advance(self, by: timedelta) -> datetime: ...
    def fire(self, trigger: str) -> None: ...
    def send(self, address: str, body: bytes, attributes: Mapping[str, str]) -> str: ...
    def wait_idle(self, timeout: timedelta) -> bool: ...
    def attempts(self, limit: int) -> list[Attempt]: ...
    def dead(self, limit: int) -> list[DeadLetter]: ...
    def shut_down(self) -> None: ...


class _Wrong(Exception):
    """The request is wrong; the message says how."""


def routes(emulator: Controlled) -> list[Route]:
    async def status(_: Request) -> Response:
        return JSONResponse(await run_in_threadpool(emulator.status))

    async def advance(request: Request) -> Response:
        try:
            seconds = _number((await _body(request)).get("seconds"), "seconds", _LONGEST_WIND_S)
        except _Wrong as error:
            return _error(400, str(error))
        now = await run_in_threadpool(emulator.advance, timedelta(seconds=seconds))
        return JSONResponse({"now": rfc3339(now)})

    async def fire(request: Request) -> Response:
        trigger = request.path_params["trigger"]
        try:
            await run_in_threadpool(emulator.fire, trigger)
        except KeyError:
            return _error(404, f"No trigger {trigger[:100]!r} has a schedule; `retrigger check` lists the triggers.")
        return JSONResponse({"fired": trigger})

    async def publish(request: Request) -> Response:
        """To a channel of Azure; one of Google is published on by Pub/Sub's own face."""
        try:
            address, body, attributes = _message(await _body(request, _MESSAGE_LIMIT))
            identity = await run_in_threadpool(emulator.send, address, body, attributes)
        except _Wrong as error:
            return _error(400, str(error))
        except QueueError as error:
            return _error(error.status, str(error))
        return JSONResponse({"id": identity})

    async def deliveries(request: Request) -> Response:
        try:
            limit = int(_number(request.query_params.get("limit", "1000"), "limit", _MOST_LISTED))
        except _Wrong as error:
            return _error(400, str(error))
        attempts = await run_in_threadpool(emulator.attempts, limit)
        dead = await run_in_threadpool(emulator.dead, limit)
        return JSONResponse({"attempts": [_attempt(it) for it in attempts], "dead": [_dead(it) for it in dead]})

    async def wait_idle(request: Request) -> Response:
        try:
            timeout = _number(request.query_params.get("timeout", "60"), "timeout", _LONGEST_WAIT_S)
        except _Wrong as error:
            return _error(400, str(error))
        return JSONResponse({"idle": await run_in_threadpool(emulator.wait_idle, timedelta(seconds=timeout))})

    async def shutdown(_: Request) -> Response:
        emulator.shut_down()
        return JSONResponse({}, 202)

    return [
        Route(ROOT + "/status", status),
        Route(ROOT + "/clock:advance", advance, methods=["POST"]),
        Route(ROOT + "/fire/{trigger}", fire, methods=["POST"]),
        Route(ROOT + "/publish", publish, methods=["POST"]),
        Route(ROOT + "/deliveries", deliveries),
        Route(ROOT + "/wait-idle", wait_idle),
        Route(ROOT + "/shutdown", shutdown, methods=["POST"]),
    ]


def _message(told: Mapping[str, object]) -> tuple[str, bytes, dict[str, str]]:
    """Errors: _Wrong."""
    match told:
        case {"address": str(address), "data": str(data), "attributes": dict(attributes)} if all(
            isinstance(value, str) for value in attributes.values()
        ):
            try:
                return address, base64.b64decode(data, validate=True), attributes
            except (binascii.Error, ValueError) as error:
                raise _Wrong("data must be base64.") from error
        case _:
            raise _Wrong("A message has an address, data (base64) and attributes (text to text).")


async def _body(request: Request, limit: int = _BODY_LIMIT) -> Mapping[str, object]:
    text = bytearray()
    async for chunk in request.stream():
        text += chunk
        if len(text) > limit:
            raise _Wrong(f"The body is larger than {limit} bytes.")
    try:
        body = json.loads(text or b"{}")
    except (ValueError, RecursionError) as error:
        raise _Wrong("The body is not JSON; send a JSON object.") from error
    if not isinstance(body, dict):
        raise _Wrong("The body is not a JSON object.")
    return body


def _number(value: object, name: str, most: float) -> float:
    """A number from 0 to `most`, also from text. Errors: _Wrong."""
    try:
        number = float(value) if isinstance(value, int | float | str) else -1.0
    except (ValueError, OverflowError):
        number = -1.0
    if not 0 <= number <= most:
        raise _Wrong(f"{name} must be a number from 0 to {most:g}.")
    return number


def _attempt(it: Attempt) -> dict[str, Json]:
    return {
        "delivery": it.delivery,
        "subscription": it.subscription,
        "headers": dict(it.headers),
        "attempt": it.number,
        "time": rfc3339(it.at),
        "status": it.status,
        "answer": it.answer,
        "error": it.error,
    }


def _dead(it: DeadLetter) -> dict[str, Json]:
    return {
        "delivery": it.item.id,
        "subscription": it.item.subscription,
        "headers": dict(it.item.headers),
        "body": base64.b64encode(it.item.body).decode("ascii"),
        "accepted": rfc3339(it.item.accepted),
        "reason": it.reason,
    }


def _error(code: int, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, code)
