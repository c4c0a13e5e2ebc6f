"""Service Bus over HTTPS, and the one shape of its errors.

The shape: https://learn.microsoft.com/rest/api/servicebus/send-message-to-queue.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from retrigger.handlers.transport.api import Api, failed, first_line

if TYPE_CHECKING:
    from retrigger.handlers.transport.credentials import KeptToken
    from retrigger.handlers.transport.http import Http, Response
    from retrigger.triggers.errors import Refused, Unavailable

AUDIENCE: Final = "https://servicebus.azure.net/"
_DETAIL: Final = re.compile(rb"<Detail>([^<]{0,2000})</Detail>")
_NO_ENTITY: Final = "make the queue or topic, or correct the channel of the environment in retrigger.yaml"
_NEXT: Final = {
    401: "grant the function's identity the role Azure Service Bus Data Sender; the next try uses a new token",
    403: "the queue is full, or the message is too large for its tier",
    404: _NO_ENTITY,
    410: _NO_ENTITY,
}


class ServiceBusApi(Api):
    """Of any namespace; the URL says which."""

    def __init__(self, http: Http, tokens: KeptToken) -> None:
        super().__init__(http, tokens, failure, {})


def failure(response: Response, host: str) -> Refused | Unavailable:
    """What the service says, and what to do about it."""
    found = _DETAIL.search(response.body)
    return failed(response, host, "", first_line(found[1].decode(errors="replace")) if found else "", _NEXT)
