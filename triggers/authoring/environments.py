"""The project file `retrigger.yaml`: where, as whom, how much."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from retrigger.triggers.authoring.addresses import PATTERN
from retrigger.triggers.authoring.callers import CALLERS, Callers
from retrigger.triggers.authoring.fields import (
    AtLeastOne,
    AzureName,
    FilePath,
    Identifier,
    LabelKey,
    LabelValue,
    ModelName,
    Name,
    RunAs,
    TagKey,
    TagValue,
    Text,
    TriggerName,
)
from retrigger.triggers.authoring.model import Model, form
from retrigger.triggers.authoring.models import ARCHIVE, Concurrency, Deduplicate
from retrigger.triggers.authoring.predicting import AzureModel, VertexModel
from retrigger.triggers.authoring.services import AzureServices, GoogleServices
from retrigger.triggers.authoring.serving import AzureServing, VertexEndpoint, VertexServing
from retrigger.triggers.spec import Archive

GcsAddress = Annotated[
    str,
    Text(
        r"gs://[a-z0-9][-a-z0-9_.]{1,220}[a-z0-9](/[^\r\n]{0,900})?", "`gs://BUCKET` or `gs://BUCKET/FOLDER`", "bucket"
    ),
]
Topic = Annotated[
    str,
    Text(
        r"projects/[^/\s]{1,100}/(topics|subscriptions)/[A-Za-z][-A-Za-z0-9_.~+%]{2,254}",
        "`projects/PROJECT/topics/TOPIC` or `projects/PROJECT/subscriptions/SUBSCRIPTION`",
        "Pub/Sub address",
    ),
]
Subscription = Annotated[
    str,
    Text(
        r"projects/[^/\s]{1,100}/subscriptions/[A-Za-z][-A-Za-z0-9_.~+%]{2,254}",
        "`projects/PROJECT/subscriptions/SUBSCRIPTION`",
        "subscription",
    ),
]
ProjectId = Annotated[
    str, Text(r"([-a-z0-9.]{1,100}:)?[a-z][-a-z0-9]{4,28}[a-z0-9]", "a Google Cloud project id", "project id")
]
Location = Annotated[str, Text(r"[a-z]{2,30}-[a-z]{2,30}[0-9]{1,3}", "a region such as `europe-west4`", "region")]
BlobAddress = Annotated[
    str,
    Text(
        r"https://[a-z0-9]{3,24}\.(z[0-9]{1,2}\.)?blob\.[a-z0-9.-]{1,100}/[$a-z0-9][-a-z0-9]{2,62}(/[^\r\n]{0,900})?",
        "`https://ACCOUNT.blob.core.windows.net/CONTAINER`, or a folder in it",
        "container",
    ),
]
Queue = Annotated[
    str,
    Text(
        r"(sb|https)://[^/\s]{1,200}/\S{1,900}|/subscriptions/\S{1,500}/providers/Microsoft\.EventGrid/\S{1,400}",
        "`sb://NAMESPACE.servicebus.windows.net/QUEUE`, `https://ACCOUNT.queue.core.windows.net/QUEUE` "
        "or the resource id of an Event Grid topic",
        "queue address",
    ),
]
ServiceBusAddress = Annotated[
    str, Text(r"sb://[^/\s]{1,200}/\S{1,900}", "`sb://NAMESPACE.servicebus.windows.net/TOPIC`", "Service Bus address")
]
Workspace = Annotated[
    str,
    Text(
        r"/subscriptions/.{1,900}/workspaces/[^/]{1,100}",
        "the workspace's resource id, `/subscriptions/ID/resourceGroups/GROUP/providers/"
        "Microsoft.MachineLearningServices/workspaces/NAME`",
        "workspace",
    ),
]
PlatformAddress = Annotated[
    str,
    Text(
        r"projects/[^/\s]{1,100}(/locations/[^/\s]{1,100})?|/subscriptions/.{1,900}/workspaces/[^/]{1,100}",
        "`projects/PROJECT/locations/LOCATION` (Vertex AI), `projects/PROJECT` (BigQuery) "
        "or the resource id of an Azure ML workspace",
        "platform",
    ),
]

TemplateAddress = Annotated[
    str,
    Text(
        PATTERN,
        "a path from the project's root, `gs://BUCKET/NAME`, or "
        "`https://LOCATION-kfp.pkg.dev/PROJECT/REPOSITORY/NAME/TAG` (or `…/sha256:DIGEST`)",
        "template",
    ),
]
Network = Annotated[
    str,
    Text(
        r"projects/[a-z0-9.:-]{1,100}/global/networks/[a-z][-a-z0-9]{0,62}",
        "`projects/PROJECT_NUMBER/global/networks/NAME`",
        "network",
    ),
]
IpRange = Annotated[str, Text(r"[a-z][-a-z0-9]{0,62}", "the name of a reserved range of addresses", "address range")]
KmsKey = Annotated[
    str,
    Text(
        r"projects/[^/\s]{1,100}/locations/[^/\s]{1,100}/keyRings/[^/\s]{1,100}/cryptoKeys/[^/\s]{1,100}",
        "`projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY`",
        "encryption key",
    ),
]


class Defaults(Model):
    """For every trigger that does not say otherwise."""

    concurrency: Concurrency = Field(default=Concurrency(), description="How many runs at once.")
    deduplicate: Deduplicate = Field(default=Deduplicate(), description="How long an occurrence is remembered.")
    archive: Archive = Field(default="full", description=f"{ARCHIVE}.")


class Pipeline(Model):
    """A compiled pipeline, and how Vertex AI runs it."""

    template: TemplateAddress = Field(description="The compiled pipeline (KFP, as JSON or YAML).")
    root: GcsAddress = Field(description="Where runs write their outputs.")
    service_account: RunAs | None = Field(
        default=None,
        description="The identity of the runs; default: the environment's. `default` is Compute Engine's own.",
    )
    caching: bool | None = Field(
        default=None, description="Overrides the template's own caching options; default: as they are."
    )
    labels: dict[LabelKey, LabelValue] = Field(default={}, max_length=60, description="For cost tracking.")
    failure_policy: Literal["slow", "fast"] | None = Field(
        default=None,
        description="When a task fails: `slow` still runs what does not need it, `fast` starts nothing more; "
        "default: as the template says, or else `slow`.",
    )
    network: Network | None = Field(default=None, description="The VPC network that the runs are peered with.")
    reserved_ip_ranges: list[IpRange] = Field(
        default=[], max_length=20, description="Where in the network they take their addresses; default: anywhere."
    )
    kms_key: KmsKey | None = Field(
        default=None, description="The key that encrypts what the runs leave on the platform."
    )

    @model_validator(mode="after")
    def _ranges_of_a_network(self) -> Pipeline:
        if self.reserved_ip_ranges and self.network is None:
            raise PydanticCustomError("unused_key", "says `reserved_ip_ranges` of no network: name the `network`, too")
        return self


class AzurePipeline(Model):
    """A pipeline of registered components, and how Azure ML runs it."""

    template: FilePath = Field(description="The pipeline (an Azure ML pipeline job, as YAML or JSON).")
    root: BlobAddress | None = Field(
        default=None,
        description="Where manifests are written; needed where a trigger passes `window.manifest` or has `register`.",
    )
    compute: AzureName | None = Field(default=None, description="The compute that runs what names none of its own.")
    experiment: AzureName | None = Field(default=None, description="The experiment that the runs belong to.")
    caching: bool | None = Field(default=None, description="`false` runs every step anew.")
    tags: dict[TagKey, TagValue] = Field(default={}, max_length=40, description="For cost tracking.")


class PubSubChannel(Model):
    """A topic, and the subscription that delivers it."""

    topic: Topic = Field(description="Where messages are published.")
    subscription: Subscription = Field(description="Through which they arrive.")


class ServiceBusChannel(Model):
    """A topic of Service Bus, and the subscription that delivers it."""

    topic: ServiceBusAddress = Field(description="Where messages are sent.")
    subscription: ServiceBusAddress = Field(description="Through which they arrive: `…/TOPIC/subscriptions/NAME`.")


class Limits(Model):
    """Shared by all triggers of the environment."""

    submit_per_minute: AtLeastOne | None = Field(default=None, description="Launches in any minute.")
    running: AtLeastOne | None = Field(default=None, description="Runs at once.")


_PubSub = Annotated[Annotated[Topic, Tag("short")] | Annotated[PubSubChannel, Tag("full")], Discriminator(form)]
_ServiceBus = Annotated[Annotated[Queue, Tag("short")] | Annotated[ServiceBusChannel, Tag("full")], Discriminator(form)]


_VertexServing = Annotated[
    Annotated[VertexEndpoint, Tag("short")] | Annotated[VertexServing, Tag("full")], Discriminator(form)
]
_AzureServing = Annotated[
    Annotated[AzureName, Tag("short")] | Annotated[AzureServing, Tag("full")], Discriminator(form)
]


class Shared(Model):
    """What environments of every cloud have."""

    vars: dict[Identifier, object] = Field(default={}, description="Values for `vars.*` in expressions.")
    platforms: dict[Name, PlatformAddress] = Field(
        default={}, description="Other platforms whose lifecycle events are listened to (`lifecycle.from`)."
    )
    limits: Limits = Field(default=Limits(), description="Shared by all triggers of the environment.")
    callers: Callers = Field(default=[], description=CALLERS)
    launcher: Name | None = Field(
        default=None, description="A plug-in that launches pipelines; default: the cloud's own platform."
    )
    outbox: Name | None = Field(
        default=None,
        description="The channel on which outcomes and the ends of runs leave as CloudEvents; default: none.",
    )


class Gcp(Shared):
    """An environment on Google Cloud."""

    cloud: Literal["gcp"] = Field(description="Google Cloud, with Vertex AI.")
    project: ProjectId = Field(description="The project's id.")
    location: Location = Field(description="The region of the pipelines and endpoints.")
    ledger: GcsAddress = Field(description="Where the durable record is kept.")
    service_account: RunAs | None = Field(
        default=None, description="The identity of the runs of every pipeline that names none of its own."
    )
    stores: dict[Name, GcsAddress] = Field(default={}, description="`gs://bucket`, or a folder in it.")
    channels: dict[Name, _PubSub] = Field(
        default={}, description="`projects/P/topics/T`, a subscription, or `{topic, subscription}`."
    )
    pipelines: dict[Name, Pipeline] = Field(default={}, description="The compiled pipelines.")
    endpoints: dict[Name, _VertexServing] = Field(
        default={}, description="Ids of endpoints; with how models are deployed there, where rollouts go to."
    )
    models: dict[ModelName, VertexModel] = Field(
        default={}, description="Registered models whose batch predictions need more than their name."
    )
    services: GoogleServices = Field(default=GoogleServices(), description="Where Google's APIs are asked.")


class Azure(Shared):
    """An environment on Azure."""

    cloud: Literal["azure"] = Field(description="Azure, with Azure Machine Learning.")
    workspace: Workspace = Field(description="The resource id of the Azure ML workspace.")
    ledger: BlobAddress = Field(description="Where the durable record is kept.")
    stores: dict[Name, BlobAddress] = Field(default={}, description="`https://…/CONTAINER`, or a folder in it.")
    channels: dict[Name, _ServiceBus] = Field(
        default={}, description="`sb://…/QUEUE`, a storage queue, an Event Grid topic, or `{topic, subscription}`."
    )
    pipelines: dict[Name, AzurePipeline] = Field(default={}, description="The pipelines of registered components.")
    endpoints: dict[Name, _AzureServing] = Field(
        default={}, description="Names of online and batch endpoints; of online ones with how models are deployed."
    )
    models: dict[ModelName, AzureModel] = Field(
        default={}, description="Registered models, and the batch endpoints that they stand behind."
    )
    services: AzureServices = Field(default=AzureServices(), description="Where Azure ML is asked.")


def _cloud(value: object) -> str | None:
    cloud = value.get("cloud") if isinstance(value, dict) else None
    return cloud if isinstance(cloud, str) else None


Environment = Annotated[Annotated[Gcp, Tag("gcp")] | Annotated[Azure, Tag("azure")], Discriminator(_cloud)]


class ProjectFile(Model):
    """`retrigger.yaml`."""

    defaults: Defaults = Field(default=Defaults(), description="For every trigger that does not say otherwise.")
    formats: dict[TriggerName, Name] = Field(
        default={}, max_length=20, description="Route to the plug-in that reads what is sent there."
    )
    environments: dict[TriggerName, Environment] = Field(
        min_length=1, description="Name to a cloud, a ledger, and the addresses behind the triggers' names."
    )
