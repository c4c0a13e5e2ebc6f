"""Cloud Storage over its JSON API: https://cloud.google.com/storage/docs/json_api/v1/objects."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from retrigger.handlers.ports import ObjectStat
from retrigger.triggers.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.handlers.transport.google import GoogleApi

PUBLIC: Final = "https://storage.googleapis.com"
_PAGE: Final = 1000
_FIELDS: Final = "name,generation,size,crc32c,contentType,timeCreated"
# No object can have these names, and in a URL they would mean the bucket or what is above it.
_NO_NAMES: Final = ("", ".", "..")
# The object ends before the range begins: as the empty one does before byte 0.
_EMPTY_RANGE: Final = 416


class GcsObjects:
    """The port `Objects`. `endpoint` is the service's base URL: the emulator has another."""

    def __init__(self, api: GoogleApi, *, endpoint: str = PUBLIC) -> None:
        self._api = api
        self._endpoint = endpoint.rstrip("/")

    def read(
        self, bucket: str, name: str, *, version: str | None = None, start: int = 0, limit: int
    ) -> Iterator[bytes]:
        """Chunks of the bytes from `start` on, `limit` at the most, of exactly this generation if one is named.

        Raises Refused with code `object_gone` if it is not there, or `stored_compressed` if its middle cannot be
        reached, and Unavailable where the transfer breaks.
        """
        query = {"alt": "media"} | ({"generation": version} if version is not None else {})
        url = f"{self._objects(bucket)}/{_quoted(name)}?{urlencode(query)}"
        headers = {"Range": f"bytes={start}-{start + limit - 1}"}
        with self._api.stream(url, headers=headers, accept=frozenset({404, _EMPTY_RANGE})) as answer:
            if answer.status == 404:
                raise Refused(
                    f"gs://{bucket}/{name} is gone, or was replaced; look for its newest version", code="object_gone"
                )
            if answer.status == _EMPTY_RANGE:
                return
            # A gzip-encoded object is unpacked by the service, which then ignores the range:
            # https://cloud.google.com/storage/docs/transcoding#range
            if start and answer.status == 200:
                raise Refused(
                    f"gs://{bucket}/{name} can only be read from its beginning: it is stored with "
                    "Content-Encoding: gzip; store it without",
                    code="stored_compressed",
                )
            left = limit
            for chunk in answer.chunks:
                yield chunk[:left]
                left -= len(chunk)
                if left <= 0:
                    return

    def stat(self, bucket: str, name: str) -> ObjectStat | None:
        """The live generation, None if there is none. Raises Refused or Unavailable where the service does not say."""
        if name in _NO_NAMES:
            return None
        url = f"{self._objects(bucket)}/{_quoted(name)}?{urlencode({'fields': _FIELDS})}"
        answer = self._api.call("GET", url, accept=frozenset({404}))
        if answer.status == 404:
            return None
        item: dict[str, Any] = answer.json()
        return _stat(item)

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectStat]:
        """Live objects in name order, a page at a time."""
        query = {"prefix": prefix, "maxResults": str(_PAGE), "fields": f"nextPageToken,items({_FIELDS})"}
        while True:
            page: dict[str, Any] = self._api.call("GET", f"{self._objects(bucket)}?{urlencode(query)}").json()
            for item in page.get("items", []):
                yield _stat(item)
            if not (token := page.get("nextPageToken")):
                return
            query["pageToken"] = token

    def write(self, bucket: str, name: str, data: bytes) -> None:
        """Create. Raises Refused with code `object_differs` if the name holds other bytes.

        Raises Unknown if the answer was lost: writing again then finds the same bytes, and is content.
        """
        query = urlencode({"uploadType": "media", "name": name, "ifGenerationMatch": "0"})
        url = f"{self._endpoint}/upload/storage/v1/b/{_quoted(bucket)}/o?{query}"
        answer = self._api.call(
            "POST", url, body=data, content_type="application/octet-stream", write=True, accept=frozenset({412})
        )
        if answer.status == 412 and b"".join(self.read(bucket, name, limit=len(data) + 1)) != data:
            raise Refused(
                f"gs://{bucket}/{name} exists with other content and is not overwritten; remove it if nobody needs it",
                code="object_differs",
            )

    def _objects(self, bucket: str) -> str:
        return f"{self._endpoint}/storage/v1/b/{_quoted(bucket)}/o"


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _stat(item: Mapping[str, str]) -> ObjectStat:
    # Numbers of 64 bits are texts in Google's JSON. The checksum is written as in this object's events.
    checksum = f"crc32c:{item['crc32c']}" if "crc32c" in item else None
    return ObjectStat(
        name=item["name"],
        version=item["generation"],
        size=int(item["size"]),
        checksum=checksum,
        content_type=item.get("contentType"),
        written=datetime.fromisoformat(item["timeCreated"]) if "timeCreated" in item else None,
    )
