"""Wake-ups for a scheduled trigger: our own CloudEvent, and Cloud Scheduler's over HTTP, Pub/Sub and Eventarc.

What comes on a trigger's own route becomes the same event as ours, so that changing the clock that knocks changes
nothing else. Sources: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs#HttpTarget for
the headers, and google.events.cloud.scheduler.v1 of https://github.com/googleapis/google-cloudevents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import FIRED, Event, Schedule, rfc3339
from retrigger.triggers.formats.envelope import traceparent
from retrigger.triggers.formats.times import instant, occurred
from retrigger.triggers.formats.wire import mapping, required

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from retrigger.triggers.event import Json
    from retrigger.triggers.formats.envelope import Envelope
    from retrigger.triggers.formats.wire import Request

TYPE = "dev.retrigger.schedule.due.v1"
EXECUTED = "google.cloud.scheduler.job.v1.executed"


def due(name: str, scheduled_for: datetime, *, past_due: bool = False, traceparent: str | None = None) -> Event:
    """The event of one slot (aware UTC) of the trigger `name`: the same, id included, whoever announces it."""
    return Event(
        id=f"{name}@{rfc3339(scheduled_for)}",
        source=f"//retrigger/schedules/{name}",
        type=TYPE,
        time=scheduled_for,
        subject=name,
        payload=Schedule(name=name, scheduled_for=scheduled_for, past_due=past_due),
        traceparent=traceparent,
    )


def from_cloudevent(envelope: Envelope, now: datetime | None) -> Event:
    """Data is `{"name": …, "scheduled_for": RFC 3339, "past_due": bool}`."""
    where = "The schedule event's"
    fields = mapping(envelope.data, f"{where} data")
    scheduled_for = instant(required(fields, "scheduled_for", where), f"{where} scheduled_for")
    past_due = fields.get("past_due", False)
    if not isinstance(past_due, bool):
        raise Malformed(f"{where} past_due is no boolean; correct the sender.", code="bad_field")
    return Event(
        id=envelope.id,
        source=envelope.source,
        type=envelope.type,
        time=occurred(envelope.time, now),
        subject=envelope.subject,
        payload=Schedule(name=required(fields, "name", where), scheduled_for=scheduled_for, past_due=past_due),
        traceparent=envelope.traceparent,
    )


def from_eventarc(envelope: Envelope, now: datetime | None) -> Event:
    """A job of Cloud Scheduler ran: a wake-up for the trigger of the job's name. What the job says is not read."""
    _, found, name = envelope.source.rpartition("/jobs/")
    if not found or not name or "/" in name:
        message = "The scheduler event's source ends in no /jobs/NAME; the trigger is named after the job."
        raise Malformed(message, code="bad_field")
    time = occurred(envelope.time, now)
    return Event(
        id=envelope.id,
        source=envelope.source,
        type=envelope.type,
        time=time,
        subject=envelope.subject,
        payload=Schedule(name=name, scheduled_for=time),
        traceparent=envelope.traceparent,
    )


def trigger_of(request: Request) -> str:
    """The trigger that the route names."""
    if not request.place:
        raise Malformed("The route names no trigger; send to schedule/<trigger>.", code="unknown_route")
    return request.place


def from_push(push: Event, name: str) -> Event:
    """A message of Cloud Scheduler's, on the route of the trigger `name`. It stands for when it was published."""
    return due(name, push.time, traceparent=push.traceparent)


def is_request(headers: Mapping[str, str]) -> bool:
    """Whether the headers (names in lower case) are those of Cloud Scheduler's own request."""
    return "x-cloudscheduler" in headers


def read(request: Request) -> Event:
    """Cloud Scheduler's request, on the route of one trigger. Only its headers are read.

    A job that is forced by hand may carry no schedule time: it then stands for the time of receipt.
    """
    name = trigger_of(request)
    if request.headers.get("x-cloudscheduler") != "true":
        message = "The request is not Cloud Scheduler's: the header X-CloudScheduler is missing."
        raise Malformed(message, code="malformed_envelope")
    header = request.headers.get("x-cloudscheduler-scheduletime")
    scheduled_for = instant(header, "X-CloudScheduler-ScheduleTime") if header else occurred(request.now)
    return due(name, scheduled_for, traceparent=traceparent(request.headers.get("traceparent")))


def data(payload: Schedule) -> dict[str, Json]:
    """The CloudEvent's data."""
    return {"name": payload.name, "scheduled_for": rfc3339(payload.scheduled_for), "past_due": payload.past_due}


READERS: Final[Mapping[str, Callable[[Envelope, datetime | None], Event]]] = {
    TYPE: from_cloudevent,
    FIRED: from_cloudevent,
    EXECUTED: from_eventarc,
}
"""By the type of the CloudEvent."""
