"""Azure Functions: a function for each way in. Returning acknowledges a delivery, raising has it delivered again.

`event_grid` and `events` (HTTP) hear Event Grid, `queue_CHANNEL` and `bus_CHANNEL` the project's channels,
`poison_CHANNEL` what the host gave up of a queue; `minute` is the tick, and the clock of scheduled triggers.
"""

from __future__ import annotations

import gc

gc.disable()  # what a start loads stays: looking for garbage in it takes a tenth of the time that loading does

import functools
import os
from typing import TYPE_CHECKING

import azure.functions as func
from azure.functions.timer import TimerRequest  # noqa: TC002  # the worker reads annotations when it loads a function

from retrigger.functions import logs
from retrigger.functions.auth import Call, Callers
from retrigger.functions.azure import metadata
from retrigger.functions.azure.channels import ServiceBusQueue, ServiceBusTopic, StorageQueue, binding, heard
from retrigger.functions.azure.wake_ups import since, wake_ups
from retrigger.functions.response import answer, answer_caller, answer_other_methods, settle
from retrigger.handlers.wiring import Settings, app, compiled_at
from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats.wire import ORIGIN
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.functions.response import Answer
    from retrigger.triggers.formats import Parsed

BINARY = func.DataType.BINARY
functions = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
# The worker imports this to learn what there is to listen to.
project = compiled_at(Settings.from_environment(os.environ).compiled)


def take(headers: Mapping[str, str], body: bytes, route: str) -> None:
    logs.configure()
    settle(app, body, lambda: read(headers, body, route))


def read(headers: Mapping[str, str], body: bytes, route: str) -> Parsed:
    return app().parse(headers, body, route)


@functions.event_grid_trigger("event")
def event_grid(event: str) -> None:
    """As text, since azure-functions' EventGridEvent loses the source and the type of a CloudEvent."""
    take({}, event.encode(), "eventgrid")


@functools.cache
def callers() -> Callers:
    """The host has asked for a function key; what the environment declares is asked for besides."""
    declared = project.environment.callers or "platform"
    return Callers.of(replace(project.environment, callers=declared), os.environ)


@functions.route("events/{*route}", methods=["POST", "OPTIONS"])
def events(req: func.HttpRequest) -> func.HttpResponse:
    """Decode, handle, encode, for whoever may call."""
    logs.configure()
    call = Call(headers=dict(req.headers), code=req.params.get("code"))
    body, status, headers = answer_caller(lambda: callers().admit(call), lambda: answer_events(req))
    return func.HttpResponse(body, status_code=status, headers=headers)


def answer_events(req: func.HttpRequest) -> Answer:
    headers, raw, route = dict(req.headers), req.get_body(), req.route_params.get("route") or "events"
    if req.method != "POST" and ORIGIN not in headers:
        return answer_other_methods()
    return answer(app, raw, lambda: read(headers, raw, route))


@functions.timer_trigger("timer", "0 * * * * *")
@functions.retry("fixed_delay", "-1", "00:00:10")
def minute(timer: TimerRequest) -> None:
    """Tried until it succeeds: the next strike would not know what this one missed."""
    logs.configure()
    now = app().ledger.records.now()
    try:
        settle(app, b"", lambda: [*wake_ups(project, since(timer.schedule_status, now), now)])
    finally:
        app().tick().run()


def hear_queue(channel: str, address: str, it: StorageQueue) -> None:
    @functions.function_name(f"queue_{channel}")
    @functions.queue_trigger("message", it.queue, it.connection, BINARY)
    def queue(message: func.QueueMessage) -> None:
        take(metadata.of_queue(message), message.get_body(), f"queue/{address}")

    @functions.function_name(f"poison_{channel}")
    @functions.queue_trigger("message", it.poison, it.connection, BINARY)
    def poison(message: func.QueueMessage) -> None:
        logs.configure()
        told = (
            f"Every delivery of a message of the queue {it.queue} failed; mend what the log says, then send it again."
        )
        settle(app, message.get_body(), lambda: [Malformed(told, code="poisoned")], name=message.id or "")


def hear_service_bus(channel: str, address: str, it: ServiceBusQueue | ServiceBusTopic) -> None:
    match it:
        case ServiceBusQueue(connection, queue):
            heard = functions.service_bus_queue_trigger("message", connection, queue, BINARY)
        case ServiceBusTopic(connection, topic, subscription):
            heard = functions.service_bus_topic_trigger("message", connection, topic, subscription, BINARY)

    @functions.function_name(f"bus_{channel}")
    @heard
    def bus(message: func.ServiceBusMessage) -> None:
        take(metadata.of_service_bus(message), message.get_body(), f"servicebus/{address}")


for address, channel in heard(project.environment, project.sources()).items():
    match binding(address):
        case StorageQueue() as it:
            hear_queue(channel, address, it)
        case ServiceBusQueue() | ServiceBusTopic() as it:
            hear_service_bus(channel, address, it)
        case None:
            pass  # what is published there is posted to `events`

# Nor does any later collection walk through it.
gc.freeze()
gc.enable()
