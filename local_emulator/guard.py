"""Only programs of this machine may call: no web page, and no name that somebody else's DNS points here."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class LoopbackOnly:
    """Refuses (403) a Host that is not loopback (DNS rebinding) and an Origin that is not this server's own page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http" and (reason := refusal(Headers(scope=scope))):
            app = JSONResponse({"error": {"code": 403, "message": reason, "status": "PERMISSION_DENIED"}}, 403)
        await app(scope, receive, send)


def refusal(headers: Headers) -> str | None:
    """Why a request with these headers is refused; None if it is not."""
    host = headers.get("host", "")
    if _hostname(host) not in _LOOPBACK:
        return "The emulator answers to 127.0.0.1 and localhost only."
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return "The emulator does not answer to web pages of other origins."
    return None


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
