"""Online predictions of the local Vertex AI: routed by the endpoint's traffic split to a deployed model's own server.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints/predict, …/rawPredict;
https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements (what the server is sent)
"""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from retrigger.local_emulator.planes.resources import Invalid, Precondition, ResourceError
from retrigger.local_emulator.planes.rest import answered, failed, parsed, read_body, refused
from retrigger.local_emulator.runners.routing import pick
from retrigger.local_emulator.runners.serving import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from starlette.requests import Request

    from retrigger.local_emulator.planes.resources import Body
    from retrigger.local_emulator.planes.vertex.deploying import Deployments
    from retrigger.local_emulator.runners.routing import Traffic

MAX_REQUEST = 1_500_000
"""Bytes: https://cloud.google.com/vertex-ai/docs/predictions/get-online-predictions"""

_AT_ONCE = 32
_SHOWN = 10_000
_JSON = {"content-type": "application/json"}
# What a status of the model's server is called: https://cloud.google.com/apis/design/errors
_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_NONSENSE = Served(500, {}, b"The model server did not answer a JSON object with a list of predictions.")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request for a prediction, with those of its headers that are passed on."""

    endpoint: str
    body: bytes
    headers: Mapping[str, str]


class Predictions:
    """Predicts with at most so many requests at once, in threads of its own: a slow model holds up no other face."""

    def __init__(self, deployments: Deployments, traffic: Traffic, now: Callable[[], datetime]) -> None:
        self._deployments = deployments
        self._traffic = traffic
        self._now = now
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="prediction")

    def routes(self, endpoint: str) -> list[Route]:
        """`endpoint` is the path of an endpoint, with `{project}`, `{location}` and `{endpoint}` in it."""
        return [
            self._route(f"{endpoint}:predict", self._predict),
            self._route(f"{endpoint}:rawPredict", self._raw_predict),
        ]

    def _route(self, path: str, predict: Callable[[_Asked], Response]) -> Route:
        async def answer(request: Request) -> Response:
            place = "projects/{project}/locations/{location}/endpoints/{endpoint}".format(**request.path_params)
            too_large = Precondition("The request size exceeds 1.500MB limit.")
            try:
                body = await read_body(request, MAX_REQUEST, too_large)
                told = request.headers.get("content-type")
                asked = _Asked(place, body, {"content-type": told} if told else {})
                return await asyncio.get_running_loop().run_in_executor(self._threads, predict, asked)
            except ResourceError as error:
                return refused(error)

        return Route(path, answer, methods=["POST"])

    def _predict(self, asked: _Asked) -> Response:
        body = parsed(asked.body)
        if not isinstance(body.get("instances"), list):
            raise Invalid("instances is required, and must be a list.")
        wanted = {key: body[key] for key in ("instances", "parameters") if body.get(key) is not None}
        deployed = self._choose(asked.endpoint)
        served, latency_ms = self._ask(_Asked(asked.endpoint, json.dumps(wanted).encode(), _JSON), deployed)
        predictions = _predictions(served) if served.status == 200 else None
        answer = served if served.status != 200 or predictions is not None else _NONSENSE
        self._count(asked.endpoint, deployed, answer.status, latency_ms)
        if predictions is None:
            return _passed_on(answer)
        return answered(
            {
                "predictions": predictions,
                "deployedModelId": deployed["id"],
                "model": deployed["model"],
                "modelDisplayName": deployed["displayName"],
                "modelVersionId": deployed["modelVersionId"],
            }
        )

    def _raw_predict(self, asked: _Asked) -> Response:
        """Pass the body on, and the answer back, as they are."""
        deployed = self._choose(asked.endpoint)
        served, latency_ms = self._ask(asked, deployed)
        self._count(asked.endpoint, deployed, served.status, latency_ms)
        headers = {
            "content-type": served.headers.get("content-type", "application/octet-stream"),
            "x-vertex-ai-endpoint-id": asked.endpoint.rsplit("/", 1)[-1],
            "x-vertex-ai-deployed-model-id": deployed["id"],
        }
        return Response(served.body, served.status, headers)

    def _choose(self, name: str) -> Body:
        """Errors: NotFound for an endpoint that is not there; Precondition for one without a split."""
        endpoint = self._deployments.look(name).body
        chosen = pick(endpoint["trafficSplit"], self._traffic.draw(name))
        deployed: Body | None = next((it for it in endpoint["deployedModels"] if it["id"] == chosen), None)
        if deployed is None:
            raise Precondition(f"Endpoint {name} doesn't have traffic_split: deploy a model, and give it traffic.")
        return deployed

    def _ask(self, asked: _Asked, deployed: Body) -> tuple[Served, float]:
        """What the server of the deployed model answered, and how many milliseconds that took."""
        started = time.monotonic()
        served = self._deployments.ask(asked.endpoint, deployed["id"], asked.body, asked.headers)
        return served, (time.monotonic() - started) * 1000

    def _count(self, endpoint: str, deployed: Body, status: int, latency_ms: float) -> None:
        self._traffic.count(endpoint, deployed["id"], status, latency_ms, self._now())


def _predictions(served: Served) -> list[Any] | None:
    try:
        told = json.loads(served.body)
    except (ValueError, RecursionError):
        return None
    predictions = told.get("predictions") if isinstance(told, dict) else None
    return predictions if isinstance(predictions, list) else None


def _passed_on(served: Served) -> Response:
    """A server's refusal in Google's shape: its status, or the nearest that Google has, and its body as the message."""
    message = served.body[:_SHOWN].decode(errors="replace")
    match served.status:
        case status if status in _CODES:
            return failed(status, _CODES[status], message)
        case status if 400 <= status < 500:
            return failed(400, "FAILED_PRECONDITION", message)
        case _:
            return failed(503, "UNAVAILABLE", message)
