"""Batches: many deletions in one request, each answered as if it had come alone.

Format: https://learn.microsoft.com/rest/api/storageservices/blob-batch, which is multipart/mixed of application/http.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response

from retrigger.local_emulator.stores.blob_errors import Rejected, error_response
from retrigger.local_emulator.stores.errors import StoreError
from retrigger.local_emulator.stores.gcs_batch import call_of, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

    from retrigger.local_emulator.stores.gcs_http import Call

MOST_CALLS = 256
BATCH_LIMIT = 4 * 1024 * 1024


def batch_response(batch: Call, answer: Callable[[Call], Response]) -> Response:
    """Errors: StoreError if the batch itself cannot be read; what is wrong with a call is that call's answer."""
    boundary = f"batchresponse_{uuid.uuid4()}"
    answers = [_part(part, _answer(part, batch, answer)) for part in parts_of(batch, MOST_CALLS)]
    body = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), text) for text in answers)
    return Response(
        body + b"--%s--\r\n" % boundary.encode(), 202, {"Content-Type": f"multipart/mixed; boundary={boundary}"}
    )


def _answer(part: Message, batch: Call, answer: Callable[[Call], Response]) -> Response:
    try:
        call = call_of(part, batch)
        if call.method != "DELETE":
            raise Rejected("InvalidInput", "A batch deletes blobs; send anything else alone.")
        return answer(replace(call, path=_whole_path(call.path, batch)))
    except StoreError as error:
        return error_response(error)


def _whole_path(path: str, batch: Call) -> str:
    """A call's path from the account on. Clients write it from the container on, whatever their endpoint's path."""
    account, container = batch.names["account"], batch.names.get("container")
    inside = f"/{account}/{container}/" if container else f"/{account}/"
    return path if path.startswith(inside) else f"/{account}{path}"


def _part(part: Message, response: Response) -> bytes:
    identity = str(part.get("Content-ID", "")).encode("ascii", "ignore")
    headers = [b"%s: %s" % header for header in response.raw_headers]
    lines = [
        b"Content-Type: application/http",
        b"Content-ID: %s" % identity,
        b"",
        b"HTTP/1.1 %d %s" % (response.status_code, HTTPStatus(response.status_code).phrase.encode()),
        *headers,
        b"",
        bytes(response.body),
    ]
    return b"\r\n".join(lines)
