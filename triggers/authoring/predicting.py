"""The `models` of an environment: what a trigger calls a registered model, and how batches are predicted by it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from retrigger.triggers.authoring.fields import (
    AtLeastOne,
    AzureName,
    LabelKey,
    LabelValue,
    ServiceAccount,
    TagKey,
    TagValue,
    Text,
)
from retrigger.triggers.authoring.model import Model

VertexModelName = Annotated[
    str,
    Text(
        r"(projects/[^/@\s]{1,100}/locations/[^/@\s]{1,100}/models/)?[A-Za-z0-9][-A-Za-z0-9_]{0,62}"
        r"(@[A-Za-z0-9][-A-Za-z0-9]{0,127})?",
        "a model's id, or `projects/PROJECT/locations/LOCATION/models/ID`, with `@VERSION` or without",
        "model id",
    ),
]
MachineType = Annotated[str, Text(r"[a-z][a-z0-9]{0,15}-[a-z0-9-]{1,40}", "a type such as `n1-standard-4`", "machine")]
Accelerator = Annotated[
    str, Text(r"[A-Z][A-Z0-9_]{1,60}", "a type as Vertex AI writes it, such as `NVIDIA_TESLA_T4`", "accelerator")
]
Instances = Literal["jsonl", "csv", "tf-record", "tf-record-gzip", "file-list"]
Predictions = Literal["jsonl", "csv"]


class VertexBatch(Model):
    """How Vertex AI predicts batches by the model."""

    service_account: ServiceAccount | None = Field(default=None, description="The identity of the model's container.")
    machine_type: MachineType | None = Field(
        default=None, description="The machines; default: Vertex AI's choice, which models of your own do not have."
    )
    accelerator_type: Accelerator | None = Field(default=None, description="Attached to each machine.")
    accelerator_count: AtLeastOne | None = Field(default=None, description="How many of them to a machine.")
    starting_replica_count: AtLeastOne | None = Field(default=None, description="Machines in the beginning.")
    max_replica_count: AtLeastOne | None = Field(default=None, description="Machines at the most.")
    batch_size: AtLeastOne | None = Field(default=None, description="Instances that the model is given at once.")
    instances_format: Instances | None = Field(
        default=None, description="Of the input; default: as its names say (`.jsonl`, `.csv`, `.tfrecord`)."
    )
    predictions_format: Predictions | None = Field(
        default=None, description="Of the output in Cloud Storage; default: `jsonl`."
    )
    model_parameters: dict[str, object] = Field(
        default={}, description="What governs the predictions, as the model asks for it."
    )
    labels: dict[LabelKey, LabelValue] = Field(default={}, max_length=58, description="For cost tracking.")

    @model_validator(mode="after")
    def _machines(self) -> VertexBatch:
        """What Vertex AI would leave out of account without a word."""
        of_machines = (
            self.accelerator_type,
            self.accelerator_count,
            self.starting_replica_count,
            self.max_replica_count,
            self.batch_size,
        )
        if self.machine_type is None and any(given is not None for given in of_machines):
            raise PydanticCustomError("unused_key", "says what is for machines of its own: name their `machine_type`")
        if (self.accelerator_type is None) != (self.accelerator_count is None):
            raise PydanticCustomError("unused_key", "needs both of `accelerator_type`, `accelerator_count`, or none")
        return self


class VertexModel(Model):
    """A registered model of Vertex AI."""

    resource: VertexModelName | None = Field(
        default=None, description="Its id or resource name, with `@VERSION` or without; default: the name given here."
    )
    batch: VertexBatch = Field(default=VertexBatch(), description="How batches are predicted by it.")


class AzureBatch(Model):
    """The batch endpoint that the model stands behind."""

    endpoint: AzureName = Field(description="The batch endpoint's name.")
    deployment: AzureName | None = Field(default=None, description="Default: the endpoint's own default.")
    experiment: AzureName | None = Field(default=None, description="The experiment that the jobs belong to.")
    tags: dict[TagKey, TagValue] = Field(default={}, max_length=40, description="For cost tracking.")


class AzureModel(Model):
    """A registered model of Azure ML."""

    batch: AzureBatch = Field(description="How batches are predicted by it.")
