"""Publishing to a Pub/Sub topic: https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/publish."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.transport.google import GoogleApi

PUBLIC: Final = "https://pubsub.googleapis.com"


class PubSubPublisher:
    """The port `Publisher` for one topic, `projects/P/topics/T`. `endpoint`: the emulator has another."""

    def __init__(self, api: GoogleApi, topic: str, *, endpoint: str = PUBLIC) -> None:
        self._api = api
        self._url = f"{endpoint.rstrip('/')}/v1/{topic}:publish"

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> None:
        message = {"data": base64.b64encode(data).decode(), "attributes": dict(attributes)}
        self._api.call("POST", self._url, body=json.dumps({"messages": [message]}).encode(), write=True)
