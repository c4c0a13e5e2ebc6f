"""Queue Storage's XML: lists of queues and of messages, and the message that a client sends.

Shapes: https://learn.microsoft.com/rest/api/storageservices/get-messages, …/put-message and …/list-queues1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from retrigger.local_emulator.stores.blob_conditions import http_date
from retrigger.local_emulator.stores.blob_errors import Rejected
from retrigger.local_emulator.stores.blob_xml import add_text
from retrigger.local_emulator.stores.errors import TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from retrigger.local_emulator.messaging.pull_queues import PulledMessage

_LARGEST_TEXT = 64 * 1024


def queues(
    found: Iterable[tuple[str, Mapping[str, str] | None]], asked: Mapping[str, str], marker: str, endpoint: str
) -> ET.Element:
    """Each queue's name and, where they were asked for, its metadata; `marker`: where the next page begins."""
    root = ET.Element("EnumerationResults", ServiceEndpoint=endpoint)
    for name, value in asked.items():
        add_text(root, name, value)
    listed = ET.SubElement(root, "Queues")
    for name, metadata in found:
        queue = ET.SubElement(listed, "Queue")
        add_text(queue, "Name", name)
        if metadata is not None:
            told = ET.SubElement(queue, "Metadata")
            for key, value in metadata.items():
                add_text(told, key, value)
    add_text(root, "NextMarker", marker)
    return root


def added(it: PulledMessage) -> ET.Element:
    """What the sender of a message is told of it."""
    root = ET.Element("QueueMessagesList")
    message = _message(root, it)
    _add_receipt(message, it)
    return root


def taken(found: Iterable[PulledMessage]) -> ET.Element:
    """Messages for the reader who may delete them."""
    root = ET.Element("QueueMessagesList")
    for it in found:
        message = _message(root, it)
        _add_receipt(message, it)
        _add_content(message, it)
    return root


def peeked(found: Iterable[PulledMessage]) -> ET.Element:
    root = ET.Element("QueueMessagesList")
    for it in found:
        _add_content(_message(root, it), it)
    return root


def read_text(body: bytes) -> str:
    """The text in a `QueueMessage`. Errors: Rejected, TooLarge."""
    try:
        decoded = body.decode("utf-8-sig")
        if "<!DOCTYPE" in decoded:  # it could make a small text large; the format has none
            raise Rejected("InvalidXmlDocument", "The message has no document type.")
        root = ET.fromstring(decoded)  # noqa: S314 - without a document type there are no entities
    except (UnicodeDecodeError, ET.ParseError, ValueError) as error:
        raise Rejected("InvalidXmlDocument", "The body is no XML.") from error
    found = root.find("MessageText")
    if root.tag != "QueueMessage" or found is None or len(found):
        raise Rejected("InvalidXmlDocument", "The body is a QueueMessage with a MessageText.")
    text = found.text or ""
    if len(text.encode()) > _LARGEST_TEXT:
        raise TooLarge(f"The text of a message has at most {_LARGEST_TEXT:,} bytes.")
    return text


def _message(root: ET.Element, it: PulledMessage) -> ET.Element:
    message = ET.SubElement(root, "QueueMessage")
    add_text(message, "MessageId", it.id)
    add_text(message, "InsertionTime", http_date(it.inserted))
    add_text(message, "ExpirationTime", http_date(it.expires))
    return message


def _add_receipt(message: ET.Element, it: PulledMessage) -> None:
    add_text(message, "PopReceipt", it.receipt)
    add_text(message, "TimeNextVisible", http_date(it.visible))


def _add_content(message: ET.Element, it: PulledMessage) -> None:
    add_text(message, "DequeueCount", str(it.dequeued))
    add_text(message, "MessageText", it.text)
