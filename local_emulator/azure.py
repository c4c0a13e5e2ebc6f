"""What stands in front of functions on Azure: Event Grid, storage queues, Service Bus and the timer.

The Functions host's own part (triggers, poison queues, pauses) is `hosts/azure_faces`; here is what it would read from.
Delivery: https://learn.microsoft.com/azure/event-grid/delivery-and-retry. Its pauses double from 10 s here, up to an
hour, where the cloud has a table that begins likewise.
"""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from retrigger.functions.azure.channels import ServiceBusQueue, ServiceBusTopic, StorageQueue, binding
from retrigger.local_emulator.delivery import Policy, Subscription
from retrigger.local_emulator.event_grid import blob_event
from retrigger.local_emulator.hosts.azure_deliveries import Delivery as Given
from retrigger.local_emulator.hosts.azure_deliveries import given_out
from retrigger.local_emulator.messaging.messages import InvalidArgument, NotFound
from retrigger.triggers.event import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from retrigger.functions.azure.channels import Binding
    from retrigger.local_emulator.delivery import Delivery
    from retrigger.local_emulator.messaging.pull_queues import PulledMessage, PullQueues
    from retrigger.local_emulator.planes.azureml.plane import Furniture
    from retrigger.local_emulator.stores.resource import ObjectChange
    from retrigger.triggers.event import Json

EVENT_GRID = "event-grid"
_EVENT_GRID = Policy(max_backoff=timedelta(hours=1), max_attempts=30, ack_deadline=timedelta(seconds=30))
# A message is hidden for as long as its function runs, which host.json bounds to five minutes.
_RUNS_AT_MOST = timedelta(minutes=5)
_QUEUE = Policy(min_backoff=timedelta(seconds=30), max_age=timedelta(days=7), ack_deadline=_RUNS_AT_MOST)
# Of Service Bus the default: delivered again at once, and ten times.
_BUS = Policy(min_backoff=timedelta(0), max_attempts=10, max_age=timedelta(days=14), ack_deadline=_RUNS_AT_MOST)
# https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas, and …/queue-storage for the other.
_LARGEST_BUS, _LARGEST_QUEUE = 256 * 1024, 64 * 1024


# Azurite's account and key, which everybody knows: the emulator asks for none, clients want to sign with one.
ANY_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # gitleaks:allow


def connection_string(blob_url: str, queue_url: str, account: str) -> str:
    """What Azure's clients take for an account, its key and its addresses."""
    who = f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={_KEY};"
    return f"{who}BlobEndpoint={blob_url}/{account};QueueEndpoint={queue_url}/{account};"


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureSettings:
    """What an environment on Azure needs. Containers are ACCOUNT/CONTAINER; changes in `watched` ones are announced.

    `channels`: where a message is sent, to where functions hear it; at those of `unheard` no function listens, and
    messages wait for other readers. `uploads`: a storage account to the queue through which its events come; those of
    other accounts are pushed by Event Grid. `azureml`: what its workspace holds, and `unfit` the reasons why other
    files of the project could not be registered there.
    """

    containers: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    channels: Mapping[str, str] = field(default_factory=dict)
    unheard: frozenset[str] = frozenset()
    uploads: Mapping[str, str] = field(default_factory=dict)
    azureml: Furniture | None = None
    unfit: tuple[str, ...] = ()


