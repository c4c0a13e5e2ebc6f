"""The ways in: how each hands an event to the real functions of its cloud, and whether they acknowledged it."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import quote

from retrigger.triggers.event import Event, Message, Object
from retrigger.triggers.formats import encode, pubsub, schedule, storage
from tests.cases.world import CHANNELS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retrigger.triggers.formats import Form
    from tests.cases.world import Cloud


class Host(Protocol):
    """The functions of one cloud, under their real host."""

    def deliver(self, route: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Hand over one delivery. -> whether it was acknowledged."""

    def tick(self) -> None:
        """The minute's wake-up."""

    def wake(self, trigger: str, slot: datetime) -> bool:
        """A time of the trigger's schedule has come. -> whether it was acknowledged."""


@dataclass(frozen=True, slots=True)
class Way:
    """`form` is how the event looks, `route` where it goes in. `keeps_any_body`: whatever comes there is a message."""

    cloud: Cloud
    carries: Literal["object", "message"]
    form: Form
    route: str
    keeps_any_body: bool = False


WAYS: Mapping[str, Way] = {
    "Eventarc, binary": Way("gcp", "object", "cloudevent-binary", ""),
    "Eventarc, structured": Way("gcp", "object", "cloudevent-structured", ""),
    "storage notification": Way("gcp", "object", "storage-notification", "storage"),
    "Eventarc message": Way("gcp", "message", "cloudevent-binary", ""),
    "Pub/Sub push": Way("gcp", "message", "pubsub-push", f"pubsub/{CHANNELS['gcp']}"),
}


def uploaded(cloud: Cloud, name: str, *, version: int, at: datetime, complete: bool = True) -> Event:
    """An object of the store `landing` was written. Versions count up from 1; sizes differ with them."""
    match cloud:
        case "gcp":
            generation = str(1_790_000_000_000_000 + version)
            payload = Object(
                store="gcs",
                account=None,
                bucket="landing",
                name=name,
                version=generation,
                sequencer=generation,
                size=version,
                complete=complete,
                uri=f"gs://landing/{name}",
            )
            source, subject, kind = storage.source("landing"), storage.subject(name), "finalized"
            type_ = f"google.cloud.storage.object.v1.{kind}"
        case "azure":
            payload = Object(
                store="blob",
                account="acme",
                bucket="landing",
                name=name,
                version=f"0x8DE{version:012X}",
                sequencer=f"{version:048x}",
                size=version,
                complete=complete,
                uri=f"https://acme.blob.core.windows.net/landing/{quote(name)}",
            )
            account = "/subscriptions/s-1/resourceGroups/ml/providers/Microsoft.Storage/storageAccounts/acme"
            source, subject = account, f"/blobServices/default/containers/landing/blobs/{name}"
            type_ = "Microsoft.Storage.BlobCreated"
    event_id = f"{name}@{version}" + ("" if complete else "-announced")
    return Event(id=event_id, source=source, type=type_, time=at, subject=subject, payload=payload)


def published(cloud: Cloud, body: bytes, *, message_id: str, at: datetime) -> Event:
    """A message on the channel `retrain`."""
    channel = CHANNELS[cloud]
    payload = Message(channel=channel, id=message_id, body=body, json=pubsub.body_json(body), published=at)
    source = pubsub.channel_source(channel) if cloud == "gcp" else channel
    type_ = pubsub.TYPE if cloud == "gcp" else "dev.retrigger.message.received.v1"
    return Event(id=message_id, source=source, type=type_, time=at, subject=None, payload=payload)


class GoogleHost:
    """functions-framework, listening on a port of loopback."""

    def __init__(self, port: int) -> None:
        self._port = port

    def deliver(self, route: str, headers: Mapping[str, str], body: bytes) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("POST", "/" + quote(route), body, dict(headers))
            response = connection.getresponse()
            response.read()
        finally:
            connection.close()
        assert response.status in {200, 503}
        return response.status == 200

    def tick(self) -> None:
        assert self.deliver("tick", {}, b"")

    def wake(self, trigger: str, slot: datetime) -> bool:
        return self.deliver("", *encode(schedule.due(trigger, slot), "cloudevent-binary"))
