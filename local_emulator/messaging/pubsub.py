"""Pub/Sub's REST API over the emulator's queues: topics, push subscriptions, publish.

Reference: https://cloud.google.com/pubsub/docs/reference/rest. Not emulated: pull, filters, dead-letter topics, access
control; a request for them is told so (501) and changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from retrigger.local_emulator.delivery import Policy
from retrigger.local_emulator.messaging.messages import (
    MAX_MESSAGES,
    MAX_PUBLISH_BYTES,
    Draft,
    InvalidArgument,
    NotEmulated,
    QueueError,
)
from retrigger.local_emulator.messaging.queues import PushSubscription

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from retrigger.local_emulator.messaging.queues import Queues

    Answer = Callable[[str, Mapping[str, object]], object]

# Base64 and the JSON around a publish of the largest size.
_LIMIT = MAX_PUBLISH_BYTES * 3 // 2
_DURATION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)s")
_EMULATED = frozenset({"name", "topic", "pushConfig", "ackDeadlineSeconds", "enableMessageOrdering", "retryPolicy"})
# Said by clients by default; they change nothing here.
_IGNORED = frozenset({"labels", "messageRetentionDuration", "expirationPolicy", "retainAckedMessages", "state"})


def routes(queues: Queues) -> list[Route]:
    """What a REST client calls below `/v1/projects/P/topics` and `/v1/projects/P/subscriptions`."""
    face = _Face(queues)
    topic, subscription = "/v1/projects/{project}/topics/{name}", "/v1/projects/{project}/subscriptions/{name}"
    return [
        _route(topic + ":publish", POST=face.publish),
        _route(topic, PUT=face.create_topic, GET=face.get_topic, DELETE=face.delete_topic),
        _route("/v1/projects/{project}/topics", GET=face.list_topics),
        _route(subscription, PUT=face.create_subscription, GET=face.get_subscription, DELETE=face.delete_subscription),
        _route("/v1/projects/{project}/subscriptions", GET=face.list_subscriptions),
    ]


class _Face:
    """Each method takes the resource's name and the body, and gives the JSON of the answer."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    def publish(self, topic: str, body: Mapping[str, object]) -> object:
        messages = body.get("messages")
        if not isinstance(messages, list) or not 1 <= len(messages) <= MAX_MESSAGES:
            raise InvalidArgument(f"messages must be a list of 1 to {MAX_MESSAGES} messages.")
        return {"messageIds": self._queues.publish(topic, [_draft(message) for message in messages])}

    def create_topic(self, name: str, _: Mapping[str, object]) -> object:
        self._queues.create_topic(name)
        return {"name": name}

    def get_topic(self, name: str, _: Mapping[str, object]) -> object:
        self._queues.check_topic(name)
        return {"name": name}

    def delete_topic(self, name: str, _: Mapping[str, object]) -> object:
        self._queues.delete_topic(name)
        return {}

    def list_topics(self, parent: str, _: Mapping[str, object]) -> object:
        return {"topics": [{"name": name} for name in self._queues.topics() if name.startswith(parent + "/")]}

    def create_subscription(self, name: str, body: Mapping[str, object]) -> object:
        subscription = _subscription(name, body)
        self._queues.create_subscription(subscription)
        return _resource(subscription)

    def get_subscription(self, name: str, _: Mapping[str, object]) -> object:
        return _resource(self._queues.subscription(name))

    def delete_subscription(self, name: str, _: Mapping[str, object]) -> object:
        self._queues.delete_subscription(name)
        return {}

    def list_subscriptions(self, parent: str, _: Mapping[str, object]) -> object:
        found = [it for it in self._queues.subscriptions() if it.name.startswith(parent + "/")]
        return {"subscriptions": [_resource(it) for it in found]}


