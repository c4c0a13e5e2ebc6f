"""VertexEndpoints: changes online endpoints over the REST API of Vertex AI, and asks them.

A change that the platform refuses may be one that it has made, or is making: the endpoint is looked at before the
refusal is believed. No message of the platform's is read for that.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from retrigger.handlers.adapters.vertex import metrics, serving
from retrigger.handlers.adapters.vertex.resources import GONE, encoded
from retrigger.handlers.endpoints import Answer
from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.handlers.adapters.vertex.serving import Place
    from retrigger.handlers.endpoints import Endpoint, Health, Split
    from retrigger.handlers.jobs import Request, RolloutJob
    from retrigger.handlers.transport.google import GoogleApi
    from retrigger.handlers.transport.http import Http, Response
    from retrigger.triggers.event import Json

_CONTESTED: Final = frozenset({400, 409})
_NOT_ALLOWED: Final = frozenset({401, 403})
_PAGES: Final = 20
_PAGE_SIZE: Final = 100
_LONGEST_ANSWER: Final = 15.0


class VertexEndpoints:
    """The port `Endpoints`. `endpoint` replaces the region's public address, `monitoring` Cloud Monitoring's.

    `patience`: for how many seconds a deployment is asked again, until it answers.
    """

    def __init__(
        self,
        api: GoogleApi,
        http: Http,
        *,
        project: str,
        location: str,
        endpoint: str | None = None,
        monitoring: str | None = None,
        patience: float = 10.0,
    ) -> None:
        self._api = api
        self._http = http
        self._project = project
        self._location = location
        self._address = endpoint
        self._monitoring = monitoring
        self._patience = patience

    def deployment_of(self, job: RolloutJob) -> str:
        return serving.deployment_id(job)

    def model_of(self, job: RolloutJob) -> str:
        return serving.model_id(job)

    def request(self, job: RolloutJob) -> Request:
        return serving.deploy_request(job, self._project, self._location, self._address)

    def look(self, endpoint: str) -> Endpoint:
        """What is under way is read first: an operation that ends between the two has left what it made."""
        place = self._place(endpoint)
        changing = any(serving.is_running(one) for one in self._operations(place))
        return serving.endpoint_of(self._found(place), changing=changing)

    def deploy(self, job: RolloutJob, since_ms: int) -> None:
        """A deployed model is shown when it is ready: one that failed is known by its operation alone."""
        for operation in self._operations(self._place(job.endpoint)):
            failure = serving.failure_of(operation, since_ms)
            if failure is not None:
                raise Refused(f"the deployment failed: {failure}", code="deployment_failed")
        name = serving.deployment_id(job)
        request = self.request(job)
        answer = self._write(request, _CONTESTED)
        if answer.status in _CONTESTED:
            seen = self.look(job.endpoint)
            if not (seen.changing or name in seen.deployments):
                raise self._api.refusal(answer, request.url)

    def shift(self, endpoint: str, split: Split, seen: Endpoint) -> bool:
        place = self._place(endpoint)
        request = serving.split_request(place, split, seen.etag, self._address)
        answer = self._write(request, _CONTESTED)
        if answer.status in _CONTESTED:
            if self._found(place).get("etag") == seen.etag:
                raise self._api.refusal(answer, request.url)
            return False
        return True

    def mirror(self, endpoint: str, mirror: Mapping[str, int], seen: Endpoint) -> bool:
        """Vertex AI copies no traffic."""
        del mirror, seen
        raise Refused(f"traffic of {endpoint} cannot be mirrored: Vertex AI has no such thing", code="no_mirror")

    def remove(self, endpoint: str, deployment: str) -> None:
        request = serving.undeploy_request(self._place(endpoint), deployment, self._address)
        answer = self._write(request, _CONTESTED | GONE)
        if answer.status in _CONTESTED | GONE:
            seen = self.look(endpoint)
            if deployment in seen.deployments and not seen.changing:
                raise self._api.refusal(answer, request.url)

    def invoke(self, endpoint: str, deployment: str, body: Json) -> Answer | None:
        """Vertex AI asks whom the split says: it is sent again until it meets this deployment, within 25 s.

        An error tells nobody's name. It counts as this deployment's, which is the new one: the safe side. None: it has
        no traffic, or was not met. Raises Refused where the caller may not ask.
        """
        place = self._place(endpoint)
        found = self._found(place)
        share = serving.split_of(found).get(deployment, 0)
        if share <= 0:
            return None
        url, data = serving.predict_url(found, place, body, self._address), json.dumps(body).encode()
        last = time.monotonic() + self._patience
        for _ in range(serving.tries(share)):
            name, answer = self._predict(url, data)
            if name == deployment or (name is None and not 200 <= answer.status < 300):
                return answer
            if time.monotonic() > last:
                return None
        return None

    def health(self, endpoint: str, deployment: str, since_ms: int, until_ms: int) -> Health | None:
        """As Cloud Monitoring tells it, which is minutes behind. None as long as it knows nothing."""
        asked = metrics.queries(self._place(endpoint), deployment, since_ms, until_ms, self._monitoring)
        if asked is None:
            return None
        answers = [self._api.call("GET", url, accept=GONE) for url in asked]
        if any(answer.status in GONE for answer in answers):  # no request was ever measured in this project
            return None
        responses, latency = (answer.json() for answer in answers)
        return metrics.health_in(responses, latency)

    def _place(self, endpoint: str) -> Place:
        return serving.place_of(endpoint, self._project, self._location)

    def _found(self, place: Place) -> dict[str, Any]:
        return self._api.call("GET", place.url(self._address)).json()

    def _operations(self, place: Place) -> Iterator[dict[str, Any]]:
        query = {"pageSize": str(_PAGE_SIZE)}
        for _ in range(_PAGES):
            url = f"{place.url(self._address)}/operations?{urlencode(query)}"
            page: dict[str, Any] = self._api.call("GET", url).json()
            yield from serving.operations_in(page)
            if not page.get("nextPageToken"):
                return
            query["pageToken"] = str(page["nextPageToken"])
        raise Unavailable(f"the operations of endpoint {place.endpoint} do not end", code="endless_list")

    def _predict(self, url: str, data: bytes) -> tuple[str | None, Answer]:
        """Who answered, and how. What is not answered, or not in time, has the status 0."""
        headers = {"Authorization": f"Bearer {self._api.tokens.token()}", "Content-Type": "application/json"}
        began = time.monotonic()
        try:
            response = self._http.request("POST", url, headers=headers, body=data, timeout=_LONGEST_ANSWER, write=True)
        except Unavailable:
            return None, Answer(status=0, latency_ms=_since(began))
        if response.status in _NOT_ALLOWED:
            raise self._api.refusal(response, url)
        return serving.asked_of(response), Answer(status=response.status, latency_ms=_since(began))

    def _write(self, request: Request, accept: frozenset[int]) -> Response:
        return self._api.call(request.method, request.url, body=encoded(request.body), write=True, accept=accept)


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
