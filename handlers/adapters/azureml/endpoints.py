"""AzureMlEndpoints: changes online endpoints through Azure's Resource Manager, and asks their deployments.

An endpoint has no etag: it is read again just before its split is written, and whoever asked looks again after.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from retrigger.handlers.adapters.azureml import metrics, serving
from retrigger.handlers.endpoints import Answer, Endpoint
from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.handlers.endpoints import Deployment, Health, Split
    from retrigger.handlers.jobs import Request, RolloutJob
    from retrigger.handlers.transport.azure import AzureApi
    from retrigger.handlers.transport.credentials import KeptToken
    from retrigger.handlers.transport.http import Http
    from retrigger.triggers.event import Json

_GONE: Final = frozenset({404})
_BUSY: Final = frozenset({409})
_FORBIDDEN: Final = frozenset({403})
_PAGES: Final = 20
_PATIENCE: Final = 30.0


class AzureMlEndpoints:
    """The port `Endpoints`. `workspace` is a resource id; `endpoint` replaces Resource Manager's public address.

    `tokens` are for Azure ML itself: with them, endpoints are asked whose `auth_mode` is `aad_token`. Of the others the
    key or token is read each time, and kept nowhere.
    """

    def __init__(
        self, api: AzureApi, http: Http, tokens: KeptToken, *, workspace: str, endpoint: str | None = None
    ) -> None:
        self._api = api
        self._http = http
        self._tokens = tokens
        self._workspace = workspace
        self._endpoint = endpoint

    def deployment_of(self, job: RolloutJob) -> str:
        return serving.deployment_name(job)

    def model_of(self, job: RolloutJob) -> str:
        return serving.model_id(job, self._workspace)

    def request(self, job: RolloutJob) -> Request:
        """The deployment, but for the location: that is read from the endpoint."""
        return serving.deployment_request(job, workspace=self._workspace, endpoint=self._endpoint)

    def look(self, endpoint: str) -> Endpoint:
        found = self._found(endpoint)
        return Endpoint(
            deployments=dict(self._deployments(endpoint)),
            split=serving.split_of(found),
            mirror=serving.mirror_of(found),
            changing=serving.is_changing(found),
        )

    def deploy(self, job: RolloutJob, since_ms: int) -> None:
        """One that failed stays to be seen by `look`: since when it was asked for makes no difference."""
        del since_ms
        location = str(self._found(job.endpoint)["location"])
        request = serving.deployment_request(job, workspace=self._workspace, endpoint=self._endpoint, location=location)
        self._write(request.method, request.url, dict(request.body))

    def shift(self, endpoint: str, split: Split, seen: Endpoint) -> bool:
        found = self._found(endpoint)
        if serving.split_of(found) != dict(seen.split) or serving.is_changing(found):
            return False
        self._write("PUT", self._url(endpoint), serving.with_traffic(found, traffic=split))
        return True

    def mirror(self, endpoint: str, mirror: Mapping[str, int], seen: Endpoint) -> bool:
        found = self._found(endpoint)
        there = (serving.split_of(found), serving.mirror_of(found))
        if there != (dict(seen.split), dict(seen.mirror)) or serving.is_changing(found):
            return False
        self._write("PUT", self._url(endpoint), serving.with_traffic(found, mirrorTraffic=mirror))
        return True

    def invoke(self, endpoint: str, deployment: str, body: Json) -> Answer:
        """A deployment that does not answer within 30 s, or at all, has answered with status 0."""
        found = self._found(endpoint)
        url = serving.scoring_uri(found)
        headers = {
            "Authorization": f"Bearer {self._secret(endpoint, found)}",
            "Content-Type": "application/json",
            "azureml-model-deployment": deployment,
        }
        data = json.dumps(body).encode()
        began = time.monotonic()
        try:
            status = self._http.request("POST", url, headers=headers, body=data, timeout=_PATIENCE, write=True).status
        except Unavailable:
            status = 0
        return Answer(status=status, latency_ms=round((time.monotonic() - began) * 1000))

    def remove(self, endpoint: str, deployment: str) -> None:
        url = serving.deployment_url(self._workspace, endpoint, deployment, self._endpoint)
        self._write("DELETE", url, None, _GONE)

    def health(self, endpoint: str, deployment: str, since_ms: int, until_ms: int) -> Health | None:
        """As Azure Monitor has it by now: it is some minutes behind."""
        between = metrics.timespan(since_ms, until_ms)
        if between is None:
            return None
        requests = metrics.served(self._measured(endpoint, metrics.REQUESTS, deployment, between))
        if not requests:
            return None
        return metrics.health(requests, self._measured(endpoint, metrics.LATENCY, deployment, between))

    def _measured(self, endpoint: str, metric: str, deployment: str, between: str) -> object:
        base = serving.endpoint_url(self._workspace, endpoint, self._endpoint)
        answer = self._api.call("GET", metrics.url(base, metric, deployment, between), accept=_FORBIDDEN)
        if answer.status in _FORBIDDEN:
            told = "the figures of Azure Monitor may not be read: grant the function's identity the role"
            raise Refused(f"{told} Monitoring Reader on the workspace", code="forbidden")
        return answer.json()

    def _found(self, endpoint: str) -> dict[str, Any]:
        return serving.checked_endpoint(self._api.call("GET", self._url(endpoint)).json())

    def _deployments(self, endpoint: str) -> Iterator[tuple[str, Deployment]]:
        base = serving.endpoint_url(self._workspace, endpoint, self._endpoint)
        url: str | None = f"{base}/deployments?{serving.versioned(serving.DEPLOYMENT_VERSION)}"
        for _ in range(_PAGES):
            if url is None:
                return
            page: dict[str, Any] = self._api.call("GET", url).json()
            for name, found in serving.named_in(page):
                yield name, serving.deployment_of(found)
            url = page.get("nextLink")
            if url is not None and not str(url).startswith(f"{base}/"):  # our token goes nowhere else
                raise Unavailable("the list of deployments goes on at another place", code="foreign_link")
        raise Unavailable(f"endpoint {endpoint} has more deployments than can be listed", code="too_many")

    def _secret(self, endpoint: str, found: dict[str, Any]) -> str:
        base, version = serving.endpoint_url(self._workspace, endpoint, self._endpoint), serving.ENDPOINT_VERSION
        match str(found["properties"].get("authMode", "")).lower():
            case "aadtoken":
                return self._tokens.token()
            case "key":
                answer = self._api.call("POST", f"{base}/listKeys?{serving.versioned(version)}", body=b"")
                return serving.secret_in(answer.json(), "primaryKey")
            case "amltoken":
                answer = self._api.call("POST", f"{base}/token?{serving.versioned(version)}", body=b"")
                return serving.secret_in(answer.json(), "accessToken")
            case other:
                raise Refused(f"endpoint {endpoint} lets callers in by {other!r}, which is not known", code="auth_mode")

    def _write(self, method: str, url: str, body: dict[str, Any] | None, accept: frozenset[int] = frozenset()) -> None:
        data = None if body is None else json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        answer = self._api.call(method, url, body=data, write=True, accept=_BUSY | accept)
        if answer.status in _BUSY:
            told = "another change of the endpoint is under way; it is looked at again later"
            raise Unavailable(told, code="endpoint_busy")

    def _url(self, endpoint: str) -> str:
        base = serving.endpoint_url(self._workspace, endpoint, self._endpoint)
        return f"{base}?{serving.versioned(serving.ENDPOINT_VERSION)}"