class AzureWays:
    """Every way into the functions at `functions` (their host's URL) but HTTP."""

    def __init__(
        self,
        settings: AzureSettings,
        functions: str,
        *,
        delivery: Delivery,
        queues: PullQueues,
        now: Callable[[], datetime],
        copies: int = 1,
    ) -> None:
        self._settings = settings
        self._delivery = delivery
        self._queues = queues
        self._now = now
        endpoint = f"{functions}/eventgrid"
        delivery.register(Subscription(name=EVENT_GRID, endpoint=endpoint, policy=_EVENT_GRID, copies=copies))
        self._heard: dict[str, str] = {}
        for address in {*settings.channels.values(), *settings.uploads.values()}:
            if (heard := binding(address)) is not None and address not in settings.unheard:
                delivery.register(_subscription(address, heard, functions, copies))
                self._heard[place_of(address)] = address

    def make_queues(self) -> None:
        """Those that the environment names, as it would find them in its cloud."""
        for address in {*self._settings.channels.values(), *self._settings.uploads.values()}:
            if binding(address) is not None:
                self._queues.ensure(place_of(address))

    def announce(self, change: ObjectChange) -> None:
        """Tell the functions, as Event Grid would, of a change in a watched container."""
        bucket = str(change.resource["bucket"])
        if (event := blob_event(change)) is None:
            return
        if (queue := self._settings.uploads.get(bucket.partition("/")[0])) is not None:
            self._submit(queue, base64.b64encode(json.dumps(event).encode()), {})
            return
        self.tell(event)

    def tell(self, event: Mapping[str, Json]) -> None:
        """Push an event to the functions, as Event Grid would."""
        headers = {"content-type": "application/json", "aeg-event-type": "Notification"}
        self._delivery.submit(EVENT_GRID, headers, json.dumps([event]).encode(), now=self._now())

    def send(self, address: str, body: bytes, attributes: Mapping[str, str]) -> str:
        """Send to a channel's address, and give the message's id. Errors: NotFound, InvalidArgument."""
        heard = self._settings.channels.get(address)
        if heard is None or binding(heard) is None:
            known = ", ".join(sorted(self._settings.channels)) or "none"
            raise NotFound(f"No queue or topic at {address[:300]}: the channels are {known}.")
        return self._submit(heard, body, attributes)

    def hear(self, place: str, message: PulledMessage) -> bool:
        """Hand a message of a storage queue to the functions that listen to it, once it is visible; False: none do."""
        if (address := self._heard.get(place)) is None:
            return False
        headers = {"Id": message.id, "DequeueCount": "1", "InsertionTime": rfc3339(message.inserted)}
        given = Given.of(headers, message.text.encode()).write()
        self._delivery.submit(address, {}, given, now=message.visible)
        return True

    def send_bus(
        self, namespace: str, entity: str, body: bytes, attributes: Mapping[str, str], told: Mapping[str, str]
    ) -> None:
        """As `service_bus.Bus` says."""
        sent = self._bus(self._settings.channels, namespace, entity)
        self._submit(self._settings.channels[sent], body, attributes, told)

    def receive_bus(self, namespace: str, entity: str) -> tuple[bytes, Mapping[str, Json]] | None:
        """As `service_bus.Bus` says."""
        place = place_of(self._bus(self._settings.channels.values(), namespace, entity))
        for message in self._queues.take(place, 1, timedelta(seconds=30)):
            self._queues.remove(place, message.id, message.receipt)
            found = Given.read(message.text.encode())
            return found.body, found.metadata
        return None

    def _bus(self, addresses: Iterable[str], namespace: str, entity: str) -> str:
        for address in addresses:
            parts = urlsplit(address)
            if parts.scheme == "sb" and parts.netloc.partition(".")[0] == namespace and parts.path == f"/{entity}":
                return address
        raise NotFound(f"The namespace {namespace[:100]} has no entity {entity[:300]}: no channel has its address.")

    def _submit(
        self,
        address: str,
        body: bytes,
        attributes: Mapping[str, str],
        told: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """`told` goes before what the queue would say of itself."""
        now = self._now()
        match binding(address):
            case StorageQueue():
                _check_queue(body, attributes)
                message = self._queues.draft(body.decode(errors="replace"))
                if not self.hear(place_of(address), message):
                    self._queues.add(place_of(address), message)
                return message.id
            case _:
                _check_bus(body, attributes)
                headers = {
                    "MessageId": str(uuid.uuid4()),
                    "DeliveryCount": "1",
                    "EnqueuedTimeUtc": rfc3339(now),
                    **told,
                }
                headers["ApplicationProperties"] = json.dumps(dict(attributes))
        given = Given.of(headers, body).write()
        if address in self._settings.unheard:
            self._queues.add(place_of(address), self._queues.draft(given.decode(), lives=_BUS.max_age))
        else:
            self._delivery.submit(address, {}, given, now=now)
        return headers["MessageId"]


def place_of(address: str) -> str:
    """Where the queue at an address is among the emulator's: ACCOUNT/QUEUE, of Service Bus the address."""
    parts = urlsplit(address)
    return address if parts.scheme == "sb" else f"{parts.netloc.partition('.')[0]}/{parts.path.strip('/')}"


def strike(last: datetime | None) -> bytes:
    """What a timer's function is told; `last` is when the timer struck before, None if it never did."""
    told = "0001-01-01T00:00:00+00:00" if last is None else last.isoformat()
    status = {"Last": told, "LastUpdated": told}
    return json.dumps({"IsPastDue": False, "Schedule": {}, "ScheduleStatus": status}).encode()


def _subscription(address: str, heard: Binding, functions: str, copies: int) -> Subscription:
    match heard:
        case StorageQueue(_, queue):
            path, policy = f"/queue/{queue}", _QUEUE
        case ServiceBusQueue(_, queue):
            path, policy = f"/servicebus/{queue}", _BUS
        case ServiceBusTopic(_, topic, subscription):
            path, policy = f"/servicebus/{topic}/subscriptions/{subscription}", _BUS
    return Subscription(name=address, endpoint=functions + path, policy=policy, copies=copies, body_of=given_out)


def _check_queue(body: bytes, attributes: Mapping[str, str]) -> None:
    if len(body) > _LARGEST_QUEUE:
        raise InvalidArgument(
            f"A storage queue's message has at most {_LARGEST_QUEUE:,} bytes; this has {len(body):,}."
        )
    if attributes:
        raise InvalidArgument("A storage queue's message has no attributes; put them into its body.")


def _check_bus(body: bytes, attributes: Mapping[str, str]) -> None:
    size = len(body) + sum(len(name.encode()) + len(value.encode()) for name, value in attributes.items())
    if size > _LARGEST_BUS:
        raise InvalidArgument(f"A message has at most {_LARGEST_BUS:,} bytes, attributes included; this has {size:,}.")
