from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from azure.core.messaging import CloudEvent
from azure.storage.queue import QueueMessage

from retrigger.handlers.adapters.storage_queue import StorageQueuePublisher
from retrigger.handlers.transport.azure import QUEUE, AzureStorageApi
from retrigger.handlers.transport.credentials import KeptToken
from retrigger.triggers.errors import Refused, Unavailable, Unknown
from tests.handlers.adapters.test_service_bus import TOLD

if TYPE_CHECKING:
    from retrigger.handlers.transport.http import Http
    from retrigger.triggers.errors import RetriggerError
    from tests.handlers.conftest import Loopback


@pytest.fixture
def api(http: Http) -> AzureStorageApi:
    return AzureStorageApi(http, KeptToken(lambda: ("secret-token", 3600.0), lambda: 0.0), QUEUE)


@pytest.fixture
def publisher(api: AzureStorageApi, loopback: Loopback) -> StorageQueuePublisher:
    return StorageQueuePublisher(api, "https://acme.queue.core.windows.net/told", endpoint=loopback.url)


def test_one_message_with_the_event_as_microsofts_library_reads_it(
    publisher: StorageQueuePublisher, loopback: Loopback
) -> None:
    loopback.reply(201)
    publisher.publish(b'{"a": 1}', TOLD)
    (seen,) = loopback.requests
    assert (seen.method, seen.path, seen.headers["content-type"]) == ("POST", "/acme/told/messages", "application/xml")
    assert (seen.headers["authorization"], "x-ms-version" in seen.headers) == ("Bearer secret-token", True)
    text = ET.fromstring(seen.body).findtext("MessageText")  # noqa: S314 - our own
    event = CloudEvent.from_json(QueueMessage(content=base64.b64decode(text or "").decode()))
    assert (event.id, event.type, event.source, event.subject, event.data) == (
        "7",
        "retrigger.outcome",
        "//retrigger/environments/prod",
        "churn",
        {"a": 1},
    )


def test_without_an_endpoint_it_goes_to_the_account(api: AzureStorageApi) -> None:
    publisher = StorageQueuePublisher(api, "https://acme.queue.core.windows.net/told")
    assert publisher._url == "https://acme.queue.core.windows.net/told/messages"


@pytest.mark.parametrize(
    ("status", "code", "error", "step"),
    [
        (401, "InvalidAuthenticationInfo", Unavailable, "check the function's identity"),
        (403, "AuthorizationPermissionMismatch", Refused, "Storage Queue Data Message Sender"),
        (404, "QueueNotFound", Refused, "make the queue"),
        (413, "RequestBodyTooLarge", Refused, "check the endpoint"),
        (503, "ServerBusy", Unavailable, "try again"),
    ],
)
def test_what_the_service_does_not_take_is_told(  # noqa: PLR0917 - a table
    publisher: StorageQueuePublisher, loopback: Loopback, status: int, code: str, error: type[RetriggerError], step: str
) -> None:
    loopback.reply(status, b"<Error><Message>said so</Message></Error>", x_ms_error_code=code)
    with pytest.raises(error, match=f"{code}: said so; .*{step}"):
        publisher.publish(b"{}", TOLD)


def test_an_answer_that_is_lost(publisher: StorageQueuePublisher, loopback: Loopback) -> None:
    loopback.break_off(b"")
    with pytest.raises(Unknown):
        publisher.publish(b"{}", TOLD)
