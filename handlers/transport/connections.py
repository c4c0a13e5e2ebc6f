"""Connections to hosts: through the proxy and with the certificates of the settings, kept for the next request.

They are the standard library's, which the hosts of functions have loaded already (docs/adr/0016).
"""

from __future__ import annotations

import base64
import functools
import io
import os
import select
import ssl
import threading
import time
import weakref
from dataclasses import field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from socket import IPPROTO_TCP, TCP_NODELAY, create_connection, gaierror
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from retrigger.triggers.errors import Unavailable
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

_IDLE_S: Final = 120.0
"""Azure's networks forget a silent connection after 4 minutes, and tell nobody: what is sent then is never answered."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a connection leads. `proxy` is the URL of the one that it leads through."""

    secure: bool
    host: str
    port: int | None
    proxy: str | None = field(repr=False)  # it may hold a password

    @classmethod
    def to(cls, url: str, proxy: str | None) -> Route:
        parts = urlsplit(url)
        return cls(parts.scheme == "https", parts.hostname or "", parts.port, proxy)


class Connections:
    """For all threads of a process; at most `kept` of them wait for another request on the same route.

    A process that was forked has none: it would write between the lines of its parent. `certificates` is a PEM file of
    the authorities to trust; None means the system's. `idle`: for how many seconds one may wait.
    """

    def __init__(self, certificates: str | None, kept: int, idle: float = _IDLE_S) -> None:
        self._certificates = certificates
        self._kept = kept
        self._idle = idle
        self._waiting: dict[tuple[int, Route], list[tuple[float, HTTPConnection]]] = {}
        self._coming: dict[tuple[int, Route], threading.Lock] = {}
        weakref.finalize(self, _close_all, self._waiting)

    def take(self, route: Route, seconds: float) -> HTTPConnection:
        """One that stands, for the caller alone. Raises Unavailable where none can be had within `seconds`."""
        if (coming := self._coming.get((os.getpid(), route))) is not None:
            with coming:
                pass
        waiting = self._waiting.get((os.getpid(), route), [])
        while waiting:
            try:
                since, connection = waiting.pop()
            except IndexError:
                break  # another thread was quicker
            if time.monotonic() - since < self._idle and _is_quiet(connection):
                return connection
            connection.close()
        return self._made(route, seconds)

    def prepare(self, route: Route, seconds: float) -> None:
        """Make one for whoever is next to take one of this route, and waits for it. Raises Unavailable."""
        key = os.getpid(), route
        with self._coming.setdefault(key, threading.Lock()):
            try:
                self.give_back(route, self._made(route, seconds))
            finally:
                self._coming.pop(key, None)

    def give_back(self, route: Route, connection: HTTPConnection) -> None:
        """It has been answered in full, and the other side keeps it open."""
        waiting = self._waiting.setdefault((os.getpid(), route), [])
        if len(waiting) < self._kept:
            waiting.append((time.monotonic(), connection))
        else:
            connection.close()

    def _made(self, route: Route, seconds: float) -> HTTPConnection:
        connection = self._prepared(route, seconds)
        answer_by(connection, time.monotonic() + seconds)  # a proxy answers before the host does
        try:
            if route.proxy is None:
                connection.sock = self._reached(route, connection.port, seconds)
            else:
                connection.connect()
        except (OSError, HTTPException, UnicodeError) as exc:
            connection.close()
            raise _unreached(exc, route) from exc
        return connection

    def _reached(self, route: Route, port: int, seconds: float) -> socket.socket:
        """As http.client does it, but for the name: of a text, Python loads the tables of all the world's letters."""
        name: Any = route.host.encode() if route.host.isascii() else route.host
        reached = create_connection((name, port), seconds)
        reached.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        if not route.secure:
            return reached
        try:
            return _trusting(self._certificates).wrap_socket(reached, server_hostname=name)
        except BaseException:
            reached.close()
            raise

    def _prepared(self, route: Route, seconds: float) -> HTTPConnection:
        host, port = (route.host, route.port) if route.proxy is None else _place(route.proxy)
        if not route.secure:
            return HTTPConnection(host, port, timeout=seconds)
        connection = HTTPSConnection(host, port, timeout=seconds, context=_trusting(self._certificates))
        if route.proxy is not None:
            connection.set_tunnel(route.host, route.port, headers=dict(proxy_headers(route.proxy)))
        return connection


