"""HTTP as the adapters need it: a pool, and errors that say whether the request may have been acted on.

Nothing is sent twice and no redirect is followed: whoever calls knows what a repetition would do.
"""

from __future__ import annotations

import json
import ssl
import time
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import urlsplit

import urllib3
from urllib3 import exceptions

from retrigger.triggers.errors import Refused, Unavailable, Unknown
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.event import Json

CHUNK: Final = 64 * 1024
_NEVER_PROXIED: Final = ("localhost", "127.0.0.1", "::1", "metadata.google.internal", "169.254.169.254")
_NOTHING_SENT: Final = (exceptions.NewConnectionError, exceptions.ConnectTimeoutError, ssl.SSLCertVerificationError)


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
        if host in _NEVER_PROXIED or any(_covers(suffix, host, parts.port) for suffix in self.no_proxy):
            return None
        return self.https_proxy if parts.scheme == "https" else self.http_proxy


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
        self._settings = settings
        self._pools: dict[str | None, urllib3.PoolManager] = {}

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
        seconds = timeout or self._settings.timeout
        host = urlsplit(url).netloc
        deadline = time.monotonic() + seconds
        parts: list[bytes] = []
        with self._open(method, url, headers, body, seconds, write=write) as response:
            left = self._settings.max_body
            for chunk in _chunks(response, host, deadline, write=write):
                left -= len(chunk)
                if left < 0:
                    _refuse_size(host, self._settings.max_body, write=write)
                parts.append(chunk)
            return Response(response.status, _lowered(response), b"".join(parts))

    @contextmanager
    def stream(self, url: str, *, headers: Mapping[str, str], timeout: float | None = None) -> Iterator[Stream]:
        """GET, with the body left on the wire. `timeout` bounds the whole transfer; what is not read is thrown away."""
        seconds = timeout or self._settings.timeout
        deadline = time.monotonic() + seconds
        with self._open("GET", url, headers, None, seconds, write=False) as response:
            chunks = _chunks(response, urlsplit(url).netloc, deadline, write=False)
            yield Stream(response.status, _lowered(response), chunks)

    @contextmanager
    def _open(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float, *, write: bool
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        patience = urllib3.Timeout(connect=min(seconds, self._settings.connect_timeout), read=seconds)
        try:
            response = self.pool_for(url).request(
                method,
                url,
                body=body,
                headers=dict(headers),
                timeout=patience,
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except exceptions.HTTPError as exc:
            _fail(exc, urlsplit(url).netloc, write=write)
        try:
            yield response
        finally:
            # A body that was read to its end has given its connection back already; any other is not worth reading.
            response.close()

    def pool_for(self, url: str) -> urllib3.PoolManager:
        """The pool that reaches this URL, for a library that brings its own requests."""
        proxy = self._settings.proxy_for(url)
        pool = self._pools.get(proxy)
        if pool is None:
            # Two threads may both build one; setdefault keeps the first, and the other held no connection yet.
            pool = self._pools.setdefault(proxy, self._new_pool(proxy))
        return pool

    def _new_pool(self, proxy: str | None) -> urllib3.PoolManager:
        size, certificates = self._settings.connections, self._settings.ca_bundle
        if proxy is None:
            return urllib3.PoolManager(maxsize=size, ca_certs=certificates)
        auth = urlsplit(proxy)
        credentials = f"{auth.username}:{auth.password or ''}" if auth.username else None
        headers = urllib3.make_headers(proxy_basic_auth=credentials) if credentials else None
        return urllib3.ProxyManager(proxy, maxsize=size, ca_certs=certificates, proxy_headers=headers)


def _covers(suffix: str, host: str, port: int | None) -> bool:
    name, _, wanted = suffix.partition(":")
    if wanted and wanted != str(port):
        return False
    return suffix == "*" or host == name or host.endswith(f".{name}")


def _lowered(response: urllib3.BaseHTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _chunks(response: urllib3.BaseHTTPResponse, host: str, deadline: float, *, write: bool) -> Iterator[bytes]:
    try:
        while chunk := response.read1(CHUNK):
            yield chunk
            if time.monotonic() > deadline:
                # A peer that sends a byte now and then would pass every read timeout.
                raise _lost(f"{host} did not finish its answer in time; try again", "timeout", write=write)
    except exceptions.HTTPError as exc:
        _fail(exc, host, write=write)


def _fail(exc: exceptions.HTTPError, host: str, *, write: bool) -> NoReturn:
    cause = _root_cause(exc)
    match cause:
        case exceptions.NameResolutionError():
            message, code = f"{host} has no address; check the endpoint and the network's DNS", "dns"
        case exceptions.NewConnectionError():
            message = f"{host} accepts no connection; check the endpoint, and the proxy if one is set"
            code = "connection_refused"
        case exceptions.ConnectTimeoutError():
            message, code = f"{host} did not accept a connection in time; check firewall and proxy", "connect_timeout"
        case ssl.SSLCertVerificationError():
            message = f"the certificate of {host} is not trusted; name your CA's file in SSL_CERT_FILE"
            code = "certificate"
        case exceptions.ReadTimeoutError():
            message, code = f"{host} did not answer in time; try again", "timeout"
        case _ if isinstance(exc, exceptions.ProxyError):
            message, code = f"the proxy did not let a connection to {host} through; check HTTPS_PROXY", "proxy"
        case _:
            message, code = f"the connection to {host} broke before the whole answer came; try again", "connection_lost"
    # urllib3 speaks of the proxy only until a connection through it stands.
    if isinstance(exc, exceptions.ProxyError) or isinstance(cause, _NOTHING_SENT):
        raise Unavailable(message, code=code) from exc
    raise _lost(message, code, write=write) from exc


def _root_cause(exc: exceptions.HTTPError) -> BaseException:
    """urllib3 wraps what failed on the way to a proxy, and every failed handshake."""
    cause: BaseException = exc
    while isinstance(cause, exceptions.ProxyError | exceptions.SSLError):
        inner = cause.original_error if isinstance(cause, exceptions.ProxyError) else cause.args[0]
        if not isinstance(inner, BaseException):
            break
        cause = inner
    return cause


def _lost(message: str, code: str, *, write: bool) -> Unavailable:
    return Unknown(message, code=code) if write else Unavailable(message, code=code)


def _refuse_size(host: str, limit: int, *, write: bool) -> NoReturn:
    message = f"the answer of {host} is larger than {limit:,} bytes; check that the endpoint is the API's"
    if write:
        raise Unknown(message, code="answer_too_large")
    raise Refused(message, code="answer_too_large")
