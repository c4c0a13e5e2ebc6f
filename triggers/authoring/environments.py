"""The project file `retrigger.yaml`: where, as whom, how much."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from retrigger.triggers.authoring.callers import CALLERS, Callers
from retrigger.triggers.authoring.fields import (
    AtLeastOne,
    FilePath,
    Identifier,
    Later,
    Name,
    ServiceAccount,
    Text,
    TriggerName,
)
from retrigger.triggers.authoring.models import Concurrency, Deduplicate, Model


def _channel(value: object) -> object:
    if isinstance(value, dict):
        told = "as a topic with a subscription is not supported yet by this version: write one address as text"
        raise PydanticCustomError("not_supported_yet", told)
    return value


GcsAddress = Annotated[
    str, Text(r"gs://[a-z0-9][-a-z0-9_.]{1,220}[a-z0-9](/[^\r\n]{0,900})?", "`gs://BUCKET` or `gs://BUCKET/FOLDER`")
]
Topic = Annotated[
    str,
    Text(
        r"projects/[^/\s]{1,100}/(topics|subscriptions)/[A-Za-z][-A-Za-z0-9_.~+%]{2,254}",
        "`projects/PROJECT/topics/TOPIC` or `projects/PROJECT/subscriptions/SUBSCRIPTION`",
    ),
    BeforeValidator(_channel),
]
ProjectId = Annotated[str, Text(r"([-a-z0-9.]{1,100}:)?[a-z][-a-z0-9]{4,28}[a-z0-9]", "a Google Cloud project id")]
Location = Annotated[str, Text(r"[a-z]{2,30}-[a-z]{2,30}[0-9]{1,3}", "a region such as `europe-west4`")]
LabelKey = Annotated[
    str, Text(r"[a-z][-a-z0-9_]{0,62}", "lower-case letters, digits, `-` and `_`, a letter first, at most 63")
]
LabelValue = Annotated[str, Text(r"[-a-z0-9_]{0,63}", "lower-case letters, digits, `-` and `_`, at most 63")]
BlobAddress = Annotated[
    str, Text(r"https://[^/\s]{1,200}/\S{1,900}", "`https://ACCOUNT.blob.core.windows.net/CONTAINER`")
]
Queue = Annotated[str, Text(r"(sb|https)://[^/\s]{1,200}/\S{1,900}", "`sb://NAMESPACE.servicebus.windows.net/QUEUE`")]
Workspace = Annotated[str, Text(r"/subscriptions/.{1,900}/workspaces/[^/]{1,100}", "the workspace's resource id")]


class Defaults(Model):
    """For every trigger that does not say otherwise."""

    concurrency: Concurrency = Concurrency()
    deduplicate: Deduplicate = Deduplicate()


class Pipeline(Model):
    """A compiled pipeline, and how it runs."""

    template: FilePath = Field(description="The compiled pipeline (KFP, as JSON or YAML).")
    root: GcsAddress = Field(description="Where runs write their outputs.")
    service_account: ServiceAccount | None = Field(default=None, description="The identity of the runs.")
    caching: bool | None = Field(default=None, description="Overrides the template's own caching options.")
    labels: dict[LabelKey, LabelValue] = Field(default={}, max_length=60, description="For cost tracking.")


class Limits(Model):
    """Shared by all triggers of the environment."""

    submit_per_minute: AtLeastOne | None = None
    running: AtLeastOne | None = None


class Gcp(Model):
    """An environment on Google Cloud."""

    cloud: Literal["gcp"]
    project: ProjectId
    location: Location
    ledger: GcsAddress = Field(description="Where the durable record is kept.")
    vars: dict[Identifier, object] = Field(default={}, description="Values for `vars.*` in expressions.")
    stores: dict[Name, GcsAddress] = Field(default={}, description="`gs://bucket`, or a folder in it.")
    channels: dict[Name, Topic] = Field(default={}, description="`projects/P/topics/T`, or a subscription.")
    pipelines: dict[Name, Pipeline] = Field(default={})
    limits: Limits = Limits()
    callers: Callers = Field(default=[], description=CALLERS)
    endpoints: Later = Field(default=None, description="Not supported yet.")
    platforms: Later = Field(default=None, description="Not supported yet.")


class AzurePipeline(Model):
    """A compiled Azure ML pipeline."""

    template: FilePath


class Azure(Model):
    """An environment on Azure: its shape is checked, and nothing is launched there yet."""

    cloud: Literal["azure"]
    workspace: Workspace
    ledger: BlobAddress
    vars: dict[Identifier, object] = Field(default={})
    stores: dict[Name, BlobAddress] = Field(default={})
    channels: dict[Name, Queue] = Field(default={})
    pipelines: dict[Name, AzurePipeline] = Field(default={})
    endpoints: dict[Name, Name] = Field(default={})
    limits: Limits = Limits()
    callers: Callers = Field(default=[], description=CALLERS)


def _cloud(value: object) -> str | None:
    cloud = value.get("cloud") if isinstance(value, dict) else None
    return cloud if isinstance(cloud, str) else None


Environment = Annotated[Annotated[Gcp, Tag("gcp")] | Annotated[Azure, Tag("azure")], Discriminator(_cloud)]


class ProjectFile(Model):
    """`retrigger.yaml`."""

    defaults: Defaults = Defaults()
    environments: dict[TriggerName, Environment] = Field(min_length=1)
