"""Online endpoints of Azure ML: what would be sent, and how what comes back is read. Pure.

The resources: https://learn.microsoft.com/rest/api/azureml/online-endpoints and …/online-deployments. What is sent is
what azure-ai-ml sends; the tests compare with what its client writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote, urlsplit

from retrigger.handlers.adapters.azureml.request import FINGERPRINT, PUBLIC
from retrigger.handlers.adapters.azureml.resources import asset_id
from retrigger.handlers.endpoints import Deployment
from retrigger.handlers.jobs import Request
from retrigger.handlers.transport.api import first_line, object_in
from retrigger.triggers import keys
from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.handlers.jobs import RolloutJob

# The platform's JSON, of which only the fields named below are looked at.
Document = dict[str, Any]
State = Literal["creating", "ready", "failed", "deleting"]

ENDPOINT_VERSION: Final = "2022-02-01-preview"
DEPLOYMENT_VERSION: Final = "2023-04-01-preview"
_INSTANCE_TYPE: Final = "Standard_DS3_v2"
_STATES: Final[Mapping[str, State]] = {
    "Creating": "creating",
    "Updating": "creating",
    "Scaling": "ready",
    "Succeeded": "ready",
    "Failed": "failed",
    "Canceled": "failed",
    "Deleting": "deleting",
}
_CHANGING: Final = frozenset({"Creating", "Updating", "Deleting"})
_HERE: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_READ_ONLY: Final = frozenset({"provisioningState", "scoringUri", "swaggerUri", "keys"})


def deployment_name(job: RolloutJob) -> str:
    """`[a-z][a-z0-9-]{2,31}`, derived from the rollout's id."""
    return f"rt-{keys.digest(job.id)[:24]}"


def model_id(job: RolloutJob, workspace: str) -> str:
    """The resource id of a version of a registered model."""
    return asset_id(workspace, "models", f"azureml:{job.model}:{job.version}")


def endpoint_url(workspace: str, name: str, endpoint: str | None = None) -> str:
    """One endpoint of a workspace, without the version of the API. `endpoint` replaces Resource Manager's address."""
    return f"{(endpoint or PUBLIC).rstrip('/')}{quote(workspace)}/onlineEndpoints/{quote(name)}"


def deployment_url(workspace: str, endpoint_name: str, name: str, endpoint: str | None = None) -> str:
    return (
        f"{endpoint_url(workspace, endpoint_name, endpoint)}/deployments/{quote(name)}?{versioned(DEPLOYMENT_VERSION)}"
    )


def versioned(version: str) -> str:
    return f"api-version={version}"


def deployment_request(
    job: RolloutJob, *, workspace: str, endpoint: str | None = None, location: str | None = None
) -> Request:
    """What makes the new deployment. `location`: the endpoint's, which is read before it is sent."""
    place = {} if location is None else {"location": location}
    return Request(
        method="PUT",
        url=deployment_url(workspace, job.endpoint, deployment_name(job), endpoint),
        body={
            **place,
            "properties": {
                "model": model_id(job, workspace),
                "properties": {},
                "environmentVariables": job.options.get("environment_variables", {}),
                "appInsightsEnabled": job.options.get("app_insights", False),
                "instanceType": job.options.get("instance_type", _INSTANCE_TYPE),
                "endpointComputeType": "Managed",
                **_surroundings(job.options, workspace),
            },
            "tags": {**job.labels, FINGERPRINT: job.fingerprint},
            "sku": {"name": "Default", "capacity": job.options.get("instance_count", 1)},
        },
    )


def _surroundings(options: Mapping[str, Any], workspace: str) -> Document:
    """What a model runs in that does not bring its own environment, and how it is asked."""
    found: Document = {}
    if (environment := options.get("environment")) is not None:
        found["environmentId"] = asset_id(workspace, "environments", environment)
    if (code := options.get("code")) is not None:
        code_id = asset_id(workspace, "codes", code)
        found["codeConfiguration"] = {"codeId": code_id, "scoringScript": options["scoring_script"]}
    settings = {
        "requestTimeout": _iso(options.get("request_timeout_ms")),
        "maxConcurrentRequestsPerInstance": options.get("max_concurrent_requests"),
    }
    asked = {name: value for name, value in settings.items() if value is not None}
    return found | ({"requestSettings": asked} if asked else {})


