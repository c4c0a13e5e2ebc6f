"""What the core needs of the world: a place for records, a platform that launches, and objects to look at."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal, TypeAlias

from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Protocol

    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Environment, Trigger
else:
    Protocol = object  # who runs them has no use for protocols, and each takes 0.4 ms of a cold start to make


@dataclass(frozen=True, slots=True)
class Record:
    """A stored body. `version` changes with every write; `time` is the store's, when this version was written.

    Only a record that was read has a time: an object store does not tell it to those who write.
    """

    key: str
    version: str
    body: Mapping[str, Json]
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A listed record, without its body. `version` changes with every write, but may be another than the Record's."""

    key: str
    version: str
    time: datetime


class Records(Protocol):
    """Mechanism only: the protocol above it is written once. Linearizable per key.

    A key is segments joined by `/`: none is empty, `.` or `..`, and none holds a control character. Every method
    raises Unavailable if the store did nothing, and Unknown if it may have done it.
    """

    def get(self, key: str) -> Record | None: ...

    def get_many(self, keys: Iterable[str]) -> Iterator[Record]:
        """Each as `get` reads it, in order of `keys`; those that are not there are left out."""

    def create(self, key: str, body: Mapping[str, Json]) -> Record | None:
        """Write a new key; None if it exists."""

    def create_all(self, bodies: Mapping[str, Mapping[str, Json]]) -> Record | None:
        """Create the first key, and where it is new the others after it, unless they exist; the first, or None.

        At once where the store can; elsewhere a crash, or a failure, may leave a beginning of them.
        """

    def swap(self, old: Record, body: Mapping[str, Json]) -> Record | None:
        """Replace exactly the version that was read; None if it changed."""

    def list(self, prefix: str, limit: int | None = None) -> Iterable[Entry]:
        """Entries in key order; holds everything that was created before the call.

        `prefix` is empty or ends with `/`.
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Unconditional and idempotent: only for keys that are never used again."""

    def now(self) -> datetime:
        """The store's clock: never ahead of the times that it stamps, and seldom more than a second behind."""


def in_turn(records: Records, bodies: Mapping[str, Mapping[str, Json]]) -> Record | None:
    """`Records.create_all` of a store that writes a key at a time."""
    first, *others = bodies
    created = records.create(first, bodies[first])
    if created is not None:
        for key in others:
            records.create(key, bodies[key])
    return created


