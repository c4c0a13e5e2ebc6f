"""Online endpoints of Vertex AI: what would be sent, and how what comes back is read. Pure.

The resource: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints. What is sent is
what google-cloud-aiplatform sends for a model on machines of its own; the tests compare with it.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from retrigger.handlers.adapters.vertex.resources import collection_url, error_in
from retrigger.handlers.endpoints import Deployment, Endpoint
from retrigger.handlers.jobs import Request
from retrigger.handlers.transport.api import object_in
from retrigger.triggers import keys
from retrigger.triggers.errors import Refused, Unavailable
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.endpoints import Split
    from retrigger.handlers.jobs import RolloutJob
    from retrigger.handlers.transport.http import Response
    from retrigger.triggers.event import Json

# The platform's JSON, of which only the fields named below are looked at.
Document = dict[str, Any]

_KIND: Final = "endpoints"
_MACHINE_TYPE: Final = "n1-standard-2"
_LEAST_ID: Final = 10**9
_DEPLOYING: Final = ".DeployModelOperationMetadata"
_DEDICATED: Final = re.compile(r"(?:https://)?([-a-z0-9.]{1,200}\.prediction\.vertexai\.goog)")
_ANSWERED_BY: Final = "x-vertex-ai-deployed-model-id"
_MISSED: Final = 0.01


@dataclass(frozen=True, slots=True)
class Place:
    """Where an endpoint is: its project, its location, and its id there."""

    project: str
    location: str
    endpoint: str

    def url(self, address: str | None = None) -> str:
        """`address` replaces the region's public one."""
        return f"{collection_url(_KIND, self.project, self.location, address)}/{quote(self.endpoint, safe='')}"


def place_of(endpoint: str, project: str, location: str) -> Place:
    """`endpoint` is an id of this project and location, or a whole resource name."""
    match endpoint.split("/"):
        case ["projects", other, "locations", elsewhere, "endpoints", name]:
            return Place(other, elsewhere, name)
    return Place(project, location, endpoint)


def deployment_id(job: RolloutJob) -> str:
    """Ten digits, derived from the rollout's id. Those that the platform gives have more."""
    return str(_LEAST_ID + int(keys.digest(job.id), 16) % (9 * _LEAST_ID))


def model_id(job: RolloutJob) -> str:
    """`MODEL@VERSION`, without a project: the platform answers with the number of one where its id was given."""
    return f"{_unversioned(job.model).rpartition('/')[2]}@{job.version}"


def deploy_request(job: RolloutJob, project: str, location: str, address: str | None = None) -> Request:
    """What makes the new deployment. Without a split: the endpoint keeps the one that it has."""
    place = place_of(job.endpoint, project, location)
    deployed: Document = {
        "id": deployment_id(job),
        "model": f"{_resource(job.model, project, location)}@{job.version}",
        "displayName": job.id,
        "dedicatedResources": _machines(job.options),
    }
    if "service_account" in job.options:
        deployed["serviceAccount"] = job.options["service_account"]
    return Request(method="POST", url=f"{place.url(address)}:deployModel", body={"deployedModel": deployed})


def split_request(place: Place, split: Split, etag: str | None, address: str | None = None) -> Request:
    """Nothing else of the endpoint is changed, and the split only where the endpoint is still what `etag` says."""
    body: Document = {"trafficSplit": dict(split), "etag": etag}
    return Request(method="PATCH", url=f"{place.url(address)}?updateMask=trafficSplit", body=body)


def undeploy_request(place: Place, deployment: str, address: str | None = None) -> Request:
    """Without a split: the platform refuses to remove a deployment that has traffic, and so it should."""
    return Request(method="POST", url=f"{place.url(address)}:undeployModel", body={"deployedModelId": deployment})


def predict_url(found: Document, place: Place, body: Json, address: str | None = None) -> str:
    """What is no `{"instances": …}` is the container's own, and passed on as it is.

    An endpoint with a DNS name of its own is asked there alone. Raises Unavailable for a name that is not Vertex AI's:
    our token goes nowhere else. Raises Refused for an endpoint that is reached from its own network alone.
    """
    if found.get("network") or object_in(found, "privateServiceConnectConfig").get("enablePrivateServiceConnect"):
        told = f"endpoint {place.endpoint} is private: leave `smoke` out of its rollouts"
        raise Refused(told, code="private_endpoint")
    verb = "predict" if isinstance(body, dict) and "instances" in body else "rawPredict"
    if address is not None or found.get("dedicatedEndpointEnabled") is not True:
        return f"{place.url(address)}:{verb}"
    known = _DEDICATED.fullmatch(str(found.get("dedicatedEndpointDns")))
    if known is None:
        raise Unavailable("the endpoint's own address is none of Vertex AI's", code="foreign_link")
    return f"{place.url(f'https://{known[1]}')}:{verb}"


