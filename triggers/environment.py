"""What an environment says, after every name, default and unit has been settled: where things are. Frozen."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import quote, unquote

from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Archive, PlugIn

PUBLIC_BLOB: Final = "blob.core.windows.net"
"""What follows an account's name in the address of its blobs, in the public cloud."""


DEFAULT_ACCOUNT: Final = "default"
"""A pipeline's `service_account` that asks for the platform's own default on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Where the objects of a named store are: a bucket or container, and the prefix within it (`` or ending in `/`).

    `account` is the storage account of a Blob container, None for Cloud Storage; `suffix` is the rest of its host,
    which tells the cloud.
    """

    kind: Literal["gcs", "blob"]
    bucket: str
    prefix: str = ""
    account: str | None = None
    suffix: str = PUBLIC_BLOB

    @classmethod
    def at(cls, address: str) -> Store:
        """`gs://bucket/folder` or `https://account.blob…/container/folder`, with or without a folder, or a last `/`."""
        scheme, _, rest = address.partition("://")
        host = ""
        if scheme == "https":
            host, _, rest = rest.partition("/")
        bucket, _, folder = rest.partition("/")
        prefix = folder if not folder or folder.endswith("/") else f"{folder}/"
        if not host:
            return cls(kind="gcs", bucket=bucket, prefix=prefix)
        account, _, suffix = host.partition(".")
        return cls(kind="blob", account=account, suffix=suffix, bucket=bucket, prefix=prefix)

    @property
    def place(self) -> str:
        """As a reader of objects is told: the bucket, or ACCOUNT/CONTAINER."""
        return self.bucket if self.account is None else f"{self.account}/{self.bucket}"

    def uri(self, name: str) -> str:
        """The URI of an object of the bucket, as its events have it; `name` with the prefix in it."""
        if self.kind == "gcs":
            return f"gs://{self.bucket}/{name}"
        return f"https://{self.account}.{self.suffix}/{self.bucket}/{quote(name, safe='/=')}"

    def name_of(self, uri: str) -> str | None:
        """The name of an object of the bucket whose URI this is, however it is quoted; None: it is elsewhere."""
        place = self.uri("")
        if not uri.startswith(place):
            return None
        name = uri.removeprefix(place)
        return name if self.kind == "gcs" else unquote(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where messages are sent to, and the subscription through which they are received, where it is told."""

    address: str
    subscription: str | None = None

    @property
    def heard_at(self) -> str:
        """The address that a function listens to."""
        return self.address if self.subscription is None else self.subscription

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address under which a message of the channel may arrive."""
        return (self.address,) if self.subscription is None else (self.address, self.subscription)

    @property
    def service(self) -> Literal["pubsub", "servicebus", "queue"] | None:
        """Which service takes messages at the address; None where only others can send: a subscription, Event Grid."""
        match self.address.lower().split("/"):
            case ["projects", _, "topics", _]:
                return "pubsub"
            case ["sb:", "", _, *entity] if "subscriptions" not in entity:
                return "servicebus"
            case ["https:", "", host, _] if ".queue." in host:
                return "queue"
            case _:
                return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A platform whose lifecycle events can be listened to; `resource` is what the names of its things begin with.

    `projects/P/locations/L` of Vertex AI, `projects/P` of BigQuery, the resource id of an Azure ML workspace.
    """

    kind: Literal["vertex", "bigquery", "azureml"]
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A compiled pipeline of an environment. `template` is the SHA-256 of its JSON text.

    `template_uri`: the address in Artifact Registry that it was fetched from, by its digest; Vertex AI's.
    `root` is where its runs write; empty if nothing was told. `labels` are Azure ML's tags. `compute` and `experiment`
    are Azure ML's; `service_account`, and all that follows `experiment`, Vertex AI's. None means the platform's own; a
    pipeline of Vertex AI is not launched as its default service account but by DEFAULT_ACCOUNT.
    """

    template: str
    root: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    service_account: str | None = None
    caching: bool | None = None
    compute: str | None = None
    experiment: str | None = None
    failure_policy: Literal["slow", "fast"] | None = None
    network: str | None = None
    reserved_ip_ranges: tuple[str, ...] = ()
    kms_key: str | None = None
    template_uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRule:
    """How batches are predicted by a model. `labels` are Azure ML's tags; None means that the platform decides.

    `endpoint`, `deployment` and `experiment` are Azure ML's, where the model stands behind a batch endpoint; all that
    follows them is Vertex AI's.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
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
class Model:
    """A registered model of an environment. `resource`: its id or resource name, None where that is its name here."""

    resource: str | None = None
    batch: BatchRule = field(default_factory=BatchRule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A batch or online endpoint: the platform's name of it, and what a model is deployed there on.

    `health`: what judges a rollout, our own probes or what the platform measures of all requests. From `instance_type`
    to `app_insights` it is Azure ML's, the rest Vertex AI's; None means that the adapter decides.
    """

    name: str
    health: Literal["probes", "platform"] = "probes"
    instance_type: str | None = None
    instance_count: int | None = None
    environment: str | None = None
    code: str | None = None
    scoring_script: str | None = None
    environment_variables: Mapping[str, str] | None = None
    request_timeout_ms: int | None = None
    max_concurrent_requests: int | None = None
    app_insights: bool | None = None
    machine_type: str | None = None
    accelerator_type: str | None = None
    accelerator_count: int | None = None
    min_replica_count: int | None = None
    max_replica_count: int | None = None
    service_account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Shared by all triggers of an environment; None means the platform's own."""

    submit_per_minute: int | None = None
    running: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleCaller:
    """Who sends a token of Google's for this audience, as one of these service accounts (e-mail addresses)."""

    audience: str
    service_accounts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntraCaller:
    """Who sends a token of this Entra tenant for this audience, as one of these applications. UUIDs in lower case."""

    tenant: str
    audience: str
    apps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCaller:
    """Who sends the secret that the environment variable named `setting` holds."""

    setting: str


Caller: TypeAlias = GoogleCaller | EntraCaller | KeyCaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One cloud, one ledger, and the addresses, identities, limits and variables for the same trigger files.

    `project` and `location` are Google Cloud's, `workspace` (a resource id) is Azure ML's; the others are empty.
    `callers`: "platform" has checked them already, or any of these may call; of none, only programs on loopback may.
    `archive`: what is kept of a request that was no event, so that no trigger says it.
    `outbox` is the channel (its name) on which outcomes and the ends of runs leave; None: they do not.
    `services` replaces a service's public address ("storage", "blob", "queue", "servicebus", "vertex", "azureml",
    "pubsub", "monitoring", "metadata"): the emulator's way in. "azureml" is Azure's Resource Manager; tokens are for
    its cloud. The addresses of issuers' public keys are "google_certs" and "entra_certs".
    `launcher` stands in for the cloud's own; `formats` are the project's, by the route that each one reads.
    """

    name: str
    cloud: Literal["gcp", "azure"]
    project: str = ""
    location: str = ""
    workspace: str = ""
    ledger: str
    vars: Mapping[str, Json] = field(default_factory=dict)
    stores: Mapping[str, Store] = field(default_factory=dict)
    channels: Mapping[str, Channel] = field(default_factory=dict)
    platforms: Mapping[str, Platform] = field(default_factory=dict)
    pipelines: Mapping[str, Pipeline] = field(default_factory=dict)
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    callers: Literal["platform"] | tuple[Caller, ...] = ()
    archive: Archive = "full"
    outbox: str | None = None
    services: Mapping[str, str] = field(default_factory=dict)
    launcher: PlugIn | None = None
    formats: Mapping[str, PlugIn] = field(default_factory=dict)

    def platform(self, name: str | None) -> Platform:
        """The platform of this name, or the one where the pipelines run. KeyError if there is none of the name."""
        if name is not None:
            return self.platforms[name]
        match self.cloud:
            case "gcp":
                return Platform(kind="vertex", resource=f"projects/{self.project}/locations/{self.location}")
            case "azure":
                return Platform(kind="azureml", resource=self.workspace)
