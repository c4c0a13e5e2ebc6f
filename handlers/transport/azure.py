"""What Azure's storage APIs have in common: a bearer token, a version, and one shape of error.

The shape: https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from retrigger.handlers.transport.google import beginning, fine, first_line, seconds
from retrigger.handlers.transport.http import Response
from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.handlers.transport.credentials import KeptToken
    from retrigger.handlers.transport.http import Http, Stream

_VERSION: Final = "2023-11-03"
_TRANSIENT: Final = frozenset({401, 408, 429})
_MESSAGE: Final = re.compile(rb"<Message>(.{0,2000}?)</Message>", re.DOTALL)
_NEXT: Final = {
    401: "the next try uses a new token; if this stays, check the function's identity",
    403: "grant the function's identity the role Storage Blob Data Contributor",
    404: "check the account and the container of the environment in retrigger.yaml",
}


class AzureStorageApi:
    """Calls with the caller's token. A status that is neither 2xx nor in `accept` is raised as an error."""

    def __init__(self, http: Http, tokens: KeptToken) -> None:
        self._http = http
        self._tokens = tokens

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        write: bool = False,
        accept: frozenset[int] = frozenset(),
    ) -> Response:
        """Raises Refused (for good), Unavailable (try again) or Unknown (the answer to a write was lost)."""
        sent = {**(headers or {}), **self._own()}
        response = self._http.request(method, url, headers=sent, body=body, write=write)
        if not fine(response.status, accept):
            raise self._failure(response, url)
        return response

    @contextmanager
    def stream(self, url: str, *, headers: Mapping[str, str], accept: frozenset[int] = frozenset()) -> Iterator[Stream]:
        """GET with the body left on the wire. Raises Refused or Unavailable."""
        with self._http.stream(url, headers={**headers, **self._own()}) as stream:
            if not fine(stream.status, accept):
                raise self._failure(Response(stream.status, stream.headers, beginning(stream)), url)
            yield stream

    def _own(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens.token()}", "x-ms-version": _VERSION}

    def _failure(self, response: Response, url: str) -> Refused | Unavailable:
        if response.status == 401:
            self._tokens.forget()
        return failure(response, urlsplit(url).netloc)


def failure(response: Response, host: str) -> Refused | Unavailable:
    """The service's own code and first line. Permanent unless it says that trying again may help."""
    code = first_line(response.headers.get("x-ms-error-code", "")) or f"http_{response.status}"
    found = _MESSAGE.search(response.body)
    line = first_line(found[1].decode(errors="replace")) if found else ""
    step = _NEXT.get(response.status, "try again" if response.status >= 500 else "check the endpoint")
    message = f"{host} answered {response.status} {code}: {line or 'no reason given'}; {step}"
    if response.status in _TRANSIENT or response.status >= 500:
        return Unavailable(message, code=code, retry_after=seconds(response.headers.get("retry-after")))
    return Refused(message, code=code)
