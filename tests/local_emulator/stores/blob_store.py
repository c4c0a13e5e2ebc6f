"""A served Blob store, for tests of the wire, of the real clients and of the adapter."""

from __future__ import annotations

import http.client
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from retrigger.local_emulator.http import Server
from retrigger.local_emulator.stores.blob_http import routes
from retrigger.local_emulator.stores.listing import Query
from retrigger.local_emulator.stores.names import BLOB
from retrigger.local_emulator.stores.objects import Objects
from tests.contract.azurite import ACCOUNT, KEY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from retrigger.local_emulator.stores.resource import ObjectChange

BLOCK_BLOB = {"x-ms-blob-type": "BlockBlob"}


def parsed(text: bytes) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - the emulator's own


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def error(self) -> tuple[int, str]:
        """Status and code, which must stand in the header and in the body."""
        code = self.headers["x-ms-error-code"]
        assert parsed(self.body).findtext("Code") == code
        return self.status, code


class BlobStore:
    """Keeps what it announced; `bucket` is the container `landing`."""

    bucket = f"{ACCOUNT}/landing"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.announced: list[ObjectChange] = []
        self.objects = Objects(folder, lambda: datetime.now(UTC), self.announced.append, BLOB)
        self.objects.insert_bucket(self.bucket, {})
        self.server = Server(routes(self.objects))
        self.server.start()
        self.url = f"{self.server.url}/{ACCOUNT}"
        self.connection_string = (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.url}"
        )

    def close(self) -> None:
        self.server.stop()
        self.objects.close()

    def forget(self) -> None:
        """As new, but for staged blocks."""
        for bucket in self.objects.buckets():
            self.objects.delete_bucket_and_objects(bucket.name)
        self.objects.insert_bucket(self.bucket, {})
        self.announced.clear()

    def send(self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """`target` begins after the account."""
        with closing(http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)) as connection:
            connection.request(method, f"/{ACCOUNT}{target}", body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def put(self, name: str, body: bytes = b"x", **headers: str) -> Answer:
        told = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.send("PUT", f"/landing/{name}", body, BLOCK_BLOB | told)

    def names(self) -> list[str]:
        return [stored.name for stored in self.objects.page(self.bucket, Query()).objects]

    def told(self) -> list[tuple[str, object, str | None]]:
        """Kind, name and operation of each change announced, in order."""
        return [(it.kind, it.resource["name"], it.attributes.get("api")) for it in self.announced]
