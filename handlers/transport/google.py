"""What Google's REST APIs have in common: a bearer token, and one shape of error.

The shape: https://cloud.google.com/apis/design/errors#http_mapping
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from retrigger.handlers.transport.http import Response
from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.handlers.transport.credentials import Tokens
    from retrigger.handlers.transport.http import Http, Stream

_TRANSIENT: Final = frozenset({401, 408, 429})
_LINE: Final = 300
_ERROR_BODY: Final = 64 * 1024
_NEXT: Final = {
    400: "correct the request (`retrigger explain` prints it)",
    401: "the next try uses a new token; if this stays, check the caller's credentials",
    403: "grant the caller's service account what the message names",
    404: "check the project, location and names of the environment in retrigger.yaml",
    429: "it is tried again later; raise the quota if this stays",
}


class GoogleApi:
    """Calls with the caller's token. A status that is neither 2xx nor in `accept` is raised as an error."""

    def __init__(self, http: Http, tokens: Tokens) -> None:
        self._http = http
        self._tokens = tokens

    def call(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
        write: bool = False,
        accept: frozenset[int] = frozenset(),
    ) -> Response:
        """Raises Refused (for good), Unavailable (try again) or Unknown (the answer to a write was lost)."""
        headers = self._authorization()
        if body is not None:
            headers["Content-Type"] = content_type
        response = self._http.request(method, url, headers=headers, body=body, write=write)
        if not fine(response.status, accept):
            raise self._failure(response, url)
        return response

    @contextmanager
    def stream(self, url: str, *, headers: Mapping[str, str], accept: frozenset[int] = frozenset()) -> Iterator[Stream]:
        """GET with the body left on the wire. Raises Refused or Unavailable."""
        with self._http.stream(url, headers={**headers, **self._authorization()}) as stream:
            if not fine(stream.status, accept):
                raise self._failure(Response(stream.status, stream.headers, beginning(stream)), url)
            yield stream

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens.token()}"}

    def _failure(self, response: Response, url: str) -> Refused | Unavailable:
        if response.status == 401:
            self._tokens.forget()
        return failure(response, urlsplit(url).netloc)


def failure(response: Response, host: str) -> Refused | Unavailable:
    """The platform's own first line and code. Permanent unless it says that trying again may help."""
    code, line = _said(response.body)
    code = code or f"http_{response.status}"
    step = _NEXT.get(response.status, "try again" if response.status >= 500 else "check the endpoint")
    message = f"{host} answered {response.status} {code}: {line or 'no reason given'}; {step}"
    if response.status in _TRANSIENT or response.status >= 500:
        return Unavailable(message, code=code, retry_after=seconds(response.headers.get("retry-after")))
    return Refused(message, code=code)


def first_line(text: str) -> str:
    """A platform's text as one bounded, printable line."""
    line = next(iter(text.strip().splitlines()), "")[:_LINE]
    return "".join(char if char.isprintable() else " " for char in line)


def fine(status: int, accept: frozenset[int]) -> bool:
    """Whether a status is an answer that the caller wants."""
    return 200 <= status < 300 or status in accept


def _said(body: bytes) -> tuple[str, str]:
    """Code in lower case and first line: both empty where a proxy, not the API, wrote the answer."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    match parsed:
        case {"error": {"status": str(code), "message": str(text)}}:
            return first_line(code).lower(), first_line(text)
        case {"error": {"message": str(text)}}:  # Cloud Storage gives no status
            return "", first_line(text)
        case _:
            return "", ""


def beginning(stream: Stream) -> bytes:
    """As much of an error's body as anybody reads."""
    body = b""
    for chunk in stream.chunks:
        body += chunk
        if len(body) > _ERROR_BODY:
            break
    return body


def seconds(text: str | None) -> float | None:
    """`Retry-After` in seconds. Its other form, a date, is left to the caller's own backoff."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 8 else None
