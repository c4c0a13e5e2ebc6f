"""One push: an HTTP POST to an endpoint, and what its answer means. Pub/Sub's rules decide what is an acknowledgement.

https://cloud.google.com/pubsub/docs/push#receive_push
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from retrigger.triggers.event import Json

ACKNOWLEDGED = frozenset({102, 200, 201, 202, 204})
_KEPT_OF_ANSWER = 64 * 1024


class Unreached(Exception):
    """Nobody listens at the endpoint: nothing was delivered, so nothing was attempted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a push came to. `status` is 0 if none came, and `error` then says why; `retry_after` is in seconds."""

    status: int
    body: Json = None
    error: str | None = None
    retry_after: float | None = None

    @property
    def acknowledged(self) -> bool:
        return self.status in ACKNOWLEDGED


def push(endpoint: str, headers: Mapping[str, str], body: bytes, ack_deadline: timedelta) -> Answer:
    """POST once, on a connection of its own: a kept one that the host closed would look like a crash.

    `ack_deadline` bounds each wait for the other side. Errors: Unreached; whatever happens after the connection
    stands is an Answer, because the function may have seen the event.
    """
    url = urlsplit(endpoint)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=ack_deadline.total_seconds())
    try:
        connection.connect()
    except OSError as error:
        raise Unreached(f"{endpoint} does not accept connections: {error}") from error
    try:
        connection.request("POST", url.path or "/", body, {**headers, "Connection": "close"})
        response = connection.getresponse()
        return Answer(
            response.status,
            body=_json(response.read(_KEPT_OF_ANSWER)),
            retry_after=_seconds(response.headers.get("Retry-After")),
        )
    except TimeoutError:
        return Answer(0, error=f"no answer within the ack deadline of {ack_deadline.total_seconds():g} s")
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, error=f"the connection was lost: {type(error).__name__}: {error}")
    finally:
        connection.close()


def _json(body: bytes) -> Json:
    """The answer as JSON; None if it is none, or longer than is kept."""
    try:
        parsed: Json = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed


def _seconds(retry_after: str | None) -> float | None:
    """The header's seconds. Its other form, a date of the host's clock, means nothing on a wound clock."""
    return float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
