"""What a client's JSON resource says of a bucket or an object, checked; the rest of it is not the client's to say."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from retrigger.local_emulator.stores.errors import Invalid
from retrigger.local_emulator.stores.resource import Bucket, Description, StoredObject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.local_emulator.stores.gcs_http import Call

_TEXTS = (
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "customTime",
    "storageClass",
)
_BUCKET_SETTINGS = (
    "autoclass",
    "cors",
    "iamConfiguration",
    "labels",
    "lifecycle",
    "location",
    "retentionPolicy",
    "softDeletePolicy",
    "storageClass",
    "versioning",
    "website",
)
# https://cloud.google.com/storage/quotas#objects: keys and values of one object's custom metadata together.
_METADATA_LIMIT = 8 * 1024


def described(resource: Mapping[str, object], content_type: str | None = None) -> Description:
    """A new object's description, with `content_type` if the resource names none."""
    attributes = {key: value for key, value in _attributes(resource).items() if value is not None}
    if content_type:
        attributes.setdefault("contentType", content_type)
    return Description(
        attributes=attributes,
        metadata=_bounded({key: value for key, value in _metadata(resource).items() if value is not None}),
        crc32c=_text(resource, "crc32c"),
        md5=_text(resource, "md5Hash"),
    )


def with_hashes(description: Description, header: str | None) -> Description:
    """Add what `X-Goog-Hash` (`crc32c=…,md5=…`) claims of the bytes."""
    claimed = dict(re.findall(r"(crc32c|md5)=([A-Za-z0-9+/]+=*)", header or ""))
    return replace(
        description,
        crc32c=claimed.get("crc32c", description.crc32c),
        md5=claimed.get("md5", description.md5),
    )


def object_name(call: Call, resource: Mapping[str, object]) -> str:
    """The name to upload to, from the resource or else the query. Errors: Invalid."""
    match resource.get("name", call.query.get("name")):
        case str(name):
            return name
        case _:
            raise Invalid("Required: the object's name, in the query or in the resource.")


def describe_upload(call: Call, resource: Mapping[str, object], content_type: str | None) -> Description:
    """The description that an upload's request gives."""
    return with_hashes(described(resource, content_type), call.headers.get("x-goog-hash"))


def patched(stored: StoredObject, resource: Mapping[str, object]) -> Description:
    """The description after a PATCH: what it names is set, what it sets to null is gone, the rest stays."""
    attributes = {**stored.attributes, **_attributes(resource)}
    cleared = "metadata" in resource and resource["metadata"] is None
    metadata = {} if cleared else {**stored.metadata, **_metadata(resource)}
    return Description(
        attributes={key: value for key, value in attributes.items() if value is not None},
        metadata=_bounded({key: value for key, value in metadata.items() if value is not None}),
    )


def copied(source: StoredObject, resource: Mapping[str, object]) -> Description:
    """A copy's description: the source's, unless the request brings one, which then replaces it whole."""
    return described(resource) if resource else Description(source.attributes, source.metadata)


def bucket_settings(resource: Mapping[str, object]) -> dict[str, object]:
    return {key: resource[key] for key in _BUCKET_SETTINGS if resource.get(key) is not None}


def patched_settings(bucket: Bucket, resource: Mapping[str, object]) -> dict[str, object]:
    """The settings after a PATCH; labels merge, all else is replaced."""
    settings = {**bucket.settings, **{key: resource[key] for key in _BUCKET_SETTINGS if key in resource}}
    match bucket.settings.get("labels"), resource.get("labels"):
        case dict(before), dict(after):
            settings["labels"] = {key: value for key, value in {**before, **after}.items() if value is not None}
        case _:
            pass
    return {key: value for key, value in settings.items() if value is not None}


def _attributes(resource: Mapping[str, object]) -> dict[str, str | None]:
    return {key: _text(resource, key) for key in _TEXTS if key in resource}


def _metadata(resource: Mapping[str, object]) -> dict[str, str | None]:
    match resource.get("metadata"):
        case None:
            return {}
        case dict(pairs) if all(value is None or isinstance(value, str) for value in pairs.values()):
            return pairs
        case _:
            raise Invalid("Invalid value for metadata: it maps text to text.")


def _bounded(metadata: dict[str, str]) -> dict[str, str]:
    size = sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items())
    if size > _METADATA_LIMIT:
        raise Invalid(f"Custom metadata may have {_METADATA_LIMIT} bytes; these have {size}.")
    return metadata


def _text(resource: Mapping[str, object], key: str) -> str | None:
    match resource.get(key):
        case None:
            return None
        case str(text) if len(text.encode()) <= 1024:
            return text
        case _:
            raise Invalid(f"Invalid value for {key}: it is text of at most 1024 bytes.")
