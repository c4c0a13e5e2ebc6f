"""Azure's event types, and the forms that its services deliver events in.

Loaded when the first of them comes: a function on Google Cloud never pays for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from retrigger.triggers.event import Event, Lifecycle, Message, Object
from retrigger.triggers.formats import azureml, bindings, blob, event_grid
from retrigger.triggers.formats.wire import json_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from retrigger.triggers.event import Json
    from retrigger.triggers.formats.envelope import Envelope

Form: TypeAlias = Literal["event-grid", "service-bus", "storage-queue"]
TYPES: Mapping[str, Callable[[Envelope, datetime | None], Event]] = {
    **dict.fromkeys(blob.CHANGES, blob.from_cloudevent),
    **dict.fromkeys(azureml.TYPES, azureml.from_cloudevent),
}


def data(event: Event) -> dict[str, Json]:
    """The data of the event in either schema. Raises ValueError where events of its type carry another payload."""
    match event.payload:
        case Object(store="blob") as stored if event.type in blob.CHANGES:
            return blob.data(event.type, stored)
        case Lifecycle(platform="azureml") as it if event.type in azureml.TYPES:
            return azureml.data(it)
        case _:
            raise ValueError(f"the type {event.type} carries no {event.kind} event")


def encode(event: Event, form: Form) -> tuple[dict[str, str], bytes]:
    """As `formats.encode`. A queue's message is the message itself, or carries an event as Event Grid writes it."""
    match form, event.payload:
        case "storage-queue", Message() as message:
            return bindings.write_queue(event, message.body)
        case "service-bus", Message() as message:
            return bindings.write_bus(event, message.body)
        case "event-grid", _:
            return event_grid.write(event, data(event))
        case "storage-queue", _:
            return bindings.write_queue_event(event, event_grid.fields(event, data(event)))
        case "service-bus", _:
            return bindings.write_bus(event, json_bytes(event_grid.fields(event, data(event))))
