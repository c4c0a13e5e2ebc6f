"""The `endpoints` of an environment: the platform's name of each, and how a rollout deploys a model there."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from retrigger.triggers.authoring.fields import AtLeastOne, AzureName, ServiceAccount, Text
from retrigger.triggers.authoring.model import Model
from retrigger.triggers.authoring.predicting import Accelerator, MachineType

VertexEndpoint = Annotated[
    str,
    Text(
        r"[A-Za-z0-9][-A-Za-z0-9]{0,62}|projects/[^/\s]{1,100}/locations/[^/\s]{1,100}/endpoints/[^/\s]{1,100}",
        "an endpoint's id, or `projects/PROJECT/locations/LOCATION/endpoints/ID`",
        "endpoint id",
    ),
]
InstanceType = Annotated[str, Text(r"[A-Za-z][A-Za-z0-9_]{1,63}", "a size such as `Standard_DS3_v2`", "instance type")]


class VertexServing(Model):
    """An endpoint of Vertex AI, and how a model is deployed there."""

    name: VertexEndpoint = Field(description="The endpoint's id or resource name.")
    machine_type: MachineType | None = Field(default=None, description="The machines; default: `n1-standard-2`.")
    accelerator_type: Accelerator | None = Field(default=None, description="Attached to each machine.")
    accelerator_count: AtLeastOne | None = Field(default=None, description="How many of them to a machine.")
    min_replica_count: AtLeastOne | None = Field(default=None, description="Machines at least; default: 1.")
    max_replica_count: AtLeastOne | None = Field(default=None, description="Machines at the most; default: as many.")
    service_account: ServiceAccount | None = Field(default=None, description="The identity of the model's container.")

    @model_validator(mode="after")
    def _machines(self) -> VertexServing:
        if (self.accelerator_type is None) != (self.accelerator_count is None):
            raise PydanticCustomError("unused_key", "needs both of `accelerator_type`, `accelerator_count`, or none")
        if self.max_replica_count is not None and self.max_replica_count < (self.min_replica_count or 1):
            raise PydanticCustomError("bad_value", "has a `max_replica_count` below its `min_replica_count`")
        return self


class AzureServing(Model):
    """An online endpoint of Azure ML, and how a model is deployed there."""

    name: AzureName = Field(description="The endpoint's name.")
    instance_type: InstanceType | None = Field(default=None, description="The machines; default: `Standard_DS3_v2`.")
    instance_count: AtLeastOne | None = Field(default=None, description="How many of them; default: 1.")


Serving: TypeAlias = VertexServing | AzureServing
