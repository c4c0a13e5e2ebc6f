"""What a channel's address says to the host: which trigger hears it, and which app setting tells how to connect.

| address                                                            | app setting                                |
|--------------------------------------------------------------------|--------------------------------------------|
| `https://acme.queue.core.windows.net/QUEUE`                         | `queue_acme__queueServiceUri`               |
| `sb://acme.servicebus.windows.net/QUEUE`                            | `servicebus_acme__fullyQualifiedNamespace`  |
| `sb://acme.servicebus.windows.net/TOPIC/subscriptions/SUBSCRIPTION` | `servicebus_acme__fullyQualifiedNamespace`  |

The settings' names are the host's: `CONNECTION__…` connects with the app's own identity, `CONNECTION` alone would hold
a connection string. https://learn.microsoft.com/azure/azure-functions/functions-reference#configure-an-identity-based-connection
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

from retrigger.triggers.frozen import dataclass
from retrigger.triggers.spec import MessageSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrigger.triggers.environment import Environment
    from retrigger.triggers.spec import Source

_SUBSCRIBED: Final = "(?i)/subscriptions/"


@dataclass(frozen=True, slots=True)
class StorageQueue:
    """A queue of a storage account. The host puts messages that it gave up into `poison`."""

    connection: str
    queue: str

    @property
    def poison(self) -> str:
        return f"{self.queue}-poison"


@dataclass(frozen=True, slots=True)
class ServiceBusQueue:
    """A queue of a Service Bus namespace."""

    connection: str
    queue: str


@dataclass(frozen=True, slots=True)
class ServiceBusTopic:
    """A topic of a Service Bus namespace, heard through a subscription."""

    connection: str
    topic: str
    subscription: str


Binding: TypeAlias = StorageQueue | ServiceBusQueue | ServiceBusTopic


def binding(address: str) -> Binding | None:
    """None for an address that no trigger of the host hears: its messages come over HTTP."""
    parts = urlsplit(address)
    # An app setting's name has letters, digits and `_`; the name of a namespace or an account has no `_`.
    place, entity = parts.netloc.partition(".")[0].replace("-", "_"), parts.path.strip("/")
    match parts.scheme, re.split(_SUBSCRIBED, entity):
        case "sb", [queue]:
            return ServiceBusQueue(f"servicebus_{place}", queue)
        case "sb", [topic, subscription]:
            return ServiceBusTopic(f"servicebus_{place}", topic, subscription)
        case "https", _ if ".queue." in parts.netloc:
            return StorageQueue(f"queue_{place}", entity)
        case _:
            return None


def heard(environment: Environment, sources: Iterable[Source]) -> dict[str, str]:
    """The addresses that functions listen to, each with its channel's name; `sources` are those of all triggers.

    All but the outbox: who reads a queue takes its messages away from others, so only a trigger that follows it does.
    """
    channels = {one.heard_at: name for name, one in environment.channels.items()}
    if environment.outbox is not None:
        outbox = environment.channels[environment.outbox].heard_at
        followed = (source.channel for source in sources if isinstance(source, MessageSource))
        if outbox not in {environment.channels[name].heard_at for name in followed}:
            del channels[outbox]
    return channels