def _route(path: str, **answers: Answer) -> Route:
    async def respond(request: Request) -> Response:
        resource = str(request.scope["path"]).removeprefix("/v1/").removesuffix(":publish")
        answer = answers["GET" if request.method == "HEAD" else request.method]
        try:
            body = await _body(request)
            return JSONResponse(await run_in_threadpool(answer, resource, body))
        except QueueError as error:
            detail = {"code": error.status, "message": str(error), "status": error.reason}
            return JSONResponse({"error": detail}, error.status)

    return Route(path, respond, methods=list(answers))


async def _body(request: Request) -> Mapping[str, object]:
    """The body as a JSON object, an empty one as {}. Errors: InvalidArgument."""
    text = bytearray()
    async for chunk in request.stream():
        text += chunk
        if len(text) > _LIMIT:
            raise InvalidArgument(f"The request is too large: a publish may have at most {MAX_PUBLISH_BYTES} bytes.")
    try:
        body = json.loads(text or b"{}")
    except (ValueError, RecursionError) as error:
        raise InvalidArgument("The body is not JSON; send a JSON object.") from error
    return _mapping(body, "The body")


def _draft(message: object) -> Draft:
    fields = _mapping(message, "A message")
    attributes = _mapping(fields.get("attributes", {}), "attributes")
    return Draft(
        data=_bytes(_text(fields, "data")),
        attributes={key: _text(attributes, key) for key in attributes},
        ordering_key=_text(fields, "orderingKey"),
    )


def _subscription(name: str, body: Mapping[str, object]) -> PushSubscription:
    push = _mapping(body.get("pushConfig", {}), "pushConfig")
    for field, where in [(it, "") for it in body.keys() - _EMULATED - _IGNORED] + [
        (it, "pushConfig.") for it in push.keys() - {"pushEndpoint"}
    ]:
        raise NotEmulated(f"{where}{field} is not emulated; leave it out.")
    if "pushEndpoint" not in push:
        raise NotEmulated("Pull subscriptions are not emulated; give pushConfig.pushEndpoint.")
    retry = _mapping(body.get("retryPolicy", {}), "retryPolicy")
    deadline = body.get("ackDeadlineSeconds") or 10
    if not isinstance(deadline, int) or not 10 <= deadline <= 600:
        raise InvalidArgument("ackDeadlineSeconds must be a whole number from 10 to 600.")
    policy = Policy(
        ack_deadline=timedelta(seconds=deadline),
        min_backoff=_duration(retry, "minimumBackoff", 10),
        max_backoff=_duration(retry, "maximumBackoff", 600),
        max_age=timedelta(days=7),
    )
    return PushSubscription(
        name=name,
        topic=_text(body, "topic"),
        endpoint=_text(push, "pushEndpoint"),
        ordered=body.get("enableMessageOrdering") is True,
        policy=policy,
    )


def _resource(it: PushSubscription) -> dict[str, object]:
    return {
        "name": it.name,
        "topic": it.topic,
        "pushConfig": {"pushEndpoint": it.endpoint},
        "ackDeadlineSeconds": round(it.policy.ack_deadline.total_seconds()),
        "enableMessageOrdering": it.ordered,
        "retryPolicy": {
            "minimumBackoff": f"{it.policy.min_backoff.total_seconds():g}s",
            "maximumBackoff": f"{it.policy.max_backoff.total_seconds():g}s",
        },
        "state": "ACTIVE",
    }


def _mapping(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise InvalidArgument(f"{what} must be a JSON object.")
    return value


def _text(fields: Mapping[str, object], key: str) -> str:
    value = fields.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidArgument(f"{key[:40]!r} must be text.")
    return value


def _bytes(data: str) -> bytes:
    """Standard or URL-safe base64, as Google's APIs take both."""
    try:
        return base64.b64decode(data.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgument("A message's data must be base64.") from error


def _duration(fields: Mapping[str, object], key: str, otherwise: float) -> timedelta:
    text = _text(fields, key) or f"{otherwise}s"
    found = _DURATION.fullmatch(text)
    if not found or float(found[1]) > 600:
        raise InvalidArgument(f"{key} must be 0s to 600s.")
    return timedelta(seconds=float(found[1]))
