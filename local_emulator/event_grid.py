"""What Event Grid makes of a changed blob: its own schema, one event a change.

Shape: https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage. Only what creates or deletes a blob is
told; that a blob replaced another is not.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import TYPE_CHECKING

from retrigger.local_emulator.stores.blob_conditions import numbered_etag
from retrigger.triggers.event import rfc3339
from retrigger.triggers.formats import blob_place

if TYPE_CHECKING:
    from retrigger.local_emulator.stores.resource import ObjectChange
    from retrigger.triggers.event import Json

_GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
_STORAGE = f"{_GROUP}/providers/Microsoft.Storage/storageAccounts"
# Within one blob the sequencer grows: by generation, and its end comes after its beginning.
_PHASES = {"finalized": 0, "deleted": 1}


def blob_event(change: ObjectChange) -> dict[str, Json] | None:
    """The event, or None for a change that Event Grid does not tell. The same change, told twice, has the same id."""
    if change.kind not in _PHASES or "overwrittenByGeneration" in change.attributes:
        return None
    it = change.resource
    account, _, container = str(it["bucket"]).partition("/")
    name, created = str(it["name"]), change.kind == "finalized"
    generation, metageneration = int(str(it["generation"])), int(str(it["metageneration"]))
    identity = hashlib.sha256(json.dumps([change.kind, it["bucket"], name, generation]).encode()).digest()
    data: dict[str, Json] = {
        "api": change.attributes["api"] if created else "DeleteBlob",
        "requestId": str(uuid.UUID(bytes=identity[16:])),
        "eTag": numbered_etag(generation, metageneration),
        "contentType": str(it["contentType"]),
        "contentLength": int(str(it["size"])),
        "blobType": "BlockBlob",
        "url": blob_place.uri(blob_place.Place(account, container, name)),
        "sequencer": f"{generation:047X}{_PHASES[change.kind]}",
        "storageDiagnostics": {"batchId": str(uuid.UUID(bytes=identity[:16]))},
    }
    if not created:
        del data["contentLength"]
    return {
        "topic": f"{_STORAGE}/{account}",
        "subject": blob_place.subject(container, name),
        "eventType": f"Microsoft.Storage.{'BlobCreated' if created else 'BlobDeleted'}",
        "id": str(uuid.UUID(bytes=identity[:16])),
        "data": data,
        "dataVersion": "",
        "metadataVersion": "1",
        "eventTime": rfc3339(change.time),
    }
