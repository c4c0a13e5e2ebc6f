"""Online endpoints: how a platform shows one, and the port through which a rollout changes it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal, TypeAlias

from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from retrigger.handlers.jobs import Request, RolloutJob
    from retrigger.triggers.event import Json
else:
    Protocol = object  # who runs them has no use for protocols, and each takes 0.4 ms of a cold start to make

Split: TypeAlias = "Mapping[str, int]"
"""Deployment -> its share of an endpoint's traffic in percent, without those that get none; 100 together, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment of an endpoint. `model`: as the platform names it. `error`: why it failed, in one line."""

    state: Literal["creating", "ready", "failed", "deleting"]
    model: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint as the platform knows it now. `changing`: a change is under way. `etag`: None where there is none.

    `mirror`: deployment -> the percentage of the traffic that is copied to it, and not answered; mostly empty.
    """

    deployments: Mapping[str, Deployment]
    split: Split
    mirror: Mapping[str, int] = field(default_factory=dict)
    etag: str | None = None
    changing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a deployment answered: the HTTP status, 0 if nothing came, and after how many milliseconds."""

    status: int
    latency_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Of a deployment's requests in a while: the share that failed (0..1), the 95th percentile of their latency."""

    error_rate: float
    p95_ms: int


class Endpoints(Protocol):
    """Online endpoints of a platform. Every change is asked for, and seen by `look` when it is done.

    A change that is there already changes nothing. All raise Refused (permanent), Unavailable (it did not happen, or
    another change is under way) or Unknown (the answer was lost).
    """

    def deployment_of(self, job: RolloutJob) -> str:
        """Pure: the name of the deployment that the rollout makes, derived from its id."""

    def model_of(self, job: RolloutJob) -> str:
        """Pure: the model that this deployment has, as `look` tells it."""

    def request(self, job: RolloutJob) -> Request:
        """Pure: what `deploy` would send."""

    def look(self, endpoint: str) -> Endpoint:
        """Raises Refused if there is no such endpoint."""

    def deploy(self, job: RolloutJob, since_ms: int) -> None:
        """Begin to make the new deployment, without traffic.

        Raises Refused too where one that was asked for since `since_ms` has failed, and left nothing to be seen.
        """

    def shift(self, endpoint: str, split: Split, seen: Endpoint) -> bool:
        """Ask for another split. False: the endpoint is not any more what was `seen`; look again."""

    def mirror(self, endpoint: str, mirror: Mapping[str, int], seen: Endpoint) -> bool:
        """Ask for another mirror. False: as for `shift`. Raises Refused where the platform has none."""

    def invoke(self, endpoint: str, deployment: str, body: Json) -> Answer | None:
        """One request to this very deployment; None where the platform cannot ask it now, as one without traffic."""

    def remove(self, endpoint: str, deployment: str) -> None:
        """Begin to remove a deployment that gets no traffic; one that is not there is as good as removed."""

    def health(self, endpoint: str, deployment: str, since_ms: int, until_ms: int) -> Health | None:
        """Of all requests to a deployment from `since_ms` to `until_ms`; None if nothing was measured yet.

        Asked only of a rollout that the platform's own figures judge (`RolloutJob.health`).
        """
