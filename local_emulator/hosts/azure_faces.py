"""The Functions host's part, on HTTP: each POST is one delivery to one function of the app.

| POST to                | what comes                                | success | failure                       |
|------------------------|-------------------------------------------|---------|-------------------------------|
| `/eventgrid`           | an event, an array of them, the handshake | 202     | 500                           |
| `/queue/NAME`          | a Delivery                                | 200     | 503, after visibilityTimeout  |
| `/servicebus/ENTITY`   | a Delivery                                | 200     | 503, at once                  |
| `/timer`               | the timer's information, `{}` for none    | 200     | 503, after its retry's delay  |
| `/api/ROUTE` (any verb)| a request of an HTTP trigger              | its own | 500                           |

Nothing is kept here: whoever delivers waits as long as Retry-After says and sends the same again, counted. An app with
several timers or Event Grid triggers is asked for one of them by `?functionName=`.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from retrigger.local_emulator.guard import refusal
from retrigger.local_emulator.hosts.azure_deliveries import Delivery, QueueRules, Unreadable
from retrigger.local_emulator.hosts.azure_library import Function, Raised, Returned, datum, http_datum, invoke

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

_LOG = logging.getLogger(__name__)
# https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#limits
_BODY_LIMIT = 100 * 1024 * 1024
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_POISON = "-poison"
_PART = re.compile(r"(/?)\{(\*?)(\w+)(\??)\}")


class _Refused(Exception):
    """The request reaches no function; the message says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Faces:
    """Of one app's triggers."""

    def __init__(self, functions: Sequence[Function], rules: QueueRules) -> None:
        self._functions = functions
        self._rules = rules

    def routes(self) -> list[Route]:
        return [
            Route("/eventgrid", _guarded(self._event_grid), methods=["POST"]),
            Route("/queue/{name}", _guarded(self._queue), methods=["POST"]),
            Route("/servicebus/{entity:path}", _guarded(self._service_bus), methods=["POST"]),
            Route("/timer", _guarded(self._timer), methods=["POST"]),
            Route("/api/{route:path}", _guarded(self._http), methods=_METHODS),
        ]

    async def _event_grid(self, request: Request) -> Response:
        function, told = self._one("eventGridTrigger", request), await _json(request)
        events = told if isinstance(told, list) else [told]
        if request.headers.get("aeg-event-type") == "SubscriptionValidation":
            return JSONResponse({"validationResponse": _validation_code(events)})
        done = [await invoke(function, datum(event), {}) for event in events]
        return Response(status_code=500 if any(isinstance(each, Raised) for each in done) else 202)

    async def _queue(self, request: Request) -> Response:
        name, delivery = request.path_params["name"], Delivery.read(await _body(request))
        function, count, most = self._of_queue(name), delivery.dequeue_count, self._rules.max_dequeue_count
        if name.endswith(_POISON):
            return _answer(await _deliver(function, delivery), self._rules.hidden_while_read)
        # One dequeue more than the limit: the host died while it read the message the last time, or moved it.
        done = await _deliver(function, delivery) if count <= most else Raised("read too often")
        if isinstance(done, Returned) or count < most:
            return _answer(done, self._rules.visibility_timeout)
        _LOG.warning("a message of the queue %s moves to %s%s: %s", name, name, _POISON, done.error)
        moved = {**delivery.metadata, "Id": str(uuid.uuid4()), "DequeueCount": 1}
        done = await _deliver(self._of_queue(name + _POISON), replace(delivery, metadata=moved))
        return _answer(done, self._rules.hidden_while_read)

    async def _service_bus(self, request: Request) -> Response:
        entity, delivery = request.path_params["entity"], Delivery.read(await _body(request))
        for function in self._functions:
            if function.kind == "serviceBusTrigger" and _entity(function) == entity:
                return _answer(await _deliver(function, delivery), timedelta())
        raise _Refused(404, f"no function listens to {entity}")

    async def _timer(self, request: Request) -> Response:
        function = self._one("timerTrigger", request)
        return _answer(await invoke(function, datum(await _json(request)), {}), function.retry)

    async def _http(self, request: Request) -> Response:
        route = request.path_params["route"]
        for function in self._functions:
            params = _params(function, request.method, route)
            if params is not None:
                break
        else:
            raise _Refused(404, f"no function answers {request.method} {route}")
        asked = http_datum(
            method=request.method,
            url=str(request.url),
            headers=dict(request.headers),
            query=dict(request.query_params),
            params=params,
            body=await _body(request),
        )
        done = await invoke(function, asked, {})
        return _response(done.value) if isinstance(done, Returned) else Response(status_code=500)

    def _one(self, kind: str, request: Request) -> Function:
        wanted = request.query_params.get("functionName")
        found = [each for each in self._functions if each.kind == kind and wanted in {None, each.name}]
        if len(found) != 1:
            raise _Refused(404, f"{len(found)} functions have this {kind}: name one as ?functionName=")
        return found[0]

    def _of_queue(self, name: str) -> Function:
        for function in self._functions:
            if function.kind == "queueTrigger" and function.trigger["queueName"] == name:
                return function
        raise _Refused(404, f"no function listens to the queue {name}")