JobState = Literal["running", "succeeded", "failed", "cancelled", "lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyJob:
    """What to launch, frozen in the run record before it is sent: names, values and hashes, no secrets.

    This is what a job of every kind has. `id` fits `[a-z][-a-z0-9]{0,126}`.
    """

    id: str
    display_name: str
    labels: Mapping[str, str]
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The manifest of a run's window, to be registered with the platform before the run is launched.

    `id` is derived from the run whose manifest it is: the id of an artifact (Vertex AI), or `azureml:NAME:VERSION`.
    `uri`: where the manifest lies; of an `mltable` the folder. `about`: trigger, run, members, since, until.
    """

    id: str
    uri: str
    format: Literal["json", "uris", "mltable"]
    about: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineJob(AnyJob):
    """A compiled pipeline, once. `template` is the SHA-256 under which the ledger keeps it.

    `template_uri`: the address in Artifact Registry that it was fetched from, None if it was not.
    `artifacts`: input name -> id in the platform's metadata store. `dataset` is registered first, by `submit`.
    `service_account` is as in Pipeline; `compute` and `experiment` are Azure ML's; `failure_policy` (slow | fast), and
    what follows it, Vertex AI's.
    """

    pipeline: str
    template: str
    root: str
    service_account: str | None
    caching: bool | None
    parameters: Mapping[str, Json]
    artifacts: Mapping[str, str] = field(default_factory=dict)
    dataset: Dataset | None = None
    compute: str | None = None
    experiment: str | None = None
    failure_policy: str | None = None
    network: str | None = None
    reserved_ip_ranges: Sequence[str] = ()
    kms_key: str | None = None
    template_uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob(AnyJob):
    """Predictions for a batch of data, once. No platform is sure to refuse a second one: it is sent at most once.

    `input`: URIs, all of one format; a table (`bq://…`) stands alone. `output`: the URI to write below. Vertex AI
    predicts by a `model` (its id or resource name), Azure ML by an `endpoint` (its name), and there by `deployment`
    (None: its default). The rest is how, None where the platform decides: `experiment` is Azure ML's, all that follows
    it Vertex AI's.
    """

    input: Sequence[str]
    output: str
    model: str | None = None
    endpoint: str | None = None
    deployment: str | None = None
    experiment: str | None = None
    service_account: str | None = None
    instances_format: str | None = None
    predictions_format: str | None = None
    machine_type: str | None = None
    accelerator_type: str | None = None
    accelerator_count: int | None = None
    starting_replica_count: int | None = None
    max_replica_count: int | None = None
    batch_size: int | None = None
    model_parameters: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutJob(AnyJob):
    """The stepwise update of an online endpoint to a version of a model. It runs in our own ledger, by ticks.

    `endpoint` and `model` are the platform's names. `steps`: the new deployment's traffic in percent, rising to 100,
    each watched for `bake_ms`. `smoke`: the body of the request that must succeed before any traffic is sent (on Vertex
    AI at the first step), and that probes while a step is watched; None: nothing is asked. It goes back over
    `error_rate` (0..1) or `p95_ms`, judged by what the `platform` measured, or by our own `probes`. Before any traffic
    `mirror_percent` of it is copied to the new deployment for `mirror_ms`, where it is not 0.
    `options`: how it is deployed, by the environment's names (`instance_type`, `machine_type`, …).
    """

    endpoint: str
    model: str
    version: str
    steps: Sequence[int]
    bake_ms: int = 0
    smoke: Json = None
    error_rate: float | None = None
    p95_ms: int | None = None
    approve_before: int | None = None
    approve_within_ms: int = 0
    health: Literal["probes", "platform"] = "probes"
    mirror_percent: int = 0
    mirror_ms: int = 0
    options: Mapping[str, Json] = field(default_factory=dict)


Job: TypeAlias = PipelineJob | BatchJob | RolloutJob
"""Of any kind that can be launched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """What the platform says of a job. `metrics` is flat; `error` is the platform's own first line.

    `tags`: those that it has by now, where a job can tag itself; `models`: the resources of models that it registered,
    each with its version.
    """

    state: JobState
    error: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Exactly what would be sent: `explain` prints it. `first`: what is sent before it, in this order."""

    method: str
    url: str
    body: Mapping[str, Json]
    first: tuple[Request, ...] = ()


class Launcher(Protocol):
    """A platform that accepts our id for a pipeline, so that a second submission of the same changes nothing.

    A BatchJob is submitted once, and looked for by its labels. `template` is a pipeline's compiled form, None where
    the kind of job has none.
    """

    def request(self, job: Job, template: Mapping[str, Json] | None) -> Request:
        """Pure: what `submit` would send."""

    def submit(self, job: Job, template: Mapping[str, Json] | None) -> Literal["created", "adopted", "conflict"]:
        """Launch. `adopted`: a job of this id and fingerprint exists; `conflict`: of this id, but another fingerprint.

        Raises Refused (permanent), Unavailable (it did not happen) or Unknown (the answer was lost). Of a BatchJob
        anything but a certain no is Unknown.
        """

    def status(self, job: Job) -> JobStatus:
        """`lost` if the platform knows no such job."""

    def cancel(self, job: Job) -> None:
        """Ask the platform to stop it; idempotent, and no promise that it has stopped."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStat:
    """An object as its store knows it now. `size` in bytes; `written`: when this version was, aware UTC, if known."""

    name: str
    version: str
    size: int
    checksum: str | None = None
    content_type: str | None = None
    written: datetime | None = None


class Objects(Protocol):
    """Reads objects of a bucket (of Blob: ACCOUNT/CONTAINER), and writes manifests."""

    def read(
        self, bucket: str, name: str, *, version: str | None = None, start: int = 0, limit: int
    ) -> Iterator[bytes]:
        """Chunks of the object's bytes from `start` on, `limit` at the most; none where it ends before `start`.

        Raises Refused with code `object_gone` if it is not there.
        """

    def stat(self, bucket: str, name: str) -> ObjectStat | None:
        """The live version, None if there is none. Raises Refused or Unavailable where the store does not say."""

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectStat]: ...

    def write(self, bucket: str, name: str, data: bytes) -> None:
        """Create; writing the same name again with the same bytes changes nothing."""


class Publisher(Protocol):
    """Sends to one channel, at most once a call."""

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> None:
        """Raises Refused (for good), Unavailable (it was not sent) or Unknown (the answer was lost)."""


class Catalog(Protocol):
    """What was compiled: the environment, its triggers by name, and the pipelines' templates by hash."""

    @property
    def environment(self) -> Environment: ...

    def trigger(self, name: str) -> Trigger | None:
        """None: no such trigger (any more)."""

    def template(self, sha256: str) -> Mapping[str, Json]: ...
