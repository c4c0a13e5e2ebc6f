"""What online and batch endpoints, and their deployments, have in common: names, how they are kept, how they are shown.

Source: https://learn.microsoft.com/rest/api/azureml/online-endpoints, and those of its siblings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from retrigger.local_emulator.planes.azureml.arm import Answer, shown, stored
from retrigger.local_emulator.planes.resources import Body, Invalid, NotFound

if TYPE_CHECKING:
    from datetime import datetime

    from retrigger.local_emulator.planes.azureml.arm import Call
    from retrigger.local_emulator.planes.resources import Resource, Resources

LOCATION: Final = "westeurope"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")
# What a tracked resource of Resource Manager has beside its properties.
_TRACKED: Final = ("location", "tags", "identity", "kind", "sku")


def is_name(name: str) -> bool:
    """Tell whether an endpoint, or a deployment, can be called so."""
    return _NAME.fullmatch(name) is not None


def checked_name(kind: str, name: str) -> str:
    """Errors: Invalid."""
    if not is_name(name):
        raise Invalid(
            f"The {kind} name {name[:80]!r} is not one: 3 to 32 letters, digits and -, a letter first, no - at the end."
        )
    return name


def kept(call: Call, name: str, now: datetime, before: Resource | None, **more: Any) -> Body:
    """What is kept of a resource that was put; what `before` was is replaced, but for when it was made."""
    for field in ("tags", "identity", "sku"):
        if not isinstance(call.body.get(field) or {}, dict):
            raise Invalid(f"`{field}` must be an object.")
    tracked = {field: call.body[field] for field in _TRACKED if call.body.get(field) is not None}
    body = stored(name, call.properties, now, tracked={"location": LOCATION, "tags": {}, **tracked}, **more)
    if before is not None:
        body["createdAt"] = before.body["createdAt"]
    return body


def patched(call: Call, before: Body, now: datetime) -> Body:
    """Other tags, another identity: nothing else of an endpoint may be patched. Errors: Invalid."""
    given = {name: call.body[name] for name in ("tags", "identity") if isinstance(call.body.get(name), dict)}
    if not given or call.body.keys() - given.keys():
        raise Invalid("Only `tags` and `identity`, which are objects, can be patched; put the endpoint instead.")
    return {**before, "tracked": {**before["tracked"], **given}, "modifiedAt": now.isoformat()}


def view(call: Call, path: tuple[str, ...], body: Body, properties: Body) -> Body:
    return {**shown(call, path, body, {**body["properties"], **properties}), **body["tracked"]}


def found(resources: Resources, place: str) -> Resource | None:
    try:
        return resources.get(place)
    except NotFound:
        return None


def gone() -> Answer:
    """To delete what is not there is no error."""
    return Answer(None, 204)
