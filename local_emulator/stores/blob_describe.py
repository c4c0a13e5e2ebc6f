"""What the headers of a request say of a blob, and what those of an answer do.

Headers: https://learn.microsoft.com/rest/api/storageservices/put-blob and …/get-blob-properties. Names of metadata come
out in lower case, as HTTP's headers do here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from retrigger.local_emulator.stores.blob_conditions import etag_of, http_date
from retrigger.local_emulator.stores.blob_errors import Rejected
from retrigger.local_emulator.stores.gcs_media import sendable
from retrigger.local_emulator.stores.resource import Description

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.local_emulator.stores.resource import StoredObject

# The attribute under which the model keeps it, and the header that tells it.
PROPERTIES: Mapping[str, str] = {
    "cacheControl": "Cache-Control",
    "contentDisposition": "Content-Disposition",
    "contentEncoding": "Content-Encoding",
    "contentLanguage": "Content-Language",
    "contentType": "Content-Type",
}
COPY = "copyId"
"""The attribute that says by which copy a blob came."""
_META = "x-ms-meta-"
_META_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_META_LIMIT = 8 * 1024
_MD5 = re.compile(r"[A-Za-z0-9+/]{22}==", re.ASCII)


def of_blob(headers: Mapping[str, str]) -> Description:
    """Of Put Blob: a property's own header speaks where `x-ms-blob-…` does not, and an MD5 is checked."""
    plain = {key: headers[header.lower()] for key, header in PROPERTIES.items() if header.lower() in headers}
    md5 = headers.get("x-ms-blob-content-md5", headers.get("content-md5"))
    return Description({**plain, **_properties(headers)}, metadata(headers), md5=md5)


def of_block_list(headers: Mapping[str, str]) -> Description:
    """Of Put Block List: the service does not know the MD5 of the whole, it keeps what it is told. Errors: Rejected."""
    return Description(with_md5(headers), metadata(headers))


def with_md5(headers: Mapping[str, str]) -> dict[str, str]:
    """Every property that the headers set; what they leave out is no more. Errors: Rejected."""
    md5 = headers.get("x-ms-blob-content-md5", "")
    if md5 and _MD5.fullmatch(md5) is None:
        raise Rejected("InvalidMd5", "x-ms-blob-content-md5 is the base64 of 16 bytes.")
    return {**_properties(headers), "contentMd5": md5}


def metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Errors: Rejected."""
    found = {name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)}
    if not all(_META_NAME.fullmatch(name) for name in found):
        raise Rejected("InvalidMetadata", "A metadata name has letters, digits and `_`, and begins with no digit.")
    if not all(value.isascii() and value.isprintable() for value in found.values()):
        raise Rejected("InvalidMetadata", "A metadata value is printable ASCII.")
    if sum(len(name) + len(value) for name, value in found.items()) > _META_LIMIT:
        raise Rejected("MetadataTooLarge", f"Metadata may have {_META_LIMIT} bytes.")
    return found


def md5_of(stored: StoredObject) -> str | None:
    """In base64: what the uploader told last, or what was computed when it came in one piece."""
    return stored.attributes.get("contentMd5", stored.md5) or None


def version_headers(stored: StoredObject) -> dict[str, str]:
    """What every answer about one blob tells."""
    return {"ETag": f'"{etag_of(stored)}"', "Last-Modified": http_date(stored.updated)}


def blob_headers(stored: StoredObject) -> dict[str, str]:
    """What Get Blob and Get Blob Properties tell; not its length, and not its MD5, which a range has elsewhere."""
    properties = {header: stored.attributes.get(key) for key, header in PROPERTIES.items()}
    return {
        **version_headers(stored),
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": http_date(stored.created),
        "x-ms-lease-state": "available",
        "x-ms-lease-status": "unlocked",
        "x-ms-server-encrypted": "true",
        **(copy_headers(stored.attributes[COPY]) if COPY in stored.attributes else {}),
        **sendable({**properties, "Content-Type": stored.content_type}),
        **metadata_headers(stored.metadata),
    }


def copy_headers(identity: str) -> dict[str, str]:
    """Of a copy, which is done when it is told of: clients that would wait for it need not."""
    return {"x-ms-copy-id": identity, "x-ms-copy-status": "success"}


def metadata_headers(found: Mapping[str, str]) -> dict[str, str]:
    return {_META + name: value for name, value in found.items()}


def _properties(headers: Mapping[str, str]) -> dict[str, str]:
    told = {key: headers.get(f"x-ms-blob-{header.lower()}") for key, header in PROPERTIES.items()}
    return {key: value for key, value in told.items() if value}
