"""The `launch` of a trigger file, as it may be written."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from retrigger.triggers.authoring.fields import (
    Duration,
    Expression,
    FilePath,
    Latency,
    ModelName,
    Name,
    Percent,
    Period,
    Ratio,
    Value,
    Version,
)
from retrigger.triggers.authoring.model import Model, Parameters, form


class Choice(Model):
    """One of several pipelines, chosen by what the event says."""

    by: Expression = Field(description="An expression that gives text: one of the keys of `from`.")
    among: dict[str, Name] = Field(
        alias="from", min_length=1, max_length=100, description="Each value to the name of its pipeline."
    )


class BatchPrediction(Model):
    """Predictions for a batch of data, by an endpoint or by a model: exactly one of them."""

    endpoint: Name | None = Field(default=None, description="The batch endpoint's name in the environment.")
    model: ModelName | None = Field(default=None, description="The registered model's name.")
    input: Value = Field(description="The URI of the data, or a list of them such as `${{ window.uris }}`.")
    output: Value = Field(description="The URI of the folder to write to; of expressions only `vars.*`.")

    @model_validator(mode="after")
    def _one(self) -> BatchPrediction:
        if (self.endpoint is None) == (self.model is None):
            raise PydanticCustomError("one_of_keys", "takes exactly one of `endpoint`, `model`")
        return self


class RegisteredModel(Model):
    """A version of a registered model."""

    name: ModelName = Field(description="The model's name: a literal.")
    version: Version = Field(description="Digits, or one `${{ expression }}` that gives digits.")


class Rollback(Model):
    """The bounds over which the rollout goes back."""

    error_rate: Ratio | None = Field(default=None, description="Of requests that fail, such as `1%`.")
    p95: Latency | None = Field(default=None, description="The 95th percentile of the latency, such as `300ms`.")


class Approval(Model):
    """A person's consent."""

    before: Percent = Field(description="The step, in percent, that needs the consent.")
    within: Period = Field(description="After this time without consent, the rollout goes back.")


MirrorPercent = Annotated[int, Field(ge=1, le=50)]


class Mirror(Model):
    """A copy of the traffic, for the new deployment alone: nobody gets its answers. Azure ML's."""

    percent: MirrorPercent = Field(description="How much of the traffic is copied.")
    lasts: Period = Field(alias="for", description="How long, before the first step.")


class OnlineDeployment(Model):
    """A rollout: the stepwise update of an online endpoint."""

    endpoint: Name = Field(description="The online endpoint's name in the environment.")
    model: RegisteredModel = Field(description="What is deployed.")
    smoke: FilePath | None = Field(
        default=None,
        description="A JSON file: the request that must succeed, before any traffic; on Vertex AI at the first step.",
    )
    mirror: Mirror | None = Field(default=None, description="A copy of the traffic before any that is answered.")
    steps: list[Percent] = Field(
        default=[100], min_length=1, max_length=20, description="Traffic in percent, step by step, ending with 100."
    )
    bake: Duration = Field(default=timedelta(), description="How long each step is watched.")
    rollback_if: Rollback = Field(default=Rollback(), description="The bounds over which the rollout goes back.")
    approve: Approval | None = Field(default=None, description="A person's consent before one of the steps.")

    @field_validator("steps")
    @classmethod
    def _rising(cls, steps: list[Percent]) -> list[Percent]:
        if steps != sorted(set(steps)) or steps[-1] != 100:
            raise PydanticCustomError("bad_steps", "do not rise to 100: write such as [10, 50, 100]")
        return steps

    @model_validator(mode="after")
    def _of_a_step(self) -> OnlineDeployment:
        if self.approve and self.approve.before not in self.steps:
            raise PydanticCustomError("bad_steps", "asks for consent before a step that is not in `steps`")
        return self


class Launch(Model):
    """What is launched: exactly one of a pipeline, a batch prediction and a rollout."""

    pipeline: Annotated[Annotated[Name, Tag("short")] | Annotated[Choice, Tag("full")], Discriminator(form)] | None = (
        Field(default=None, description="The pipeline's name in the environment, or a choice: `{by, from}`.")
    )
    parameters: Parameters = Field(
        default={}, description="The pipeline's parameters: literals, or text with `${{ expression }}`."
    )
    artifacts: dict[Name, Value] = Field(
        default={}, description="The pipeline's input artifacts: ids in the platform's metadata store."
    )
    register_as: Literal["dataset"] | None = Field(
        default=None,
        alias="register",
        description="`dataset` registers the window's manifest with the platform before the run is launched; "
        "`window.dataset` is its id.",
    )
    batch_prediction: BatchPrediction | None = Field(default=None, description="Predictions for a batch of data.")
    online_deployment: OnlineDeployment | None = Field(default=None, description="The update of an online endpoint.")

    @model_validator(mode="after")
    def _one(self) -> Launch:
        if sum(it is not None for it in (self.pipeline, self.batch_prediction, self.online_deployment)) != 1:
            told = "takes exactly one of `pipeline`, `batch_prediction`, `online_deployment`"
            raise PydanticCustomError("one_of_keys", told)
        if self.pipeline is None and (self.parameters or self.artifacts or self.register_as):
            told = "has `parameters`, `artifacts` or `register`, which are for a pipeline alone"
            raise PydanticCustomError("unused_key", told)
        return self
