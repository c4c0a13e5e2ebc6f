from __future__ import annotations

import pytest

from retrigger.functions.azure.channels import ServiceBusQueue, ServiceBusTopic, StorageQueue, binding


@pytest.mark.parametrize(
    ("address", "bound"),
    [
        ("https://acme.queue.core.windows.net/asks", StorageQueue("queue_acme", "asks")),
        ("sb://acme.servicebus.windows.net/retrain", ServiceBusQueue("servicebus_acme", "retrain")),
        ("sb://acme-ml.servicebus.windows.net/a/b", ServiceBusQueue("servicebus_acme_ml", "a/b")),
        (
            "sb://acme.servicebus.windows.net/a/b/Subscriptions/s",
            ServiceBusTopic("servicebus_acme", "a/b", "s"),
        ),
        ("https://acme.westeurope-1.eventgrid.azure.net/api/events", None),
        ("projects/acme-dev/topics/retrain", None),
    ],
)
def test_an_address_says_who_hears_it(address: str, bound: object) -> None:
    assert binding(address) == bound


def test_the_poison_queue_is_the_hosts() -> None:
    assert StorageQueue("queue_acme", "asks").poison == "asks-poison"