def tries(share: int) -> int:
    """After how many requests one of a hundred searches has not met a deployment with this share, in percent."""
    return 1 if share >= 100 else math.ceil(math.log(_MISSED) / math.log(1 - share / 100))


def endpoint_of(found: Document, *, changing: bool) -> Endpoint:
    """A deployment is shown when it is ready. Raises Unavailable for what is no endpoint."""
    if not (isinstance(found.get("name"), str) and isinstance(found.get("etag"), str)):
        raise _odd("an endpoint has a name and an etag, and the answer has none")
    deployments = {}
    for deployed in _objects(found, "deployedModels"):
        match deployed:
            case {"id": str(name), "model": str(model)}:
                deployments[name] = Deployment(state="ready", model=_model_of(model, deployed.get("modelVersionId")))
            case _:
                raise _odd("a deployed model has an id and a model, and one of the endpoint has not")
    return Endpoint(deployments=deployments, split=split_of(found), etag=found["etag"], changing=changing)


def split_of(found: Document) -> dict[str, int]:
    """In order of the ids, without those that get nothing."""
    traffic = found.get("trafficSplit", {})
    if not (isinstance(traffic, dict) and all(type(share) is int for share in traffic.values())):
        raise _odd("a traffic split is a number for each deployed model, and this one is not")
    return {name: share for name, share in sorted(traffic.items()) if share}


def operations_in(page: Document) -> list[Document]:
    """The long-running operations on a page of their list."""
    return _objects(page, "operations")


def is_running(operation: Document) -> bool:
    return operation.get("done") is not True


def failure_of(operation: Document, since_ms: int) -> str | None:
    """Why a deployment that was begun since then has failed; None: this operation is none such.

    It does not say which deployment it was. Rollouts to one endpoint take turns, so that it was ours, unless somebody
    deploys there by hand meanwhile.
    """
    metadata = object_in(operation, "metadata")
    if "error" not in operation or not str(metadata.get("@type")).endswith(_DEPLOYING):
        return None
    if _ms(object_in(metadata, "genericMetadata").get("createTime")) < since_ms:
        return None
    return error_in(operation) or "the platform gave no reason"


def asked_of(answer: Response) -> str | None:
    """The deployment that an answer came from: one to `predict` says so in its body, to `rawPredict` in a header."""
    try:
        name = answer.headers.get(_ANSWERED_BY) or answer.json().get("deployedModelId")
    except Unavailable:  # no JSON names nobody
        return None
    return name if isinstance(name, str) else None


def _machines(options: Mapping[str, Json]) -> Document:
    machine = {
        "machineType": options.get("machine_type", _MACHINE_TYPE),
        "acceleratorType": options.get("accelerator_type"),
        "acceleratorCount": options.get("accelerator_count"),
    }
    least = options.get("min_replica_count", 1)
    return {
        "machineSpec": {name: value for name, value in machine.items() if value is not None},
        "minReplicaCount": least,
        "maxReplicaCount": options.get("max_replica_count", least),
    }


def _resource(model: str, project: str, location: str) -> str:
    name = _unversioned(model)
    return name if "/" in name else f"projects/{project}/locations/{location}/models/{name}"


def _unversioned(model: str) -> str:
    """What a model is called in `models` may name a version, for batches; a rollout brings its own."""
    return model.partition("@")[0]


def _model_of(resource: str, version: object) -> str:
    name, _, named = resource.rpartition("/")[2].partition("@")
    return f"{name}@{version if isinstance(version, str) and version else named}"


def _objects(document: Document, name: str) -> list[Document]:
    """A list of objects, which may be left out where it is empty."""
    found = document.get(name, [])
    if not (isinstance(found, list) and all(isinstance(one, dict) for one in found)):
        raise _odd(f"{name} is no list of objects")
    return found


def _ms(time: object) -> int:
    try:
        return int(datetime.fromisoformat(str(time)).timestamp() * 1000)
    except ValueError as exc:
        raise _odd("the time of an operation is none") from exc


def _odd(what: str) -> Unavailable:
    return Unavailable(f"Vertex AI gave an odd answer: {what}; try again", code="odd_answer")
