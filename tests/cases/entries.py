"""The ways in: how each hands an event to the real functions of its cloud, and whether they acknowledged it."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import quote

from retrigger.local_emulator.hosts.azure_deliveries import Delivery
from retrigger.triggers.event import Event, Message, Object, rfc3339
from retrigger.triggers.formats import pubsub, schedule, storage
from retrigger.triggers.formats.encoding import encode
from tests.cases.world import CHANNELS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retrigger.triggers.formats.encoding import Form
    from tests.cases.world import Cloud


class Host(Protocol):
    """The functions of one cloud, under their real host."""

    def deliver(self, way: Way, headers: Mapping[str, str], body: bytes) -> bool:
        """Hand over one delivery. -> whether it was acknowledged."""

    def tick(self) -> None:
        """The minute's wake-up."""

    def wake(self, trigger: str, slot: datetime) -> bool:
        """A time of the trigger's schedule has come. -> whether it was acknowledged."""


Server = Literal["functions-framework", "gunicorn", "worker library"]
"""What serves a cloud's functions: on Google either of the first two."""


@dataclass(frozen=True, slots=True)
class Way:
    """`form` is how the event looks, `path` the host's URL path where it goes in, `channel` what a message is sent to.

    `takes_garbage`: bytes that are no event can get there, and are not simply a message.
    """

    cloud: Cloud
    carries: Literal["object", "message"]
    form: Form
    path: str
    channel: str = "retrain"
    takes_garbage: bool = True
    alone: bool = False

    @property
    def server(self) -> Server:
        """`alone`: without functions-framework."""
        if self.cloud == "azure":
            return "worker library"
        return "gunicorn" if self.alone else "functions-framework"


_PUSHED = f"pubsub/{CHANNELS['gcp']['retrain']}"
_GOOGLE: Mapping[str, Way] = {
    "Eventarc, binary": Way("gcp", "object", "cloudevent-binary", ""),
    "Eventarc, structured": Way("gcp", "object", "cloudevent-structured", ""),
    "storage notification": Way("gcp", "object", "storage-notification", "storage"),
    "Eventarc message": Way("gcp", "message", "cloudevent-binary", ""),
    "Pub/Sub push": Way("gcp", "message", "pubsub-push", _PUSHED),
}
WAYS: Mapping[str, Way] = {
    **_GOOGLE,
    **{f"{name}, gunicorn alone": replace(way, alone=True) for name, way in _GOOGLE.items()},
    "Event Grid trigger": Way("azure", "object", "event-grid", "eventgrid", takes_garbage=False),
    "Event Grid trigger, CloudEvents": Way(
        "azure", "object", "cloudevent-structured", "eventgrid", takes_garbage=False
    ),
    "Event Grid webhook": Way("azure", "object", "event-grid", "api/events"),
    "Event Grid webhook, CloudEvents": Way("azure", "object", "cloudevent-binary", "api/events"),
    "Event Grid in a queue": Way("azure", "object", "storage-queue", "queue/blobs", takes_garbage=False),
    "Event Grid on a bus": Way("azure", "object", "service-bus", "servicebus/retrain", takes_garbage=False),
    "Service Bus": Way("azure", "message", "service-bus", "servicebus/retrain", takes_garbage=False),
    "Storage Queue": Way("azure", "message", "storage-queue", "queue/again", "again", takes_garbage=False),
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
                uri=f"https://acme.blob.core.windows.net/landing/{quote(name, safe='/=')}",
            )
            account = "/subscriptions/s-1/resourceGroups/ml/providers/Microsoft.Storage/storageAccounts/acme"
            source, subject = account, f"/blobServices/default/containers/landing/blobs/{name}"
            type_ = "Microsoft.Storage.BlobCreated"
    event_id = f"{name}@{version}" + ("" if complete else "-announced")
    return Event(id=event_id, source=source, type=type_, time=at, subject=subject, payload=payload)


def published(way: Way, body: bytes, *, message_id: str, at: datetime) -> Event:
    """A message on the way's channel."""
    channel = CHANNELS[way.cloud][way.channel]
    payload = Message(channel=channel, id=message_id, body=body, json=pubsub.body_json(body), published=at)
    source = pubsub.channel_source(channel) if way.cloud == "gcp" else channel
    return Event(id=message_id, source=source, type=pubsub.TYPE, time=at, subject=None, payload=payload)


def _post(port: int, path: str, headers: Mapping[str, str], body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/" + quote(path), body, dict(headers))
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


class GoogleHost:
    """functions-framework, or gunicorn alone, listening on a port of loopback."""

    def __init__(self, port: int) -> None:
        self._port = port

    def deliver(self, way: Way, headers: Mapping[str, str], body: bytes) -> bool:
        return self._delivered(way.path, headers, body)

    def tick(self) -> None:
        assert self._delivered("tick", {}, b"")

    def wake(self, trigger: str, slot: datetime) -> bool:
        return self._delivered("", *encode(schedule.due(trigger, slot), "cloudevent-binary"))

    def _delivered(self, path: str, headers: Mapping[str, str], body: bytes) -> bool:
        status = _post(self._port, path, headers, body)
        assert status in {200, 503}
        return status == 200


class AzureHost:
    """Microsoft's worker library, behind the host's HTTP faces on a port of loopback."""

    def __init__(self, port: int) -> None:
        self._port = port

    def deliver(self, way: Way, headers: Mapping[str, str], body: bytes) -> bool:
        if way.path.startswith(("queue/", "servicebus/")):
            headers, body = {}, Delivery.of(headers, body).write()
        return self._delivered(way.path, headers, body)

    def tick(self) -> None:
        assert self._delivered("timer", {}, b"{}")

    def wake(self, trigger: str, slot: datetime) -> bool:
        del trigger  # the minute's timer wakes whatever is due
        last = {"Last": rfc3339(slot - timedelta(minutes=1)), "Next": rfc3339(slot), "LastUpdated": rfc3339(slot)}
        return self._delivered("timer", {}, json.dumps({"ScheduleStatus": last, "IsPastDue": False}).encode())

    def _delivered(self, path: str, headers: Mapping[str, str], body: bytes) -> bool:
        status = _post(self._port, path, headers, body)
        assert status in {200, 202, 500, 503}
        return status < 300
