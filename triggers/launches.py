"""What a trigger can launch: a pipeline, a batch prediction, or the rollout of a model. Frozen; part of the spec."""

from __future__ import annotations

from dataclasses import field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Json

Parameters: TypeAlias = "Mapping[str, Json]"
"""Parameter name -> literal, or text holding `${{ expression }}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of several pipelines: the value of the expression `by` -> the pipeline's name."""

    by: str
    among: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineLaunch:
    """A pipeline (a name in the environment, or a choice of names), its parameters and its input artifacts.

    `register`: as what the window's manifest is registered with the platform before the run is launched.
    """

    pipeline: str | Choice
    parameters: Parameters = field(default_factory=dict)
    artifacts: Parameters = field(default_factory=dict)
    register: Literal["dataset"] | None = None

    @property
    def values(self) -> Parameters:
        """What it asks for, by name: literals and expressions."""
        return {**self.parameters, **self.artifacts}


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPrediction:
    """Predictions for a batch of data: by a batch endpoint (a name in the environment) or by a registered model.

    Exactly one of `endpoint` and `model` is given. `input` and `output` are URIs, or text holding expressions.
    """

    endpoint: str | None = None
    model: str | None = None
    input: Json
    output: Json

    @property
    def values(self) -> Parameters:
        return {"input": self.input, "output": self.output}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """The bounds over which a rollout goes back: failed requests (0..1), and the 95th percentile of their latency."""

    error_rate: float | None = None
    p95: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person's consent, needed before the rollout goes to `before` percent, and given `within` this time."""

    before: int
    within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A copy of `percent` of the traffic, which the new deployment gets for a while before any that it answers."""

    percent: int
    lasts: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineDeployment:
    """A rollout of a registered model to an online endpoint (a name in the environment), by `steps` in percent.

    `version` is a literal or an expression that gives digits. `smoke` is the request that the smoke test sends.
    """

    endpoint: str
    model: str
    version: Json
    smoke: Json = None
    mirror: Mirror | None = None
    steps: tuple[int, ...] = (100,)
    bake: timedelta = timedelta()
    rollback_if: Rollback = field(default_factory=Rollback)
    approve: Approval | None = None

    @property
    def values(self) -> Parameters:
        return {"version": self.version}


Launch: TypeAlias = PipelineLaunch | BatchPrediction | OnlineDeployment


def pipelines_of(launch: Launch) -> tuple[str, ...]:
    """Every pipeline that may be launched, by name; none where no pipeline is."""
    match launch:
        case PipelineLaunch(pipeline=Choice(among=among)):
            return tuple(dict.fromkeys(among.values()))
        case PipelineLaunch(pipeline=str(name)):
            return (name,)
        case _:
            return ()
