"""Google's REST APIs, and the one shape of their errors.

The shape: https://cloud.google.com/apis/design/errors#http_mapping
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.handlers.transport.api import Api, failed, said

if TYPE_CHECKING:
    from retrigger.handlers.transport.credentials import KeptToken
    from retrigger.handlers.transport.http import Http, Response
    from retrigger.triggers.errors import Refused, Unavailable

_NEXT: Final = {
    400: "correct the request (`retrigger explain` prints it)",
    401: "the next try uses a new token; if this stays, check the caller's credentials",
    403: "grant the caller's service account what the message names",
    404: "check the project, location and names of the environment in retrigger.yaml",
    409: "it is tried again when the other change is through",
    429: "it is tried again later; raise the quota if this stays",
}


class GoogleApi(Api):
    """Of any service; the URL says which."""

    def __init__(self, http: Http, tokens: KeptToken) -> None:
        super().__init__(http, tokens, failure, {})


def failure(response: Response, host: str) -> Refused | Unavailable:
    """What the platform says, and what to do about it. Cloud Storage gives no status."""
    status, line = said(response.body, "status")
    return failed(response, host, status.lower(), line, _NEXT)
