"""An app that records what its functions are given, and fails where it is asked to."""

from __future__ import annotations

import json
import os
from pathlib import Path

import azure.functions as func
from azure.functions.timer import TimerRequest  # noqa: TC002  # the worker reads annotations

app = func.FunctionApp()


def record(*told: object) -> None:
    with Path(os.environ["RECORD"]).open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(told) + "\n")
    if "fail" in str(told[-1]):
        raise ValueError("asked to fail")


@app.queue_trigger("message", "jobs", "storage", func.DataType.BINARY)
def jobs(message: func.QueueMessage) -> None:
    record("jobs", message.id, message.dequeue_count, str(message.insertion_time), str(message.get_body()))


@app.queue_trigger("message", "jobs-poison", "storage")
def given_up(message: func.QueueMessage) -> None:
    poison = message.get_body().decode().replace("fail", "f-a-i-l")
    record("given_up", message.id != "m-1", message.dequeue_count, poison.replace("poison", "fail"))


@app.queue_trigger("message", "lonely", "storage")
def lonely(message: func.QueueMessage) -> None:
    record("lonely", message.get_body().decode())


@app.service_bus_queue_trigger("message", "bus", "orders")
def orders(message: func.ServiceBusMessage) -> None:
    told = [message.message_id, message.delivery_count, message.application_properties]
    record("orders", *told, message.get_body().decode())


@app.service_bus_topic_trigger("message", "bus", "news", "train")
def news(message: func.ServiceBusMessage) -> None:
    record("news", message.get_body().decode())


@app.event_grid_trigger("event")
async def event_grid(event: str) -> None:
    record("event_grid", json.loads(event))


@app.timer_trigger("timer", "0 * * * * *")
@app.retry("fixed_delay", "-1", "00:00:07")
def minute(timer: TimerRequest) -> None:
    record("minute", timer.past_due, timer.schedule_status)


@app.route("greet/{who}/{*rest}", methods=["PUT"], auth_level=func.AuthLevel.ANONYMOUS)
def greet(req: func.HttpRequest) -> func.HttpResponse:
    record(
        "greet", req.method, req.headers["x-told"], dict(req.params), dict(req.route_params), req.get_body().decode()
    )
    return func.HttpResponse("hello", status_code=201, headers={"x-answer": "yes"})


@app.route("plain")
def plain(req: func.HttpRequest) -> str:
    return req.method
