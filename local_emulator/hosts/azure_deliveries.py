"""What reaches the Functions host: messages of queues with what their queue tells, and what host.json says of them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from retrigger.triggers.event import Json

# What the host tells as numbers and objects. UserProperties is ApplicationProperties under its old name.
_JSON = frozenset({"ApplicationProperties", "DeliveryCount", "DequeueCount", "SequenceNumber"})
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)")


class Unreadable(Exception):
    """It is no delivery; the message says why."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message, and what its queue tells of it, by the host's names (`Id`, `DequeueCount`, `MessageId`, …).

    On the wire: `{"metadata": {…}, "body": base64}`.
    """

    metadata: Mapping[str, Json]
    body: bytes

    @classmethod
    def read(cls, wire: bytes) -> Delivery:
        """Errors: Unreadable."""
        try:
            told = json.loads(wire)
            metadata, body = told["metadata"], base64.b64decode(told["body"], validate=True)
        except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
            raise Unreadable('a message comes as {"metadata": {…}, "body": base64}') from error
        if not isinstance(metadata, dict):
            raise Unreadable("the metadata of a message is an object")
        return cls(metadata, body)

    @classmethod
    def of(cls, headers: Mapping[str, str], body: bytes) -> Delivery:
        """From what `triggers.formats.encode` writes as `storage-queue` or `service-bus`: there all values are text."""
        metadata = {name: json.loads(text) if name in _JSON else text for name, text in headers.items()}
        if "MessageId" in metadata:
            metadata["UserProperties"] = metadata.setdefault("ApplicationProperties", {})
        return cls(metadata, body)

    def write(self) -> bytes:
        return json.dumps({"metadata": self.metadata, "body": base64.b64encode(self.body).decode()}).encode()

    @property
    def dequeue_count(self) -> int:
        """How often a storage queue has given it out. Errors: Unreadable."""
        count = self.metadata.get("DequeueCount")
        if not isinstance(count, int):
            raise Unreadable("the metadata lacks the number DequeueCount")
        return count


def given_out(wire: bytes, attempt: int) -> bytes:
    """The written message as its queue gives it out for the `attempt`th time: a Subscription's `body_of`."""
    delivery = Delivery.read(wire)
    counted = {name: attempt for name in ("DequeueCount", "DeliveryCount") if name in delivery.metadata}
    return replace(delivery, metadata={**delivery.metadata, **counted}).write()


@dataclass(frozen=True, slots=True)
class QueueRules:
    """`extensions.queues` of host.json, with the host's defaults.

    A message that failed is visible again after `visibility_timeout`; one that failed `max_dequeue_count` times goes to
    the poison queue. What fails there is never given up: it rests for as long as the host hides what it reads.
    https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue
    """

    visibility_timeout: timedelta = timedelta()
    max_dequeue_count: int = 5
    hidden_while_read: timedelta = timedelta(minutes=10)

    @classmethod
    def read(cls, folder: Path) -> QueueRules:
        """Errors: OSError, ValueError for a host.json that cannot be read."""
        told: Any = json.loads((folder / "host.json").read_text(encoding="utf-8"))
        queues = told.get("extensions", {}).get("queues", {})
        return cls(_time_span(queues.get("visibilityTimeout", "00:00:00")), int(queues.get("maxDequeueCount", 5)))


def _time_span(text: str) -> timedelta:
    """.NET's `[d.]hh:mm:ss[.fff]`."""
    parts = _TIME_SPAN.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text!r} in host.json is no time span: write hh:mm:ss")
    days, hours, minutes, seconds = (float(part or 0) for part in parts.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
