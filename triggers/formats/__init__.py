"""Wire formats: how an event looks when it arrives, and when the emulator or a test sends it.

`parse` never raises anything but Malformed, whatever the bytes and headers; its codes stand in `wire`. docs/events.md
has a row for each format. Formats that few deliveries come in are imported when the first does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import FIRED, Event, Message, Object, Schedule
from retrigger.triggers.formats import cloudevents, custom, event_grid, pubsub, schedule, sniff, storage, unwrapped
from retrigger.triggers.formats.wire import (
    Handshake,
    Request,
    asked_by_header,
    json_body,
    json_bytes,
    lower_names,
    plain_body,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from retrigger.triggers.event import Json
    from retrigger.triggers.formats.bindings import Carried

Form: TypeAlias = Literal[
    "cloudevent-binary",
    "cloudevent-structured",
    "event-grid",
    "pubsub-push",
    "service-bus",
    "storage-notification",
    "storage-queue",
]
Parsed: TypeAlias = "Handshake | list[Event | Malformed]"
"""A batch has an outcome for each member, in its order."""
Reader: TypeAlias = "Callable[[cloudevents.Envelope, datetime | None], Event]"
"""The event in an envelope; the time is that of receipt."""


def parse(headers: Mapping[str, str], body: bytes, route: str | None = None, *, now: datetime | None = None) -> Parsed:
    """The events of one request; of a batch, each member's event or what is wrong with it.

    `route` chooses the format: `events` (the default: CloudEvents, else told by the body), `pubsub[/<channel>]`,
    `storage` (notifications alone), `background`, `schedule/<trigger>`; of Azure Functions' bindings `eventgrid`,
    `queue/<channel>`, `servicebus/<channel>`, `blob[/<container>/<name>]`, `timer/<trigger>`, whose metadata are the
    headers. `now`, the time of receipt (aware UTC), stands in where the wire carries no time. Raises Malformed where
    the request as a whole cannot be read.
    """
    lower = lower_names(headers)
    plain = plain_body(lower, body)
    head, _, place = (route or "events").partition("/")
    reader = _ROUTES.get(head)
    if reader is None:
        message = f"No format is read under the route {head[:40]!r}; take one of {', '.join(_ROUTES)}."
        raise Malformed(message, code="unknown_route")
    request = Request(headers=lower, body=plain, place=whole(place, "The route"), now=now)
    return asked_by_header(request) or reader(request)


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


def _events(request: Request) -> Parsed:
    if event_grid.is_goodbye(request.headers):
        return []
    if cloudevents.is_cloudevent(request.headers):
        found = _opened(cloudevents.read(request), request)
        return _attempted(found, event_grid.attempt(request.headers))
    if unwrapped.is_unwrapped(request.headers):
        return [unwrapped.read(request)]
    value = json_body(request)
    match sniff.shape(value):
        case "push":
            return [pubsub.from_push(value, request)]
        case "audit":
            return [_log_entry(value, request)]
        case "background":
            return [_background_event(value, request)]
        case ("queue" | "servicebus") as kind:
            return _saved(value, kind, request)
        case "event-grid" if (asked := event_grid.handshake(value, request.headers)) is not None:
            return asked
        case _:
            return _attempted(_opened(_envelopes(value, request), request), event_grid.attempt(request.headers))


def _envelopes(value: Json, request: Request) -> cloudevents.Envelope | cloudevents.Batch:
    match sniff.shape(value):
        case "event-grid":
            return event_grid.read(value, request.headers)
        case "batch":
            return cloudevents.batch(value, request.headers)
        case _:
            return cloudevents.structured(value, request.headers)


def _saved(value: Json, kind: Literal["queue", "servicebus"], request: Request) -> Parsed:
    from retrigger.triggers.formats import bindings

    read = bindings.queue if kind == "queue" else bindings.service_bus
    return _carried(read(bindings.saved(value, request)), request)


def _carried(found: Event | Carried, request: Request) -> Parsed:
    if isinstance(found, Event):
        return [found]
    return _attempted(_opened(_envelopes(found.value, request), request), found.attempt)


def _attempted(found: list[Event | Malformed], attempt: int) -> Parsed:
    if attempt == 1:
        return found
    return [replace(each, attempt=attempt) if isinstance(each, Event) else each for each in found]


def _pubsub(request: Request) -> Parsed:
    return [_pushed(request)]


def _pushed(request: Request) -> Event:
    return unwrapped.read(request) if unwrapped.is_unwrapped(request.headers) else pubsub.read(request)


def _storage(request: Request) -> Parsed:
    event = _pushed(request)
    if not isinstance(event.payload, Object):
        message = "The message is no storage notification; send other messages to the route pubsub."
        raise Malformed(message, code="unsupported_type")
    return [event]


def _schedule(request: Request) -> Parsed:
    name = schedule.trigger_of(request)
    if schedule.is_request(request.headers):
        return [schedule.read(request)]
    return [schedule.from_push(_pushed(request), name)]


def _background(request: Request) -> Parsed:
    return [_background_event(json_body(request), request)]


def _background_event(value: Json, request: Request) -> Event:
    from retrigger.triggers.formats import background

    return background.from_json(value, request)


def _log_entry(value: Json, request: Request) -> Event:
    from retrigger.triggers.formats import audit

    return audit.from_entry(value, request)


def _audited(envelope: cloudevents.Envelope, now: datetime | None) -> Event:
    from retrigger.triggers.formats import audit

    return audit.from_cloudevent(envelope, now)


def _queue(request: Request) -> Parsed:
    from retrigger.triggers.formats import bindings

    return _carried(bindings.queue(_placed(request, "queue/<channel>")), request)


def _service_bus(request: Request) -> Parsed:
    from retrigger.triggers.formats import bindings

    return _carried(bindings.service_bus(_placed(request, "servicebus/<channel>")), request)


def _blob(request: Request) -> Parsed:
    from retrigger.triggers.formats import bindings

    return [bindings.blob_found(request)]


def _timer(request: Request) -> Parsed:
    from retrigger.triggers.formats import bindings

    return [bindings.timer(_placed(request, "timer/<trigger>"))]


def _placed(request: Request, route: str) -> Request:
    if not request.place:
        raise Malformed(f"The route names no place; send to {route}.", code="unknown_route")
    return request


_ROUTES: Mapping[str, Callable[[Request], Parsed]] = {
    "events": _events,
    "pubsub": _pubsub,
    "storage": _storage,
    "background": _background,
    "schedule": _schedule,
    "eventgrid": _events,
    "queue": _queue,
    "servicebus": _service_bus,
    "blob": _blob,
    "timer": _timer,
}
_TYPES: Mapping[str, Reader] = {
    **dict.fromkeys(storage.CHANGES, storage.from_cloudevent),
    pubsub.TYPE: pubsub.from_cloudevent,
    schedule.TYPE: schedule.from_cloudevent,
    FIRED: schedule.from_cloudevent,
    schedule.EXECUTED: schedule.from_eventarc,
    "google.cloud.audit.log.v1.written": _audited,
}


def _opened(found: cloudevents.Envelope | cloudevents.Batch, request: Request) -> list[Event | Malformed]:
    return [_member(each, request) for each in found] if isinstance(found, list) else [_event(found, request)]


def _member(found: cloudevents.Envelope | Malformed, request: Request) -> Event | Malformed:
    try:
        return found if isinstance(found, Malformed) else _event(found, request)
    except Malformed as error:
        return error


def _event(envelope: cloudevents.Envelope, request: Request) -> Event:
    read = _TYPES.get(envelope.type) or _azures(envelope.type)
    if read is None:
        return custom.from_cloudevent(envelope, request.now, request.place)
    return read(envelope, request.now)


def _azures(event_type: str) -> Reader | None:
    if not event_type.startswith("Microsoft."):
        return None
    from retrigger.triggers.formats import azure

    return azure.TYPES.get(event_type)


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
