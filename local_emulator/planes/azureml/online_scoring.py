"""Where online endpoints are asked: who may, which deployment answers, and what the caller gets.

Statuses: https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints (a model that fails is
a 424, one that takes too long a 408). Mirrored requests go out beside the answer, and what comes back is thrown away.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import Route

from retrigger.local_emulator.planes.azureml.arm import key, parted
from retrigger.local_emulator.planes.azureml.endpoint_resources import found
from retrigger.local_emulator.planes.azureml.online_deployments import ENDPOINTS
from retrigger.local_emulator.planes.azureml.online_endpoints import SCORING
from retrigger.local_emulator.runners.routing import pick
from retrigger.local_emulator.runners.serving import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from starlette.requests import Request

    from retrigger.local_emulator.planes.azureml.online_deployments import OnlineDeployments
    from retrigger.local_emulator.planes.azureml.online_endpoints import OnlineEndpoints
    from retrigger.local_emulator.planes.resources import Body, Resources
    from retrigger.local_emulator.runners.routing import Traffic
    from retrigger.local_emulator.runners.serving import Servers

MAX_BODY: Final = 16 << 20
DEPLOYMENT: Final = "azureml-model-deployment"
_AT_ONCE = 32
_MOST_WAITING = 128
_MIRRORS = 4
_MOST_MIRRORED = 64


class OnlineScoring:
    """Passes requests on to `servers`, and counts them by endpoint (its name in `resources`) and deployment.

    It has threads of its own, and takes so many requests at most: a slow model holds up no other face.
    """

    def __init__(
        self,
        resources: Resources,
        endpoints: OnlineEndpoints,
        deployments: OnlineDeployments,
        *,
        servers: Servers,
        traffic: Traffic,
        now: Callable[[], datetime],
    ) -> None:
        self._resources = resources
        self._endpoints = endpoints
        self._deployments = deployments
        self._servers = servers
        self._traffic = traffic
        self._now = now
        self._waiting = 0
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="scoring")
        self._mirrors = ThreadPoolExecutor(_MIRRORS, thread_name_prefix="mirror")
        self._room = threading.BoundedSemaphore(_MOST_MIRRORED)

    def close(self) -> None:
        """When there are neither callers nor servers any more."""
        self._threads.shutdown()
        self._mirrors.shutdown(cancel_futures=True)

    def route(self) -> Route:
        return Route(f"{SCORING}/subscriptions/{{rest:path}}", self._score, methods=["POST"])

    async def _score(self, request: Request) -> Response:
        match parted(f"subscriptions/{request.path_params['rest']}"):
            case workspace, (kind, endpoint, "score") if kind == ENDPOINTS:
                place = key(workspace, ENDPOINTS, endpoint)
            case _:
                return _response(_told(404, "There is no such endpoint."))
        if self._waiting >= _MOST_WAITING:
            return _response(_told(429, "Too many requests wait for an answer."))
        self._waiting += 1
        try:
            body = await _read(request)
            if body is None:
                return _response(_told(413, f"A request is of at most {MAX_BODY} bytes."))
            ask = partial(self.score, place, request.headers, body)
            return _response(await asyncio.get_running_loop().run_in_executor(self._threads, ask))
        finally:
            self._waiting -= 1

    def score(self, place: str, headers: Mapping[str, str], body: bytes) -> Served:
        endpoint = found(self._resources, place)
        if endpoint is None:
            return _told(404, "There is no such endpoint.")
        if not self._endpoints.lets_in(endpoint.body, headers.get("authorization", "")):
            return _told(401, "The key or token is missing, wrong or out of date.")
        properties, draw = endpoint.body["properties"], self._traffic.draw(place)
        passed = {"content-type": headers.get("content-type", "application/json")}
        chosen = headers.get(DEPLOYMENT) or pick(properties["traffic"], draw)
        if chosen is None:
            return _told(404, "No deployment has traffic: give one a share, or name one by a header.")
        answer = self._ask(place, chosen, body, passed)
        if DEPLOYMENT not in headers and (copied := pick(properties["mirrorTraffic"], draw)) is not None:
            self._mirror(place, copied, body, passed)
        return answer

    def _ask(self, place: str, deployment: str, body: bytes, headers: Mapping[str, str]) -> Served:
        server = self._deployments.server(place, deployment)
        if server is None:
            return _told(404, f"The endpoint has no deployment {deployment[:80]!r}.")
        name, within = server
        began = time.monotonic()
        asked = _told(503, "The deployment is not ready.")
        if name is not None:
            asked = _as_azure(self._servers.ask(name, "POST", "/score", body, headers, within))
        latency = (time.monotonic() - began) * 1000
        self._traffic.count(place, deployment.lower(), asked.status, latency, self._now())
        return Served(asked.status, {**asked.headers, DEPLOYMENT: deployment}, asked.body)

    def _mirror(self, place: str, deployment: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Ask another one, too; not if so many are being asked that memory would fill."""
        if self._room.acquire(blocking=False):
            asked = self._mirrors.submit(self._ask, place, deployment, body, headers)
            asked.add_done_callback(lambda _: self._room.release())


def _as_azure(answer: Served) -> Served:
    """What the caller of an endpoint gets when its model, or its server, did not say 200."""
    match answer.status:
        case 200:
            return answer
        case 504 if not answer.reached:
            return Served(408, answer.headers, answer.body)
        case status if answer.reached:
            why = {"ms-azureml-model-error-statuscode": str(status), "ms-azureml-model-error-reason": "model_error"}
            return Served(424, {**answer.headers, **why}, answer.body)
        case _:
            return answer


async def _read(request: Request) -> bytes | None:
    """None for a body that is too large."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _told(status: int, text: str) -> Served:
    return Served(status, {"content-type": "text/plain; charset=utf-8"}, f"{text}\n".encode())


def _response(answer: Served) -> Response:
    kept: Body = {name: value for name, value in answer.headers.items() if name not in {"server", "date"}}
    return Response(answer.body, answer.status, kept)
