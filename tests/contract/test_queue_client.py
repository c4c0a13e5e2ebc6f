"""What the real azure-storage-queue gets from the emulator's queues, and from Azurite where it is installed."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from azure.core import exceptions
from azure.storage.queue import QueueServiceClient, TextBase64DecodePolicy, TextBase64EncodePolicy

from retrigger.handlers.adapters.storage_queue import StorageQueuePublisher
from retrigger.handlers.transport.azure import QUEUE, AzureStorageApi
from retrigger.handlers.transport.credentials import KeptToken
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.local_emulator.azure import connection_string
from tests.contract.azurite import ACCOUNT, azurite
from tests.handlers.adapters.test_service_bus import TOLD
from tests.local_emulator.messaging.queue_store import QueueStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.storage.queue import QueueClient


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueStore]:
    store = QueueStore(tmp_path_factory.mktemp("queues"))
    yield store
    store.close()


@pytest.fixture(scope="module")
def microsofts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with azurite(tmp_path_factory.mktemp("azurite"), "queue") as it:
        yield connection_string("http://127.0.0.1:1", f"http://127.0.0.1:{it.port}", ACCOUNT)


@pytest.fixture(params=["ours", "microsofts"])
def service(request: pytest.FixtureRequest) -> Iterator[QueueServiceClient]:
    of = request.getfixturevalue(request.param)
    text = of.connection_string if isinstance(of, QueueStore) else of
    with QueueServiceClient.from_connection_string(text, retry_total=0) as client:
        yield client


@pytest.fixture
def queue(service: QueueServiceClient, request: pytest.FixtureRequest) -> QueueClient:
    return service.create_queue("q" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20])


def test_a_message_is_read_once_and_gone_when_it_is_deleted(queue: QueueClient) -> None:
    sent = queue.send_message("hällo <&> \U0001f680")
    (seen,) = queue.peek_messages()
    assert (seen.id, seen.content, seen.dequeue_count) == (sent.id, "hällo <&> \U0001f680", 0)
    read = queue.receive_message()
    assert read is not None
    assert (read.id, read.content, read.dequeue_count) == (sent.id, sent.content, 1)
    assert (queue.receive_message(), queue.peek_messages()) == (None, [])
    assert queue.get_queue_properties().approximate_message_count == 1
    queue.delete_message(read)
    assert queue.get_queue_properties().approximate_message_count == 0


def test_an_empty_text_and_the_largest(queue: QueueClient) -> None:
    for text in ("x" * 65_536, ""):
        queue.send_message(text)
        read = queue.receive_message()
        assert read is not None
        assert (read.content or "") == text
    with pytest.raises(exceptions.HttpResponseError) as caught:
        queue.send_message("x" * 65_537)
    assert caught.value.status_code == 413


def test_what_is_hidden_is_seen_again(queue: QueueClient) -> None:
    queue.send_message("a")
    read = queue.receive_message(visibility_timeout=600)
    assert read is not None
    shown = queue.update_message(read, visibility_timeout=0, content="b")
    again = queue.receive_message()
    assert again is not None
    assert (again.id, again.content, again.dequeue_count) == (read.id, "b", 2)
    assert shown.pop_receipt not in {read.pop_receipt, again.pop_receipt}


def test_only_the_last_reader_deletes_or_changes(queue: QueueClient) -> None:
    queue.send_message("a")
    read = queue.receive_message()
    assert read is not None
    queue.update_message(read, visibility_timeout=0)
    again = queue.receive_message()
    assert again is not None
    for stale in (
        lambda: queue.delete_message(read.id, read.pop_receipt),
        lambda: queue.update_message(read.id, read.pop_receipt, visibility_timeout=1),
    ):
        with pytest.raises(exceptions.HttpResponseError) as caught:
            stale()
        assert (caught.value.status_code, caught.value.error_code) == (400, "PopReceiptMismatch")
    queue.delete_message(again)
    with pytest.raises(exceptions.ResourceNotFoundError) as gone:
        queue.delete_message(again)
    assert gone.value.error_code == "MessageNotFound"


def test_a_delayed_message_is_not_seen_yet(queue: QueueClient) -> None:
    queue.send_message("later", visibility_timeout=3600)
    assert (queue.receive_message(), queue.get_queue_properties().approximate_message_count) == (None, 1)


def test_messages_come_in_order_and_at_most_so_many(queue: QueueClient) -> None:
    for number in range(7):
        queue.send_message(str(number))
    pages = [[it.content for it in page] for page in queue.receive_messages(messages_per_page=3).by_page()]
    assert pages == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    queue.clear_messages()
    assert queue.get_queue_properties().approximate_message_count == 0


def test_of_twenty_readers_each_gets_another(queue: QueueClient) -> None:
    for number in range(20):
        queue.send_message(str(number))
    together, got = threading.Barrier(20), Counter[str]()

    def read() -> None:
        together.wait()
        message = queue.receive_message()
        got[str(message.content) if message else "none"] += 1

    threads = [threading.Thread(target=read) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {str(number): 1 for number in range(20)}


def test_queues_come_and_go(service: QueueServiceClient) -> None:
    names = [f"comes-and-goes-{number}" for number in range(3)]
    for name in names:
        service.create_queue(name, metadata={"k": name})
    found = service.list_queues("comes-and", include_metadata=True, results_per_page=2)
    assert [(it.name, it.metadata) for it in found] == [(name, {"k": name}) for name in names]
    first = service.get_queue_client(names[0])
    first.set_queue_metadata({"k": "v"})
    assert first.get_queue_properties().metadata == {"k": "v"}
    with pytest.raises(exceptions.ResourceExistsError) as caught:
        service.create_queue(names[0], metadata={"k": "other"})
    assert caught.value.error_code == "QueueAlreadyExists"
    for name in names:
        service.delete_queue(name)
    assert list(service.list_queues("comes-and")) == []
    with pytest.raises(exceptions.ResourceNotFoundError) as gone:
        first.send_message("x")
    assert gone.value.error_code == "QueueNotFound"


def test_what_the_outbox_sends_is_read_by_the_real_client(ours: QueueStore) -> None:
    api = AzureStorageApi(Http(HttpSettings()), KeptToken(lambda: ("token", 3600.0), lambda: 0.0), QUEUE)
    ours.queues.ensure(f"{ACCOUNT}/told")
    address = f"https://{ACCOUNT}.queue.core.windows.net/told"
    StorageQueuePublisher(api, address, endpoint=ours.server.url).publish(b'{"a": 1}', TOLD)
    policies = {"message_encode_policy": TextBase64EncodePolicy(), "message_decode_policy": TextBase64DecodePolicy()}
    with QueueServiceClient.from_connection_string(ours.connection_string) as client:
        (message,) = client.get_queue_client("told", **policies).peek_messages()
    assert '"type": "retrigger.outcome"' in message.content


def test_a_week_later_a_message_is_forgotten(ours: QueueStore) -> None:
    """Only our clock can be wound."""
    place = f"{ACCOUNT}/forgets"
    ours.queues.ensure(place)
    with QueueServiceClient.from_connection_string(ours.connection_string) as client:
        queue = client.get_queue_client("forgets")
        for text, lives in (("a", None), ("b", -1), ("c", 60), ("d", 10**18)):
            queue.send_message(text, time_to_live=lives)
        contents = []
        for days in (0, 1, 7):
            ours.ahead += ours.ahead.resolution * (days * 86_400_000_000)
            contents.append([it.content for it in queue.peek_messages(5)])
    assert contents == [["a", "b", "c", "d"], ["a", "b", "d"], ["b", "d"]]
