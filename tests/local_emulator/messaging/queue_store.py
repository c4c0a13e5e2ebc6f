"""Served queues of Queue Storage, for tests of the wire and of the real client."""

from __future__ import annotations

import http.client
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from retrigger.local_emulator.azure import connection_string
from retrigger.local_emulator.http import Server
from retrigger.local_emulator.messaging.pull_queues import PullQueues
from retrigger.local_emulator.messaging.storage_queue import routes
from tests.contract.azurite import ACCOUNT
from tests.local_emulator.stores.blob_store import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from retrigger.local_emulator.messaging.pull_queues import PulledMessage


class QueueStore:
    """Its clock can be wound: `ahead`. What is put into a queue of `heard` is kept there, by its place."""

    def __init__(self, folder: Path) -> None:
        self.ahead = timedelta()
        self.heard: dict[str, list[PulledMessage]] = {}
        self.queues = PullQueues(folder / "pulled.sqlite3", lambda: datetime.now(UTC) + self.ahead)
        self.server = Server(routes(self.queues, self._hear))
        self.server.start()
        self.connection_string = connection_string("http://127.0.0.1:1", self.server.url, ACCOUNT)

    def close(self) -> None:
        self.server.stop()
        self.queues.close()

    def send(self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """`target` begins after the account."""
        with closing(http.client.HTTPConnection(self.server.url.removeprefix("http://"), timeout=10)) as connection:
            connection.request(method, f"/{ACCOUNT}{target}", body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def _hear(self, place: str, message: PulledMessage) -> bool:
        if place in self.heard:
            self.heard[place].append(message)
        return place in self.heard
