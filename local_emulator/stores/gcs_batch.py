"""Batches: many small calls in one request, each answered as if it had come alone.

Format: https://cloud.google.com/storage/docs/batch, which is multipart/mixed of application/http.
"""

from __future__ import annotations

import uuid
from email import message_from_bytes
from email.message import Message
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response

from retrigger.local_emulator.stores.errors import Invalid, StoreError
from retrigger.local_emulator.stores.gcs_http import Call, error_response, parse_query
from retrigger.local_emulator.stores.gcs_media import Media

if TYPE_CHECKING:
    from collections.abc import Callable

# The real client sends up to this many at once.
MOST_CALLS = 1000


def batch_response(batch: Call, answer: Callable[[Call], Response]) -> Response:
    """Errors: Invalid if the batch itself cannot be read; what is wrong with a call is that call's answer."""
    boundary = f"batch_{uuid.uuid4().hex}"
    answers = [_part(part, _answer(part, batch, answer)) for part in parts_of(batch, MOST_CALLS)]
    body = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), text) for text in answers)
    return Response(
        body + b"--%s--\r\n" % boundary.encode(), headers={"Content-Type": f"multipart/mixed; boundary={boundary}"}
    )


def parts_of(batch: Call, most: int) -> list[Message]:
    """The calls of a batch, unread. Errors: Invalid."""
    head = b"Content-Type: " + batch.headers.get("content-type", "").encode("latin-1") + b"\r\n\r\n"
    parts = message_from_bytes(head + batch.body).get_payload()
    if not isinstance(parts, list) or not 1 <= len(parts) <= most:
        raise Invalid(f"A batch is multipart/mixed with 1 to {most} calls.")
    return [part for part in parts if isinstance(part, Message)]


def _answer(part: Message, batch: Call, answer: Callable[[Call], Response]) -> Response:
    try:
        response = answer(call_of(part, batch))
    except StoreError as error:
        return error_response(error)
    if isinstance(response, Media):
        response.close()
        return error_response(Invalid("A batch cannot download; ask for the object alone."))
    return response


def call_of(part: Message, batch: Call) -> Call:
    """Read one call from its text: request line, headers, blank line, body. Errors: Invalid."""
    payload = part.get_payload(decode=True)
    text = payload if isinstance(payload, bytes) else b""
    line, _, rest = text.partition(b"\n")
    words = line.decode("latin-1").split()
    if len(words) != 3:
        raise Invalid("A call in a batch begins with its request line: METHOD path HTTP/1.1.")
    try:
        target = urlsplit(words[1])
    except ValueError as error:
        raise Invalid("A call in a batch names a path or a URL.") from error
    message = message_from_bytes(rest)
    body = message.get_payload(decode=True)
    return Call(
        method=words[0],
        path=target.path,
        query=parse_query(target.query),
        headers=Headers({key: str(value) for key, value in message.items()}),
        base=batch.base,
        body=body if isinstance(body, bytes) else b"",
    )


def _part(part: Message, response: Response) -> bytes:
    identity = str(part.get("Content-ID", "")).strip("<>").encode("ascii", "ignore")
    lines = [
        b"Content-Type: application/http",
        b"Content-ID: <response-%s>" % identity,
        b"",
        b"HTTP/1.1 %d %s" % (response.status_code, HTTPStatus(response.status_code).phrase.encode()),
        b"Content-Type: application/json; charset=UTF-8",
        b"Content-Length: %d" % len(response.body),
        b"",
        bytes(response.body),
    ]
    return b"\r\n".join(lines)
