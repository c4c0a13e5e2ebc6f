"""Sending to a storage queue: https://learn.microsoft.com/rest/api/storageservices/put-message."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from retrigger.handlers.adapters.structured import structured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.transport.azure import AzureStorageApi


class StorageQueuePublisher:
    """The port `Publisher` for one queue, `https://ACCOUNT.queue…/QUEUE`.

    The text is base64, as Event Grid's is there and as the Functions host expects it unless told otherwise. `endpoint`:
    the emulator's, with the account in its paths.
    """

    def __init__(self, api: AzureStorageApi, address: str, *, endpoint: str | None = None) -> None:
        parts = urlsplit(address)
        base = (
            f"https://{parts.netloc}"
            if endpoint is None
            else f"{endpoint.rstrip('/')}/{parts.netloc.partition('.')[0]}"
        )
        self._api = api
        self._url = f"{base}/{parts.path.strip('/')}/messages"

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> None:
        text = base64.b64encode(structured(data, attributes)).decode()
        body = f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()
        self._api.call("POST", self._url, body=body, content_type="application/xml", write=True)
