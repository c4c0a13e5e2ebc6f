"""What Eventarc makes of changes and messages: binary CloudEvents over HTTP.

Shapes: https://github.com/googleapis/google-cloudevents; headers: the CloudEvents HTTP binding, section 3.1.3.2.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from retrigger.triggers.event import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.local_emulator.stores.resource import ObjectChange

_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


def binary_headers(attributes: Mapping[str, str]) -> dict[str, str]:
    """CloudEvent attributes as headers: everything but printable ASCII percent-encoded, and space, `"` and `%` too."""
    written = {f"ce-{name}": quote(value, safe=_PRINTABLE) for name, value in attributes.items()}
    return {"content-type": "application/json", "ce-specversion": "1.0", **written}


def object_event(change: ObjectChange) -> tuple[dict[str, str], bytes]:
    """Headers and body of a changed object. The same change, told twice, has the same id."""
    resource = change.resource
    attributes = {
        "id": _id_of(change),
        "type": f"google.cloud.storage.object.v1.{change.kind}",
        "source": f"//storage.googleapis.com/projects/_/buckets/{resource['bucket']}",
        "subject": f"objects/{resource['name']}",
        "time": rfc3339(change.time),
        "bucket": str(resource["bucket"]),
    }
    return binary_headers(attributes), json.dumps(resource).encode()


def message_event(topic: str, message_id: str, published: str) -> dict[str, str]:
    """Headers of a message that arrived on `topic` (projects/P/topics/T); its body is that of a Pub/Sub push."""
    return binary_headers(
        {
            "id": message_id,
            "type": "google.cloud.pubsub.topic.v1.messagePublished",
            "source": f"//pubsub.googleapis.com/{topic}",
            "time": published,
        }
    )


def _id_of(change: ObjectChange) -> str:
    it = change.resource
    parts = [change.kind, it["bucket"], it["name"], it["generation"], it["metageneration"]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
