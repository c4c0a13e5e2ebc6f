"""The registry: which format is read on which route, and which reader an event's type has.

A format is imported when the first delivery comes in it: a function hears one or two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Message, Object, Schedule
from retrigger.triggers.formats import sniff
from retrigger.triggers.formats.envelope import attempt, is_cloudevent, is_goodbye, is_unwrapped
from retrigger.triggers.formats.wire import Handshake, Request, json_body
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from retrigger.triggers.event import Json
    from retrigger.triggers.formats.bindings import Carried
    from retrigger.triggers.formats.envelope import Batch, Envelope

Parsed: TypeAlias = "Handshake | list[Event | Malformed]"
"""A batch has an outcome for each member, in its order."""
Reader: TypeAlias = "Callable[[Envelope, datetime | None], Event]"
"""The event in an envelope; the time is that of receipt."""


def saved(request: Request) -> Parsed:
    """A payload in a file, for people to look at: what lost its envelope is read, and `notes` say what was assumed."""
    declared = _declared(request)
    if declared is not None:
        return declared
    value = json_body(request)
    shape = sniff.bare_shape(value)
    if shape is None:
        return _sniffed(value, request)
    from retrigger.triggers.formats import bare

    return _carried(bare.read(value, shape, request), request)


def _events(request: Request) -> Parsed:
    declared = _declared(request)
    return _sniffed(json_body(request), request) if declared is None else declared


def _declared(request: Request) -> Parsed | None:
    """What the headers say it is; None where they say nothing."""
    if is_goodbye(request.headers):
        return []
    if is_cloudevent(request.headers):
        from retrigger.triggers.formats import cloudevents

        return _attempted(_opened(cloudevents.read(request), request), attempt(request.headers))
    return [_pushed(request)] if is_unwrapped(request.headers) else None


def _sniffed(value: Json, request: Request) -> Parsed:
    shape = sniff.shape(value)
    match shape:
        case "push":
            from retrigger.triggers.formats import pubsub

            return [pubsub.from_push(value, request)]
        case "audit":
            return [_log_entry(value, request)]
        case "background":
            return [_background_event(value, request)]
        case "event-grid" if (asked := _handshake(value, request)) is not None:
            return asked
        case _:
            return _attempted(_opened(_envelopes(value, shape, request), request), attempt(request.headers))


def _handshake(value: Json, request: Request) -> Handshake | None:
    from retrigger.triggers.formats import event_grid

    return event_grid.handshake(value, request.headers)


def _envelopes(value: Json, shape: sniff.Shape, request: Request) -> Envelope | Batch:
    from retrigger.triggers.formats import cloudevents, event_grid

    match shape:
        case "event-grid":
            return event_grid.read(value, request.headers)
        case "batch":
            return cloudevents.batch(value, request.headers)
        case _:
            return cloudevents.structured(value, request.headers)


def _carried(found: Event | Carried, request: Request) -> Parsed:
    """What a queue's message holds. Who may write there may announce objects; no message strikes a clock."""
    if isinstance(found, Event):
        return [found]
    envelopes = _envelopes(found.value, sniff.shape(found.value), request)
    events = _attempted(_opened(envelopes, request), found.attempt)
    return [_no_clock(_beside(each, found.attributes)) for each in events]


def _beside(found: Event | Malformed, attributes: Mapping[str, str]) -> Event | Malformed:
    """A message that came inside another one has also the outer one's attributes; its own go first."""
    if isinstance(found, Malformed) or not isinstance(found.payload, Message) or not attributes:
        return found
    return replace(found, payload=replace(found.payload, attributes={**attributes, **found.payload.attributes}))


def _no_clock(found: Event | Malformed) -> Event | Malformed:
    if isinstance(found, Malformed) or not isinstance(found.payload, Schedule):
        return found
    message = "A message carries a schedule's event, which only the platform's clock may send; send your own type."
    return Malformed(message, code="unsupported_type")


def _attempted(found: list[Event | Malformed], attempt: int) -> list[Event | Malformed]:
    if attempt == 1:
        return found
    return [replace(each, attempt=attempt) if isinstance(each, Event) else each for each in found]


def _pubsub(request: Request) -> Parsed:
    return [_pushed(request)]


def _pushed(request: Request) -> Event:
    if is_unwrapped(request.headers):
        from retrigger.triggers.formats import unwrapped

        return unwrapped.read(request)
    from retrigger.triggers.formats import pubsub

    return pubsub.read(request)


def _storage(request: Request) -> Parsed:
    event = _pushed(request)
    if not isinstance(event.payload, Object):
        message = "The message is no storage notification; send other messages to the route pubsub."
        raise Malformed(message, code="unsupported_type")
    return [event]


def _schedule(request: Request) -> Parsed:
    from retrigger.triggers.formats import schedule

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


def _audited(envelope: Envelope, now: datetime | None) -> Event:
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


ROUTES: Mapping[str, Callable[[Request], Parsed]] = {
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


def _opened(found: Envelope | Batch, request: Request) -> list[Event | Malformed]:
    return [_member(each, request) for each in found] if isinstance(found, list) else [_event(found, request)]


def _member(found: Envelope | Malformed, request: Request) -> Event | Malformed:
    try:
        return found if isinstance(found, Malformed) else _event(found, request)
    except Malformed as error:
        return error


def _event(envelope: Envelope, request: Request) -> Event:
    read = _reader(envelope.type)
    if read is None:
        from retrigger.triggers.formats import custom

        return custom.from_cloudevent(envelope, request.now, request.place)
    return read(envelope, request.now)


def _reader(event_type: str) -> Reader | None:
    """Of a platform's events, and of our own; None: a sender's own type."""
    match event_type.rpartition(".")[0]:
        case "google.cloud.pubsub.topic.v1":
            from retrigger.triggers.formats import pubsub

            return pubsub.from_cloudevent if event_type == pubsub.TYPE else None
        case "google.cloud.storage.object.v1":
            from retrigger.triggers.formats import storage

            return storage.from_cloudevent if event_type in storage.CHANGES else None
        case "google.cloud.scheduler.job.v1" | "dev.retrigger.schedule.due" | "dev.retrigger.schedule.fired":
            from retrigger.triggers.formats import schedule

            return schedule.READERS.get(event_type)
        case "google.cloud.audit.log.v1" if event_type.endswith(".written"):
            return _audited
        case _ if event_type.startswith("Microsoft."):
            from retrigger.triggers.formats import azure

            return azure.TYPES.get(event_type)
        case _:
            return None
