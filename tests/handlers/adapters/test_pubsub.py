from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.pubsub import PubSubPublisher
from retrigger.triggers.errors import Refused, Unknown

if TYPE_CHECKING:
    from retrigger.handlers.transport.google import GoogleApi
    from tests.handlers.conftest import Loopback

TOPIC = "projects/acme-dev/topics/told"


@pytest.fixture
def publisher(api: GoogleApi, loopback: Loopback) -> PubSubPublisher:
    return PubSubPublisher(api, TOPIC, endpoint=loopback.url)


def test_one_message_with_its_attributes(publisher: PubSubPublisher, loopback: Loopback) -> None:
    loopback.reply(200, b'{"messageIds": ["1"]}')
    publisher.publish(b'{"a": 1}', {"ce-id": "7"})
    (seen,) = loopback.requests
    assert (seen.method, seen.path) == ("POST", f"/v1/{TOPIC}:publish")
    assert seen.body == b'{"messages": [{"data": "eyJhIjogMX0=", "attributes": {"ce-id": "7"}}]}'


def test_a_topic_that_is_not_there(publisher: PubSubPublisher, loopback: Loopback) -> None:
    loopback.reply(404, b'{"error": {"status": "NOT_FOUND", "message": "no topic"}}')
    with pytest.raises(Refused):
        publisher.publish(b"{}", {})


def test_an_answer_that_is_lost(publisher: PubSubPublisher, loopback: Loopback) -> None:
    loopback.break_off(b"")
    with pytest.raises(Unknown):
        publisher.publish(b"{}", {})
