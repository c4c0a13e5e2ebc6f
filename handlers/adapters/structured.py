"""CloudEvents as one JSON text, for channels of Azure.

There it is the common form: Event Grid writes it into queues, `CloudEvent.from_json` of azure-core reads it from their
messages, and a storage queue has no room beside the text.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE: Final = "application/cloudevents+json"
_PREFIX: Final = "ce-"


def structured(data: bytes, attributes: Mapping[str, str]) -> bytes:
    """The event of JSON data whose attributes have their binary names: `ce-id`, `ce-type`, …, `content-type`."""
    fields = {name.removeprefix(_PREFIX): value for name, value in attributes.items() if name.startswith(_PREFIX)}
    return json.dumps({**fields, "datacontenttype": attributes["content-type"], "data": json.loads(data)}).encode()
