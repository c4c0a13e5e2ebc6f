"""Azure's storage APIs and its Resource Manager, and the shapes of their errors.

Storage: https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2. Resource Manager, which is where
Azure ML is asked: https://github.com/microsoft/api-guidelines/blob/vNext/azure/Guidelines.md#handling-errors
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from retrigger.handlers.transport.api import Api, failed, first_line, said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.transport.credentials import KeptToken
    from retrigger.handlers.transport.http import Http, Response
    from retrigger.triggers.errors import Refused, Unavailable

_VERSION: Final = "2023-11-03"
_MESSAGE: Final = rb"<Message>([^<]{0,2000})</Message>"
_RENEWED: Final = "the next try uses a new token; if this stays, check the function's identity"
_BLOB: Final = {
    401: _RENEWED,
    403: "grant the function's identity the role Storage Blob Data Contributor",
    404: "check the account and the container of the environment in retrigger.yaml",
}
QUEUE: Final = {
    401: _RENEWED,
    403: "grant the function's identity the role Storage Queue Data Message Sender",
    404: "make the queue, or correct the channel of the environment in retrigger.yaml",
}
"""What to do about a status of Queue Storage."""
_NEXT_OF_MANAGER: Final = {
    400: "correct the request (`retrigger explain` prints it)",
    401: _RENEWED,
    403: "grant the function's identity the role AzureML Data Scientist on the workspace",
    404: "check the environment's `workspace` in retrigger.yaml",
    409: "try again when the other change is through",
    429: "it is tried again later; raise the workspace's quota if this stays",
}


class AzureStorageApi(Api):
    """Of any storage account; the URL says which. `steps`: what to do about a status; default: about one of Blob's."""

    def __init__(self, http: Http, tokens: KeptToken, steps: Mapping[int, str] = _BLOB) -> None:
        super().__init__(
            http, tokens, lambda response, host: failure(response, host, steps), {"x-ms-version": _VERSION}
        )


def failure(response: Response, host: str, steps: Mapping[int, str] = _BLOB) -> Refused | Unavailable:
    """What the service says, and what to do about it."""
    code = first_line(response.headers.get("x-ms-error-code", ""))
    found = re.search(_MESSAGE, response.body)
    line = first_line(found[1].decode(errors="replace")) if found else ""
    return failed(response, host, code, line, steps)


class AzureApi(Api):
    """Resource Manager; the URL says of which resource."""

    def __init__(self, http: Http, tokens: KeptToken) -> None:
        super().__init__(http, tokens, manager_failure, {})


def manager_failure(response: Response, host: str) -> Refused | Unavailable:
    """What Resource Manager, or the service behind it, says, and what to do about it."""
    return failed(response, host, *said(response.body, "code"), _NEXT_OF_MANAGER)
