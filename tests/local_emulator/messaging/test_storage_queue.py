"""Queue Storage on the wire: what no client of Microsoft's sends. What one does send: tests/contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local_emulator.messaging.queue_store import ACCOUNT, QueueStore
from tests.local_emulator.stores.blob_store import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = b"<QueueMessage><MessageText>x</MessageText></QueueMessage>"
BOMB = b'<!DOCTYPE a [<!ENTITY b "bbb">]><QueueMessage><MessageText>&b;</MessageText></QueueMessage>'
NESTED = b"<QueueMessage><MessageText><a/></MessageText></QueueMessage>"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[QueueStore]:
    made = QueueStore(tmp_path)
    made.queues.ensure(f"{ACCOUNT}/box")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("method", "target", "body", "expected"),
    [
        ("POST", "/box/messages", BOMB, (400, "InvalidXmlDocument")),
        ("POST", "/box/messages", NESTED, (400, "InvalidXmlDocument")),
        ("POST", "/box/messages", b"<QueueMessage>", (400, "InvalidXmlDocument")),
        ("POST", "/box/messages", b"\xff", (400, "InvalidXmlDocument")),
        ("POST", "/box/messages", b"<a>" * 100_000, (400, "InvalidXmlDocument")),
        ("POST", "/box/messages", b"<QueueMessage/>", (400, "InvalidXmlDocument")),
        ("POST", "/box/messages", b"x" * (1024 * 1024), (413, "RequestBodyTooLarge")),
        ("POST", "/box/messages?messagettl=-2", TEXT, (400, "InvalidQueryParameterValue")),
        ("POST", "/box/messages?messagettl=x", TEXT, (400, "InvalidInput")),
        ("GET", "/box/messages?numofmessages=0", b"", (400, "OutOfRangeQueryParameterValue")),
        ("GET", "/?comp=list&maxresults=5001", b"", (400, "OutOfRangeQueryParameterValue")),
        ("DELETE", "/box/messages/id", b"", (400, "MissingRequiredQueryParameter")),
        ("PUT", "/box/messages/id?popreceipt=x", b"", (400, "MissingRequiredQueryParameter")),
        ("GET", "/%ff?comp=metadata", b"", (400, "InvalidInput")),
        ("PATCH", "/box", b"", (405, "UnsupportedHttpVerb")),
        ("GET", "/box?comp=acl", b"", (501, "NotImplemented")),
        ("GET", "/?comp=properties&restype=service", b"", (501, "NotImplemented")),
        ("GET", "/box/other/id", b"", (404, "ResourceNotFound")),
    ],
)
def test_what_cannot_be_is_refused_with_a_code(
    store: QueueStore, method: str, target: str, body: bytes, expected: tuple[int, str]
) -> None:
    assert store.send(method, target, body).error() == expected
    assert store.queues.count(f"{ACCOUNT}/box") == 0


def test_what_functions_hear_is_not_kept_for_others(store: QueueStore) -> None:
    store.heard[f"{ACCOUNT}/box"] = []
    answer = store.send("POST", "/box/messages", TEXT)
    (message,) = store.heard[f"{ACCOUNT}/box"]
    assert (answer.status, parsed(answer.body).findtext("QueueMessage/MessageId")) == (201, message.id)
    assert (message.text, store.queues.count(f"{ACCOUNT}/box")) == ("x", 0)


def test_messages_survive_a_restart(store: QueueStore, tmp_path: Path) -> None:
    store.send("POST", "/box/messages", TEXT)
    again = QueueStore(tmp_path)
    try:
        assert [it.text for it in again.queues.peek(f"{ACCOUNT}/box", 32)] == ["x"]
    finally:
        again.close()
