"""Sending to a queue or topic of Service Bus: https://learn.microsoft.com/rest/api/servicebus/send-message-to-queue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from retrigger.handlers.adapters.structured import CONTENT_TYPE, structured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.transport.service_bus import ServiceBusApi


class ServiceBusPublisher:
    """The port `Publisher` for one queue or topic, `sb://NAMESPACE…/ENTITY`.

    Beside the event in the body, its attributes are properties of the message, by the names that they have in Pub/Sub:
    a subscription's filter sees nothing else. `endpoint`: the emulator's, with the namespace in its paths.
    """

    def __init__(self, api: ServiceBusApi, address: str, *, endpoint: str | None = None) -> None:
        parts = urlsplit(address)
        base = (
            f"https://{parts.netloc}"
            if endpoint is None
            else f"{endpoint.rstrip('/')}/{parts.netloc.partition('.')[0]}"
        )
        self._api = api
        self._url = f"{base}/{quote(parts.path.strip('/'))}/messages"

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> None:
        # A queue that looks for duplicates knows them by the message's id.
        broker = {"MessageId": attributes["ce-id"], "Label": attributes["ce-type"]}
        properties = {name: json.dumps(value) for name, value in attributes.items() if name.startswith("ce-")}
        self._api.call(
            "POST",
            self._url,
            headers={"BrokerProperties": json.dumps(broker), **properties},
            body=structured(data, attributes),
            content_type=CONTENT_TYPE,
            write=True,
        )