def answer_by(connection: HTTPConnection, deadline: float) -> None:
    """Have the next answer read until then, by the monotonic clock: the timeout of a socket begins anew at each byte.

    Reading raises TimeoutError from then on, be it in the first line, in the headers or in the body.
    """
    made: Any = functools.partial(_answer, deadline)
    connection.response_class = made


def _answer(deadline: float, sock: socket.socket, *rest: Any, **named: Any) -> HTTPResponse:
    """As http.client makes one, which wants no more of a socket than the file that it reads."""
    timed: Any = _Timed(sock, deadline)
    return HTTPResponse(timed, *rest, **named)


class _Timed:
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedBytes(self._sock, self._deadline))


class _TimedBytes(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._bytes = sock.makefile("rb", buffering=0)  # who closes the socket has it closed after this

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._bytes.readinto(buffer)

    def close(self) -> None:
        self._bytes.close()
        super().close()


def proxy_headers(proxy: str) -> Mapping[str, str]:
    """What a proxy is told of who asks; name and password are in its URL."""
    parts = urlsplit(proxy)
    if not parts.username:
        return {}
    credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}


def _place(proxy: str) -> tuple[str, int]:
    parts = urlsplit(proxy)
    if parts.scheme != "http" or not parts.hostname:
        message = "the proxy cannot be used; name it in HTTPS_PROXY as http://HOST:PORT"
        raise Unavailable(message, code="proxy")
    return parts.hostname, parts.port or 80


@functools.cache
def _trusting(certificates: str | None) -> ssl.SSLContext:
    """Shared by all connections of a process: reading the system's certificates takes longer than a handshake."""
    try:
        context = ssl.create_default_context(cafile=certificates)
    except OSError as exc:
        message = f"the certificates in {certificates} cannot be read; name a PEM file in SSL_CERT_FILE"
        raise Unavailable(message, code="certificate") from exc
    context.set_alpn_protocols(["http/1.1"])
    return context


def _is_quiet(connection: HTTPConnection) -> bool:
    """Nothing was said since the last answer: what comes now could only be a goodbye.

    Under TLS the tickets of its session may have come: reading takes them out, and then has nothing to give.
    """
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    if not poll.poll(0):
        return True
    if not isinstance(connection.sock, ssl.SSLSocket):
        return False
    connection.sock.settimeout(0)
    try:
        connection.sock.recv(1)
    except ssl.SSLWantReadError:
        return True
    except OSError:
        return False
    return False


def _unreached(exc: Exception, route: Route) -> Unavailable:
    host = route.host if route.port is None else f"{route.host}:{route.port}"
    match exc:
        case gaierror() | UnicodeError():
            return Unavailable(f"{host} has no address; check the endpoint and the network's DNS", code="dns")
        case TimeoutError():
            message = f"{host} did not accept a connection in time; check firewall and proxy"
            return Unavailable(message, code="connect_timeout")
        case ssl.SSLCertVerificationError():
            message = f"the certificate of {host} is not trusted; name your CA's file in SSL_CERT_FILE"
            return Unavailable(message, code="certificate")
        case ssl.SSLError():
            message = f"{host} speaks no TLS that can be used; check the endpoint, and the proxy if one is set"
            return Unavailable(message, code="tls")
        case _ if route.proxy is not None and (isinstance(exc, HTTPException) or _is_refusal(exc)):
            message = f"the proxy did not let a connection to {host} through; check HTTPS_PROXY"
            return Unavailable(message, code="proxy")
        case _:
            message = f"{host} accepts no connection; check the endpoint, and the proxy if one is set"
            return Unavailable(message, code="connection_refused")


def _is_refusal(exc: Exception) -> bool:
    """The system's errors have a number; http.client tells by one without what a proxy answered."""
    return isinstance(exc, OSError) and exc.errno is None


def _close_all(waiting: Mapping[tuple[int, Route], list[tuple[float, HTTPConnection]]]) -> None:
    for connections in waiting.values():
        for _, connection in connections:
            connection.close()
