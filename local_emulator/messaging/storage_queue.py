"""Queue Storage's REST API over the emulator's queues, path-style: /ACCOUNT/QUEUE/messages/ID.

Reference: https://learn.microsoft.com/rest/api/storageservices/queue-service-rest-api. Any credentials are accepted:
SharedKey, SAS, Bearer. Not emulated: access policies, properties and statistics of the service.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from retrigger.local_emulator.messaging import pull_queues, storage_queue_xml
from retrigger.local_emulator.stores import blob_errors
from retrigger.local_emulator.stores.blob_conditions import http_date
from retrigger.local_emulator.stores.blob_describe import metadata, metadata_headers
from retrigger.local_emulator.stores.blob_errors import Rejected
from retrigger.local_emulator.stores.blob_http import service_headers
from retrigger.local_emulator.stores.blob_xml import xml_response
from retrigger.local_emulator.stores.errors import NotAllowed, NotEmulated, NotFound, StoreError
from retrigger.local_emulator.stores.gcs_http import Body, Call, RawRoute, unquoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.routing import BaseRoute

    from retrigger.local_emulator.messaging.pull_queues import PulledMessage, PullQueues

Level: TypeAlias = Literal["service", "queue", "messages", "message"]
Operation: TypeAlias = tuple[Level, str, str]  # what is meant, the method, and `comp`

_PATH = re.compile(r"/(?P<account>[^/]+)(?:/(?P<queue>[^/]+)(?P<messages>/messages(?:/(?P<id>[^/]+))?)?)?/?", re.DOTALL)
_NAME = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")
# The XML around a message of the largest size, each of whose characters may be written as an entity.
_BODY_LIMIT = 8 * 64 * 1024
_WEEK_S = 7 * 86_400
_LONGEST_S = 10_000 * 366 * 86_400
_MOST_READ = 32
_MOST_LISTED = 5000


def routes(queues: PullQueues, heard: Callable[[str, PulledMessage], bool]) -> list[BaseRoute]:
    """Everything, on a port of its own: an account may have any name.

    `heard(place, message)` hands a message to functions that listen to the queue, and says whether there are any: what
    they hear is theirs, and not kept for other readers.
    """
    return [RawRoute(r"/.*", QueueFace(queues, heard).respond, error_response)]


class QueueFace:
    """Each operation takes the call, whose `body` is read, and gives the answer."""

    def __init__(self, queues: PullQueues, heard: Callable[[str, PulledMessage], bool]) -> None:
        self._queues = queues
        self._heard = heard

    async def respond(self, call: Call, body: Body) -> Response:
        try:
            operation, named = _understood(call)
            answer = _OPERATIONS.get(operation)
            if answer is None:
                raise _unknown(operation)
            whole = replace(named, body=await body.read(_BODY_LIMIT))
            response = await run_in_threadpool(answer, self, whole)
        except StoreError as error:
            response = error_response(error)
        response.headers.update(service_headers(call))
        return response

    # queues

    def list_queues(self, call: Call) -> Response:
        account, prefix = call.names["account"], call.query.get("prefix", "")
        limit, marker = _number(call, "maxresults", 1, _MOST_LISTED, _MOST_LISTED), call.query.get("marker", "")
        names = [place.partition("/")[2] for place in self._queues.places(f"{account}/{prefix}")]
        left = [name for name in names if name >= marker]
        told = "metadata" in call.query.get("include", "").split(",")
        found = [(name, self._queues.metadata(f"{account}/{name}") if told else None) for name in left[:limit]]
        asked = {"Prefix": prefix, "Marker": marker, "MaxResults": call.query.get("maxresults", "")}
        after = left[limit] if len(left) > limit else ""
        return xml_response(storage_queue_xml.queues(found, asked, after, f"{call.base}/{account}/"))

    def create(self, call: Call) -> Response:
        _check_name(call.names["queue"])
        return Response(status_code=201 if self._queues.create(_place(call), metadata(call.headers)) else 204)

    def describe(self, call: Call) -> Response:
        count = self._queues.count(_place(call))
        headers = metadata_headers(self._queues.metadata(_place(call)))
        return Response(headers={**headers, "x-ms-approximate-messages-count": str(count)})

    def set_metadata(self, call: Call) -> Response:
        self._queues.set_metadata(_place(call), metadata(call.headers))
        return Response(status_code=204)

    def delete(self, call: Call) -> Response:
        self._queues.delete(_place(call))
        return Response(status_code=204)

    # messages

    def put(self, call: Call) -> Response:
        text, (delay, lives) = storage_queue_xml.read_text(call.body), _times(call)
        self._queues.metadata(_place(call))
        message = self._queues.draft(text, delay=delay, lives=lives)
        if not self._heard(_place(call), message):
            self._queues.add(_place(call), message)
        return xml_response(storage_queue_xml.added(message), 201)

    def get(self, call: Call) -> Response:
        most = _number(call, "numofmessages", 1, _MOST_READ, 1)
        if call.query.get("peekonly", "").lower() == "true":
            return xml_response(storage_queue_xml.peeked(self._queues.peek(_place(call), most)))
        hidden = timedelta(seconds=_number(call, "visibilitytimeout", 1, _WEEK_S, 30))
        return xml_response(storage_queue_xml.taken(self._queues.take(_place(call), most, hidden)))

    def clear(self, call: Call) -> Response:
        self._queues.clear(_place(call))
        return Response(status_code=204)

    def update(self, call: Call) -> Response:
        text = storage_queue_xml.read_text(call.body) if call.body else None
        if "visibilitytimeout" not in call.query:
            raise Rejected("MissingRequiredQueryParameter", "visibilitytimeout is missing.")
        hidden = timedelta(seconds=_number(call, "visibilitytimeout", 0, _WEEK_S, 0))
        changed = self._queues.update(_place(call), call.names["id"], _receipt(call), hidden, text)
        headers = {"x-ms-popreceipt": changed.receipt, "x-ms-time-next-visible": http_date(changed.visible)}
        return Response(status_code=204, headers=headers)

    def delete_message(self, call: Call) -> Response:
        self._queues.remove(_place(call), call.names["id"], _receipt(call))
        return Response(status_code=204)


_OPERATIONS: Mapping[Operation, Callable[[QueueFace, Call], Response]] = {
    ("service", "GET", "list"): QueueFace.list_queues,
    ("queue", "PUT", ""): QueueFace.create,
    ("queue", "DELETE", ""): QueueFace.delete,
    ("queue", "GET", "metadata"): QueueFace.describe,
    ("queue", "PUT", "metadata"): QueueFace.set_metadata,
    ("messages", "POST", ""): QueueFace.put,
    ("messages", "GET", ""): QueueFace.get,
    ("messages", "DELETE", ""): QueueFace.clear,
    ("message", "PUT", ""): QueueFace.update,
    ("message", "DELETE", ""): QueueFace.delete_message,
}


def error_response(error: StoreError) -> Response:
    match error:
        case pull_queues.NoQueue():
            code = "QueueNotFound"
        case pull_queues.NoMessage():
            code = "MessageNotFound"
        case pull_queues.QueueExists():
            code = "QueueAlreadyExists"
        case pull_queues.WrongReceipt():
            code = "PopReceiptMismatch"
        case _:
            code = blob_errors.code_of(error)
    return blob_errors.refused(error, code)


def _understood(call: Call) -> tuple[Operation, Call]:
    """What a call is about, with its names unquoted. Errors: Invalid, NotFound."""
    found = _PATH.fullmatch(call.path)
    if found is None:
        raise NotFound("No such path: messages are at /ACCOUNT/QUEUE/messages.")
    names = {key: unquoted(value) for key, value in found.groupdict().items() if value is not None}
    level: Level
    if "id" in names:
        level = "message"
    elif "messages" in names:
        level = "messages"
    else:
        level = "queue" if "queue" in names else "service"
    return (level, call.method, call.query.get("comp", "")), replace(call, names=names)


def _unknown(operation: Operation) -> StoreError:
    level, method, comp = operation
    if any((level, other, comp) in _OPERATIONS for other in ("GET", "PUT", "POST", "DELETE")):
        return NotAllowed(f"{method} is no method of this.")
    return NotEmulated(f"The emulator does not know comp={comp[:40]!r} of a {level}.")


def _place(call: Call) -> str:
    return f"{call.names['account']}/{call.names['queue']}"


def _check_name(name: str) -> None:
    if not 3 <= len(name) <= 63:
        raise Rejected("OutOfRangeInput", "A queue's name has 3 to 63 characters.")
    if _NAME.fullmatch(name) is None:
        raise Rejected("InvalidResourceName", "A queue's name has lower-case letters, digits and single hyphens.")


def _receipt(call: Call) -> str:
    """Errors: Rejected."""
    receipt = call.query.get("popreceipt")
    if receipt is None:
        raise Rejected("MissingRequiredQueryParameter", "popreceipt is missing.")
    return receipt


def _times(call: Call) -> tuple[timedelta, timedelta]:
    """How long a new message is hidden, and how long it lives. Errors: Rejected."""
    hidden = _number(call, "visibilitytimeout", 0, _WEEK_S, 0)
    lives = call.integer("messagettl")
    if lives is None:
        lives = _WEEK_S
    elif lives == -1:
        lives = _LONGEST_S
    elif lives <= hidden:
        told = "messagettl is -1, or a number of seconds over visibilitytimeout."
        raise Rejected("InvalidQueryParameterValue", told)
    return timedelta(seconds=hidden), timedelta(seconds=min(lives, _LONGEST_S))


def _number(call: Call, parameter: str, least: int, most: int, otherwise: int) -> int:
    """Errors: Rejected."""
    number = call.integer(parameter)
    if number is None:
        return otherwise
    if not least <= number <= most:
        raise Rejected("OutOfRangeQueryParameterValue", f"{parameter} is a number from {least} to {most}.")
    return number