def _guarded(face: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if (reason := refusal(request.headers)) is not None:
            return JSONResponse({"error": reason}, 403)
        try:
            return await face(request)
        except _Refused as error:
            return JSONResponse({"error": str(error)}, error.status)
        except Unreadable as error:
            return JSONResponse({"error": str(error)}, 400)

    return answer


async def _deliver(function: Function, delivery: Delivery) -> Returned | Raised:
    """In bytes where the trigger asks for them, else as text, as the host would."""
    binary = function.trigger.get("dataType") == "BINARY"
    body = delivery.body if binary else delivery.body.decode(errors="replace")
    return await invoke(function, datum(body), {name: datum(value) for name, value in delivery.metadata.items()})


def _answer(done: Returned | Raised, again_after: timedelta | None) -> Response:
    if isinstance(done, Returned):
        return Response(status_code=200)
    headers = {} if again_after is None else {"Retry-After": f"{again_after.total_seconds():.0f}"}
    return JSONResponse({"error": done.error}, 503, headers)


def _response(value: Any) -> Response:
    """What an HTTP function returned, as the library tells it."""
    if value.type == "string":
        return Response(value.value)
    told = value.value
    headers = {name: text.value for name, text in told["headers"].items()}
    return Response(told["body"].value, int(told["status_code"].value), headers)


def _entity(function: Function) -> str:
    """A queue, or `TOPIC/subscriptions/SUBSCRIPTION`."""
    it = function.trigger
    return str(it["queueName"]) if "queueName" in it else f"{it['topicName']}/subscriptions/{it['subscriptionName']}"


def _params(function: Function, method: str, route: str) -> dict[str, str] | None:
    """The route's parameters; None if it is not this function's. `{a}`, `{a?}`, `{*a}`, and text as it is."""
    methods = function.trigger.get("methods") or _METHODS
    if function.kind != "httpTrigger" or not isinstance(methods, list) or method not in methods:
        return None
    found = re.fullmatch(_pattern(str(function.trigger.get("route") or function.name)), route)
    return None if found is None else {name: text for name, text in found.groupdict().items() if text}


def _pattern(template: str) -> str:
    pattern, at = "", 0
    for part in _PART.finditer(template):
        slash, rest, name, optional = part.groups()
        text = f"(?P<{name}>{'.*' if rest else '[^/]+'})"
        pattern += re.escape(template[at : part.start()])
        pattern += f"(?:{slash}{text})?" if rest or optional else slash + text
        at = part.end()
    return pattern + re.escape(template[at:])


def _validation_code(events: list[Any]) -> str:
    match events:
        case [{"data": {"validationCode": str() as code}}]:
            return code
        case _:
            raise _Refused(400, "this is no validation event")


async def _json(request: Request) -> Any:
    try:
        return json.loads(await _body(request))
    except (ValueError, RecursionError) as error:
        raise _Refused(400, "the body is no JSON") from error


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_LIMIT:
            raise _Refused(413, f"the body is over {_BODY_LIMIT} bytes")
    return bytes(body)
