from __future__ import annotations

from datetime import UTC, datetime

from azure.functions.queue import QueueMessage
from azure.functions.servicebus import ServiceBusMessage

from retrigger.functions.azure import metadata

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)


def test_a_queues_message_is_told_by_the_hosts_names() -> None:
    message = QueueMessage(id="m-1", body=b"", dequeue_count=3, insertion_time=AT, pop_receipt="secret")
    told = {"Id": "m-1", "DequeueCount": "3", "InsertionTime": "2026-01-05T09:00:00+00:00"}
    assert metadata.of_queue(message) == told


def test_a_service_bus_message_is_told_by_the_hosts_names() -> None:
    message = ServiceBusMessage(
        body=b"",
        message_id="m-1",
        sequence_number=7,
        delivery_count=2,
        enqueued_time_utc=AT,
        session_id="s",
        content_type="application/json",
        correlation_id="c",
        subject="news",
        application_properties={"team": "growth", "n": 1},
        user_properties={},
    )
    assert metadata.of_service_bus(message) == {
        "MessageId": "m-1",
        "SequenceNumber": "7",
        "DeliveryCount": "2",
        "EnqueuedTimeUtc": "2026-01-05T09:00:00+00:00",
        "SessionId": "s",
        "ContentType": "application/json",
        "CorrelationId": "c",
        "Subject": "news",
        "ApplicationProperties": '{"team": "growth", "n": 1}',
    }


def test_what_the_host_does_not_tell_is_left_out() -> None:
    message = ServiceBusMessage(body=b"", message_id="m-1", application_properties={}, user_properties={})
    assert metadata.of_service_bus(message) == {"MessageId": "m-1", "ApplicationProperties": "{}"}
    assert metadata.of_queue(QueueMessage(id="m-1", body=b"")) == {"Id": "m-1"}
