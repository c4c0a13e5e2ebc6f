"""What is launched, and what a platform says of it: frozen in the run's record before it is sent."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal, TypeAlias

from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrigger.triggers.event import Json

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
