"""From events to requests: what the emulator sends, and what tests and benchmarks do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from retrigger.triggers.event import Event, Message, Object, Schedule
from retrigger.triggers.formats import cloudevents, pubsub, schedule, storage
from retrigger.triggers.formats.wire import json_bytes

if TYPE_CHECKING:
    from retrigger.triggers.event import Json

Form: TypeAlias = Literal[
    "cloudevent-binary",
    "cloudevent-structured",
    "event-grid",
    "pubsub-push",
    "service-bus",
    "storage-notification",
    "storage-queue",
]


def encode(event: Event, form: Form) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a request that carries `event`; `parse` gives the event back.

    What the form has no place for is lost. A push names the channel as its subscription, and has one time, that of
    publishing; an object's CloudEvent and a schedule's have no attempt. A message whose attributes are a storage
    notification's comes back as the object event that it is, one whose body is an event as that event. Raises
    ValueError for an event that the form cannot carry.
    """
    match form, event.payload:
        case "cloudevent-binary", _:
            return cloudevents.write_binary(event, _data(event))
        case "cloudevent-structured", _:
            return cloudevents.write_structured(event, _data(event))
        case ("event-grid" | "storage-queue" | "service-bus") as azures, _:
            from retrigger.triggers.formats import azure

            return azure.encode(event, azures)
        case "pubsub-push", Message() as message:
            return _push(event, _envelope(event, message, subscription=message.channel))
        case "storage-notification", Object(store="gcs") as stored:
            attributes, body = storage.notification(event, stored)
            envelope = pubsub.push(
                message_id=event.id, attributes=attributes, body=body, published=event.time, attempt=event.attempt
            )
            return _push(event, envelope)
        case _:
            raise ValueError(f"{form} carries no {event.kind} event")


def _data(event: Event) -> dict[str, Json]:
    match event.payload:
        case Object(store="gcs") as stored:
            return storage.resource(stored)
        case Message() as message:
            return _envelope(event, message, subscription=None)
        case Schedule() as it:
            return schedule.data(it)
        case _:
            from retrigger.triggers.formats import azure

            return azure.data(event)


def _envelope(event: Event, message: Message, *, subscription: str | None) -> dict[str, Json]:
    return pubsub.push(
        message_id=message.id,
        attributes=message.attributes,
        body=message.body,
        published=message.published or event.time,
        ordering_key=message.ordering_key,
        subscription=subscription,
        attempt=event.attempt,
    )


def _push(event: Event, envelope: dict[str, Json]) -> tuple[dict[str, str], bytes]:
    headers = {"content-type": "application/json"}
    if event.traceparent is not None:
        headers["traceparent"] = event.traceparent
    return headers, json_bytes(envelope)
