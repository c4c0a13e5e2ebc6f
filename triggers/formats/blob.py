"""Blob Storage's objects, as Event Grid announces them in either schema.

Source: https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage. Where the blob lies is for `blob_place`
to say. Policies, inventories and storage tasks are about no object: see `custom`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.event import Event, Object
from retrigger.triggers.formats import blob_place
from retrigger.triggers.formats.times import occurred
from retrigger.triggers.formats.wire import count, mapping, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retrigger.triggers.event import Change, Json
    from retrigger.triggers.formats.blob_place import Place
    from retrigger.triggers.formats.envelope import Envelope

CREATED = "Microsoft.Storage.BlobCreated"
_FOLDERS = "Microsoft.Storage.Directory"
CHANGES: Mapping[str, Change] = {
    CREATED: "created",
    "Microsoft.Storage.BlobDeleted": "deleted",
    "Microsoft.Storage.BlobRenamed": "renamed",
    "Microsoft.Storage.BlobTierChanged": "metadata",
    "Microsoft.Storage.AsyncOperationInitiated": "metadata",
    f"{_FOLDERS}Created": "created",
    f"{_FOLDERS}Deleted": "deleted",
    f"{_FOLDERS}Renamed": "renamed",
}
_WRITTEN = frozenset({"PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose", "SftpCommit"})
_APIS: Mapping[str, str] = {
    CREATED: "PutBlob",
    "Microsoft.Storage.BlobDeleted": "DeleteBlob",
    "Microsoft.Storage.BlobRenamed": "RenameFile",
    "Microsoft.Storage.BlobTierChanged": "SetBlobTier",
    "Microsoft.Storage.AsyncOperationInitiated": "SetBlobTier",
    f"{_FOLDERS}Created": "CreateDirectory",
    f"{_FOLDERS}Deleted": "DeleteDirectory",
    f"{_FOLDERS}Renamed": "RenameDirectory",
}


def from_cloudevent(envelope: Envelope, now: datetime | None) -> Event:
    """An object event. A folder's name ends with a slash, and is never complete.

    A created blob is complete only through an API that ends with all of it in place, whatever its size: an ADLS
    CreateFile announces an empty file, FlushWithClose the finished one.
    """
    where = "The storage event's"
    fields = mapping(envelope.data, f"{where} data")
    place, notes = blob_place.read(envelope.source, envelope.subject, _url(fields, where))
    change, folder = CHANGES[envelope.type], envelope.type.startswith(_FOLDERS)
    if folder and not place.name.endswith("/"):
        place = place._replace(name=f"{place.name}/")
    sequencer, md5 = text(fields, "sequencer", where), text(fields, "contentMd5", where)
    payload = stored(
        place,
        change=change,
        version=(text(fields, "eTag", where) or "").strip('"') or sequencer or envelope.id,
        sequencer=sequencer,
        size=count(fields, "contentLength", where),
        content_type=text(fields, "contentType", where),
        checksum=md5 and f"md5:{md5}",
        complete=not folder and (change != "created" or text(fields, "api", where) in _WRITTEN),
    )
    return Event(
        id=envelope.id,
        source=envelope.source,
        type=envelope.type,
        time=occurred(envelope.time, now),
        subject=envelope.subject,
        payload=payload,
        traceparent=envelope.traceparent,
        notes=envelope.notes + notes,
    )


def stored(
    place: Place,
    *,
    version: str,
    change: Change = "created",
    sequencer: str | None = None,
    size: int | None = None,
    content_type: str | None = None,
    checksum: str | None = None,
    complete: bool = True,
) -> Object:
    """A blob. An empty one whose name ends with a slash stands for a folder."""
    return Object(
        store="blob",
        account=place.account,
        bucket=place.container,
        name=place.name,
        version=version,
        sequencer=sequencer,
        size=size,
        content_type=content_type,
        checksum=checksum,
        change=change,
        complete=complete and not (place.name.endswith("/") and not size),
        uri=blob_place.uri(place),
    )


def data(event_type: str, payload: Object) -> dict[str, Json]:
    """The event's data, as far as `payload` knows it."""
    renamed, folder = payload.change == "renamed", event_type.startswith(_FOLDERS)
    unwritten = event_type == CREATED and not payload.complete
    md5 = (payload.checksum or "").removeprefix("md5:")
    fields: dict[str, Json] = {
        "api": "CreateFile" if unwritten else _APIS[event_type],
        "eTag": payload.version,
        "contentType": payload.content_type,
        "contentLength": payload.size,
        "contentMd5": md5 or None,
        "blobType": None if folder else "BlockBlob",
        "destinationUrl" if renamed else "url": payload.uri.removesuffix("/") if folder else payload.uri,
        "sequencer": payload.sequencer,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _url(fields: Mapping[str, Json], where: str) -> str | None:
    """The blob's, at either endpoint (`blobUrl` stands beside a `url` at dfs); of a rename the new one."""
    for name in ("url", "destinationUrl", "destinationBlobUrl", "blobUrl"):
        url = text(fields, name, where)
        if url is not None:
            return url
    return None
