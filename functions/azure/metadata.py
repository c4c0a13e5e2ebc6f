"""What the host tells of a message beside its body, by the host's own names and as text: the headers of a binding."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.functions import QueueMessage, ServiceBusMessage


def of_queue(message: QueueMessage) -> dict[str, str]:
    return _text(
        {
            "Id": message.id,
            "DequeueCount": message.dequeue_count,
            "InsertionTime": message.insertion_time,
        }
    )


def of_service_bus(message: ServiceBusMessage) -> dict[str, str]:
    return _text(
        {
            "MessageId": message.message_id,
            "SequenceNumber": message.sequence_number,
            "DeliveryCount": message.delivery_count,
            "EnqueuedTimeUtc": message.enqueued_time_utc,
            "SessionId": message.session_id,
            "ContentType": message.content_type,
            "CorrelationId": message.correlation_id,
            # older extensions of the host have other names for these two
            "Subject": message.subject or message.label,
            "ApplicationProperties": message.application_properties or message.user_properties,
        }
    )


def _text(told: Mapping[str, object]) -> dict[str, str]:
    """What the host did not tell is left out."""
    return {name: _as_text(value) for name, value in told.items() if value is not None}


def _as_text(value: object) -> str:
    match value:
        case str():
            return value
        case datetime():
            return value.isoformat()
        case _:
            return json.dumps(value)
