"""The server base that every face of the emulator shares: routes on one loopback port, in a thread."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

LOOPBACK = "127.0.0.1"


class Server:
    """Serves Starlette routes on 127.0.0.1. Port 0 takes a free one; `url` is known before `start`."""

    def __init__(self, routes: Sequence[BaseRoute], port: int = 0) -> None:
        self._socket = socket.create_server((LOOPBACK, port), backlog=1024)
        # Accepted connections inherit it. asyncio sets it only on sockets whose protocol number is given, which
        # create_server's is not; without it every small answer waits 40 ms for the client's delayed ACK.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://{LOOPBACK}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            Starlette(routes=list(routes)), log_level="warning", access_log=False, lifespan="off", proxy_headers=False
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="emulator-http", daemon=True
        )

    def start(self) -> None:
        """Begin to serve. The socket listens since construction, so a client that connects at once is not refused."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being answered, then close the port."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()
