"""The `endpoints` of an environment: the platform's name of each, and how a rollout deploys a model there."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from retrigger.triggers.authoring.fields import AtLeastOne, AzureName, ServiceAccount, TagKey, Text
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
_IN_WORKSPACE = r"azureml:[A-Za-z0-9][-A-Za-z0-9._]{0,254}:[A-Za-z0-9][-A-Za-z0-9._]{0,254}"
_ELSEWHERE = (
    r"azureml://registries/[-A-Za-z0-9._]{1,64}/KIND/[-A-Za-z0-9._]{1,255}/versions/[-A-Za-z0-9._]{1,255}"
    r"|(azureml:)?/subscriptions/[-A-Za-z0-9._/]{1,900}/KIND/[-A-Za-z0-9._]{1,255}/versions/[-A-Za-z0-9._]{1,255}"
)
AzureEnvironment = Annotated[
    str,
    Text(
        f"{_IN_WORKSPACE}|{_ELSEWHERE.replace('KIND', 'environments')}",
        "a registered environment, as `azureml:NAME:VERSION`, its registry's address, or its resource id",
        "Azure environment",
    ),
]
AzureCode = Annotated[
    str,
    Text(
        f"{_IN_WORKSPACE}|{_ELSEWHERE.replace('KIND', 'codes')}",
        "registered code, as `azureml:NAME:VERSION`, its registry's address, or its resource id",
        "Azure code",
    ),
]
ScoringScript = Annotated[
    str, Text(r"[-A-Za-z0-9._/]{1,250}\.py", "a Python file, by its path in the code", "Python file")
]
JudgedBy = Literal["probes", "platform"]
_HEALTH = (
    "What judges a rollout: the `smoke` request, sent each minute, or what the `platform` measures of all requests."
)
RequestTimeout = Annotated[int, Field(ge=1, le=180_000)]
InstanceType = Annotated[str, Text(r"[A-Za-z][A-Za-z0-9_]{1,63}", "a size such as `Standard_DS3_v2`", "instance type")]


class VertexServing(Model):
    """An endpoint of Vertex AI, and how a model is deployed there."""

    name: VertexEndpoint = Field(description="The endpoint's id or resource name.")
    health: JudgedBy = Field(default="probes", description=_HEALTH)
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
    health: JudgedBy = Field(default="probes", description=_HEALTH)
    instance_type: InstanceType | None = Field(default=None, description="The machines; default: `Standard_DS3_v2`.")
    instance_count: AtLeastOne | None = Field(default=None, description="How many of them; default: 1.")
    environment: AzureEnvironment | None = Field(
        default=None, description="What the model runs in; a model of MLflow brings its own."
    )
    code: AzureCode | None = Field(default=None, description="The code around the model, registered.")
    scoring_script: ScoringScript | None = Field(default=None, description="Of that code, the file that is asked.")
    environment_variables: dict[TagKey, str] | None = Field(
        default=None,
        max_length=100,
        description="For the code; no secrets, since the ledger keeps them; default: none.",
    )
    request_timeout_ms: RequestTimeout | None = Field(
        default=None, description="After this time a request has failed; default: Azure ML's own."
    )
    max_concurrent_requests: AtLeastOne | None = Field(
        default=None, description="On one machine at once; default: Azure ML's own."
    )
    app_insights: bool | None = Field(default=None, description="`true` sends logs to Application Insights.")

    @model_validator(mode="after")
    def _code(self) -> AzureServing:
        if (self.code is None) != (self.scoring_script is None):
            raise PydanticCustomError("missing_key", "has one of `code` and `scoring_script`: give both, or neither")
        if self.code is not None and self.environment is None:
            raise PydanticCustomError("missing_key", "has `code`, and no `environment` that it runs in")
        return self


Serving: TypeAlias = VertexServing | AzureServing
