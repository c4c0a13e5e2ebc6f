"""Service Bus over HTTPS, as far as a sender needs it: /servicebus/NAMESPACE/ENTITY/messages.

Reference: https://learn.microsoft.com/rest/api/servicebus/message-operations. Messages come out again, for those queues
that no function listens to, by receive-and-delete (`DELETE …/messages/head`). Not emulated: AMQP, locks, sessions, the
management of entities; there are those that the environment names.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Protocol
from xml.sax.saxutils import escape

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from retrigger.local_emulator.messaging.messages import InvalidArgument, NotFound, QueueError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from retrigger.triggers.event import Json


ROOT = "/servicebus"
_LIMIT = 1024 * 1024
_HEADER = re.compile(r"[A-Za-z0-9_.-]{1,200}")
# The broker's names of properties, and those that the Functions host has for them.
_BROKER = {"MessageId": "MessageId", "Label": "Subject", "CorrelationId": "CorrelationId", "SessionId": "SessionId"}


class Bus(Protocol):
    """The entities of the environment, by namespace and name. Errors of both: NotFound."""

    def send_bus(
        self, namespace: str, entity: str, body: bytes, attributes: Mapping[str, str], told: Mapping[str, str]
    ) -> None:
        """`told`: what the message says by the Functions host's names. Errors: InvalidArgument."""

    def receive_bus(self, namespace: str, entity: str) -> tuple[bytes, Mapping[str, Json]] | None:
        """The next message that waits for a reader, and what its queue tells of it; None if there is none."""


def routes(bus: Bus) -> list[Route]:
    async def send(request: Request) -> Response:
        names, headers = request.path_params, request.headers
        try:
            body, told = await _body(request), _told(headers)
            await run_in_threadpool(bus.send_bus, names["namespace"], names["entity"], body, _properties(headers), told)
        except QueueError as error:
            return _error(error)
        return Response(status_code=201)

    async def receive(request: Request) -> Response:
        names = request.path_params
        try:
            found = await run_in_threadpool(bus.receive_bus, names["namespace"], names["entity"])
        except QueueError as error:
            return _error(error)
        if found is None:
            return Response(status_code=204)
        body, metadata = found
        return Response(body, headers=_headers(metadata))

    path = ROOT + "/{namespace}/{entity:path}/messages"
    return [Route(path + "/head", receive, methods=["DELETE"]), Route(path, send, methods=["POST"])]


async def _body(request: Request) -> bytes:
    """Errors: InvalidArgument."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LIMIT:
            raise InvalidArgument(f"The body is over {_LIMIT:,} bytes.")
    return bytes(body)


def _told(headers: Mapping[str, str]) -> dict[str, str]:
    """Errors: InvalidArgument."""
    broker = _json(headers.get("brokerproperties", "{}"))
    if not isinstance(broker, dict):
        raise InvalidArgument("BrokerProperties is a JSON object.")
    told = {ours: str(broker[theirs]) for theirs, ours in _BROKER.items() if broker.get(theirs) is not None}
    return {**told, **({"ContentType": headers["content-type"]} if "content-type" in headers else {})}


def _properties(headers: Mapping[str, str]) -> dict[str, str]:
    """The sender's own: headers whose value is text in double quotes. Names come in lower case here."""
    quoted = {name: _json(value) for name, value in headers.items() if value.startswith('"')}
    return {name: value for name, value in quoted.items() if isinstance(value, str)}


def _json(text: str) -> object:
    """Errors: InvalidArgument."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"{text[:100]!r} is no JSON.") from error
    return value


def _headers(metadata: Mapping[str, Json]) -> dict[str, str]:
    broker = {theirs: metadata[ours] for theirs, ours in _BROKER.items() if ours in metadata}
    broker |= {name: metadata[name] for name in ("DeliveryCount", "EnqueuedTimeUtc") if name in metadata}
    properties = metadata.get("ApplicationProperties")
    own = properties.items() if isinstance(properties, dict) else ()
    # `publish --attribute` takes names that are none of HTTP's
    named = {name: json.dumps(value) for name, value in own if _HEADER.fullmatch(name)}
    headers = {**named, "BrokerProperties": json.dumps(broker)}
    return headers | ({"Content-Type": str(metadata["ContentType"])} if "ContentType" in metadata else {})


def _error(error: QueueError) -> Response:
    status = 404 if isinstance(error, NotFound) else error.status
    body = f"<Error><Code>{status}</Code><Detail>{escape(str(error))}</Detail></Error>"
    return Response(body, status, media_type="application/xml")
