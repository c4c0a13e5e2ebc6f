"""Blob Storage over its REST API: https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlencode, urlsplit

from retrigger.handlers.ports import ObjectStat
from retrigger.handlers.transport.azure import failure
from retrigger.triggers.environment import PUBLIC_BLOB
from retrigger.triggers.errors import Refused, Unavailable
from retrigger.triggers.formats import blob_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element

    from retrigger.handlers.transport.azure import AzureStorageApi

_PAGE: Final = 5000
# What URLs cannot name: they would be resolved on the way.
_NO_NAMES: Final = frozenset({"", ".", ".."})
# A blob that is not there, or whose ETag is another; and the empty one: every other begins with byte 0.
_GONE: Final = frozenset({404, 412})
_EMPTY_RANGE: Final = 416
# Versions come from events: what is no ETag stays out of the request's headers.
_ETAG: Final = re.compile(r"[\x21\x23-\x7e]{1,200}")


class BlobObjects:
    """The port `Objects`; a place is ACCOUNT/CONTAINER.

    `suffixes`: what follows an account's name in its host, where that is not the public cloud's. `endpoint` is the
    emulator's, with the account in its paths.
    """

    def __init__(
        self, api: AzureStorageApi, *, suffixes: Mapping[str, str] | None = None, endpoint: str | None = None
    ) -> None:
        self._api = api
        self._suffixes = suffixes or {}
        self._endpoint = None if endpoint is None else endpoint.rstrip("/")

    def read(
        self, bucket: str, name: str, *, version: str | None = None, start: int = 0, limit: int
    ) -> Iterator[bytes]:
        """Chunks of the bytes from `start` on, `limit` at the most, of exactly this ETag (unquoted) if one is named.

        Raises Refused with code `object_gone` if it is not there, and Unavailable where the transfer breaks.
        """
        headers = {"Range": f"bytes={start}-{start + limit - 1}"}
        if version is not None:
            if _ETAG.fullmatch(version) is None:
                raise _gone(bucket, name)
            headers["If-Match"] = f'"{version}"'
        with self._api.stream(self._blob(bucket, name), headers=headers, accept=_GONE | {_EMPTY_RANGE}) as answer:
            if answer.status in _GONE:
                raise _gone(bucket, name)
            if answer.status == _EMPTY_RANGE:
                return
            left = limit
            for chunk in answer.chunks:
                yield chunk[:left]
                left -= len(chunk)
                if left <= 0:
                    return

    def stat(self, bucket: str, name: str) -> ObjectStat | None:
        """The blob as it is now, None if there is none. Raises Refused or Unavailable where nothing is said of it."""
        if name in _NO_NAMES:
            return None
        answer = self._api.call("HEAD", self._blob(bucket, name), accept=frozenset({404}))
        if answer.status == 404:
            return None
        md5 = answer.headers.get("content-md5")
        return ObjectStat(
            name=name,
            version=answer.headers.get("etag", "").strip('"'),
            size=int(answer.headers.get("content-length", 0)),
            checksum=f"md5:{md5}" if md5 else None,
            content_type=answer.headers.get("content-type"),
        )

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectStat]:
        """Blobs in name order, a page at a time; the directories of a hierarchical account are none."""
        query = {"restype": "container", "comp": "list", "prefix": prefix, "maxresults": str(_PAGE)}
        while True:
            page = _parsed(self._api.call("GET", f"{self._container(bucket)}?{urlencode(query)}").body)
            for blob in page.iter("Blob"):
                if blob.findtext("Properties/ResourceType") != "directory":
                    yield _stat(blob)
            if not (marker := page.findtext("NextMarker")):
                return
            query["marker"] = marker

    def write(self, bucket: str, name: str, data: bytes) -> None:
        """Create. Raises Refused with code `object_differs` if the name holds other bytes.

        Raises Unknown if the answer was lost: writing again then finds the same bytes, and is content.
        """
        url = self._blob(bucket, name)
        answer = self._api.call(
            "PUT",
            url,
            headers={"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"},
            body=data,
            content_type="application/octet-stream",
            write=True,
            accept=frozenset({409, 412}),
        )
        if answer.status == 409 and answer.headers.get("x-ms-error-code") != "BlobAlreadyExists":
            raise failure(answer, urlsplit(url).netloc)
        if answer.status in {409, 412} and b"".join(self.read(bucket, name, limit=len(data) + 1)) != data:
            raise Refused(
                f"{bucket}/{name} exists with other content and is not overwritten; remove it if nobody needs it",
                code="object_differs",
            )

    def _blob(self, place: str, name: str) -> str:
        return f"{self._container(place)}/{quote(name, safe='')}"

    def _container(self, place: str) -> str:
        account, _, container = place.partition("/")
        return f"{self._account(account)}/{quote(container, safe='')}"

    def _account(self, name: str) -> str:
        if self._endpoint is not None:
            return f"{self._endpoint}/{name}"
        return blob_place.endpoint(name, self._suffixes.get(name, PUBLIC_BLOB))


def _gone(place: str, name: str) -> Refused:
    return Refused(f"{place}/{name} is gone, or was replaced; look for its newest version", code="object_gone")


def _parsed(text: bytes) -> Element:
    from xml.etree import ElementTree as ET

    try:
        return ET.fromstring(text)  # noqa: S314 - from the account that the environment names, and at most 16 MiB
    except ET.ParseError as error:
        message = "the answer is not XML; something other than Blob Storage answered"
        raise Unavailable(message, code="not_xml") from error


def _stat(blob: Element) -> ObjectStat:
    """The checksum is written as in the blob's events. A name that XML cannot hold comes percent-encoded."""
    name, md5 = blob.find("Name"), blob.findtext("Properties/Content-MD5")
    if name is None or not name.text:
        raise Unavailable("the listing has a blob without a name; something is wrong there", code="not_a_listing")
    return ObjectStat(
        name=unquote(name.text) if name.get("Encoded") == "true" else name.text,
        version=(blob.findtext("Properties/Etag") or "").strip('"'),
        size=int(blob.findtext("Properties/Content-Length") or 0),
        checksum=f"md5:{md5}" if md5 else None,
        content_type=blob.findtext("Properties/Content-Type"),
    )