def _iso(milliseconds: int | None) -> str | None:
    """A duration of at most an hour, as ISO 8601 has it and azure-ai-ml writes it: `PT1M30S`, `PT0.5S`."""
    if milliseconds is None:
        return None
    minutes, rest = divmod(milliseconds, 60_000)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"PT{minutes}M{seconds}S" if minutes and rest else f"PT{minutes}M" if minutes else f"PT{seconds}S"


def with_traffic(found: Document, **shares: Mapping[str, int]) -> Document:
    """An endpoint as it was found, with another `traffic` or `mirrorTraffic`: what its maker said of it is kept."""
    properties = {name: value for name, value in found["properties"].items() if name not in _READ_ONLY}
    body = {
        name: found[name] for name in ("location", "identity", "kind", "sku", "tags") if found.get(name) is not None
    }
    if isinstance(identity := body.get("identity"), dict):  # who it is is the platform's to say
        body["identity"] = {name: value for name, value in identity.items() if name not in {"principalId", "tenantId"}}
    return {**body, "properties": {**properties, **{name: dict(share) for name, share in shares.items()}}}


def split_of(found: Document) -> dict[str, int]:
    """Names are compared as they were written: those of deployments are in lower case."""
    return _shares(found, "traffic")


def mirror_of(found: Document) -> dict[str, int]:
    return _shares(found, "mirrorTraffic")


def _shares(found: Document, name: str) -> dict[str, int]:
    shares: dict[str, int] = found["properties"].get(name) or {}
    return {deployment: share for deployment, share in sorted(shares.items()) if share}


def scoring_uri(found: Document) -> str:
    """Where an endpoint is asked, with its key. Resource Manager tells it, and is believed; not without TLS, though.

    Raises Unavailable where it has none yet, Refused for one that anybody on the way could read.
    """
    told = found["properties"].get("scoringUri")
    if not told:
        raise Unavailable("the endpoint has no address yet; it is looked at again later", code="no_address")
    uri = urlsplit(str(told))
    if uri.scheme != "https" and uri.hostname not in _HERE:
        message = f"the endpoint is asked at {first_line(str(told))!r}, without TLS: its key is not sent there"
        raise Refused(f"{message}; give it an https address", code="insecure_endpoint")
    return str(told)


def checked_endpoint(found: Document) -> Document:
    """An endpoint as it was answered, if it is one. Raises Unavailable for anything else."""
    properties = found.get("properties")
    if not isinstance(found.get("location"), str) or not isinstance(properties, dict):
        raise _odd("an endpoint has a location and properties")
    for traffic in ("traffic", "mirrorTraffic"):
        shares = properties.get(traffic) or {}
        if not isinstance(shares, dict) or not all(isinstance(share, int) for share in shares.values()):
            raise _odd(f"the {traffic} of an endpoint is a whole number for each deployment")
    return found


def named_in(page: Document) -> Iterator[tuple[str, Document]]:
    """The resources of a page, by name. Raises Unavailable where it is none."""
    listed = page.get("value")
    if not isinstance(listed, list):
        raise _odd("a list has a value")
    for found in listed:
        if not isinstance(found, dict) or not isinstance(found.get("name"), str):
            raise _odd("what is listed has a name")
        yield found["name"], found


def secret_in(answer: Document, name: str) -> str:
    """A key or a token. Raises Unavailable where there is none; nothing of the answer is told."""
    found = answer.get(name)
    if not isinstance(found, str) or not found:
        raise _odd(f"there is no {name}")
    return found


def _odd(what: str) -> Unavailable:
    return Unavailable(f"Azure ML gave an odd answer: {what}; try again", code="odd_answer")


def is_changing(found: Document) -> bool:
    return found["properties"].get("provisioningState") in _CHANGING


def deployment_of(found: Document) -> Deployment:
    """Raises Unavailable for a state that is not known here: neither ready nor failed may be claimed of it."""
    properties = object_in(found, "properties")
    told = str(properties.get("provisioningState", "Creating"))
    state = _STATES.get(told)
    if state is None:
        reason = f"Azure ML reports the state {first_line(told)!r} of a deployment; a newer retrigger may know it"
        raise Unavailable(reason, code="unknown_state")
    error = "Azure ML says why in the logs of the deployment" if state == "failed" else None
    return Deployment(state=state, model=properties.get("model"), error=error)
