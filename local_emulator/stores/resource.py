"""Buckets, objects and their changes as values, and as the JSON resources of Cloud Storage.

Shapes: https://cloud.google.com/storage/docs/json_api/v1/objects and …/buckets.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

ChangeKind: TypeAlias = Literal["finalized", "deleted", "archived", "metadataUpdated"]

# An announcement has no request whose host its links could carry: it carries the cloud's.
CLOUD = "https://storage.googleapis.com"


@dataclass(frozen=True, slots=True)
class Bucket:
    """`settings` is what its owner wrote (location, versioning, …), by JSON name; only versioning has an effect."""

    name: str
    metageneration: int
    created: datetime
    updated: datetime
    settings: Mapping[str, object]

    @property
    def versioned(self) -> bool:
        match self.settings.get("versioning"):
            case {"enabled": True}:
                return True
            case _:
                return False


@dataclass(frozen=True, slots=True)
class Description:
    """What an uploader says of an object beside its bytes.

    `attributes` are the writable text fields by JSON name (contentType, cacheControl, …), `metadata` the custom ones.
    `crc32c` and `md5` (base64) are claims about the bytes: an upload that does not fit them is refused.
    """

    attributes: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    crc32c: str | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One generation of one object. `deleted` is set once it is no longer the live one; a composed one has no `md5`."""

    bucket: str
    name: str
    generation: int
    metageneration: int
    size: int
    crc32c: str
    md5: str | None
    created: datetime
    updated: datetime
    deleted: datetime | None
    components: int | None
    attributes: Mapping[str, str]
    metadata: Mapping[str, str]

    @property
    def content_type(self) -> str:
        return self.attributes.get("contentType", "application/octet-stream")

    @property
    def etag(self) -> str:
        """As the cloud's: base64 of the two numbers as protobuf varints, so that no two versions share one."""
        return base64.b64encode(b"\x08" + _varint(self.generation) + b"\x10" + _varint(self.metageneration)).decode()


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One change, told after it is durable.

    `resource` is the JSON object resource as of the change; `attributes` hold `overwroteGeneration` (of a finalized)
    or `overwrittenByGeneration` (of a deleted or archived) where the cloud's notification has them, and `api`, the name
    of Blob's operation that finalized it.
    """

    kind: ChangeKind
    resource: dict[str, object]
    attributes: dict[str, str]
    time: datetime


def timestamp(time: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond, as Cloud Storage writes it."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def bucket_resource(bucket: Bucket, base: str) -> dict[str, object]:
    return {
        "kind": "storage#bucket",
        "id": bucket.name,
        "selfLink": f"{base}/storage/v1/b/{bucket.name}",
        "projectNumber": "0",
        "name": bucket.name,
        "location": "US",
        "locationType": "multi-region",
        "storageClass": "STANDARD",
        **bucket.settings,
        "metageneration": str(bucket.metageneration),
        "etag": base64.b64encode(b"\x08" + _varint(bucket.metageneration)).decode(),
        "timeCreated": timestamp(bucket.created),
        "updated": timestamp(bucket.updated),
    }


def object_resource(stored: StoredObject, base: str = CLOUD) -> dict[str, object]:
    """Show an object, with its links under `base` (scheme and host). Google's JSON has 64-bit numbers as strings."""
    path = f"b/{quote(stored.bucket, safe='')}/o/{quote(stored.name, safe='')}"
    resource: dict[str, object] = {
        "kind": "storage#object",
        "id": f"{stored.bucket}/{stored.name}/{stored.generation}",
        "selfLink": f"{base}/storage/v1/{path}",
        "mediaLink": f"{base}/download/storage/v1/{path}?generation={stored.generation}&alt=media",
        "name": stored.name,
        "bucket": stored.bucket,
        "generation": str(stored.generation),
        "metageneration": str(stored.metageneration),
        "contentType": stored.content_type,
        "storageClass": "STANDARD",
        "size": str(stored.size),
        "crc32c": stored.crc32c,
        "etag": stored.etag,
        "timeCreated": timestamp(stored.created),
        "updated": timestamp(stored.updated),
        "timeStorageClassUpdated": timestamp(stored.created),
        "timeFinalized": timestamp(stored.created),
        **stored.attributes,
    }
    if stored.metadata:
        resource["metadata"] = dict(stored.metadata)
    if stored.md5 is not None:
        resource["md5Hash"] = stored.md5
    if stored.components is not None:
        resource["componentCount"] = stored.components
    if stored.deleted is not None:
        resource["timeDeleted"] = timestamp(stored.deleted)
    return resource


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
