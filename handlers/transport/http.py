"""HTTP as the adapters need it: a pool, and errors that say whether the request may have been acted on.

Nothing is sent twice and no redirect is followed: whoever calls knows what a repetition would do.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import field
from http.client import HTTPException
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import quote, urlsplit

from retrigger.handlers.transport.connections import Connections, Route, answer_by, proxy_headers
from retrigger.triggers.errors import Refused, Unavailable, Unknown
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from http.client import HTTPConnection, HTTPResponse

    from retrigger.triggers.event import Json

CHUNK: Final = 64 * 1024
_NEVER_PROXIED: Final = ("localhost", "127.0.0.1", "::1", "metadata.google.internal")
_LINK_LOCAL: Final = "169.254."
"""Where the platforms' identity endpoints are: what is sent there is a secret."""
_SENT_AS_IT_IS: Final = "%/?:@!$&'()*+,;=[]|"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """How to reach the network. Times in seconds, sizes in bytes.

    `no_proxy` holds host suffixes, `*` for every host. `ca_bundle` is a PEM file; None means the system's.
    """

    http_proxy: str | None = field(default=None, repr=False)  # it may hold a password
    https_proxy: str | None = field(default=None, repr=False)
    no_proxy: tuple[str, ...] = ()
    ca_bundle: str | None = None
    connect_timeout: float = 5.0
    timeout: float = 30.0
    max_body: int = 16 * 1024 * 1024
    connections: int = 8

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> HttpSettings:
        """The variables that curl and requests read; a lower-case name wins, as there."""

        def read(*names: str) -> str | None:
            return next((value for name in names if (value := environ.get(name))), None)

        exempt = (read("no_proxy", "NO_PROXY") or "").split(",")
        return cls(
            # HTTP_PROXY in capitals is left out: under CGI a client's `Proxy:` header would set it.
            http_proxy=read("http_proxy", "all_proxy", "ALL_PROXY"),
            https_proxy=read("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
            no_proxy=tuple(host.strip().lstrip(".").lower() for host in exempt if host.strip()),
            ca_bundle=read("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"),
        )

    def proxy_for(self, url: str) -> str | None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        here = host in _NEVER_PROXIED or host.startswith(_LINK_LOCAL)
        if here or any(_covers(suffix, host, parts.port) for suffix in self.no_proxy):
            return None
        proxy = self.https_proxy if parts.scheme == "https" else self.http_proxy
        return f"http://{proxy}" if proxy is not None and "://" not in proxy else proxy


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer, whatever its status. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Json]:
        """The body as a JSON object. Raises Unavailable: a proxy's or a half-started service's page is no answer."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as exc:
            raise Unavailable("the answer is not JSON; something other than the API answered", code="not_json") from exc
        if not isinstance(value, dict):
            raise Unavailable("the answer is no JSON object; something other than the API answered", code="not_json")
        return value


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is still on its way. `chunks` raises Unavailable where the connection breaks."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes] = field(repr=False)


class Http:
    """A thread-safe connection pool for a process. Certificates are loaded at the first request, not when imported."""

    def __init__(self, settings: HttpSettings) -> None:
        self.settings = settings
        self._connections = Connections(settings.ca_bundle, settings.connections)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout: float | None = None,
        write: bool,
    ) -> Response:
        """Send once and read the whole answer, within `timeout` seconds. Any status is an answer.

        Raises Unavailable if nothing was sent, or if `write` is false; Unknown if the answer to a write was lost.
        """
        host = urlsplit(url).netloc
        parts: list[bytes] = []
        with self._open(method, url, headers, body, timeout or self.settings.timeout, write=write) as response:
            left = self.settings.max_body
            for chunk in _chunks(response, host, write=write):
                left -= len(chunk)
                if left < 0:
                    _refuse_size(host, self.settings.max_body, write=write)
                parts.append(chunk)
            return Response(response.status, _lowered(response), b"".join(parts))

    def prepare(self, url: str) -> None:
        """Connect to where the next request goes. Raises Unavailable."""
        self._connections.prepare(Route.to(url, self.settings.proxy_for(url)), self.settings.connect_timeout)

    @contextmanager
    def stream(self, url: str, *, headers: Mapping[str, str], timeout: float | None = None) -> Iterator[Stream]:
        """GET, with the body left on the wire. `timeout` bounds the whole transfer; what is not read is thrown away."""
        with self._open("GET", url, headers, None, timeout or self.settings.timeout, write=False) as response:
            chunks = _chunks(response, urlsplit(url).netloc, write=False)
            yield Stream(response.status, _lowered(response), chunks)

    @contextmanager
    def _open(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float, *, write: bool
    ) -> Iterator[HTTPResponse]:
        deadline = time.monotonic() + seconds
        parts = urlsplit(url)
        target = quote(f"{parts.path or '/'}{parts.query and f'?{parts.query}'}", safe=_SENT_AS_IT_IS)
        route = Route.to(url, self.settings.proxy_for(url))
        sent = {"User-Agent": "retrigger", **headers}
        if route.proxy is not None and not route.secure:
            target, sent = f"http://{parts.netloc}{target}", {**sent, **proxy_headers(route.proxy)}
        connection = self._connections.take(route, min(seconds, self.settings.connect_timeout))
        try:
            connection.sock.settimeout(seconds)
            answer_by(connection, deadline)
            _send(connection, method, target, body, sent)
            response = connection.getresponse()
        except (OSError, HTTPException) as exc:
            connection.close()
            raise _broken(exc, parts.netloc, write=write) from exc
        try:
            yield response
        finally:
            read = response.isclosed() or response.length == 0
            response.close()
            if read and not response.will_close:
                self._connections.give_back(route, connection)
            else:
                connection.close()  # what is left of the body is not worth reading


def _send(connection: HTTPConnection, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> None:
    """Raises Refused, before anything is sent, for a header that cannot be: what http.client says repeats its value."""
    try:
        connection.request(method, target, body=body, headers=headers)
    except ValueError:
        connection.close()
        message = "a header holds what none can, such as the end of a line; check the settings of the identity"
        raise Refused(message, code="bad_header") from None


def _covers(suffix: str, host: str, port: int | None) -> bool:
    name, _, wanted = suffix.partition(":")
    if wanted and wanted != str(port):
        return False
    return suffix == "*" or host == name or host.endswith(f".{name}")


def _lowered(response: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _chunks(response: HTTPResponse, host: str, *, write: bool) -> Iterator[bytes]:
    try:
        while chunk := response.read1(CHUNK):
            yield chunk
        if response.length:
            raise _broken(None, host, write=write)
    except (OSError, HTTPException) as exc:
        raise _broken(exc, host, write=write) from exc


def _broken(exc: Exception | None, host: str, *, write: bool) -> Unavailable:
    """What became of a request that was sent; `exc` is None where the answer just ended."""
    if isinstance(exc, TimeoutError):
        return _lost(f"{host} did not answer in time; try again", "timeout", write=write)
    message = f"the connection to {host} broke before the whole answer came; try again"
    return _lost(message, "connection_lost", write=write)


def _lost(message: str, code: str, *, write: bool) -> Unavailable:
    return Unknown(message, code=code) if write else Unavailable(message, code=code)


def _refuse_size(host: str, limit: int, *, write: bool) -> NoReturn:
    message = f"the answer of {host} is larger than {limit:,} bytes; check that the endpoint is the API's"
    if write:
        raise Unknown(message, code="answer_too_large")
    raise Refused(message, code="answer_too_large")
