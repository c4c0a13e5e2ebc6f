"""Blob's XML: lists of containers, blobs and blocks, and the block list that a client commits.

Shapes: https://learn.microsoft.com/rest/api/storageservices/list-blobs, …/list-containers2 and …/put-block-list.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree import ElementTree as ET

from starlette.responses import Response

from retrigger.local_emulator.stores.blob_conditions import etag_of, http_date
from retrigger.local_emulator.stores.blob_describe import PROPERTIES, md5_of
from retrigger.local_emulator.stores.blob_errors import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retrigger.local_emulator.stores.listing import Page
    from retrigger.local_emulator.stores.resource import Bucket, StoredObject

# What XML 1.0 has no way to write.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LISTS = frozenset({"Committed", "Uncommitted", "Latest"})


def xml_response(root: ET.Element, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return Response(body, status, headers, media_type="application/xml")


def containers(found: Sequence[Bucket], asked: Mapping[str, str], marker: str, endpoint: str) -> ET.Element:
    """`asked`: the parameters of the request, by their names in the answer; `marker`: where the next page begins."""
    root = _results(asked, ServiceEndpoint=endpoint)
    listed = ET.SubElement(root, "Containers")
    for it in found:
        container = ET.SubElement(listed, "Container")
        add_text(container, "Name", it.name.partition("/")[2])
        properties = ET.SubElement(container, "Properties")
        add_text(properties, "Last-Modified", http_date(it.updated))
        add_text(properties, "Etag", f'"{container_etag(it)}"')
        add_text(properties, "LeaseStatus", "unlocked")
        add_text(properties, "LeaseState", "available")
    add_text(root, "NextMarker", marker)
    return root


def container_etag(it: Bucket) -> str:
    return f"0x{int(it.created.timestamp() * 1_000_000):013X}{it.metageneration:04X}"


def blobs(page: Page, asked: Mapping[str, str], place: Mapping[str, str], *, with_metadata: bool) -> ET.Element:
    """`place`: ServiceEndpoint and ContainerName."""
    root = _results(asked, **place)
    listed = ET.SubElement(root, "Blobs")
    for stored in page.objects:
        blob = ET.SubElement(listed, "Blob")
        _add_name(blob, stored.name)
        _add_properties(ET.SubElement(blob, "Properties"), stored)
        if with_metadata:
            metadata = ET.SubElement(blob, "Metadata")
            for name, value in stored.metadata.items():
                add_text(metadata, name, value)
    for prefix in page.prefixes:
        _add_name(ET.SubElement(listed, "BlobPrefix"), prefix)
    add_text(root, "NextMarker", page.token or "")
    return root


def blocks(uncommitted: Iterable[tuple[str, int]]) -> ET.Element:
    """Of blocks by id and size."""
    root = ET.Element("BlockList")
    ET.SubElement(root, "CommittedBlocks")
    listed = ET.SubElement(root, "UncommittedBlocks")
    for name, size in uncommitted:
        block = ET.SubElement(listed, "Block")
        add_text(block, "Name", name)
        add_text(block, "Size", str(size))
    return root


def read_block_list(text: bytes) -> list[tuple[str, str]]:
    """(Committed | Uncommitted | Latest, block id), in the order of the blob's bytes. Errors: Rejected."""
    try:
        decoded = text.decode("utf-8-sig")
        if "<!" in decoded:  # a document type could make a small text large; the format has none
            raise Rejected("InvalidXmlDocument", "The block list has no declarations and no comments.")
        root = ET.fromstring(decoded)  # noqa: S314 - without a document type there are no entities
    except (UnicodeDecodeError, ET.ParseError, ValueError) as error:
        raise Rejected("InvalidXmlDocument", "The body is no XML.") from error
    if root.tag != "BlockList" or any(child.tag not in _LISTS for child in root):
        raise Rejected("InvalidXmlDocument", "The body is a BlockList of Committed, Uncommitted and Latest.")
    return [(child.tag, (child.text or "").strip()) for child in root]


def _results(asked: Mapping[str, str], **attributes: str) -> ET.Element:
    root = ET.Element("EnumerationResults", attributes)
    for name, value in asked.items():
        add_text(root, name, value)
    return root


def add_text(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = _UNWRITABLE.sub("\ufffd", text)


def _add_name(parent: ET.Element, name: str) -> None:
    """As it is, or percent-encoded where XML cannot hold it."""
    if _UNWRITABLE.search(name):
        ET.SubElement(parent, "Name", Encoded="true").text = quote(name, safe="/")
    else:
        ET.SubElement(parent, "Name").text = name


def _add_properties(properties: ET.Element, stored: StoredObject) -> None:
    told = {
        "Creation-Time": http_date(stored.created),
        "Last-Modified": http_date(stored.updated),
        "Etag": etag_of(stored),
        "Content-Length": str(stored.size),
        **{header: stored.attributes.get(key, "") for key, header in PROPERTIES.items()},
        "Content-Type": stored.content_type,
        "Content-MD5": md5_of(stored) or "",
        "BlobType": "BlockBlob",
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "ServerEncrypted": "true",
    }
    for name, value in told.items():
        add_text(properties, name, value)
