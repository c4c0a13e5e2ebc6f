from __future__ import annotations

import pytest

from retrigger.functions.azure.channels import ServiceBusQueue, ServiceBusTopic, StorageQueue, binding, heard
from retrigger.triggers.environment import Channel, Environment
from retrigger.triggers.spec import MessageSource, ScheduleSource


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


TOLD = "https://acme.queue.core.windows.net/told"
NEWS = "sb://acme.servicebus.windows.net/news"


@pytest.mark.parametrize(
    ("outbox", "channel", "expected"),
    [
        (None, None, {TOLD: "told", f"{NEWS}/subscriptions/s": "news"}),
        ("told", None, {f"{NEWS}/subscriptions/s": "news"}),
        ("told", "news", {f"{NEWS}/subscriptions/s": "news"}),
        ("told", "told", {TOLD: "told", f"{NEWS}/subscriptions/s": "news"}),
        ("news", None, {TOLD: "told"}),
    ],
)
def test_the_outbox_is_heard_only_where_a_trigger_follows_it(
    outbox: str | None, channel: str | None, expected: dict[str, str]
) -> None:
    """Who hears a queue takes its messages away from those whom they are for."""
    channels = {"told": Channel(address=TOLD), "news": Channel(address=NEWS, subscription=f"{NEWS}/subscriptions/s")}
    environment = Environment(name="prod", cloud="azure", ledger="", channels=channels, outbox=outbox)
    sources = [ScheduleSource(cron="* * * * *"), *([MessageSource(channel=channel)] if channel else [])]
    assert heard(environment, sources) == expected
