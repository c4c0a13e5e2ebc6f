"""What the platforms' REST APIs have in common: a bearer token, and errors that say whether to try again."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from retrigger.handlers.transport.http import Response
from retrigger.triggers.errors import Refused, RetriggerError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from retrigger.handlers.transport.credentials import KeptToken
    from retrigger.handlers.transport.http import Http, Stream

_TRANSIENT: Final = frozenset({401, 408, 409, 429})
_LINE: Final = 300
_ERROR_BODY: Final = 64 * 1024


class Api:
    """Calls with the caller's token. A status that is neither 2xx nor in `accept` is raised as an error.

    `failure` makes the error of an answer, given the host that answered. `headers` go with every call. `tokens` may
    also go with calls of another Api.
    """

    def __init__(
        self,
        http: Http,
        tokens: KeptToken,
        failure: Callable[[Response, str], Refused | Unavailable],
        headers: Mapping[str, str],
    ) -> None:
        self._http = http
        self.tokens = tokens
        self._failure = failure
        self._headers = headers

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        also: Mapping[str, KeptToken] | None = None,
        write: bool = False,
        accept: frozenset[int] = frozenset(),
    ) -> Response:
        """Raises Refused (for good), Unavailable (try again) or Unknown (the answer to a write was lost).

        `also`: further tokens that this call needs, by the header that carries each.
        """
        further = also or {}
        sent = self._with_token(headers or {}) | {name: tokens.token() for name, tokens in further.items()}
        if body is not None:
            sent["Content-Type"] = content_type
        response = self._http.request(method, url, headers=sent, body=body, write=write)
        if not _fine(response.status, accept):
            raise self.refusal(response, url, *further.values())
        return response

    def prepare(self, url: str) -> None:
        """Begin, in a thread, what the first request to `url` would wait for: a connection, and a token.

        What fails here fails again in that request, and is told there. Nothing is done for a host without TLS.
        """
        if url.startswith("https://"):
            Thread(target=self._prepare, args=(url,), name="prepare", daemon=True).start()

    def _prepare(self, url: str) -> None:
        for begin in (self.tokens.token, lambda: self._http.prepare(url)):
            with suppress(RetriggerError):
                begin()

    @contextmanager
    def stream(self, url: str, *, headers: Mapping[str, str], accept: frozenset[int] = frozenset()) -> Iterator[Stream]:
        """GET with the body left on the wire. Raises Refused or Unavailable."""
        with self._http.stream(url, headers=self._with_token(headers)) as stream:
            if not _fine(stream.status, accept):
                raise self.refusal(Response(stream.status, stream.headers, _beginning(stream)), url)
            yield stream

    def _with_token(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {**headers, **self._headers, "Authorization": f"Bearer {self.tokens.token()}"}

    def refusal(self, response: Response, url: str, *also: KeptToken) -> Refused | Unavailable:
        """The error of an answer, which the caller may have accepted at first. A 401 lets go of all tokens."""
        if response.status == 401:
            for tokens in (self.tokens, *also):
                tokens.forget()
        return self._failure(response, urlsplit(url).netloc)


def failed(response: Response, host: str, code: str, line: str, steps: Mapping[int, str]) -> Refused | Unavailable:
    """The platform's own code and first line, and the next step. Permanent unless trying again may help."""
    code = code or f"http_{response.status}"
    step = steps.get(response.status, "try again" if response.status >= 500 else "check the endpoint")
    message = f"{host} answered {response.status} {code}: {line.rstrip('. ') or 'no reason given'}; {step}"
    # 409: who meets a name that is taken has accepted that answer; what is left is another change under way
    if response.status in _TRANSIENT or response.status >= 500:
        return Unavailable(message, code=code, retry_after=_seconds(response.headers.get("retry-after")))
    return Refused(message, code=code)


def said(body: bytes, code: str) -> tuple[str, str]:
    """Of `{"error": {code: …, "message": …}}` the code and the first line: empty where a proxy wrote the answer."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    error = parsed.get("error") if isinstance(parsed, dict) else None
    told = error if isinstance(error, dict) else {}
    texts = (told.get(code), told.get("message"))
    first, second = (first_line(text) if isinstance(text, str) else "" for text in texts)
    return first, second


def object_in(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A part of a platform's answer: empty where it says nothing, or something else than was expected."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def first_line(text: str) -> str:
    """A platform's text as one bounded, printable line."""
    line = next(iter(text.strip().splitlines()), "")[:_LINE]
    return "".join(char if char.isprintable() else " " for char in line)


def _fine(status: int, accept: frozenset[int]) -> bool:
    """Whether a status is an answer that the caller wants."""
    return 200 <= status < 300 or status in accept


def _beginning(stream: Stream) -> bytes:
    """As much of an error's body as anybody reads."""
    body = b""
    for chunk in stream.chunks:
        body += chunk
        if len(body) > _ERROR_BODY:
            break
    return body


def _seconds(text: str | None) -> float | None:
    """`Retry-After` in seconds. Its other form, a date, is left to the caller's own backoff."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 8 else None
